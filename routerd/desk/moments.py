"""Moments as members read them in mail: each in his own time, with its name. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from routerd.config.working_hours import WorkingHours
from routerd.desk.plan import Conversation
from routerd.desk.roster import Roster

_UTC = ZoneInfo("UTC")


def moment(at: datetime, zone: tzinfo) -> str:
    """`2026-12-24 17:00 CET`"""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def moment_told(text: object, zone: tzinfo) -> str:
    """Of an event, where it stands as text. What is no moment is told as it stands."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        at = None
    return moment(at, zone) if at is not None and at.tzinfo is not None else str(text)


def hours_of(reader: str, roster: Roster) -> WorkingHours | None:
    """His own calendar, else that of the first team that has one, of those he is in or leads."""
    found = (roster.working_hours(reader, team) for team in (None, *_teams_of(reader, roster)))
    return next((hours for hours in found if hours is not None), None)


def zone_of(reader: str, roster: Roster, conversation: Conversation | None = None) -> ZoneInfo:
    """By his calendar, else that of his team, of the conversation's team, of whom its inbox belongs to, else UTC."""
    hours = hours_of(reader, roster)
    if hours is None and conversation is not None:
        default = roster.default_of(conversation.inbox)
        found = (roster.working_hours(default, team) for team in (conversation.team, default))
        hours = next((one for one in found if one is not None), None)
    return hours.zone if hours is not None else _UTC


def by_zone(
    readers: Iterable[str], roster: Roster, conversation: Conversation
) -> tuple[tuple[ZoneInfo, tuple[str, ...]], ...]:
    """Who may read the same mail, for the times in it."""
    zones: dict[ZoneInfo, list[str]] = {}
    for reader in readers:
        zones.setdefault(zone_of(reader, roster, conversation), []).append(reader)
    return tuple((zone, tuple(names)) for zone, names in zones.items())


def _teams_of(reader: str, roster: Roster) -> Iterator[str]:
    for name in roster.names:
        team = roster.team(name)
        if team is not None and (reader in team.members or team.lead == reader):
            yield name
