"""The PROXY protocol, versions 1 and 2, as a load balancer speaks it before anything else. Pure.

Sections are those of "The PROXY protocol Versions 1 & 2" by HAProxy Technologies.

Fed whole or octet by octet the answer is the same; nothing behind the header is taken.
"""

import functools
import ipaddress
from dataclasses import dataclass

V1_OCTETS = 107  # section 2.1: the longest header of version 1, with CRLF
MAX_OCTETS = 4096  # of version 2; its length field allows 65,551, a header with a certificate's TLVs needs hundreds

_V1_BEGINS = b"PROXY "
_V2_BEGINS = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED = 16  # octets: signature, version and command, family and transport, length
_LOCAL, _PROXY = 0x20, 0x21
_ADDRESS_OCTETS = {1: 4, 2: 16, 3: 108}  # of one address: INET, INET6, UNIX
_UNSPEC, _INET, _UNIX = 0, 1, 3
_STREAM, _DGRAM = 1, 2
_TLV_HEAD = 3  # octets: type and length
_TLV_CRC32C = 0x03


class ProxyError(Exception):
    """What came is no header; the message says why, in ASCII. The connection must be closed (section 2)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose connection the proxy hands on. Without an `address` it does not say: it checks on us (LOCAL), or cannot
    name the client (UNKNOWN, UNSPEC, UNIX). The proxy's own address then proves nothing of who sends.
    """

    address: str | None  # IPv4 or IPv6 in the shortest spelling; an IPv4 address mapped into IPv6 is the IPv4 one
    port: int = 0


_UNSAID = Origin(None)


class ProxyDecoder:
    """Takes what comes until the header is whole; `rest` is then what came behind it."""

    __slots__ = ("_buffer", "rest")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.rest = b""

    def feed(self, data: bytes) -> Origin | None:
        """None: more is needed. Raises ProxyError as soon as nothing can make a header of what came.

        Not to be called once it has answered or raised.
        """
        self._buffer += data
        if not self._buffer:
            return None
        if self._buffer[0] == _V2_BEGINS[0]:
            return self._feed_v2()
        return self._feed_v1()

    def _feed_v1(self) -> Origin | None:
        buffer = self._buffer
        _must_begin(buffer, _V1_BEGINS)
        end = buffer.find(b"\n", 0, V1_OCTETS)
        line = bytes(buffer[: V1_OCTETS if end < 0 else end])
        if any(octet < 0x20 or octet > 0x7E for octet in line.removesuffix(b"\r")):
            raise ProxyError("its line holds other than printable ASCII")
        if end < 0:
            if len(buffer) >= V1_OCTETS:
                raise ProxyError(f"its line is longer than {V1_OCTETS} octets")
            return None
        if not line.endswith(b"\r"):
            raise ProxyError("its line does not end in CR LF")
        origin = _origin_of_line(line[:-1].decode("ascii"))
        self._finish(end + 1)
        return origin

    def _feed_v2(self) -> Origin | None:
        buffer = self._buffer
        _must_begin(buffer, _V2_BEGINS)
        if len(buffer) > 12 and buffer[12] not in (_LOCAL, _PROXY):
            raise ProxyError(f"its version and command are 0x{buffer[12]:02x}, not 0x20 or 0x21")
        if len(buffer) < _V2_FIXED:
            return None
        size = _V2_FIXED + int.from_bytes(buffer[14:16], "big")
        if size > MAX_OCTETS:
            raise ProxyError(f"it has {size} octets, more than {MAX_OCTETS}")
        if len(buffer) < size:
            return None
        header = bytes(buffer[:size])
        origin = _UNSAID if header[12] == _LOCAL else _origin_of_block(header)
        self._finish(size)
        return origin

    def _finish(self, size: int) -> None:
        self.rest = bytes(self._buffer[size:])
        self._buffer.clear()


def begins_header(data: bytes) -> bool:
    """Whether the first bytes of a connection are those of a header, of either version."""
    return data.startswith((_V1_BEGINS, _V2_BEGINS))


def _must_begin(buffer: bytearray, wanted: bytes) -> None:
    """As far as it came."""
    if buffer[: len(wanted)] != wanted[: len(buffer)]:
        raise ProxyError("the connection does not begin with a PROXY header")


# Version 1: a line.


def _origin_of_line(line: str) -> Origin:
    words = line.split(" ")
    if words[1] == "UNKNOWN":
        return _UNSAID  # section 2.1: whatever else the line says is ignored
    if words[1] not in ("TCP4", "TCP6"):
        raise ProxyError("its protocol is none of TCP4, TCP6, UNKNOWN")
    if len(words) != 6:
        raise ProxyError("its line is not PROXY, protocol, two addresses and two ports, with one space between them")
    family = ipaddress.IPv4Address if words[1] == "TCP4" else ipaddress.IPv6Address
    source, _ = (_address_of(text, family) for text in words[2:4])
    port, _ = map(_port_of, words[4:])
    return Origin(source, port)


def _address_of(text: str, family: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]) -> str:
    try:
        if "%" not in text:  # a zone means nothing outside the proxy
            return _plain(family(text))
    except ValueError:
        pass
    raise ProxyError("an address in it is none of its protocol")


def _plain(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(ip if mapped is None else mapped)


def _port_of(text: str) -> int:
    port = int(text) if text.isdigit() and len(text) <= 5 else 0
    if str(port) != text or port > 0xFFFF:
        raise ProxyError("a port in it is none")
    return port


# Version 2: binary.


def _origin_of_block(header: bytes) -> Origin:
    family, transport = header[13] >> 4, header[13] & 0x0F
    if family > _UNIX or transport > _DGRAM:
        raise ProxyError(f"its family and transport are 0x{header[13]:02x}, which nobody has defined")
    if family == _UNSPEC:
        return _UNSAID
    size = _ADDRESS_OCTETS[family]
    addresses = 2 * size + (0 if family == _UNIX else 4)
    behind = _V2_FIXED + addresses
    if behind > len(header):
        raise ProxyError(f"it is too short for its addresses: {len(header) - _V2_FIXED} octets of {addresses}")
    _check_tlvs(header, behind)
    if family == _UNIX or transport != _STREAM:
        return _UNSAID
    source = header[_V2_FIXED : _V2_FIXED + size]
    port_at = _V2_FIXED + 2 * size
    ip = ipaddress.IPv4Address(source) if family == _INET else ipaddress.IPv6Address(source)
    return Origin(_plain(ip), int.from_bytes(header[port_at : port_at + 2], "big"))


def _check_tlvs(header: bytes, at: int) -> None:
    """What the proxy adds is passed over (section 2.2), but must add up; a checksum must be right (2.2.3)."""
    checksum_at = None
    while at < len(header):
        value_at = at + _TLV_HEAD
        size = int.from_bytes(header[at + 1 : value_at], "big")
        if value_at + size > len(header):
            raise ProxyError("a TLV in it goes beyond its end")
        if header[at] == _TLV_CRC32C:
            if size != 4 or checksum_at is not None:
                raise ProxyError("its checksum is not four octets, or there are two")
            checksum_at = value_at
        at = value_at + size
    if checksum_at is not None:
        zeroed = header[:checksum_at] + bytes(4) + header[checksum_at + 4 :]
        if crc32c(zeroed) != int.from_bytes(header[checksum_at : checksum_at + 4], "big"):
            raise ProxyError("its checksum is wrong")


def crc32c(data: bytes) -> int:
    """The checksum of RFC 9260 appendix A (Castagnoli's), which zlib does not have."""
    table = _crc_table()
    crc = 0xFFFFFFFF
    for octet in data:
        crc = table[(crc ^ octet) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@functools.cache
def _crc_table() -> tuple[int, ...]:
    return tuple(_crc_of_octet(octet) for octet in range(256))


def _crc_of_octet(octet: int) -> int:
    for _ in range(8):
        octet = (octet >> 1) ^ (0x82F63B78 if octet & 1 else 0)
    return octet
