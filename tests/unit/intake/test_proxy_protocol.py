"""The PROXY protocol: what a load balancer says of its client, fed whole and octet by octet."""

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.intake.clients.proxy_protocol import MAX_OCTETS, V1_OCTETS, Origin, ProxyDecoder, ProxyError, crc32c

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
INET, INET6, UNIX = 0x11, 0x21, 0x31
V4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 51000, 25)
V6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack("!HH", 51000, 25)
)


def v2(block: bytes = V4, *, command: int = PROXY, family: int = INET, length: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(block) if length is None else length) + block


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def with_checksum(block: bytes, *, wrong_by: int = 0) -> bytes:
    zeroed = v2(block + tlv(0x03, bytes(4)))
    return zeroed[:-4] + struct.pack("!I", crc32c(zeroed) ^ wrong_by)


def whole(data: bytes) -> tuple[Origin | None, bytes]:
    decoder = ProxyDecoder()
    return decoder.feed(data), decoder.rest


def octet_by_octet(data: bytes) -> tuple[Origin | None, bytes]:
    """What is left when the header is whole was never given to the decoder."""
    decoder = ProxyDecoder()
    for at in range(len(data)):
        origin = decoder.feed(data[at : at + 1])
        if origin is not None:
            return origin, decoder.rest + data[at + 1 :]
    return None, b""


def read(data: bytes) -> tuple[Origin | None, bytes]:
    answer = whole(data)
    assert octet_by_octet(data) == answer
    return answer


def refused(data: bytes) -> str:
    with pytest.raises(ProxyError) as slow:
        octet_by_octet(data)
    with pytest.raises(ProxyError) as error:
        whole(data)
    assert str(slow.value).isascii()
    return str(error.value)


# Version 1


@pytest.mark.parametrize(
    ("line", "origin"),
    [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 25", Origin("192.0.2.7", 51000)),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535", Origin("255.255.255.255", 65535)),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 0 0", Origin("192.0.2.7", 0)),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 51000 25", Origin("2001:db8::7", 51000)),
        (b"PROXY TCP6 2001:DB8:0:0:0:0:0:7 ::1 1 2", Origin("2001:db8::7", 1)),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:10.0.0.1 1 2", Origin("192.0.2.7", 1)),
        (b"PROXY TCP6 ::ffff:c000:207 ::1 1 2", Origin("192.0.2.7", 1)),
        (b"PROXY UNKNOWN", Origin(None)),
        (b"PROXY UNKNOWN ", Origin(None)),
        (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535", Origin(None)),
        (b"PROXY UNKNOWN whatever it says", Origin(None)),
    ],
)
def test_line(line: bytes, origin: Origin) -> None:
    """The client's address in its shortest spelling, and its port; what follows the line stays untouched."""
    assert read(line + b"\r\nEHLO x\r\n\0\xff") == (origin, b"EHLO x\r\n\0\xff")


def test_longest_line() -> None:
    """107 octets are a header, 108 are none (section 2.1), whether or not their end has come."""
    line = b"PROXY UNKNOWN ".ljust(V1_OCTETS - 2, b"x")
    assert read(line + b"\r\n.") == (Origin(None), b".")
    assert "longer than 107" in refused(line + b"x\r\n")
    assert "longer than 107" in refused(line + b"xx")
    assert read(line) == (None, b"")


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 192.0.2.7 10.0.0.1 51000\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 25 \r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 25 9\r\n",
        b"PROXY TCP4  192.0.2.7 10.0.0.1 51000 25\r\n",
        b"PROXY TCP4\t192.0.2.7 10.0.0.1 51000 25\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 25\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 25\rEHLO x\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 25\r\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 25\0\r\n",
        b"PROXY TCP4 192.0.2.256 10.0.0.1 51000 25\r\n",
        b"PROXY TCP4 192.0.2 10.0.0.1 51000 25\r\n",
        b"PROXY TCP4 192.0.02.7 10.0.0.1 51000 25\r\n",
        b"PROXY TCP4 0x7f.0.0.1 10.0.0.1 51000 25\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 51000 25\r\n",
        b"PROXY TCP4 192.0.2.7 2001:db8::1 51000 25\r\n",
        b"PROXY TCP4 192.0.2.7/32 10.0.0.1 51000 25\r\n",
        b"PROXY TCP6 192.0.2.7 10.0.0.1 51000 25\r\n",
        b"PROXY TCP6 fe80::1%eth0 fe80::2 51000 25\r\n",
        b"PROXY TCP6 [2001:db8::7] ::1 51000 25\r\n",
        b"PROXY TCP6 2001:db8:::7 ::1 51000 25\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 25\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 99999999999999999999999999999999999999\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 051 25\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 00 25\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 +51 25\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 -1 25\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 5_1 25\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 smtp\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 \xd9\xa1 25\r\n",
        b"PROXY UDP4 192.0.2.7 10.0.0.1 51000 25\r\n",
        b"PROXY tcp4 192.0.2.7 10.0.0.1 51000 25\r\n",
        b"PROXY TCP5 192.0.2.7 10.0.0.1 51000 25\r\n",
        b"PROXY unknown\r\n",
        b"PROXY UNKNOWN\n",
        b"PROXY UNKNOWN\r\r\n",
        b"PROXY UNKNOWNS\r\n",
        b"PROXY UNKNOWN \x1b[2J\r\n",
        b"PROXY \r\n",
        b"PROXY  UNKNOWN\r\n",
    ],
)
def test_line_that_is_none(line: bytes) -> None:
    """Strictly as the specification writes it: no other spelling of an address, a port, a space or a line's end."""
    assert refused(line)


@pytest.mark.parametrize("first", [octet for octet in range(256) if octet not in b"P\r"])
def test_first_octet_that_begins_no_header(first: int) -> None:
    """It is refused at once, so that nobody waits for the rest of what is no header."""
    with pytest.raises(ProxyError, match="does not begin with a PROXY header"):
        ProxyDecoder().feed(bytes([first]))


@pytest.mark.parametrize("text", [b"PROXY UNKNOWN\r\n", SIGNATURE])
def test_beginning_that_turns_wrong(text: bytes) -> None:
    """The first octet that differs from the fixed beginning is refused, whatever stands before it."""
    fixed = b"PROXY " if text.startswith(b"P") else SIGNATURE
    for at in range(len(fixed)):
        assert whole(fixed[:at]) == (None, b"")
        with pytest.raises(ProxyError):
            ProxyDecoder().feed(fixed[:at] + bytes([fixed[at] ^ 0x20]))


@pytest.mark.parametrize("text", [b"EHLO x\r\n", b"proxy UNKNOWN\r\n", b"\n", b"\x16\x03\x01\x02\0", b" PROXY"])
def test_client_that_speaks_no_proxy_protocol(text: bytes) -> None:
    """SMTP and TLS alike are no header: the proxy's list and the proxy's setting differ."""
    assert "does not begin" in refused(text)


def test_nothing_came_yet() -> None:
    assert ProxyDecoder().feed(b"") is None


# Version 2


@pytest.mark.parametrize(
    ("header", "origin"),
    [
        (v2(V4), Origin("192.0.2.7", 51000)),
        (v2(V6, family=INET6), Origin("2001:db8::7", 51000)),
        (v2(V4 + tlv(0x04, b"\0" * 9) + tlv(0x01, b"smtp") + tlv(0xEA, b"")), Origin("192.0.2.7", 51000)),
        (v2(V4 + tlv(0x04, bytes(MAX_OCTETS - 16 - 12 - 3))), Origin("192.0.2.7", 51000)),
        (with_checksum(V4), Origin("192.0.2.7", 51000)),
        (v2(V4, family=0x12), Origin(None)),
        (v2(V4, family=0x10), Origin(None)),
        (v2(V6, family=0x22), Origin(None)),
        (v2(b"/run/a".ljust(108, b"\0") + bytes(108), family=UNIX), Origin(None)),
        (v2(b"", family=0x00), Origin(None)),
        (v2(b"any thing", family=0x00), Origin(None)),
        (v2(b"", command=LOCAL, family=0x00), Origin(None)),
        (v2(V4, command=LOCAL), Origin(None)),
        (v2(b"\xff" * 50, command=LOCAL, family=0xFF), Origin(None)),
    ],
)
def test_binary_header(header: bytes, origin: Origin) -> None:
    """The client's address and port over TCP; all else that may be said is said without one."""
    assert read(header + b"EHLO x\r\n") == (origin, b"EHLO x\r\n")
    assert read(header) == (origin, b"")


def test_mapped_address_is_the_ipv4_one() -> None:
    """A client cannot pass for another by the family in which its proxy names it."""
    mapped = socket.inet_pton(socket.AF_INET6, "::ffff:192.0.2.7")
    assert read(v2(mapped + mapped + bytes(4), family=INET6))[0] == Origin("192.0.2.7", 0)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (v2(command=0x22), "version and command"),
        (v2(command=0x11), "version and command"),
        (v2(command=0x01), "version and command"),
        (v2(command=0x31), "version and command"),
        (v2(family=0x41), "family and transport are 0x41"),
        (v2(family=0x13), "family and transport are 0x13"),
        (v2(V4[:-1]), "too short for its addresses: 11 octets of 12"),
        (v2(b""), "too short"),
        (v2(V4, family=INET6), "too short for its addresses: 12 octets of 36"),
        (v2(bytes(215), family=UNIX), "too short for its addresses: 215 octets of 216"),
        (v2(V4 + b"\x04"), "TLV"),
        (v2(V4 + b"\x04\x00"), "TLV"),
        (v2(V4 + b"\x04\x00\x01"), "TLV"),
        (v2(V4 + tlv(0x04, b"abc")[:-1]), "TLV"),
        (v2(V4 + tlv(0x04, b"") + b"\x04\xff\xff"), "TLV"),
        (v2(V4 + tlv(0x03, bytes(4))), "checksum is wrong"),
        (with_checksum(V4, wrong_by=1), "checksum is wrong"),
        (v2(V4 + tlv(0x03, bytes(3))), "checksum is not four octets"),
        (with_checksum(V4 + tlv(0x03, bytes(4))), "there are two"),
    ],
)
def test_binary_header_that_is_none(header: bytes, why: str) -> None:
    """What the specification leaves undefined, and what does not add up, is refused."""
    assert why in refused(header + b"EHLO x\r\n")


@pytest.mark.parametrize("length", [MAX_OCTETS - 15, 0xFFFF])
def test_header_that_would_be_too_long(length: int) -> None:
    """Refused as soon as it says so: no memory is kept for it."""
    decoder = ProxyDecoder()
    with pytest.raises(ProxyError, match="more than 4096"):
        decoder.feed(v2(b"", length=length))


def test_checksum_is_castagnolis() -> None:
    """The check value that the catalogues of CRCs give."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0


# Round trips

ADDRESSES = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)), st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6))
)
PORTS = st.integers(0, 0xFFFF)


def shortest(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return str((ip.ipv4_mapped if ip.version == 6 else None) or ip)


@given(ADDRESSES, PORTS, PORTS, st.binary(max_size=40))
def test_what_a_proxy_writes_is_read(
    addresses: tuple[ipaddress.IPv4Address, ipaddress.IPv4Address], port: int, our_port: int, rest: bytes
) -> None:
    """Both versions of one header name the same client, and leave what is behind it."""
    source, ours = addresses
    line = f"PROXY TCP{source.version} {source} {ours} {port} {our_port}\r\n".encode()
    block = source.packed + ours.packed + struct.pack("!HH", port, our_port)
    wanted = Origin(shortest(source), port)
    for header in (line, v2(block, family=INET if source.version == 4 else INET6)):
        assert read(header + rest) == (wanted, rest)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=60)), max_size=8), st.binary(max_size=9))
def test_what_a_proxy_adds_is_passed_over(added: list[tuple[int, bytes]], rest: bytes) -> None:
    """TLVs of any kind, with a checksum over all of them."""
    block = V4 + b"".join(tlv(kind, value) for kind, value in added if kind != 0x03)
    assert read(with_checksum(block) + rest) == (Origin("192.0.2.7", 51000), rest)


@given(st.integers(0, 59), st.integers(1, 255))
def test_checksum_guards_the_client(at: int, by: int) -> None:
    """One octet that the network changed never makes another client of it."""
    good = with_checksum(V4 + tlv(0xEA, bytes(22)))
    spoiled = bytearray(good)
    spoiled[at % len(good)] ^= by
    try:
        origin, _ = whole(bytes(spoiled))
    except ProxyError:
        return
    assert origin in (None, Origin(None), Origin("192.0.2.7", 51000))
