"""Queue ids: ULIDs, which sort by the moment they were made."""

from collections.abc import Callable
from datetime import datetime

from routerd.message.envelope import QueueId

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(first + second for first in _CROCKFORD for second in _CROCKFORD)
_CHANCE_BITS = 80


class QueueIds:
    """Makes ids that rise strictly, also within a millisecond and when the clock is set back.

    `chance(n)` gives n random bytes; an id is told to strangers, so they should not be guessable.
    """

    def __init__(self, chance: Callable[[int], bytes]) -> None:
        self._chance = chance
        self._last = -1

    def make(self, at: datetime) -> QueueId:
        fresh = (int(at.timestamp() * 1000) << _CHANCE_BITS) | int.from_bytes(self._chance(_CHANCE_BITS // 8), "big")
        if fresh >> _CHANCE_BITS <= self._last >> _CHANCE_BITS:
            step = int.from_bytes(self._chance(4), "big") + 1
            fresh = self._last + step
        self._last = fresh
        return QueueId("".join([_PAIRS[(fresh >> shift) & 1023] for shift in range(120, -1, -10)]))
