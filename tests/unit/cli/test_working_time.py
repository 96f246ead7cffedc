"""Working time that is counted once says the same as the calendar."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from routerd.cli.reporting.working import WorkingTime
from routerd.config.working_hours import Hours, WorkingHours

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
HOURS = WorkingHours(
    ZoneInfo("Europe/Warsaw"),
    frozenset(range(5)),
    (Hours(timedelta(hours=8), timedelta(hours=12)), Hours(timedelta(hours=13), timedelta(hours=26))),
    frozenset({date(2026, 4, 6)}),
)
MOMENTS = st.datetimes(datetime(2025, 6, 1), datetime(2027, 6, 1), timezones=st.just(UTC))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(MOMENTS, MOMENTS), min_size=1, max_size=8))
def test_it_is_what_the_calendar_says(spans: list[tuple[datetime, datetime]]) -> None:
    """Whatever was asked before, over changes of the clock, holidays and nights; backwards nothing."""
    working = WorkingTime(HOURS)
    asked = [((start - EPOCH) // MICROSECOND, (end - EPOCH) // MICROSECOND) for start, end in spans]
    said = [HOURS.between(start, end) / MICROSECOND for start, end in spans]
    assert [working.between([one])[0] for one in asked] == said
    assert working.between(asked) == said
