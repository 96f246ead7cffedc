"""Moments as header fields have them (RFC 5322 3.3)."""

from datetime import UTC, datetime
from email.utils import format_datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def internet_date(at: datetime) -> str:
    """`Thu, 15 Jan 2026 10:00:00 +0000`. `at` is aware. In UTC written out: a third of what `format_datetime` takes,
    for each message."""
    if at.tzinfo is not UTC:
        return format_datetime(at)
    clock = f"{at.hour:02}:{at.minute:02}:{at.second:02}"
    return f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} {clock} +0000"
