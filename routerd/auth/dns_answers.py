"""What DNS can say, as values; who asks it is injected."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum


class RecordKind(StrEnum):
    """Each with the form of its values."""

    A = "A"  # 192.0.2.1
    AAAA = "AAAA"  # 2001:db8::1
    PTR = "PTR"  # a domain, in lower case, without the last dot
    MX = "MX"  # 10 mx.example.com
    TXT = "TXT"  # its strings joined (RFC 7208 3.3), a character for each octet


@dataclass(frozen=True, slots=True)
class Records:
    """What there is, behind CNAMEs too."""

    values: tuple[str, ...]
    seconds: float  # how long it holds, from when it was asked


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such name (NXDOMAIN), or nothing of that kind there."""

    is_nxdomain: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """It cannot be told now. `reason` is in words."""

    reason: str


Answer = Records | Absent | Trouble

LookUp = Callable[[str, RecordKind], Awaitable[Answer]]  # never raises


class Stranger:
    """Who decides which servers are asked, and so how long they are silent.

    `key`: as he is counted. `went_without`: whether a question was not asked, or not in time, since his others had all
    the turns: what it would have told he may want untold.
    """

    __slots__ = ("key", "went_without")

    def __init__(self, key: str) -> None:
        self.key = key
        self.went_without = False
