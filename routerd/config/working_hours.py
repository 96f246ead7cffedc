"""When people work: days, hours and holidays of one time zone. A pure value.

A moment is a working one where the wall clock of the zone shows a working hour. So an hour that a change of the clocks
repeats is worked twice, and one that it leaves out not at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

REACH = timedelta(days=3653)  # ten years; a deadline farther off than that helps nobody
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """From `start` (included) to `end` (excluded), both since midnight; an `end` over 24 h is on the next day."""

    start: timedelta
    end: timedelta

    def __str__(self) -> str:
        return f"{_clock(self.start)}-{_clock(self.end if self.end <= _DAY else self.end - _DAY)}"


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """`days`: 0 is Monday. What begins on one of `days` that is no holiday belongs to it, also behind midnight."""

    zone: ZoneInfo
    days: frozenset[int]
    hours: tuple[Hours, ...]
    holidays: frozenset[date] = frozenset()

    def includes(self, at: datetime) -> bool:
        """Whether `at` (aware) is a working moment."""
        wall = _wall_clock(at, self.zone)
        return any(start <= wall < end for start, end in self._around(wall, wall))

    def after(self, start: datetime, working: timedelta) -> datetime:
        """The first moment, in UTC, at which `working` of working time has passed since `start` (aware).

        Where there is not so much of it within REACH (all days are holidays), time is counted by the clock.
        """
        try:
            return self._counted(start.astimezone(UTC), working)
        except OverflowError:  # at the end of all dates
            return start.astimezone(UTC)

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How much working time lies between two moments (aware); none where `end` is before `start`.

        Beyond REACH from `start` nothing is counted.
        """
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        spans = self.spans(start, min(end, start + REACH))
        return sum((until - begin for begin, until in spans), timedelta())

    def _counted(self, start: datetime, working: timedelta) -> datetime:
        left = working
        if left <= timedelta():
            return start
        for begin, end in self.spans(start, start + REACH):
            if left <= end - begin:
                return begin + left
            left -= end - begin
        return start + working

    def spans(self, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The working time between two moments in UTC: in order, none overlaps another."""
        at = begin
        while at < end:
            offset = _offset(at, self.zone)
            until = self._same_offset_until(at, min(at + _DAY, end), offset)
            first, last = at.replace(tzinfo=None) + offset, until.replace(tzinfo=None) + offset
            done = first
            for opens, closes in sorted(self._around(first, last)):
                works_from, works_until = max(opens, done), min(closes, last)
                if works_from < works_until:
                    yield (works_from - offset).replace(tzinfo=UTC), (works_until - offset).replace(tzinfo=UTC)
                    done = works_until
            at = until

    def _around(self, first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
        """All hours, by the wall clock, that may touch what lies between `first` and `last`."""
        day = first.date() - _DAY if first.date() > date.min else first.date()
        while day <= last.date():
            if day.weekday() in self.days and day not in self.holidays:
                midnight = datetime(day.year, day.month, day.day)
                for hours in self.hours:
                    yield midnight + hours.start, _end_of(midnight, hours)
            if day == date.max:
                return
            day += _DAY

    def _same_offset_until(self, begin: datetime, end: datetime, offset: timedelta) -> datetime:
        """`end`, or the moment before it at which the clocks change; that is always a whole second."""
        if _offset(end, self.zone) == offset:
            return end
        same = begin.replace(microsecond=0)
        seconds = int((end - same) / _SECOND) + 1
        unchanged, changed = 0, seconds
        while changed - unchanged > 1:
            middle = (unchanged + changed) // 2
            if _offset(same + middle * _SECOND, self.zone) == offset:
                unchanged = middle
            else:
                changed = middle
        return same + changed * _SECOND


def _clock(time: timedelta) -> str:
    minutes = int(time.total_seconds()) // 60
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _end_of(midnight: datetime, hours: Hours) -> datetime:
    try:
        return midnight + hours.end
    except OverflowError:
        return datetime.max


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _wall_clock(at: datetime, zone: ZoneInfo) -> datetime:
    """What a clock in the zone shows; at either end of all dates, where it cannot be told, what one in UTC shows."""
    try:
        return at.astimezone(zone).replace(tzinfo=None, fold=0)
    except OverflowError:
        return at.replace(tzinfo=None)
