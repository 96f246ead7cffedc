"""Paths, addresses and domains of any kind → read as RFC 5321 and 6531 have them, or refused; never anything else.

What is read reads the same again from its own writing, holds nothing that could end a line, and takes linear time.
"""

import random
import sys
from contextlib import suppress

from corpus import corpus_of
from harness import run
from pieces import join, spoil

from routerd.intake.protocol.parameters import parse_helo, parse_mail, parse_rcpt
from routerd.intake.protocol.refusals import CommandError
from routerd.message.address import Address, AddressError, parse_address, parse_domain, parse_path

SLOW_MS = 150.0  # for the 100 KB that `make` gives at most

_MOST_BYTES = 100_000
_PIECES = (
    b"<", b">", b"@", b".", b",", b":", b'"', b"\\", b"[", b"]", b"(", b")", b"%", b"!", b"+", b"-", b"_", b"=?", b"?=",
    b"?q?", b" ", b"a", b"b.c", b"@far.test:", b"@a.b,@c.d:", b"desk.test", b"[192.0.2.1]", b"[IPv6:", b"2001:db8::1",
    b"::",
    b"[IPv6:::ffff:192.0.2.1]", b"[tag:x]", b"xn--", b"xn--aba-22a", b"xn--a", b"--", b"postmaster", b"<Postmaster>",
    b"FROM:", b"TO:", b"FROM:<", b"TO:<", b"> SIZE=1", b"> SMTPUTF8", b"> AUTH=<>", b"> AUTH=+3C", b"> BODY=8BITMIME",
    b"\0", b"\r", b"\n", b"\t", b"\x7f", b"\xff", b"a" * 64, b"b" * 63, b"1", b"0x1", b"'", b"=0d=0a", b"{", b"|", b"~",
    "ż".encode(), "Ż".encode(), "ß".encode(), "é".encode(), "e\u0301".encode(), "\u0645".encode(), "\u0661".encode(),
    "\u202e".encode(), "\u2028".encode(), "\u0085".encode(), "\u200d".encode(), "\uff45".encode(), "\u3002".encode(),
    "\u212a".encode(), "\U0001f600".encode(), "\u05d0".encode(), b"\xed\xa0\x80", b"\xc0\x80", "\ufeff".encode(),
)  # fmt: skip
_SHAPES = (
    b"%b@%b",
    b"<%b@%b>",
    b"FROM:<%b@%b> SMTPUTF8",
    b"TO:<%b@%b>",
    b"<@%b:%b@desk.test>",
    b'"%b"@%b',
    b"a@[%b%b]",
)


def make(source: random.Random) -> bytes:
    if source.random() < 0.2:
        return spoil(source, source.choice(corpus_of("fuzz_addresses")))
    if source.random() < 0.5:
        return spoil(source, join(source, _PIECES, source.choice((4, 10, 60))))[:_MOST_BYTES]
    one, other = (join(source, _PIECES, source.choice((2, 4, 8))) for _ in range(2))
    return (source.choice(_SHAPES) % (one, other))[:_MOST_BYTES]


def target(data: bytes) -> None:
    for text in {data.decode("utf-8", "surrogateescape"), data.decode("latin-1")}:
        for utf8 in (False, True):
            _try_address(text, utf8)
            _try_path(text, utf8)
            _try_domain(text, utf8)
            _try_commands(text, utf8)


def _try_address(text: str, utf8: bool) -> None:
    try:
        address = parse_address(text, utf8=utf8)
    except AddressError as error:
        _is_said_in_ascii(error)
    else:
        _check(address, utf8)


def _try_path(text: str, utf8: bool) -> None:
    try:
        address, parameters = parse_path(text, utf8=utf8)
    except AddressError as error:
        _is_said_in_ascii(error)
    else:
        if not text.endswith(parameters):
            raise AssertionError(f"{parameters!r} is not what stands behind the path")
        if address is not None:
            _check(address, utf8)
            if parse_path(f"<{address}>", utf8=utf8) != (address, ""):
                raise AssertionError(f"<{address}> is another path")


def _try_domain(text: str, utf8: bool) -> None:
    with suppress(AddressError):
        _check_domain(parse_domain(text, utf8=utf8))


def _try_commands(text: str, utf8: bool) -> None:
    with suppress(CommandError):
        if not parse_helo(text).isascii():
            raise AssertionError(f"hello from {text!r}")
    with suppress(CommandError):
        address = parse_rcpt(text, smtputf8=utf8)
        if address is not None:
            _check(address, utf8)
    with suppress(CommandError):
        mail = parse_mail(text, esmtp=True, smtputf8_offered=utf8, auth_offered=True)
        if mail.sender:
            _check(parse_address(mail.sender, utf8=mail.smtputf8), mail.smtputf8)


def _check(address: Address, utf8: bool) -> None:
    written = str(address)
    if parse_address(written, utf8=utf8) != address:
        raise AssertionError(f"{written!r} is another address than {address!r}")
    octets = written.encode()  # no half of a surrogate pair
    if len(octets) > 254 or len(address.local.encode()) > 64 or not address.local:
        raise AssertionError(f"{written!r} is too long")
    if any(char < " " or "\x7f" <= char <= "\x9f" or char in "\u2028\u2029\u202e" for char in written + address.key):
        raise AssertionError(f"{written!r} has a control character")
    if not utf8 and not written.isascii():
        raise AssertionError(f"{written!r} is not ASCII")
    if "=?" in address.local[:2]:
        raise AssertionError(f"{written!r} begins with an encoded word")
    _check_domain(address.domain)
    for base, detail in address.splits("+"):
        if f"{base.local}+{detail}" != address.local:
            raise AssertionError(f"{address!r} is not {base!r} and {detail!r}")


def _check_domain(domain: str) -> None:
    if not domain.isascii() or not domain.isprintable() or not 0 < len(domain) <= 255:
        raise AssertionError(f"{domain!r} is no domain")
    if parse_domain(domain) != domain:
        raise AssertionError(f"{domain!r} reads as another")
    if set(domain) & set(' <>@,;()"\\%!/'):
        raise AssertionError(f"{domain!r} holds what no domain has")


def _is_said_in_ascii(error: AddressError) -> None:
    if not (str(error).isascii() and str(error).isprintable()):
        raise AssertionError(f"{error!r} repeats what came")


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
