"""Authentication-Results of any kind → who is said to speak, and what of; and what is left of fields in our name.

What we would believe of a field is never more than what is cut when a stranger writes it; and whatever a stranger's
mail puts into a field that we write ourselves, it reads as we meant it.
"""

import random
import re
import sys

from harness import run
from pieces import join, spoil

from routerd.auth.our_results import results_value
from routerd.auth.results import MAX_RESULTS, MethodResult, parse_results
from routerd.message.encode import structured_field
from routerd.message.forged import claimed_ids, cut_forged
from routerd.message.headers import HeaderBlock

SLOW_MS = 300.0  # for the 60 KB that `make` gives at most

_MOST_BYTES = 60_000
_IDS = ("mx.example.com", "mx1.example.com")
_FIELD = b"Authentication-Results:"
_NAMES = (
    _FIELD, b"authentication-results :", b"AUTHENTICATION-RESULTS\t:", b"Authentication-\r\n Results:",
    b"X-Authentication-Results:", b"ARC-Authentication-Results: i=1;", b"Authentication-Results\0:", b"Subject:",
)  # fmt: skip
_STARTS = (
    b" mx.example.com;", b" MX.Example.COM;", b" (x) mx.example.com 1;", b' "mx.example.com";',
    b"\r\n\tmx.example.com;",
    b" mx.example.com\x0b1;", b" mx.example.com\xc2\xa01;", b" mx.example.com\x1f;",
    b' "m\\x.example.com";', b" mx.example.com.;", b" mx(c).example.com;", b" mx.example.com/1;", b" other.example;",
    b" (mx.example.com;", b' "mx.example.com;', b" m\xc2\xadx.example.com;", b" mx.example.com\r\n ;",
)  # fmt: skip
_PIECES = (
    b" dmarc=pass", b" spf=pass", b" dkim=pass", b" auth=pass", b" arc=pass", b" none", b"dmarc = (c) pass", b"/ 1",
    b" header.from=example.com", b" smtp.mailfrom=a@example.com", b" smtp.auth=ewa@example.com", b" reason=",
    b' reason="; dmarc=pass"', b" header.d", b" policy.iprev=", b'"2001:db8::1"', b"header . from = ", b"action=none",
    b";", b";", b"; ", b"\r\n ", b"\r\n\t", b"\r\n", b" ", b"(", b")", b"((", b'"', b'"', b"\\", b"\\\r\n ", b"=", b".",
    b"@", b"/", b"\t", b"\0", b"\xff", b"\xc5\xbc", b"\r", b"\n", b"a" * 200, b"-", b"_", b"1",
)  # fmt: skip


def make(source: random.Random) -> bytes:
    """Some fields, most of which claim to be somebody's; some are spoilt."""
    fields = []
    for _ in range(source.choice((1, 1, 2, 5))):
        name = source.choice((*_NAMES, _FIELD, _FIELD, _FIELD))
        fields.append(name + source.choice(_STARTS) + join(source, _PIECES, source.choice((4, 15, 60))) + b"\r\n")
    return spoil(source, b"".join(fields))[:_MOST_BYTES]


def target(data: bytes) -> None:
    left = cut_forged(data, _IDS)
    for header, cut in ((data, False), (left, True)):
        for value in HeaderBlock.scan(header).raw_values("authentication-results")[:50]:
            _judge_reading(value, cut)
    _judge_reading(data, cut=False)
    _judge_writing(data)


def _judge_reading(value: bytes, cut: bool) -> None:
    authserv_id, results = parse_results(value)
    if parse_results(value) != (authserv_id, results) or len(results) > MAX_RESULTS:
        raise AssertionError(f"{len(results)} results, or others when read again")
    if authserv_id is None:
        if results:
            raise AssertionError("results of nobody")
        return
    if authserv_id != authserv_id.lower():
        raise AssertionError(f"{authserv_id!r} is not in lower case")
    if re.fullmatch(r"[a-z0-9.-]+", authserv_id) and authserv_id.strip(".") not in claimed_ids(value):
        raise AssertionError(f"{authserv_id!r} would be believed, and is not cut")
    if cut and authserv_id in _IDS:
        raise AssertionError(f"{authserv_id!r} is left")
    for result in results:
        if not re.fullmatch(r"[a-z0-9_-]+", result.method) or not re.fullmatch(r"[a-z0-9_-]+", result.result):
            raise AssertionError(f"{result} is none")
        if any(name != name.lower() for name, _ in result.properties):
            raise AssertionError(f"{result} has a property in upper case")


def _judge_writing(data: bytes) -> None:
    """A field of ours with what a stranger wrote in it: no result more, and none another."""
    pieces = data.decode("utf-8", "surrogateescape").split(";")[:6]
    meant = tuple(
        MethodResult(method, "fail", (("header.d", piece), ("smtp.mailfrom", piece[::-1])), piece)
        for method, piece in zip(("spf", "dkim", "dkim", "dmarc", "arc", "iprev"), pieces, strict=False)
    )
    field = structured_field("Authentication-Results", results_value(_IDS[0], meant))
    if max(map(len, field.split(b"\r\n"))) > 998 or re.search(rb"[^\x20-\x7e\r\n]", field):
        raise AssertionError("a line is too long, or no text")
    ((_, value),) = [(one.name_lower, field[one.value_start : one.end]) for one in HeaderBlock.scan(field).fields]
    authserv_id, results = parse_results(value)
    if authserv_id != _IDS[0] or len(results) > len(meant):
        raise AssertionError(f"{authserv_id!r} says {results}")
    for written, read in zip(meant, results, strict=False):
        names = [name for name, _ in read.properties]
        if (read.method, read.result) != (written.method, written.result) or names != ["header.d", "smtp.mailfrom"]:
            raise AssertionError(f"{written} is read as {read}")


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
