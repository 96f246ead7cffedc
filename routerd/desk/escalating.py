"""What is overdue goes up, step by step, as the inbox's `escalate` says. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from routerd.config.settings import Escalation, Inbox
from routerd.desk.changes import Authored, Resent, Timer
from routerd.desk.matter import House
from routerd.desk.moments import by_zone
from routerd.desk.owning import hand_over, shown
from routerd.desk.pick import Picked, Picker, ownership
from routerd.desk.plan import Conversation, Event, FullDeskState, Plan
from routerd.desk.reminding import is_promised, note_of, waits
from routerd.desk.roster import Roster
from routerd.desk.timers import escalation, unchanged

_HOW = (
    "To give it to somebody, or to hear no more of it, reply to this mail with #assign NAME or #unwatch on top; any "
    "other reply is a note to who has it."
)


def escalate(timer: Timer, conversation: Conversation, state: FullDeskState, house: House, at: datetime) -> Plan | None:
    """All steps that are due by now, as one: who is named twice hears of it once, and of several who should own it the
    last counts."""
    standing, inbox = conversation.standing, house.roster.inbox(conversation.inbox)
    if not is_promised(conversation) or not standing.overdue or timer.data != str(standing.escalated):
        return None
    steps = tuple(_due(conversation, inbox, house.roster, at)) if inbox else ()
    if not steps:
        return None
    picked = _picked(steps, conversation, state, house, at)
    owner, team = (picked.member, picked.team) if picked else (conversation.owner, conversation.team)
    named = _named(steps, house.roster)
    watchers = tuple(dict.fromkeys((*standing.watchers, *(one for one in named if one != owner))))
    after = replace(
        conversation, standing=replace(standing, watchers=watchers, escalated=standing.escalated + len(steps))
    )
    event = Event("conversation_escalated", {"steps": len(steps), "watch": list(named), "owner": owner})
    why = f"overdue; by the escalation of {conversation.inbox}"
    handed = hand_over(after, owner, f"{why}: {picked.why}" if picked else why, state, house, at)
    return unchanged(
        after,
        event,
        *handed.events,
        owner=owner,
        team=team,
        why=ownership(picked.why, picked.member) if picked else "owner by the conversation",
        turns=(picked.turn,) if picked and picked.turn else (),
        resent=(*handed.resent, *_shown(conversation, [one for one in named if one != owner], state, house)),
        authored=(*handed.authored, *_told(after, owner, named, state, house, at)),
    )


def _due(conversation: Conversation, inbox: Inbox, roster: Roster, at: datetime) -> Iterator[Escalation]:
    """The one whose timer it is, and those behind it whose time has come as well."""
    standing, hours = conversation.standing, roster.working_hours(conversation.owner, conversation.team)
    first = standing.escalated
    for number in range(first, len(inbox.escalate)):
        if standing.respond_by is None:
            return
        if number > first and escalation(number, standing.respond_by, inbox, hours).at > at:
            return
        yield inbox.escalate[number]


def _picked(
    steps: tuple[Escalation, ...], conversation: Conversation, state: FullDeskState, house: House, at: datetime
) -> Picked | None:
    """Who owns it from now on; None: who owns it now, also where he is of the team that should."""
    target = next((step.assign for step in reversed(steps) if step.assign is not None), None)
    if target is None or conversation.owner in house.roster.people(target):
        return None
    picked = Picker(house.roster, state, at, house.choose).pick(target)
    return picked if picked is not None and picked.member != conversation.owner else None


def _named(steps: tuple[Escalation, ...], roster: Roster) -> tuple[str, ...]:
    names = (step.watch for step in steps if step.watch is not None)
    return tuple(dict.fromkeys(member for name in names for member in roster.people(name)))


def _shown(conversation: Conversation, members: list[str], state: FullDeskState, house: House) -> Iterator[Resent]:
    """Whoever did not have it so far."""
    for member in members:
        if member != conversation.owner and member not in conversation.standing.watchers:
            yield from shown(member, conversation, state, house)


def _told(
    after: Conversation, owner: str, named: tuple[str, ...], state: FullDeskState, house: House, at: datetime
) -> Iterator[Authored]:
    """Those whom the steps name, and the former owner; the new one has a mail of his own."""
    is_moved = owner != after.owner
    people = (*named, after.owner) if is_moved else named
    to = tuple(dict.fromkeys(one for one in people if not is_moved or one != owner))
    if not to:
        return
    name = house.roster.display_name(owner)
    has = f"{name} has it now." if is_moved else f"{name} has it."
    for zone, readers in by_zone(to, house.roster, after):
        yield note_of(after, "overdue", f"{waits(after, zone)} {has}\n\n{_HOW}", state, house, at, to=readers)
