"""From decisions to a plan, on the state as it is now. The writer calls this inside its transaction."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from routerd.config.settings import Pick
from routerd.desk.changes import Part, PlannedCopy, Role
from routerd.desk.pick import Choose, Picked, Picker, line_behind, ownership
from routerd.desk.plan import SOMEBODY, Author, Conversation, DeskState, Event, Plan, Standing, Twin, Voice
from routerd.desk.roster import Roster
from routerd.desk.standing import Promise, after_message
from routerd.desk.timers import promise_within
from routerd.rules.decision import Assign, Decision, Priority

_PARTS = {Voice.CUSTOMER: Part.CUSTOMER, Voice.MEMBER: Part.REPLY, Voice.ASIDE: Part.ASIDE}
_PRIORITIES = (Priority.HIGH, Priority.NORMAL, Priority.LOW)


def assign(
    decisions: tuple[Decision, ...],
    roster: Roster,
    state: DeskState,
    now: datetime,
    choose: Choose,
    author: Author = SOMEBODY,
) -> Plan:
    """The plan for one message.

    `decisions`: one for each inbox; the first, the home inbox's, gives the owner, the others' owners become watchers.
    `choose`: takes one of several (for `pick: random`). `author`: who wrote it.
    """
    picker = Picker(roster, state, now, choose, author.customer)
    if state.twin is not None:
        return _join_twin(state.twin, decisions, picker)
    conversation = state.conversation
    home, others = _home_and_others(decisions, conversation)
    owner = _owner(home, picker, conversation)
    drafts = _Drafts()
    drafts.add(owner.member, Role.OWNER, held_by(home))
    parts = _add_parts(others, picker, drafts)
    for decision in decisions:
        _add_named(decision, roster, drafts)
    found = roster.inbox(home.inbox)
    if owner.team and found and found.copies == "team":
        drafts.add_all(roster.people(owner.team), Role.TEAMMATE, held_by(home))
    before = conversation.standing if conversation else None
    if conversation and conversation.owner != owner.member and roster.member(conversation.owner):
        drafts.add(conversation.owner, Role.WATCHER, held_by(home))
    for watcher in before.watchers if before else ():
        if watcher != author.member and roster.member(watcher):
            drafts.add(watcher, Role.WATCHER, held_by(home))
    labels = _labels(decisions)
    promise = _promise(decisions, roster, owner, now)
    also = tuple((inbox, picked.member) for inbox, picked in parts)
    standing = after_message(
        before,
        author.voice,
        now,
        labels=labels,
        promise=promise,
        also=also,
        outside=author.outside,
        subject=author.subject,
    )
    standing = _watched(_to_be_approved(standing, decisions), decisions, author, owner.member, picker)
    return Plan(
        inbox=conversation.inbox if conversation else home.inbox,
        owner=owner.member,
        team=owner.team,
        why=ownership(owner.why, owner.member),
        labels=labels,
        priority=standing.priority or _highest(decision.priority for decision in decisions),
        respond_by=standing.respond_by,
        headers=_headers(decisions),
        also=also,
        copies=drafts.planned(),
        turns=_turns((home, owner), *zip(others, (picked for _, picked in parts), strict=True)),
        joins=conversation.id if conversation else None,
        events=tuple(_events(owner, conversation)),
        customer=author.customer if author.voice is Voice.CUSTOMER else None,
        standing=standing,
        part=_PARTS[author.voice],
        member=author.member,
    )


def held_by(decision: Decision) -> str | None:
    """Why this inbox's part waits for the postmaster, or None. A rejection that could not be answered is one."""
    if decision.reject is not None:
        return f"rejected: {decision.reject}"
    return decision.hold


def last_resort_plan(inbox: str, label: str, roster: Roster, now: datetime) -> Plan:
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
        standing=after_message(None, Voice.CUSTOMER, now, labels=(label,)),
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


def stand_in(roster: Roster, member: str, team: str | None, inbox: str, now: datetime) -> NextInLine | None:
    """Who gets `member`'s held copy when it is released and he is away; None: he is there, or nobody else is.

    A rotation does not move: it is the same line as for a copy that could not be delivered.
    """
    if roster.member(member) is not None and not roster.is_away(member, now):
        return None
    for name in line_behind(roster, member, team, inbox, now):
        if name != member and not roster.is_away(name, now):
            return NextInLine(name, f"{name}, next in line while {member} is away")
    return None


def _kept(member: str | None, decision: Decision, picker: Picker) -> Picked | None:
    """`member`, who watches for that inbox already, unless a rule moves that or he is away; None: he does not."""
    roster, given = picker.roster, decision.reassign
    if member is None or roster.member(member) is None or roster.is_away(member, picker.now):
        return None
    if given is not None and member not in roster.people(given.target):
        return _pick(given, picker)
    return Picked(member, None, f"the conversation: {member}")


def _owner(decision: Decision, picker: Picker, conversation: Conversation | None) -> Picked:
    """The conversation's owner stays, unless a rule reassigns it; while away, the stand-in takes over; else whom the
    decision names."""
    if conversation is None or picker.roster.member(conversation.owner) is None:
        return _picked_for(decision, picker)
    given = decision.reassign
    if given is not None and conversation.owner not in picker.roster.people(given.target):
        picked = _pick(given, picker)
        if picked is not None:
            return replace(picked, why=f"{picked.why}, reassigned from {conversation.owner} by {given.rule.name}")
    kept = picker.pick_for(conversation)
    if kept is None:
        return _picked_for(decision, picker)
    return replace(kept, team=kept.team or conversation.team, why=f"the conversation: {kept.why}")


def _pick(given: Assign, picker: Picker) -> Picked | None:
    return picker.pick(given.target, Pick(given.pick) if given.pick else None)


def _picked_for(decision: Decision, picker: Picker) -> Picked:
    """The rule's choice, else the inbox's default, else the postmaster."""
    default = picker.roster.default_of(decision.inbox)
    if decision.assign is not None:
        picked = _pick(decision.assign, picker)
        if picked is not None:
            return picked
        target = decision.assign.target
        why = f"{target} is away" if picker.roster.member(target) is not None else f"nobody of {target} is there"
    else:
        why = ""
    picked = picker.pick(default) or picker.pick(picker.roster.postmaster) or picker.last_resort()
    return replace(picked, why="; ".join(part for part in (f"default: {picked.why}", why) if part))


def _join_twin(twin: Twin, decisions: tuple[Decision, ...], picker: Picker) -> Plan:
    """The same message came before: inboxes that it reached then need nothing more, the others' owners watch."""
    roster, conversation = picker.roster, picker.state.conversation
    owner = conversation.owner if conversation else next((name for name in twin.members if roster.member(name)), None)
    if owner is None or roster.member(owner) is None:
        owner = _picked_for(decisions[0], picker).member
    drafts = _Drafts(known=frozenset(twin.members))
    fresh = tuple(decision for decision in decisions if decision.inbox not in twin.inboxes)
    parts = _add_parts(fresh, picker, drafts)
    for decision in fresh:
        _add_named(decision, roster, drafts)
    labels = _labels(fresh)
    also = tuple((inbox, picked.member) for inbox, picked in parts)
    standing = conversation.standing if conversation else Standing()
    return Plan(
        inbox=conversation.inbox if conversation else decisions[0].inbox,
        owner=owner,
        team=conversation.team if conversation else None,
        why=f"owner by the conversation: joins {twin.queue_id}",
        labels=labels,
        priority=_highest(decision.priority for decision in fresh),
        respond_by=standing.respond_by,
        headers=_headers(fresh),
        also=also,
        copies=drafts.planned(),
        turns=_turns(*zip(fresh, (picked for _, picked in parts), strict=True)),
        joins=conversation.id if conversation else None,
        twin=twin,
        events=(Event("message_joined", {"twin": twin.queue_id, "inboxes": [decision.inbox for decision in fresh]}),),
        standing=replace(
            _to_be_approved(standing, fresh),
            labels=tuple(dict.fromkeys((*standing.labels, *labels))),
            also=tuple({**dict(standing.also), **dict(also)}.items()),
        ),
    )


def _to_be_approved(standing: Standing, decisions: tuple[Decision, ...]) -> Standing:
    """Once a rule wants somebody's word before an answer goes out, that holds for the conversation."""
    wanted = [name for decision in decisions for name in decision.approve]
    return replace(standing, approve=tuple(dict.fromkeys((*standing.approve, *wanted)))) if wanted else standing


def _watched(
    standing: Standing, decisions: tuple[Decision, ...], author: Author, owner: str, picker: Picker
) -> Standing:
    """Whom a rule lets watch a customer's message goes on watching; so does a member who asks, and an owner for whom
    somebody stands in."""
    roster, conversation = picker.roster, picker.state.conversation
    watchers = dict.fromkeys(standing.watchers)
    if author.voice is Voice.CUSTOMER:
        for name in (name for decision in decisions for name in decision.watch):
            watchers.update(dict.fromkeys(roster.people(name)))
        if author.member is not None and conversation is None:
            watchers[author.member] = None
    was = conversation.owner if conversation is not None else owner
    if was != owner and roster.member(was) is not None and roster.is_away(was, picker.now):
        watchers[was] = None
    watchers.pop(owner, None)
    return replace(standing, watchers=tuple(watchers)) if watchers or standing.watchers else standing


def _home_and_others(
    decisions: tuple[Decision, ...], conversation: Conversation | None
) -> tuple[Decision, tuple[Decision, ...]]:
    """In a known conversation its own inbox is at home, whichever To names first; else the first."""
    lives_in = conversation.inbox if conversation else None
    home = next((decision for decision in decisions if decision.inbox == lives_in), decisions[0])
    return home, tuple(decision for decision in decisions if decision is not home)


def _add_parts(decisions: tuple[Decision, ...], picker: Picker, drafts: "_Drafts") -> list[tuple[str, Picked]]:
    """Of inboxes beside the home inbox: whom their rules name watches, and whoever does so already goes on."""
    conversation = picker.state.conversation
    watching = dict(conversation.standing.also) if conversation else {}
    parts = []
    for decision in decisions:
        picked = _kept(watching.get(decision.inbox), decision, picker) or _picked_for(decision, picker)
        parts.append((decision.inbox, picked))
        drafts.add(picked.member, Role.WATCHER, held_by(decision))
    return parts


def _add_named(decision: Decision, roster: Roster, drafts: "_Drafts") -> None:
    for name in decision.watch:
        drafts.add_all(roster.people(name), Role.WATCHER, held_by(decision))
    drafts.add_all(decision.forward, Role.FORWARD, held_by(decision))


def _turns(*picked: tuple[Decision, Picked]) -> tuple[tuple[str, str], ...]:
    """The rotations that move on: not for what is rejected, also where that could not be answered."""
    return tuple(one.turn for decision, one in picked if one.turn and decision.reject is None)


def _events(owner: Picked, conversation: Conversation | None) -> Iterator[Event]:
    yield Event("message_assigned", {"member": owner.member, "team": owner.team, "why": owner.why})
    if conversation is not None and conversation.owner != owner.member:
        yield Event("owner_changed", {"from": conversation.owner, "to": owner.member, "why": owner.why})


def _promise(decisions: tuple[Decision, ...], roster: Roster, owner: Picked, now: datetime) -> Promise | None:
    """The shortest of what is promised: in working hours of the owner's calendar, without one by the clock."""
    promised = [decision.respond_within for decision in decisions if decision.respond_within is not None]
    if not promised:
        return None
    hours = roster.working_hours(owner.member, owner.team)
    return promise_within(min(promised), now, hours)


def _labels(decisions: tuple[Decision, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label for decision in decisions for label in decision.labels))


def _headers(decisions: tuple[Decision, ...]) -> tuple[tuple[str, str], ...]:
    """One of each name: the first."""
    headers: dict[str, tuple[str, str]] = {}
    for decision in decisions:
        for name, value in decision.headers:
            headers.setdefault(name.lower(), (name, value))
    return tuple(headers.values())


@dataclass(slots=True)
class _Drafts:
    """Copies being gathered: one for each member or address, in the part named first.

    A part that is not held frees the copy.
    """

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
