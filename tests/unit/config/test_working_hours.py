"""Working hours: what they include, and when so much of them has passed."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerd.config.working_hours import Hours, WorkingHours

MINUTE = timedelta(minutes=1)
WARSAW = ZoneInfo("Europe/Warsaw")
WEEKDAYS = frozenset(range(5))


def hours(start: str, end: str) -> Hours:
    begin, finish = (timedelta(hours=int(text[:2]), minutes=int(text[3:])) for text in (start, end))
    return Hours(begin, finish if finish > begin else finish + timedelta(days=1))


OFFICE = WorkingHours(WARSAW, WEEKDAYS, (hours("08:00", "17:00"),))


def warsaw(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=WARSAW, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("at", "working"),
    [
        ("2026-03-02T08:00", True),
        ("2026-03-02T07:59:59.999999", False),
        ("2026-03-02T16:59:59.999999", True),
        ("2026-03-02T17:00", False),
        ("2026-03-07T10:00", False),
    ],
)
def test_the_end_is_excluded(at: str, working: bool) -> None:
    """From eight on, up to but not at five, and not on a Saturday."""
    assert OFFICE.includes(warsaw(at)) is working


def test_behind_midnight_belongs_to_the_day_before() -> None:
    """A shift from Friday 22:00 is on at Saturday 05:00; none is on at Monday 05:00, as Sunday is off."""
    night = WorkingHours(WARSAW, WEEKDAYS, (hours("22:00", "06:00"),))
    assert night.includes(warsaw("2026-03-07T05:00"))
    assert not night.includes(warsaw("2026-03-02T05:00"))


def test_holidays_are_off_where_the_shift_begins() -> None:
    """On the eve of a holiday the night shift works on into it; on the holiday no shift begins."""
    night = WorkingHours(WARSAW, WEEKDAYS, (hours("22:00", "06:00"),), frozenset({date(2026, 5, 1)}))
    assert night.includes(warsaw("2026-05-01T03:00"))
    assert not night.includes(warsaw("2026-05-01T23:00"))


def test_an_hour_that_comes_twice_counts_twice() -> None:
    """In October 02:00 to 03:00 is worked twice; two hours from 01:30 end at 02:30 the second time."""
    night = WorkingHours(WARSAW, frozenset(range(7)), (hours("01:00", "04:00"),))
    assert night.includes(warsaw("2026-10-25T02:30"))
    assert night.includes(warsaw("2026-10-25T02:30", fold=1))
    assert night.after(warsaw("2026-10-25T01:30"), timedelta(hours=2)) == warsaw("2026-10-25T02:30", fold=1)


def test_an_hour_that_is_left_out_does_not_count() -> None:
    """In March 02:00 is 03:00: an hour from 01:30 ends at 03:30."""
    night = WorkingHours(WARSAW, frozenset(range(7)), (hours("01:00", "05:00"),))
    assert night.after(warsaw("2026-03-29T01:30"), timedelta(hours=1)) == warsaw("2026-03-29T03:30")


def test_working_time_passes_over_the_weekend() -> None:
    """Four hours from Friday 15:00 end on Monday at 10:00; nine from Monday 08:00 end at closing time, not behind."""
    assert OFFICE.after(warsaw("2026-03-06T15:00"), timedelta(hours=4)) == warsaw("2026-03-09T10:00")
    assert OFFICE.after(warsaw("2026-03-02T08:00"), timedelta(hours=9)) == warsaw("2026-03-02T17:00")


def test_hours_that_overlap_count_once() -> None:
    """Two ranges that share an hour are not two hours."""
    twice = WorkingHours(WARSAW, WEEKDAYS, (hours("08:00", "12:00"), hours("10:00", "14:00")))
    assert twice.after(warsaw("2026-03-02T08:00"), timedelta(hours=6)) == warsaw("2026-03-02T14:00")


def test_without_working_days_the_clock_counts() -> None:
    """A calendar in which every day of ten years is off gives a deadline all the same, and soon."""
    every_day = frozenset(date(2026, 1, 1) + timedelta(days=day) for day in range(-2, 3700))
    never = WorkingHours(WARSAW, WEEKDAYS, (hours("08:00", "17:00"),), every_day)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert never.after(start, timedelta(hours=4)) == start + timedelta(hours=4)


@pytest.mark.parametrize("at", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Adak"])
def test_the_ends_of_all_dates_are_survived(at: datetime, zone: str) -> None:
    """No moment that can be written raises."""
    always = WorkingHours(ZoneInfo(zone), frozenset(range(7)), (hours("22:00", "21:00"),))
    assert always.includes(at) in (True, False)
    assert always.after(at, timedelta(days=400)).tzinfo is UTC


ZONES = ["Europe/Warsaw", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana", "Asia/Kathmandu"]
# Around changes of the clocks, an hour left out at midnight, and Samoa's day that never was.
MOMENTS = ["2011-03-13T00:00", "2010-11-07T00:00", "2026-04-05T00:00", "2011-12-29T12:00", "2026-10-25T00:00"]
calendars = st.builds(
    WorkingHours,
    st.sampled_from(ZONES).map(ZoneInfo),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.lists(
        st.builds(
            lambda start, length: Hours(timedelta(minutes=start), timedelta(minutes=start + length)),
            st.integers(0, 1439),
            st.integers(1, 1440),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.frozensets(
        st.sampled_from([date(2011, 3, 13), date(2010, 11, 7), date(2026, 10, 25), date(2026, 4, 6)]), max_size=2
    ),
)
moments = st.builds(
    lambda text, minutes: datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(minutes=minutes),
    st.sampled_from(MOMENTS),
    st.integers(-600, 1800),
)


def plainly_includes(calendar: WorkingHours, at: datetime) -> bool:
    """By what the clock on the wall shows, minute by minute."""
    wall = at.astimezone(calendar.zone)
    shown = timedelta(hours=wall.hour, minutes=wall.minute)
    for back in (0, 1):
        day = wall.date() - timedelta(days=back)
        if day.weekday() not in calendar.days or day in calendar.holidays:
            continue
        for hours_ in calendar.hours:
            if hours_.start <= shown + timedelta(days=back) < hours_.end:
                return True
    return False


@given(calendars, moments, st.integers(0, 1200))
@settings(max_examples=60, deadline=None)
def test_same_as_minute_by_minute(calendar: WorkingHours, start: datetime, minutes: int) -> None:
    """What is included, and when so much has passed, is what a person with a clock and a pencil finds."""
    at, left = start, minutes
    while left and at < start + timedelta(days=4):
        working = plainly_includes(calendar, at)
        assert calendar.includes(at) is working
        left -= working
        at += MINUTE
    if left:
        at = calendar.after(start, timedelta(minutes=minutes))
        assert at >= start + timedelta(minutes=minutes)
    else:
        assert calendar.after(start, timedelta(minutes=minutes)) == at
