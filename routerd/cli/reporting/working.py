"""Working time between many pairs of moments: a calendar's hours, counted once and looked up.

Moments and times are in microseconds, as the figures have them.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, cycle

from routerd.config.working_hours import WorkingHours
from routerd.desk.roster import Roster
from routerd.store.figures import Durations, Worked

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_AROUND = timedelta(days=92) // _MICROSECOND  # beyond what is asked for: the next question is most likely near


class WorkingTime:
    """As WorkingHours.between has it, for many questions that lie near each other."""

    def __init__(self, hours: WorkingHours) -> None:
        self._hours = hours
        self._first = self._last = 0  # what was counted
        self._edges: list[int] = []  # where working time begins and ends, in turn
        self._bases: list[int] = [0]  # see `between`

    def between(self, spans: Sequence[tuple[int, int]]) -> Durations:
        """The working time of each. At a moment that so and so many edges stand before or at, the working time that has
        passed is the base of their number, and where it is odd, the moment itself more: work has begun, not ended.
        """
        self._count(min(start for start, _ in spans), max(end for _, end in spans))
        edges, bases = self._edges, self._bases
        return [
            float(
                bases[after := bisect_right(edges, end)]
                + (end if after & 1 else 0)
                - bases[before := bisect_right(edges, start)]
                - (start if before & 1 else 0)
            )
            if end > start
            else 0.0
            for start, end in spans
        ]

    def _count(self, start: int, end: int) -> None:
        if self._first <= start and end <= self._last:
            return
        if self._edges:
            start, end = min(start, self._first), max(end, self._last)
        self._first, self._last = start - _AROUND, end + _AROUND
        spans = self._hours.spans(_EPOCH + self._first * _MICROSECOND, _EPOCH + self._last * _MICROSECOND)
        self._edges = [(edge - _EPOCH) // _MICROSECOND for span in spans for edge in span]
        signed = (sign * edge for sign, edge in zip(cycle((-1, 1)), self._edges, strict=False))
        self._bases = list(accumulate(signed, initial=0))


class WorkingTimes:
    """By the calendars of a roster: what the figures ask (figures.Working). Without a calendar time is the clock's."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._of: dict[int, WorkingTime] = {}  # by their hours

    def __call__(self, owner: str, team: str | None) -> Worked:
        hours = self._roster.working_hours(owner, team)
        if hours is None:
            return _by_the_clock
        return self._of.setdefault(id(hours), WorkingTime(hours)).between


def _by_the_clock(spans: Sequence[tuple[int, int]]) -> Durations:
    return [float(max(end - start, 0)) for start, end in spans]
