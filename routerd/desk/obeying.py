"""What each command makes of a plan. Pure; on the state as it is inside the transaction."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from routerd.desk.absence import handed_over_by
from routerd.desk.answering import APPROVE_PREFIX, meanwhile, send_held
from routerd.desk.changes import (
    WAITS_FOR_AUTHOR,
    Absence,
    AbsenceSource,
    Back,
    Held,
    HeldEnd,
    HeldEnded,
    HeldForApproval,
    HeldId,
    PlannedCopy,
    Resent,
    Role,
)
from routerd.desk.commands import HELP
from routerd.desk.matter import House
from routerd.desk.pick import Picker
from routerd.desk.plan import Conversation, Event, FullDeskState, Plan, Standing
from routerd.desk.recounting import history_of
from routerd.desk.roster import Roster
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
from routerd.desk.showing import head_of_waiting
from routerd.desk.standing import Act, after_act

MAX_LABELS = 50  # of a conversation, given by command
NO_CONVERSATION = "this mail belongs to no conversation; write it as a reply to one of its mails"


class ForbiddenError(Exception):
    """Why a command cannot be obeyed, and what would be right. `shows`: the held answer that is told of by this."""

    def __init__(self, problem: str, shows: HeldId | None = None) -> None:
        super().__init__(problem)
        self.shows = shows


@dataclass(frozen=True, slots=True)
class Scene:
    """Who speaks, where and when."""

    member: str
    at: datetime
    state: FullDeskState
    house: House

    @property
    def roster(self) -> Roster:
        return self.house.roster


@dataclass(frozen=True, slots=True)
class Work:
    """As far as it is done. `told`: what the speaker is to be told, in paragraphs."""

    plan: Plan
    conversation: Conversation | None  # as it was
    told: tuple[str, ...] = ()

    @property
    def standing(self) -> Standing:
        """Of the conversation that the mail belongs to. Raises ForbiddenError where it belongs to none."""
        if self.conversation is None:
            raise ForbiddenError(NO_CONVERSATION)
        return self.plan.standing

    def now(self) -> Conversation:
        """The conversation as it is by now. Raises ForbiddenError where there is none."""
        standing = self.standing
        if self.conversation is None:
            raise ForbiddenError(NO_CONVERSATION)
        return replace(self.conversation, owner=self.plan.owner, team=self.plan.team, standing=standing)

    def but(self, *events: Event, **changes: Any) -> "Work":
        """With these changes of the plan and these events."""
        return replace(self, plan=replace(self.plan, events=(*self.plan.events, *events), **changes))

    def telling(self, *paragraphs: str) -> "Work":
        return replace(self, told=(*self.told, *paragraphs))


def obey(command: Command, work: Work, scene: Scene) -> Work:
    """Raises ForbiddenError."""
    return _OBEYED_BY[type(command)](command, work, scene)


def may_release(held: Held, member: str, conversation: Conversation, roster: Roster) -> bool:
    """Whether his #send counts. Where a rule wants somebody's word, nobody else's does; his own is another's."""
    counted = roster.approvers(held.member, conversation.standing.approve or held.release)
    if counted:
        return member in counted
    return member in {held.member, conversation.owner, *watching(conversation.standing)}


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
        raise ForbiddenError(f"nobody of {target} is there; name somebody else")
    owned = _owned_by(picked.member, picked.team, f"{scene.member} assigned it to {picked.why}", work, scene)
    if picked.turn is not None:
        owned = owned.but(turns=(*owned.plan.turns, picked.turn))
    if target in (picked.member, picked.team):
        return owned
    return owned.telling(f"#assign {target}: {roster.display_name(picked.member)} has it now ({picked.why}).")


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


def watching(standing: Standing) -> tuple[str, ...]:
    """All who get what comes, but for the owner: also those who watch for another inbox."""
    return tuple(dict.fromkeys((*standing.watchers, *(name for _, name in standing.also))))


def watched_by(standing: Standing, members: Iterable[str]) -> Standing:
    """The same standing where they all watch already."""
    watchers = tuple(dict.fromkeys((*standing.watchers, *members)))
    return standing if watchers == standing.watchers else replace(standing, watchers=watchers)


def _away(command: Away, work: Work, scene: Scene) -> Work:
    if command.deputy == scene.member:
        raise ForbiddenError("your deputy is somebody else than you")
    absence = Absence(scene.member, AbsenceSource.COMMAND, scene.at, command.until, command.deputy)
    deputy = f" {scene.roster.display_name(command.deputy)} is your deputy." if command.deputy else ""
    until = f"until {command.until:%Y-%m-%d %H:%M} UTC" if command.until else "until you write to the desk or say #back"
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


def _send(_command: Send, work: Work, scene: Scene) -> Work:
    now = work.now()
    held = _meant(work, scene, "send")
    if not may_release(held, scene.member, now, scene.roster):
        if held.member == scene.member and now.standing.approve and held.kind in WAITS_FOR_AUTHOR:
            return _asked_for(held, work, scene)
        counted = scene.roster.approvers(held.member, now.standing.approve or held.release)
        who = " or ".join(map(scene.roster.display_name, counted)) or "its author, the owner or who watches"
        raise ForbiddenError(f"it waits for the #send of {who}", held.id)
    if scene.state.content(held.message) is None:
        raise ForbiddenError("what was held is not kept any more; write it again")
    others = [sent for sent in meanwhile(scene.member, scene.state) if sent.message != held.message]
    if others:
        said = "; ".join(
            f"{scene.roster.display_name(sent.member)} on {sent.at:%Y-%m-%d at %H:%M} UTC" for sent in others
        )
        raise ForbiddenError(
            f"meanwhile it was answered: {said}. Look at that first; to send this one all the same, "
            "reply to this mail with #send",
            held.id,
        )
    sent = send_held(held, scene.member, now, scene.state, scene.house, scene.at)
    return work.but(
        *sent.events,
        owner=sent.owner,
        team=sent.team,
        why=sent.why if sent.owner != now.owner else work.plan.why,
        standing=sent.standing,
        resent=(*work.plan.resent, *sent.resent),
        authored=(*work.plan.authored, *sent.authored),
        held_ended=(*work.plan.held_ended, *sent.held_ended),
        answered=sent.answered,
    )


def _asked_for(held: Held, work: Work, scene: Scene) -> Work:
    """Its author wants it sent, and a rule wants somebody's word before: who may say it gets it now."""
    wanted, roster, raw = work.standing.approve, scene.roster, scene.state.content(held.message)
    approvers = roster.approvers(held.member, wanted)
    who = " or ".join(map(roster.display_name, approvers))
    if raw is None:
        raise ForbiddenError(f"it waits for the #send of {who}, and is not kept any more; write it again")
    head = head_of_waiting(APPROVE_PREFIX, raw, held.member, work.now(), approvers, scene.house, scene.at)
    shown = tuple(Resent(held.message, PlannedCopy(name, Role.DESK, head=head)) for name in approvers)
    event = Event("approval_asked", {"member": held.member, "of": list(wanted)})
    asked = work.but(
        event,
        resent=(*work.plan.resent, *shown),
        held_for_approval=(*work.plan.held_for_approval, HeldForApproval(held.id, wanted)),
    )
    return asked.telling(f"#send: a rule wants the word of {who} before. It was sent there to be read.")


def _drop(_command: Drop, work: Work, scene: Scene) -> Work:
    now = work.now()
    held = _meant(work, scene, "drop")
    if held.member != scene.member and not may_release(held, scene.member, now, scene.roster):
        raise ForbiddenError(f"only {scene.roster.display_name(held.member)} and who may #send it may drop it", held.id)
    event = Event("held_dropped", {"by": scene.member, "member": held.member, "kind": str(held.kind)})
    return work.but(event, held_ended=(*work.plan.held_ended, HeldEnded(held.id, HeldEnd.DROPPED)))


def _meant(work: Work, scene: Scene, word: str) -> Held:
    """The one that the mail shows which he answers; else the only one that waits."""
    ended = {one.id for one in work.plan.held_ended}
    waiting = [held for held in scene.state.held() if held.id not in ended]
    seen = scene.state.seen
    if seen is not None and seen.held is not None:
        for held in waiting:
            if held.id == seen.held:
                return held
        raise ForbiddenError("what that mail shows does not wait any more: it was sent, dropped or replaced")
    if not waiting:
        raise ForbiddenError(
            f"nothing waits for #send or #drop in this conversation; #{word} answers the mail that it is about"
        )
    if len(waiting) > 1:
        raise ForbiddenError(
            f"{len(waiting)} answers and drafts wait here; say #{word} in a reply to the mail that shows the one"
        )
    return waiting[0]


def _history(_command: History, work: Work, scene: Scene) -> Work:
    return work.telling(history_of(work.now(), scene.state, scene.house))


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
    Send: _send,
    Drop: _drop,
    History: _history,
    Help: _help,
}
