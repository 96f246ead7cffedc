"""From decisions to a plan, on the state as it is now. The writer calls this inside its transaction."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from routerd.desk.pick import Choose, Picked, Picker, line_behind
from routerd.desk.plan import Conversation, DeskState, Event, Plan, PlannedCopy, Role, Twin
from routerd.desk.roster import Roster
from routerd.rules.decision import Decision, Priority

_PRIORITIES = (Priority.HIGH, Priority.NORMAL, Priority.LOW)


def assign(decisions: tuple[Decision, ...], roster: Roster, state: DeskState, now: datetime, choose: Choose) -> Plan:
    """The plan for one message.

    `decisions`: one for each inbox; the first, the home inbox's, gives the owner, the others' owners become watchers.
    `choose`: takes one of several (for `pick: random`).
    """
    if state.twin is not None:
        return _join_twin(state.twin, decisions, roster, state, now, choose)
    picker = Picker(roster, state, now, choose)
    home, others = decisions[0], decisions[1:]
    owner = _owner(home, picker, state.conversation)
    drafts = _Drafts()
    drafts.add(owner.member, Role.OWNER, held_by(home))
    turns = [owner.turn]
    also: list[tuple[str, str]] = []
    for decision in others:
        picked = _picked_for(decision, picker)
        turns.append(picked.turn)
        also.append((decision.inbox, picked.member))
        drafts.add(picked.member, Role.WATCHER, held_by(decision))
    for decision in decisions:
        for name in decision.watch:
            drafts.add_all(roster.people(name), Role.WATCHER, held_by(decision))
    found = roster.inbox(home.inbox)
    if owner.team and found and found.copies == "team":
        drafts.add_all(roster.people(owner.team), Role.TEAMMATE, held_by(home))
    if state.conversation and state.conversation.owner != owner.member and roster.member(state.conversation.owner):
        drafts.add(state.conversation.owner, Role.WATCHER, held_by(home))
    return Plan(
        inbox=state.conversation.inbox if state.conversation else home.inbox,
        owner=owner.member,
        team=owner.team,
        why=f"owner by {owner.why}",
        labels=tuple(dict.fromkeys(label for decision in decisions for label in decision.labels)),
        priority=_highest(decision.priority for decision in decisions),
        also=tuple(also),
        copies=drafts.planned(),
        turns=tuple(turn for turn in turns if turn),
        joins=state.conversation.id if state.conversation else None,
        events=(Event("message_assigned", {"member": owner.member, "team": owner.team, "why": owner.why}),),
    )


def held_by(decision: Decision) -> str | None:
    """Why this inbox's part waits for the postmaster, or None. A rejection that could not be answered is one."""
    if decision.reject is not None:
        return f"rejected: {decision.reject}"
    return decision.hold


def last_resort_plan(inbox: str, label: str, roster: Roster) -> Plan:
    """A plan that asks nothing of rules or state: when even assigning failed, the message still has an owner."""
    people = roster.people(roster.default_of(inbox)) or roster.people(roster.postmaster)
    return Plan(
        inbox=inbox,
        owner=people[0],
        team=None,
        why=f"owner by default of {inbox}, undecided",
        labels=(label,),
        copies=(PlannedCopy(people[0], Role.OWNER),),
        events=(Event("message_assigned", {"member": people[0], "why": "undecided"}),),
    )


@dataclass(frozen=True, slots=True)
class NextInLine:
    member: str
    why: str


def next_in_line(
    roster: Roster, member: str, team: str | None, inbox: str, tried: frozenset[str], now: datetime
) -> NextInLine | None:
    """Who gets a copy that `member`'s mailbox refused: deputy, the team's others and its fallback, the inbox's default,
    the postmaster; each once, so None when all were tried."""
    for name in line_behind(roster, member, team, inbox, now):
        if name not in tried and name != member:
            return NextInLine(name, f"{name}, next in line after {member}")
    return None


def _owner(decision: Decision, picker: Picker, conversation: Conversation | None) -> Picked:
    """The conversation's owner stays; while away, the stand-in takes over; else whom the decision names."""
    if conversation is None or picker.roster.member(conversation.owner) is None:
        return _picked_for(decision, picker)
    kept = picker.pick(conversation.owner)
    if kept is None:
        return _picked_for(decision, picker)
    return replace(kept, team=conversation.team, why=f"the conversation: {kept.why}")


def _picked_for(decision: Decision, picker: Picker) -> Picked:
    """The rule's choice, else the inbox's default, else the postmaster."""
    default = picker.roster.default_of(decision.inbox)
    if decision.assign is not None:
        picked = picker.pick(decision.assign.target)
        if picked is not None:
            return picked
        why = f"nobody of {decision.assign.target} is there"
    else:
        why = ""
    picked = picker.pick(default) or picker.pick(picker.roster.postmaster) or picker.last_resort()
    return replace(picked, why="; ".join(part for part in (f"default {picked.why}", why) if part))


def _join_twin(
    twin: Twin, decisions: tuple[Decision, ...], roster: Roster, state: DeskState, now: datetime, choose: Choose
) -> Plan:
    """The same message came before: inboxes that it reached then need nothing more, the others' owners watch."""
    picker = Picker(roster, state, now, choose)
    owner = state.conversation.owner if state.conversation else next(iter(twin.members), None)
    if owner is None or roster.member(owner) is None:
        owner = _picked_for(decisions[0], picker).member
    drafts = _Drafts(known=frozenset(twin.members))
    also: list[tuple[str, str]] = []
    turns: list[tuple[str, str] | None] = []
    fresh = [decision for decision in decisions if decision.inbox not in twin.inboxes]
    for decision in fresh:
        picked = _picked_for(decision, picker)
        turns.append(picked.turn)
        also.append((decision.inbox, picked.member))
        drafts.add(picked.member, Role.WATCHER, held_by(decision))
        for name in decision.watch:
            drafts.add_all(roster.people(name), Role.WATCHER, held_by(decision))
    return Plan(
        inbox=state.conversation.inbox if state.conversation else decisions[0].inbox,
        owner=owner,
        team=state.conversation.team if state.conversation else None,
        why=f"owner by the conversation: joins {twin.queue_id}",
        labels=tuple(dict.fromkeys(label for decision in fresh for label in decision.labels)),
        priority=_highest(decision.priority for decision in fresh),
        also=tuple(also),
        copies=drafts.planned(),
        turns=tuple(turn for turn in turns if turn),
        joins=state.conversation.id if state.conversation else None,
        twin=twin,
        events=(Event("message_joined", {"twin": twin.queue_id, "inboxes": [decision.inbox for decision in fresh]}),),
    )


@dataclass(slots=True)
class _Drafts:
    """Copies being gathered: one for each member, in the part named first; a part that is not held frees the copy."""

    known: frozenset[str] = frozenset()
    _copies: dict[str, PlannedCopy] = field(default_factory=dict)

    def add(self, member: str, role: Role, held: str | None) -> None:
        if member in self.known:
            return
        present = self._copies.get(member)
        if present is None:
            self._copies[member] = PlannedCopy(member, role, held)
        elif present.held is not None and held is None:
            self._copies[member] = replace(present, held=None)

    def add_all(self, members: Iterable[str], role: Role, held: str | None) -> None:
        for member in members:
            self.add(member, role, held)

    def planned(self) -> tuple[PlannedCopy, ...]:
        return tuple(self._copies.values())


def _highest(priorities: Iterable[Priority | None]) -> Priority | None:
    given = set(priorities)
    return next((priority for priority in _PRIORITIES if priority in given), None)
