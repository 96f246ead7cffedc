"""Whose #send lets an answer go out where a rule wants somebody's word, and how they are spoken of. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from routerd.desk.roster import Roster


def approvers_of(author: str, names: Iterable[str], roster: Roster, at: datetime) -> tuple[str, ...]:
    """Of the members and teams who must approve an answer, those whose word counts: not its author's, but where nobody
    else is among them. Where none of them is there, also who stands in for them, but for the author. None where none of
    them is left."""
    counted = roster.approvers(author, names)
    return (*counted, *_stand_ins(author, counted, roster, at))


def said_of_approvers(author: str, names: Iterable[str], roster: Roster, at: datetime) -> str:
    """`Amal or Jan`; `Jan, as Amal is away until 2026-12-20`; `Amal, who is away until 2026-12-20`. "" for nobody."""
    counted = roster.approvers(author, names)
    there = [name for name in counted if not roster.is_away(name, at)]
    if there or not counted:
        return _named(there, roster)
    gone = " or ".join(f"{roster.display_name(name)}, who is away{_until(name, roster, at)}" for name in counted)
    stand_ins = _stand_ins(author, counted, roster, at)
    if not stand_ins:
        return gone
    gone = " and ".join(f"{roster.display_name(name)} is away{_until(name, roster, at)}" for name in counted)
    return f"{_named(stand_ins, roster)}, as {gone}"


def is_anybody_there(author: str, names: Iterable[str], roster: Roster, at: datetime) -> bool:
    """Of those whose word counts."""
    return any(not roster.is_away(name, at) for name in approvers_of(author, names, roster, at))


def _stand_ins(author: str, counted: tuple[str, ...], roster: Roster, at: datetime) -> tuple[str, ...]:
    """For each of those who are all away the first of his deputies who is there."""
    if counted == (author,) or any(not roster.is_away(name, at) for name in counted):
        return ()
    found = (
        next((one for one in roster.deputies(name) if one != author and not roster.is_away(one, at)), None)
        for name in counted
    )
    return tuple(one for one in dict.fromkeys(found) if one is not None and one not in counted)


def _named(names: Iterable[str], roster: Roster) -> str:
    return " or ".join(map(roster.display_name, names))


def _until(member: str, roster: Roster, at: datetime) -> str:
    """The last day of which it is known that he is away, by his own word or the config."""
    found, absence, hours = roster.member(member), roster.absence(member, at), roster.working_hours(member, None)
    ends = [days.last for days in found.away if days.first <= at.date() <= days.last] if found is not None else []
    if absence is not None and absence.until is not None:
        ends.append((absence.until - timedelta.resolution).astimezone(hours.zone if hours else UTC).date())
    return f" until {max(ends)}" if ends else ""
