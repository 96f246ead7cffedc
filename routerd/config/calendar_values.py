"""What calendars are written with: time zones, days of the week, hours of the day, holidays."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from routerd.config.nearest import did_you_mean, quoted
from routerd.config.regular_file import FileProblemsError, lines_of, read_regular
from routerd.config.values import Days, OneOrMore, one_or_more, parse_days
from routerd.config.working_hours import Hours
from routerd.config.yaml_source import Mark, Problem

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_HOLIDAYS = 10_000  # days in one calendar
_MAX_HOLIDAYS_BYTES = 1_000_000
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})\Z")
_HOURS = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*[-–]\s*([0-9]{1,2}):([0-9]{2})\Z")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Weekdays:
    """Days from `first` to `last`, both included, on over the end of the week; 0 is Monday."""

    first: int
    last: int

    def __str__(self) -> str:
        first, last = WEEKDAYS[self.first], WEEKDAYS[self.last]
        return first if first == last else f"{first}-{last}"

    @property
    def numbers(self) -> frozenset[int]:
        return frozenset((self.first + step) % 7 for step in range((self.last - self.first) % 7 + 1))


def parse_zone(value: object) -> ZoneInfo:
    """A time zone by its IANA name. Raises ValueError."""
    if isinstance(value, ZoneInfo):
        return value
    name = value if isinstance(value, str) else ""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # also names of folders, and those that lead out of the database
        meant = did_you_mean(name, _zones())
        raise ValueError(f"{quoted(name)} is not a time zone, such as Europe/Warsaw or UTC{meant}") from None


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def parse_weekdays(value: object) -> Weekdays:
    """`mon`, `mon-fri`, `sat-mon`. Raises ValueError."""
    if isinstance(value, Weekdays):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    first, dash, last = (part.strip() for part in text.partition("-"))
    for name in (first, last) if dash else (first,):
        if name not in WEEKDAYS:
            meant = did_you_mean(name, WEEKDAYS) or f"; days are {' '.join(WEEKDAYS)}, and ranges such as mon-fri"
            raise ValueError(f"{quoted(name or str(value))} is not a day of the week{meant}")
    return Weekdays(WEEKDAYS.index(first), WEEKDAYS.index(last if dash else first))


def parse_hours(value: object) -> Hours:
    """`08:00-17:00`, `22:00-06:00` (on into the next day), `00:00-24:00`. Raises ValueError."""
    if isinstance(value, Hours):
        return value
    text = value.strip() if isinstance(value, str) else ""
    found = _HOURS.match(text)
    if not found:
        raise ValueError(f"{quoted(text)} is not a range of hours, such as 08:00-17:00 or 22:00-06:00")
    start, end = _time(found[1], found[2]), _time(found[3], found[4])
    if start is None or end is None or start == _DAY:
        raise ValueError(f"{quoted(text)} names a time that no clock shows; hours go from 00:00 to 24:00")
    if start == end:
        raise ValueError(f"{quoted(text)} ends where it begins; for the whole day write 00:00-24:00")
    return Hours(start, end if end > start else end + _DAY)


def parse_time_of_day(value: object) -> time:
    """`08:00`. Raises ValueError."""
    if isinstance(value, time):
        return value
    text = value.strip() if isinstance(value, str) else ""
    found = _TIME.match(text)
    since_midnight = _time(found[1], found[2]) if found else None
    if since_midnight is None or since_midnight == _DAY:
        raise ValueError(f"{quoted(text)} is not a time of day, such as 08:00 or 17:30")
    return (datetime.min + since_midnight).time()


def _time(hours: str, minutes: str) -> timedelta | None:
    time = timedelta(hours=int(hours), minutes=int(minutes))
    return time if time <= _DAY and int(minutes) < 60 else None


def parse_holiday(value: object) -> Days:
    """`2026-12-24` or `2026-12-24..2026-12-26`, a year at most. Raises ValueError."""
    days = parse_days(value)
    if (days.last - days.first).days >= 366:
        raise ValueError(f"{quoted(str(days))} is longer than a year")
    return days


def count_days(holidays: tuple[Days, ...]) -> int:
    return sum((days.last - days.first).days + 1 for days in holidays)


def days_of(holidays: tuple[Days, ...]) -> frozenset[date]:
    """Each day by itself."""
    return frozenset(
        date.fromordinal(number)
        for days in holidays
        for number in range(days.first.toordinal(), days.last.toordinal() + 1)
    )


def _read_holidays(value: object, info: ValidationInfo) -> object:
    """A list as it is; of a text that is no date the file that it names. Raises FileProblemsError, ValueError."""
    if isinstance(value, str) and not value[:4].isdigit():
        context = info.context if isinstance(info.context, dict) else {}
        value = _holidays_in(Path(context.get("folder", ""), value), str(Path(context.get("shown", ""), value)))
    return one_or_more(value)


def _holidays_in(path: Path, label: str) -> tuple[Days, ...]:
    try:
        data = read_regular(path, _MAX_HOLIDAYS_BYTES)
    except OSError as error:
        raise ValueError(
            f"{quoted(label)} cannot be read: {error.strerror or error}; name a file with one date a line"
        ) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Mark(label, data.count(b"\n", 0, error.start) + 1, 1)
        raise FileProblemsError((Problem(place, "not UTF-8; save the file as UTF-8"),)) from None
    return _holidays_of(text, label)


def _holidays_of(text: str, label: str) -> tuple[Days, ...]:
    holidays: list[Days] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines_of(text), 1):
        said = line.partition("#")[0].strip()
        if not said:
            continue
        try:
            holidays.append(parse_holiday(said))
        except ValueError as error:
            problems.append(Problem(Mark(label, number, line.index(said) + 1), str(error)))
    if problems:
        raise FileProblemsError(tuple(problems))
    return tuple(holidays)


def _text(*examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": list(examples)})


Zone = Annotated[ZoneInfo, BeforeValidator(parse_zone), _text("Europe/Warsaw", "UTC")]
WeekdaysItem = Annotated[Weekdays, BeforeValidator(parse_weekdays), _text("mon-fri", "sat")]
WeekdaysList = Annotated[tuple[WeekdaysItem, ...], BeforeValidator(one_or_more), OneOrMore()]
HoursItem = Annotated[Hours, BeforeValidator(parse_hours), _text("08:00-17:00", "22:00-06:00")]
HoursList = Annotated[tuple[HoursItem, ...], BeforeValidator(one_or_more), OneOrMore()]
TimeOfDay = Annotated[time, BeforeValidator(parse_time_of_day), _text("08:00")]
Holiday = Annotated[Days, BeforeValidator(parse_holiday), _text("lists/holidays.txt", "2026-12-24..2026-12-26")]
Holidays = Annotated[tuple[Holiday, ...], BeforeValidator(_read_holidays), OneOrMore()]


def shown_moment(at: datetime, zone: ZoneInfo) -> str:
    """`wed 2025-01-15 11:00 Europe/Warsaw`."""
    try:
        local = at.astimezone(zone)
    except OverflowError:  # at the end of all dates
        return at.isoformat()
    return f"{WEEKDAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} {zone.key}"


def rounded(span: timedelta) -> str:
    """Two units at most: `45s`, `12m`, `3h 05m`, `2d 4h`."""
    seconds = round(span.total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3_600, seconds // 86_400
    if minutes == 0:
        return f"{seconds}s"
    if hours == 0:
        return f"{minutes}m"
    return f"{hours}h {minutes % 60:02}m" if days == 0 else f"{days}d {hours % 24}h"
