"""What surrounds a message, asked in the plainest way: the YAML as it stands, no value of the compiled rules."""

from collections.abc import Callable
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

from reference_text import any_text

from routerd.message.fold import fold
from routerd.rules.facts import Facts
from routerd.rules.matching.languages import language_of

DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "KB": 1000, "MB": 1_000_000}
# As rule_sets has them.
CALENDARS: dict[str, dict[str, Any]] = {
    "office": {"zone": "Europe/Warsaw", "days": ["mon-fri"], "hours": ["08:00-17:00"], "off": ["2025-01-06"]},
    "night": {"zone": "Europe/Warsaw", "days": ["mon-sun"], "hours": ["22:00-06:00"], "off": []},
}
TEAMS = {"finance": ["ewa", "jan"], "sales": ["omar", "ewa"], "duty": ["jan"]}


def circumstance(key: str, value: Any, facts: Facts) -> bool | None:
    """True, False, or None for what cannot be told; of the keys in CIRCUMSTANCES."""
    return CIRCUMSTANCES[key](value, facts)


def at(value: Any, facts: Facts) -> bool | None:
    if facts.at is None:
        return None
    for key, wanted in (("during", True), ("outside", False)):
        if key in value:
            return any(shows_working_hour(CALENDARS[name], facts) is wanted for name in value[key])
    return shows_working_hour({"days": ["mon-sun"], "hours": ["00:00-24:00"], "off": [], **value}, facts)


def shows_working_hour(calendar: dict[str, Any], facts: Facts) -> bool:
    assert facts.at is not None
    clock = facts.at.astimezone(ZoneInfo(calendar["zone"]))
    shown = clock.strftime("%H:%M")
    for begun in (clock.date(), clock.date() - timedelta(days=1)):
        if DAYS[begun.weekday()] not in days_of(calendar["days"]) or str(begun) in calendar["off"]:
            continue
        for hours in calendar["hours"]:
            start, end = hours.split("-")
            over_midnight = end <= start
            if begun == clock.date() and start <= shown and (over_midnight or shown < end):
                return True
            if begun != clock.date() and over_midnight and shown < end:
                return True
    return False


def days_of(ranges: list[str]) -> set[str]:
    found = set()
    for written in ranges:
        first, _, last = written.partition("-")
        day = DAYS.index(first)
        found.add(first)
        while DAYS[day] != (last or first):
            day = (day + 1) % 7
            found.add(DAYS[day])
    return found


def auth(value: Any, facts: Facts) -> bool | None:
    truths: list[bool | None] = []
    for method, results in value.items():
        found = facts.results.get(method)
        truths.append(None if found == "temperror" else found in results)
    return False if False in truths else None if None in truths else True


def conversation(value: Any, facts: Facts) -> bool:
    known = facts.conversation
    for key, wanted in value.items():
        if key == "known":
            holds = (known is not None) is wanted
        elif key == "messages":
            holds = number(wanted, known.messages if known else 0)
        elif known is None:
            holds = False
        elif key == "owner":
            teams = {team for team, members in TEAMS.items() if known.owner in members}
            holds = any(name in {known.owner, known.team, *teams} for name in wanted)
        elif key == "label":
            holds = any(label in known.labels for label in wanted)
        elif key == "state":
            holds = known.state in wanted
        else:
            holds = known.waiting is not None and number(wanted, known.waiting.total_seconds())
        if not holds:
            return False
    return True


def number(test: dict[str, str], found: float) -> bool:
    ((operator, written),) = test.items()
    unit = written.lstrip("0123456789")
    wanted = int(written.removesuffix(unit)) * UNITS.get(unit, 1)
    return {"over": found > wanted, "under": found < wanted, "equals": found == wanted}[operator]


def attachment(value: Any, facts: Facts) -> bool:
    if "exists" in value:
        return bool(facts.view.attachments) is value["exists"]
    return any(all(of_attachment(key, wanted, one) for key, wanted in value.items()) for one in facts.view.attachments)


def of_attachment(key: str, wanted: Any, one: Any) -> bool:
    if key == "size":
        return number(wanted, one.size_bytes)
    others = isinstance(wanted, dict) and "other_than" in wanted
    if key == "type":
        listed = wanted["other_than"] if others else wanted
        return any(fnmatchcase(one.type, glob) for glob in listed) is not others
    names = [one.name] if one.name and fold(one.name).strip() else []
    if others:
        return bool(names) and not any_text({"equals": wanted["other_than"]}, names, [])
    return any_text(wanted, names, [])


def recipients(value: Any, facts: Facts) -> bool:
    addresses = {mailbox.address.lower() for header in ("to", "cc") for mailbox in facts.view.addresses(header)}
    return number(value, len(addresses - {""}))


def dnsbl(value: Any, facts: Facts) -> bool | None:
    if any(name in facts.dnsbl.listed for name in value):
        return True
    return None if any(name in facts.dnsbl.unanswered for name in value) else False


CIRCUMSTANCES: dict[str, Callable[[Any, Facts], bool | None]] = {
    "at": at,
    "auth": auth,
    "conversation": conversation,
    "attachment": attachment,
    "attachments": lambda value, facts: number(value, len(facts.view.attachments)),
    "recipients": recipients,
    "size": lambda value, facts: number(value, facts.view.size_bytes),
    "language": lambda value, facts: language_of(facts.view.new_text) in value,
    "dnsbl": dnsbl,
}
