"""The secrets by which routerd knows its own again, and which of them is in force on what day.

Whatever is signed says when that was, to the day: so its key is found without a trial.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Protocol

PERIOD_DAYS = 90  # then comes another key
AHEAD_DAYS = 2  # a key is known for a whole day, wherever it is in UTC, before anything is signed by it

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day_of(at: datetime) -> int:
    """Days since 1970, in UTC. `at` is aware."""
    return (at - _EPOCH).days


class Keys(Protocol):
    """A ring as it is at any moment."""

    def of(self, day: int) -> bytes:
        """The secret for what is signed on that day."""

    @property
    def first_day(self) -> int:
        """What was signed before, was signed by a secret that nobody has any more, or never."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One that signs from the beginning of `first_day` on, until there is a next one."""

    number: int  # counts from 1
    first_day: int
    secret: bytes


@dataclass(frozen=True, slots=True)
class KeyRing:
    """At least one key. Of a day before all of them it is the first."""

    keys: tuple[SigningKey, ...]  # the first to sign stands first

    @classmethod
    def of_keys(cls, keys: Sequence[SigningKey]) -> "KeyRing":
        return cls(tuple(sorted(keys, key=lambda key: (key.first_day, key.number))))

    @classmethod
    def begun(cls, secret: bytes, first_day: int = 0) -> "KeyRing":
        return cls((SigningKey(1, first_day, secret),))

    def of(self, day: int) -> bytes:
        return self.signing(day).secret

    @property
    def first_day(self) -> int:
        return self.keys[0].first_day

    def signing(self, day: int) -> SigningKey:
        """The key of that day."""
        for key in reversed(self.keys):
            if key.first_day <= day:
                return key
        return self.keys[0]

    def is_due(self, today: int) -> bool:
        """Whether there is to be another, which signs AHEAD_DAYS from now. One from a time to come, as the clock was
        ahead once, counts for nothing until then."""
        day = today + AHEAD_DAYS
        return day - self.signing(day).first_day >= PERIOD_DAYS

    def worn_out(self, day: int) -> tuple[SigningKey, ...]:
        """Those under which nothing was signed on that day or later."""
        return tuple(one for one, following in pairwise(self.keys) if following.first_day <= day)
