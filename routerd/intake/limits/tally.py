"""How often, within a time. Pure."""

from collections import OrderedDict
from typing import Protocol


class Tally(Protocol):
    """Counts by key within a window; those that had their share are turned away until it ends."""

    def count(self, key: str, now_seconds: float) -> bool:
        """Counts one; True where that is more than is allowed."""
        ...

    def is_spent(self, key: str, now_seconds: float) -> bool:
        """Whether the key has had its share; nothing is counted."""
        ...


class OwnTally:
    """Of one process."""

    def __init__(self, allowed: int, window_seconds: float, remembered: int = 10_000) -> None:
        self._allowed = allowed
        self._window_seconds = window_seconds
        self._remembered = remembered
        self._since: OrderedDict[str, tuple[float, int]] = OrderedDict()  # key → (window's begin, count)

    def count(self, key: str, now_seconds: float) -> bool:
        began, count = self._since.pop(key, (now_seconds, 0))
        if now_seconds - began > self._window_seconds:
            began, count = now_seconds, 0
        self._since[key] = (began, count + 1)
        if len(self._since) > self._remembered:
            self._since.popitem(last=False)
        return count + 1 > self._allowed

    def is_spent(self, key: str, now_seconds: float) -> bool:
        began, count = self._since.get(key, (now_seconds, 0))
        return count >= self._allowed and now_seconds - began <= self._window_seconds
