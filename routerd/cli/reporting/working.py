"""Working time between many pairs of moments: a calendar's hours, counted once and looked up."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from routerd.config.working_hours import WorkingHours
from routerd.desk.roster import Roster

_AROUND = timedelta(days=92)  # beyond what is asked for: the next question is most likely near


class WorkingTime:
    """As WorkingHours.between has it, for questions that lie near each other."""

    def __init__(self, hours: WorkingHours) -> None:
        self._hours = hours
        self._first = self._last = datetime(2000, 1, 1, tzinfo=UTC)
        self._begins: list[datetime] = []
        self._lengths: list[timedelta] = []
        self._before: list[timedelta] = [timedelta()]  # the working time before each of them, and after the last

    def between(self, start: datetime, end: datetime) -> timedelta:
        if end <= start:
            return timedelta()
        if start < self._first or end > self._last:
            self._count(start, end)
        return self._until(end) - self._until(start)

    def _count(self, start: datetime, end: datetime) -> None:
        is_first = not self._begins
        self._first = (start if is_first else min(start, self._first)) - _AROUND
        self._last = (end if is_first else max(end, self._last)) + _AROUND
        spans = [(begin, until - begin) for begin, until in self._hours.spans(self._first, self._last)]
        self._begins = [begin for begin, _ in spans]
        self._lengths = [length for _, length in spans]
        self._before = list(accumulate(self._lengths, initial=timedelta()))

    def _until(self, at: datetime) -> timedelta:
        number = bisect_right(self._begins, at) - 1
        if number < 0:
            return timedelta()
        return self._before[number] + min(at - self._begins[number], self._lengths[number])


class WorkingTimes:
    """By the calendars of a roster: what the figures ask (figures.Working). Without a calendar time is the clock's."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._of: dict[tuple[str, str | None], WorkingTime | None] = {}
        self._by_hours: dict[int, WorkingTime] = {}

    def __call__(self, owner: str, team: str | None, start: datetime, end: datetime) -> timedelta:
        key = (owner, team)
        if key not in self._of:
            hours = self._roster.working_hours(owner, team)
            self._of[key] = None if hours is None else self._by_hours.setdefault(id(hours), WorkingTime(hours))
        found = self._of[key]
        return max(end - start, timedelta()) if found is None else found.between(start, end)
