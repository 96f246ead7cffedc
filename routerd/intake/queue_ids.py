"""Queue ids: ULIDs, which sort by the moment they were made."""

from collections.abc import Callable
from datetime import datetime

from routerd.message.envelope import QueueId

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(first + second for first in _CROCKFORD for second in _CROCKFORD)
_CHANCE_BITS = 80
_CHANCE_BYTES = _CHANCE_BITS // 8
_DRAWN_BYTES = 100 * _CHANCE_BYTES  # at once: a draw from the system costs more than all else of an id


class QueueIds:
    """Makes ids that rise strictly, also within a millisecond and when the clock is set back.

    `chance(n)` gives n random bytes; an id is told to strangers, so they should not be guessable.
    """

    def __init__(self, chance: Callable[[int], bytes]) -> None:
        self._chance = chance
        self._last = -1
        self._drawn = b""
        self._used_bytes = 0  # of what was drawn

    def make(self, at: datetime) -> QueueId:
        fresh = (int(at.timestamp() * 1000) << _CHANCE_BITS) | self._some_chance(_CHANCE_BYTES)
        if fresh >> _CHANCE_BITS <= self._last >> _CHANCE_BITS:
            step = self._some_chance(4) + 1
            fresh = self._last + step
        self._last = fresh
        return QueueId("".join([_PAIRS[(fresh >> shift) & 1023] for shift in range(120, -1, -10)]))

    def _some_chance(self, count: int) -> int:
        """A number of so many random bytes, none of them used before."""
        if self._used_bytes + count > len(self._drawn):
            self._drawn, self._used_bytes = self._chance(_DRAWN_BYTES), 0
        begin, self._used_bytes = self._used_bytes, self._used_bytes + count
        return int.from_bytes(self._drawn[begin : self._used_bytes], "big")
