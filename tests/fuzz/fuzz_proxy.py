"""PROXY headers of any kind → whose connection it is, or a ProxyError: whole, in pieces and octet by octet the same."""

import ipaddress
import random
import struct
import sys

from harness import run
from pieces import join, spoil

from routerd.intake.clients.proxy_protocol import MAX_OCTETS, V1_OCTETS, Origin, ProxyDecoder, ProxyError, crc32c

SLOW_MS = 100.0  # for the 10 KB that `make` gives at most, of which 4 KB can be a header

_MOST_BYTES = 10_000
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_WORDS = (
    b"PROXY ", b"PROXY", b"TCP4", b"TCP6", b"UNKNOWN", b"UDP4", b" ", b" ", b" ", b"  ", b"\t", b"\r\n", b"\r\n", b"\n",
    b"\r", b"\0", b"192.0.2.7", b"10.0.0.1", b"255.255.255.255", b"2001:db8::7", b"::1", b"::ffff:192.0.2.7", b"::",
    b"fe80::1%eth0", b"0", b"25", b"65535", b"65536", b"051", b"-1", b"+1", b".", b":", b"EHLO x\r\n", b"\xff",
)  # fmt: skip
_WHOLE = (
    b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 25\r\nEHLO x\r\n",
    b"PROXY TCP6 2001:db8::7 2001:db8::1 51000 25\r\n",
    b"PROXY TCP6 ::ffff:192.0.2.7 ::1 51000 25\r\n",
    b"PROXY UNKNOWN\r\nEHLO x\r\n",
    b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
)
_BLOCKS = {0x11: 12, 0x12: 12, 0x21: 36, 0x31: 216, 0x00: 0}


def make(source: random.Random) -> bytes:
    chosen = source.random()
    if chosen < 0.3:
        data = b"PROXY " * source.randrange(2) + join(source, list(_WORDS), source.choice((3, 12, 60)))
    elif chosen < 0.45:
        data = source.choice(_WHOLE)
    else:
        data = _binary(source)
    if source.random() < 0.5:
        data = spoil(source, data)
    return (data + source.choice((b"", b"EHLO x\r\n", source.randbytes(20))))[:_MOST_BYTES]


def _binary(source: random.Random) -> bytes:
    family = source.choice((*_BLOCKS, source.randrange(256)))
    command = source.choice((0x20, 0x21, 0x21, 0x21, source.randrange(256)))
    block = source.randbytes(_BLOCKS.get(family, source.randrange(40)))
    for _ in range(source.randrange(4)):
        value = source.randbytes(source.choice((0, 1, 4, 30, 300, 2000)))
        block += struct.pack("!BH", source.choice((1, 2, 3, 4, 5, 0x20, 0xEA)), len(value)) + value
    length = len(block) if source.random() < 0.8 else source.randrange(0x10000)
    if source.random() < 0.5:
        return _SIGNATURE + struct.pack("!BBH", command, family, length) + block
    zeroed = _SIGNATURE + struct.pack("!BBH", command, family, len(block) + 7) + block + b"\x03\x00\x04" + bytes(4)
    return zeroed[:-4] + struct.pack("!I", crc32c(zeroed))


def target(data: bytes) -> None:
    outcome = _fed(data, len(data) or 1)
    for size in (1, 7):
        if _fed(data, size) != outcome:
            raise AssertionError(f"in pieces of {size} octets it differs: {_fed(data, size)} and {outcome}")
    if outcome is None or isinstance(outcome, str):
        return
    origin, rest = outcome
    taken = len(data) - len(rest)
    if not data.endswith(rest) or taken > MAX_OCTETS or (data[:1] == b"P" and taken > V1_OCTETS):
        raise AssertionError(f"{taken} octets taken, {len(rest)} left of {len(data)}")
    if origin.address is not None and str(ipaddress.ip_address(origin.address)) != origin.address:
        raise AssertionError(f"{origin.address!r} has another spelling")
    if not 0 <= origin.port <= 0xFFFF:
        raise AssertionError(f"port {origin.port}")


def _fed(data: bytes, size: int) -> tuple[Origin, bytes] | str | None:
    """Whose it is and what is left, "refused", or None where more is needed."""
    decoder = ProxyDecoder()
    for at in range(0, len(data), size):
        try:
            origin = decoder.feed(data[at : at + size])
        except ProxyError as error:
            if not str(error).isascii():
                raise AssertionError(f"{error} is no ASCII") from error
            return "refused"
        if origin is not None:
            return origin, decoder.rest + data[at + size :]
    return None


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
