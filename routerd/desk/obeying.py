"""What each command makes of a plan. Pure; on the state as it is inside the transaction."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from routerd.desk.absence import handed_over_by
from routerd.desk.changes import Absence, AbsenceSource, Back
from routerd.desk.commands import HELP
from routerd.desk.moments import moment, zone_of
from routerd.desk.pick import Picker
from routerd.desk.plan import Event
from routerd.desk.recounting import history_of
from routerd.desk.releasing import drop, send
from routerd.desk.said import (
    AssignTo,
    Away,
    BackAgain,
    Close,
    Command,
    Drop,
    Help,
    History,
    Label,
    Open,
    Send,
    SetPriority,
    Snooze,
    Take,
    Unwatch,
    Watch,
)
from routerd.desk.scene import ForbiddenError, Scene, Work
from routerd.desk.standing import Act, after_act
from routerd.desk.watching import watched_by

MAX_LABELS = 50  # of a conversation, given by command


def obey(command: Command, work: Work, scene: Scene) -> Work:
    """Raises ForbiddenError."""
    return _OBEYED_BY[type(command)](command, work, scene)


def _take(_command: Take, work: Work, scene: Scene) -> Work:
    return _owned_by(scene.member, None, f"{scene.member} took it", work, scene)


def _assign(command: AssignTo, work: Work, scene: Scene) -> Work:
    now, target = work.now(), command.target
    roster = scene.roster
    if target != now.owner and now.owner in roster.people(target):
        return work.telling(f"#assign {target}: {roster.display_name(now.owner)} of {target} has it already.")
    picker = Picker(roster, scene.state, scene.at, scene.house.choose, None)
    picked = picker.pick(target)
    if picked is None:
        raise ForbiddenError(f"{_why_nobody(target, scene)}; name somebody else")
    owned = _owned_by(picked.member, picked.team, f"{scene.member} assigned it to {picked.why}", work, scene)
    if picked.turn is not None:
        owned = owned.but(turns=(*owned.plan.turns, picked.turn))
    if target in (picked.member, picked.team):
        return owned
    return owned.telling(f"#assign {target}: {roster.display_name(picked.member)} has it now ({picked.why}).")


def _why_nobody(target: str, scene: Scene) -> str:
    roster, at = scene.roster, scene.at
    found = roster.member(target)
    if found is None:
        return f"nobody of {target} is there"
    absence, today = roster.absence(target, at), at.date()
    until = next((str(days.last) for days in found.away if days.first <= today <= days.last), "")
    if absence is not None and absence.until is not None:
        until = moment(absence.until, zone_of(scene.member, roster))
    return f"{roster.display_name(target)} is away{f' until {until}' if until else ''}, and so is whoever stands in"


def _owned_by(member: str, team: str | None, why: str, work: Work, scene: Scene) -> Work:
    """`team`: that he was picked from; None: the conversation's, where he is of it."""
    now = work.now()
    if team is None and now.team is not None and member in scene.roster.people(now.team):
        team = now.team
    return work.but(owner=member, team=team, why=f"owner by command: {why}")


def _label(command: Label, work: Work, scene: Scene) -> Work:
    before = work.standing.labels
    missing = [label for label in command.remove if label not in before]
    if missing:
        has = ", ".join(before) or "none"
        raise ForbiddenError(f"it has no label {', '.join(missing)}; its labels: {has}")
    labels = tuple(dict.fromkeys((*before, *command.add)))
    if len(labels) > MAX_LABELS:
        raise ForbiddenError(f"a conversation has at most {MAX_LABELS} labels")
    kept = tuple(label for label in labels if label not in command.remove)
    added = [label for label in command.add if label not in before]
    event = Event("labels_changed", {"by": scene.member, "added": added, "removed": list(command.remove)})
    return work.but(event, standing=replace(work.standing, labels=kept))


def _priority(command: SetPriority, work: Work, scene: Scene) -> Work:
    event = Event("priority_set", {"by": scene.member, "priority": str(command.priority)})
    return work.but(event, priority=command.priority, standing=replace(work.standing, priority=command.priority))


def _close(_command: Close, work: Work, scene: Scene) -> Work:
    return _moved(Act.CLOSE, "conversation_closed", work, scene)


def _open(_command: Open, work: Work, scene: Scene) -> Work:
    return _moved(Act.OPEN, "conversation_opened", work, scene)


def _snooze(command: Snooze, work: Work, scene: Scene) -> Work:
    return _moved(Act.SNOOZE, "conversation_snoozed", work, scene, command.until)


def _moved(act: Act, kind: str, work: Work, scene: Scene, until: datetime | None = None) -> Work:
    standing = after_act(work.standing, act, scene.at, until)
    told: dict[str, object] = {"by": scene.member, "why": "command"}
    if until is not None:
        told["until"] = until.isoformat()
    return work.but(Event(kind, told), standing=standing)


def _watch(_command: Watch, work: Work, scene: Scene) -> Work:
    standing = watched_by(work.standing, (scene.member,))
    if standing is work.standing:
        return work
    return work.but(Event("watch_begun", {"member": scene.member}), standing=standing)


def _unwatch(_command: Unwatch, work: Work, scene: Scene) -> Work:
    before = work.standing
    if scene.member not in before.watchers:
        if scene.member == work.plan.owner:
            raise ForbiddenError("it is yours, so its mail comes to you; with #assign somebody else has it")
        return work
    watchers = tuple(name for name in before.watchers if name != scene.member)
    return work.but(Event("watch_ended", {"member": scene.member}), standing=replace(before, watchers=watchers))


def _away(command: Away, work: Work, scene: Scene) -> Work:
    if command.deputy == scene.member:
        raise ForbiddenError("your deputy is somebody else than you")
    absence = Absence(scene.member, AbsenceSource.COMMAND, scene.at, command.until, command.deputy)
    deputy = f" {scene.roster.display_name(command.deputy)} is your deputy." if command.deputy else ""
    until = "until you write to the desk or say #back"
    if command.until is not None:
        until = f"until {moment(command.until, zone_of(scene.member, scene.roster))}"
    event = Event("away_begun", {"member": scene.member, "until": command.until.isoformat() if command.until else None})
    handed = handed_over_by(scene.member, scene.roster)
    gone = work.but(event, absences=(*work.plan.absences, absence), hands_over=handed)
    return gone.telling(f"#away: you count as away {until}.{deputy} With #back you are there again.")


def _back(_command: BackAgain, work: Work, scene: Scene) -> Work:
    there = work.but(Event("away_ended", {"member": scene.member}), absences=(*work.plan.absences, Back(scene.member)))
    found = scene.roster.member(scene.member)
    today = scene.at.date()
    planned = next((days for days in found.away if days.first <= today <= days.last), None) if found else None
    if planned is None:
        return there.telling("#back: you are there again.")
    return there.telling(f"#back: the postmaster's file has you away until {planned.last}; only he can change that.")


def _history(_command: History, work: Work, scene: Scene) -> Work:
    return work.telling(history_of(work.now(), scene.member, scene.state, scene.house))


def _help(_command: Help, work: Work, scene: Scene) -> Work:
    del scene
    return work.telling(
        f"Commands stand at the top of a note, one on a line; what follows is the note.\n\n{HELP.rstrip()}"
    )


Obey = Callable[[Any, Work, Scene], Work]

_OBEYED_BY: dict[type[object], Obey] = {
    Take: _take,
    AssignTo: _assign,
    Label: _label,
    SetPriority: _priority,
    Close: _close,
    Open: _open,
    Snooze: _snooze,
    Watch: _watch,
    Unwatch: _unwatch,
    Away: _away,
    BackAgain: _back,
    Send: send,
    Drop: drop,
    History: _history,
    Help: _help,
}
