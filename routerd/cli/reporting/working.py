"""Working time between many pairs of moments: a calendar's hours, counted once and looked up.

Moments and times are in microseconds, as the figures have them.
"""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from routerd.config.working_hours import WorkingHours
from routerd.desk.roster import Roster
from routerd.store.figures import Between

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_AROUND = timedelta(days=92) // _MICROSECOND  # beyond what is asked for: the next question is most likely near


class WorkingTime:
    """As WorkingHours.between has it, for questions that lie near each other."""

    def __init__(self, hours: WorkingHours) -> None:
        self._hours = hours
        self._first = self._last = 0  # what was counted
        self._begins: list[int] = []
        self._lengths: list[int] = []
        self._before: list[int] = [0]  # the working time before each of them, and after the last

    def between(self, start: int, end: int) -> int:
        if end <= start:
            return 0
        if start < self._first or end > self._last:
            self._count(start, end)
        return self._until(end) - self._until(start)

    def _count(self, start: int, end: int) -> None:
        if self._begins:
            start, end = min(start, self._first), max(end, self._last)
        self._first, self._last = start - _AROUND, end + _AROUND
        spans = self._hours.spans(_EPOCH + self._first * _MICROSECOND, _EPOCH + self._last * _MICROSECOND)
        found = [((begin - _EPOCH) // _MICROSECOND, (until - begin) // _MICROSECOND) for begin, until in spans]
        self._begins = [begin for begin, _ in found]
        self._lengths = [length for _, length in found]
        self._before = list(accumulate(self._lengths, initial=0))

    def _until(self, at: int) -> int:
        number = bisect_right(self._begins, at) - 1
        if number < 0:
            return 0
        return self._before[number] + min(at - self._begins[number], self._lengths[number])


class WorkingTimes:
    """By the calendars of a roster: what the figures ask (figures.Working). Without a calendar time is the clock's."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._of: dict[int, WorkingTime] = {}  # by their hours

    def __call__(self, owner: str, team: str | None) -> Between:
        hours = self._roster.working_hours(owner, team)
        if hours is None:
            return _by_the_clock
        return self._of.setdefault(id(hours), WorkingTime(hours)).between


def _by_the_clock(start: int, end: int) -> int:
    return max(end - start, 0)
