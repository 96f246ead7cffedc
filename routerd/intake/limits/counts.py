"""Where that is counted what limits hold for: in this process alone, or over all that take mail in. Pure."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from routerd.intake.limits.capacity import Connections, Memory
from routerd.intake.limits.tally import OwnTally, Tally


class Counted(StrEnum):
    """What is counted within a time, each by keys of its own kind."""

    FORGED_TOKENS = "forged tokens"  # by client
    RETURN_PATHS = "return paths"  # by copy, or by stranger
    DESK_ADDRESSES = "desk addresses"  # by copy and purpose
    WRONG_OF_LOGIN = "wrong of login"  # by login and client
    WRONG_OF_CLIENT = "wrong of client"
    WRONG_PASSWORDS = "wrong passwords"  # by the digest of login and password
    KNOWN_LOGINS = "known logins"  # by login and client
    REFUSALS_OF_CLIENT = "refusals of client"
    REFUSALS = "refusals"


class Counts(Protocol):
    """Each is asked for once by a process."""

    def connections(self) -> Connections: ...

    def memory(self) -> Memory: ...

    def tally(self, counted: Counted, allowed: int, window_seconds: float) -> Tally: ...

    def secret(self) -> bytes:
        """32 random octets, the same in all processes that count together."""
        ...


class OwnCounts:
    """Of one process that takes in all mail. `chance(n)` gives n random bytes."""

    def __init__(self, chance: Callable[[int], bytes]) -> None:
        self._secret = chance(32)

    def connections(self) -> Connections:
        return Connections()

    def memory(self) -> Memory:
        return Memory()

    def tally(self, _counted: Counted, allowed: int, window_seconds: float) -> Tally:
        return OwnTally(allowed, window_seconds)

    def secret(self) -> bytes:
        return self._secret
