"""Moments in header fields."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from routerd.message.internet_date import internet_date

ZONES = st.one_of(st.just(UTC), st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes))))


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=ZONES))
def test_a_moment_reads_as_the_standard_library_writes_it(at: datetime) -> None:
    """In UTC, where it is written out, and everywhere else."""
    assert internet_date(at) == format_datetime(at)


def test_a_moment_names_its_day_and_month() -> None:
    """RFC 5322 3.3, with two digits of the day."""
    assert internet_date(datetime(2026, 11, 2, 7, 5, 9, tzinfo=UTC)) == "Mon, 02 Nov 2026 07:05:09 +0000"
