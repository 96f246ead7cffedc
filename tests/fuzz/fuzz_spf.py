"""SPF records of a few domains that name each other → a result after a bounded number of questions, whatever they say.

An input is one record a line: the first is the sender's domain's, the others are included by their number.
"""

import random
import sys
from collections.abc import Coroutine
from typing import Any

from harness import run
from pieces import join, spoil

from routerd.auth.dns_answers import Absent, Answer, RecordKind, Records, Trouble
from routerd.auth.spf import MAX_REASON, SpfResult, check_spf

SLOW_MS = 250
MAX_BYTES = 60_000
MOST_QUESTIONS = 1 + 10 + 10 * 10 + 11

_RESULTS = frozenset({"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"})
_CLIENTS = ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1")
_HELOS = ("mx.0.pl", "[192.0.2.1]", "%{h}" * 60, "a" * 300, 'ż"\\\x00\ud800', "..", "1.pl")
_SENDERS = ("a-b+c=d@0.pl", "x.%{s}." * 20 + "@0.pl", "żółć@0.pl", '"\\\x00 @"@0.pl', "", "@0.pl")
_TERMS = (
    b"a", b"mx", b"ptr", b"include:", b"exists:", b"ip4:", b"ip6:", b"redirect=", b"exp=", b"all", b"-all", b"~all",
    b"?include:1.pl", b"include:2.pl", b"redirect=1.pl", b"mx:0.pl", b"ptr:1.pl", b"a:2.pl/24//64", b"exists:%{i}.3.pl",
    b"ip4:192.0.2.0/24", b"ip4:192.0.2.1", b"ip6:2001:db8::/32", b"ip6:::/0", b"moo=", b"exists:%{l1r+-}.%{d2}",
    b"include:%{d}", b"redirect=%{o}", b"a:%{h}", b"exists:%{p}.0.pl", b"-ptr", b"+mx/24", b"mx:trouble.pl",
    b"a:void.pl", b"include:%{d1}.pl", b"v=spf1", b"exp=%{d}", b"a//0", b"mx/0//0",
)  # fmt: skip
_MARKS = (
    b" ", b" ", b" ", b" ", b" ", b"  ", b"\t", b"\0", b":", b"/", b"//", b"=", b"%", b"%{", b"}", b"%{s}",
    b"%{S100r-}", b"%{d0}", b"%{", b"%%", b"%_", b"%-", b"%{p}", b".", b"..", b".pl", b"-", b"+", b"?", b"~", b"0",
    b"999999999999", b"\xff", b"\xc5\xbc", b",", b"_", b"\\", b'"', b"a" * 70, b"/33", b"//129", b"::", b"1.2.3.4",
)  # fmt: skip


def make(source: random.Random) -> bytes:
    """Mostly well-formed records, some of them spoilt, some a flood of a few pieces."""
    return b"\n".join(_record(source) for _ in range(source.randrange(1, 5)))[:MAX_BYTES]


def _record(source: random.Random) -> bytes:
    if source.random() < 0.6:
        return spoil(source, b" ".join((b"v=spf1", *source.choices(_TERMS, k=source.choice((1, 3, 8, 30))))))
    return b"v=spf1 " + join(source, (*_TERMS, *_MARKS), source.choice((5, 20, 100)))


def target(data: bytes) -> None:
    """Whatever the records say, names, questions and reasons are bounded."""
    records = data.decode("latin-1").split("\n")
    for client in _CLIENTS:
        source = random.Random(data[:100] + client.encode())
        helo, sender = source.choice(_HELOS), source.choice(_SENDERS)
        zones = _Zones(records)
        results = finished(check_spf(client, helo, sender, zones.look_up))
        if zones.questions > 2 * MOST_QUESTIONS:
            raise AssertionError(f"{zones.questions} questions")
        for result in results:
            if result.result not in _RESULTS or not result.reason.isascii() or len(result.reason) > MAX_REASON:
                raise AssertionError(f"{result} cannot be told")
    if data.isascii() and b"%" not in data:
        _is_the_same_in_upper_case(records)


def _is_the_same_in_upper_case(records: list[str]) -> None:
    lower = finished(check_spf(_CLIENTS[0], "", "a@0.pl", _Zones(records).look_up))[1]
    upper = finished(check_spf(_CLIENTS[0], "", "a@0.pl", _Zones([one.upper() for one in records]).look_up))[1]
    if lower.result != upper.result:
        raise AssertionError(f"{lower} is {upper} in upper case")


def finished(check: Coroutine[Any, Any, tuple[SpfResult, ...]]) -> tuple[SpfResult, ...]:
    """Without an event loop: the zones answer at once."""
    try:
        check.send(None)
    except StopIteration as stop:
        found: tuple[SpfResult, ...] = stop.value
        return found
    raise AssertionError("it waits for something else than the DNS")


class _Zones:
    def __init__(self, records: list[str]) -> None:
        self._records = records
        self.questions = 0

    async def look_up(self, name: str, kind: RecordKind) -> Answer:
        self.questions += 1
        name = name.lower()
        labels = name.split(".")
        if not name.isascii() or len(name) > 253 or not all(0 < len(label) < 64 for label in labels) or "\\" in name:
            raise AssertionError(f"{name!r} is no name")
        if "trouble" in name:
            return Trouble("no answer in time")
        if "void" in name:
            return Absent(is_nxdomain=len(name) % 2 == 0, seconds=60)
        match kind:
            case RecordKind.TXT:
                number = int(labels[0]) if labels[0] in ("0", "1", "2", "3") else len(self._records)
                texts = self._records[number : number + 1]
                return Records(("other", *texts), 60) if texts else Absent(is_nxdomain=True, seconds=60)
            case RecordKind.MX:
                return Records(
                    tuple(f"{number} mx{number}.{name}"[:250] for number in range(11 if "2" in name else 10)), 60
                )
            case RecordKind.PTR:
                return Records(tuple(f"h{number}.0.pl" for number in range(30)), 60)
            case RecordKind.A:
                return Records(("198.51.100.7", "192.0.2.1" if "h9" in name else "203.0.113.1"), 60)
        return Records(("2001:db8::1" if "h9" in name else "2001:db8::2",), 60)


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
