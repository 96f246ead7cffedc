"""How long the store has kept somebody waiting."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic


class Waits:
    """What is under way, in the order it began; of one thread."""

    __slots__ = ("_began", "_number")

    def __init__(self) -> None:
        self._began: OrderedDict[int, float] = OrderedDict()
        self._number = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """One thing is waited for within."""
        self._number += 1
        number = self._number
        self._began[number] = monotonic()
        try:
            yield
        finally:
            del self._began[number]

    def oldest_seconds(self) -> float:
        """0.0 where nothing is under way."""
        return monotonic() - next(iter(self._began.values())) if self._began else 0.0
