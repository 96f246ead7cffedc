"""Moments and spans of time as commands print them: in UTC, as the logs have them."""

from datetime import UTC, datetime, timedelta


def shown_time(at: datetime | None) -> str:
    return "-" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def shown_span(span: timedelta) -> str:
    """The two largest units: `3d4h`, `12m5s`."""
    parts = _units(max(int(span.total_seconds()), 0))
    return "".join(f"{count}{unit}" for count, unit in parts[:2]) or "0s"


def iso_or_none(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _units(seconds: int) -> list[tuple[int, str]]:
    counted: list[tuple[int, str]] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count or counted:
            counted.append((count, unit))
    return counted
