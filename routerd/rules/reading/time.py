"""`at:` nodes to conditions: by calendars of `routerd.yaml`, or by days and hours that stand in the rule."""

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar
from zoneinfo import ZoneInfo

from routerd.config.calendar_values import WEEKDAYS, Weekdays, parse_hours, parse_weekdays, parse_zone
from routerd.config.nearest import quoted
from routerd.config.working_hours import Hours, WorkingHours
from routerd.config.yaml_source import Mapping, Node
from routerd.rules import keys
from routerd.rules.conditions.time import TimeCondition
from routerd.rules.conditions.truth import Condition
from routerd.rules.names import Names, suggestion
from routerd.rules.reading.reader import Reader

_EVERY_DAY = Weekdays(0, len(WEEKDAYS) - 1)
_WHOLE_DAY = parse_hours("00:00-24:00")
_FORMS = '{during: office}, {outside: office}, or {days: [mon-fri], hours: "08:00-17:00", zone: Europe/Warsaw}'

_Value = TypeVar("_Value")


def read_at(reader: Reader, names: Names, node: Node) -> Condition | None:
    if not isinstance(node, Mapping):
        reader.refuse(node.mark, f"at takes {_FORMS}")
        return None
    mapping = reader.mapping(node, "at")
    if mapping is None:
        return None
    found = {key.text: value for key, value in reader.known_entries(mapping, keys.AT_KEYS, "under at")}
    if len(found) < len(mapping.entries):
        return None
    by_calendar = [key for key in found if key in ("during", "outside")]
    if by_calendar and len(found) > 1:
        both = ", ".join(f"{{at: {{{keys}}}}}" for keys in _by_themselves(found))
        second = mapping.entries[1][0]
        reader.refuse(second.mark, f"{quoted(second.text)} beside {by_calendar[0]!r}; write them as `all: [{both}]`")
        return None
    if by_calendar:
        return _of_calendars(reader, names, by_calendar[0], found[by_calendar[0]])
    return _of_hours(reader, mapping, found)


def _by_themselves(found: Collection[str]) -> Iterator[str]:
    """What stands under each `at`, where one asks for days or hours and the others for calendars."""
    for key in found:
        if key in ("during", "outside"):
            yield f"{key}: …"
    own = [key for key in ("days", "hours") if key in found]
    if own:
        yield ", ".join(f"{key}: …" for key in (*own, "zone"))


def _of_calendars(reader: Reader, names: Names, key: str, node: Node) -> Condition | None:
    written, hours = [], []
    for scalar in reader.texts(node, f"at: {key}"):
        calendar = names.calendars.get(scalar.text)
        if calendar is None:
            known = suggestion(scalar.text, names.calendars) if names.calendars else "; routerd.yaml has none"
            reader.refuse(scalar.mark, f"no calendar {quoted(scalar.text)}{known}")
        else:
            written.append(scalar.text)
            hours.append(calendar)
    return TimeCondition(tuple(hours), key == "during", f"{key} {', '.join(written)}") if hours else None


def _of_hours(reader: Reader, mapping: Mapping, found: dict[str, Node]) -> Condition | None:
    if "zone" not in found:
        reader.refuse(mapping.mark, "at with days or hours needs their zone, such as `zone: Europe/Warsaw`")
        return None
    if len(found) == 1:
        reader.refuse(mapping.mark, "at with a zone alone is always so; add days or hours")
        return None
    zone = _zone(reader, found["zone"])
    days = _each(reader, found, "days", parse_weekdays)
    hours = _each(reader, found, "hours", parse_hours)
    if zone is None or days == () or hours == ():
        return None
    return _condition(zone, days, hours)


def _condition(zone: ZoneInfo, days: tuple[Weekdays, ...] | None, hours: tuple[Hours, ...] | None) -> TimeCondition:
    """What is not named is not asked: no days means every day, no hours the whole day."""
    numbers = frozenset(number for weekdays in days or (_EVERY_DAY,) for number in weekdays.numbers)
    parts = (days or (), hours or ())
    written = " ".join(", ".join(map(str, part)) for part in parts if part)
    return TimeCondition((WorkingHours(zone, numbers, hours or (_WHOLE_DAY,)),), True, f"{written} {zone.key}")


def _zone(reader: Reader, node: Node) -> ZoneInfo | None:
    scalar = reader.text(node, "at: zone")
    if scalar is None:
        return None
    try:
        return parse_zone(scalar.text)
    except ValueError as error:
        reader.refuse(scalar.mark, str(error))
        return None


def _each(
    reader: Reader, found: dict[str, Node], key: str, parse: Callable[[object], _Value]
) -> tuple[_Value, ...] | None:
    """None where the key is not there, () where nothing of it is right."""
    if key not in found:
        return None
    values = []
    for scalar in reader.texts(found[key], f"at: {key}"):
        try:
            values.append(parse(scalar.text))
        except ValueError as error:
            reader.refuse(scalar.mark, str(error))
    return tuple(values)
