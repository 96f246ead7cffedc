"""A member's answer to the customer: it goes out, or is held and goes back to him. Pure.

Called inside the store's transaction: of two answers at the same instant the second one sees the first.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from routerd.desk.approving import approvers_of
from routerd.desk.assign import assign
from routerd.desk.by_itself import is_answered_by_itself
from routerd.desk.changes import (
    Answered,
    Held,
    HeldEnd,
    HeldEnded,
    HeldKind,
    NewHeld,
    Part,
    PlannedCopy,
    Resent,
    Role,
)
from routerd.desk.going_out import GoingOut, customers_of, going_out, head_as_sent
from routerd.desk.matter import House, Matter
from routerd.desk.plan import Conversation, Event, FullDeskState, Plan, Sent, Standing, Voice
from routerd.desk.returning import returned
from routerd.desk.roster import Roster
from routerd.desk.showing import APPROVE_PREFIX, head_of_waiting
from routerd.desk.standing import after_message
from routerd.desk.timers import unchanged
from routerd.desk.waiting import waited_in
from routerd.message.view import MessageView

_BY_ANSWERING = "owner by answering"
_OURS = frozenset({Part.ANSWER, Part.NOTE, Part.DRAFT, Part.CALENDAR})


def answer_plan(matter: Matter, member: str, conversation: Conversation, state: FullDeskState, house: House) -> Plan:
    """What `member` answers to the customer, through us."""
    if matter.is_calendar_reply:
        return _passed_on(matter, member, conversation, state, house)
    new_held = _why_held(matter, member, conversation, state, house)
    if new_held is not None:
        return _held(matter, member, conversation, new_held, state, house)
    out = _going_out(matter, member, conversation, state, house)
    is_direct = any(not house.roster.is_ours(address) for address in matter.direct)
    if not (out.to or is_direct or conversation.standing.watchers):
        return _to_nobody(matter, member, conversation, state, house)
    return _sent(matter, member, conversation, out, state, house)


def reply_plan(
    plan: Plan, member: str, conversation: Conversation, state: FullDeskState, house: House, at: datetime
) -> Plan:
    """`plan`, of a member's mail that went past us to the customer, of which we have a copy: it is the answer.

    Nothing can be held any more, and nothing is sent.
    """
    if plan.twin is not None:
        return plan
    taken = _owner_after(plan.owner, member, conversation, house) if not meanwhile(member, state) else plan.owner
    owner = taken if plan.owner == conversation.owner else plan.owner  # a rule may have moved it
    return replace(
        plan,
        owner=owner,
        why=plan.why if owner == plan.owner else _BY_ANSWERING,
        part=Part.REPLY,
        member=member,
        sent=True,
        answered=answered_by(member, conversation, at, house.roster),
        standing=replace(plan.standing, answers=conversation.standing.answers + 1),
        events=(*plan.events, *(_owner_events(conversation, owner) if owner != plan.owner else ())),
    )


def is_echo(state: FullDeskState) -> bool:
    """Whether the message was here before as an answer, a note, a draft or a calendar's: what the same mail says at
    another address of ours is not said twice. An answer that was dropped may be sent anew."""
    twin = state.twin
    if twin is None or twin.parts.isdisjoint(_OURS):
        return False
    if Part.ANSWER not in twin.parts:
        return True
    known = {sent.message for sent in state.sent()} | {held.message for held in state.held()}
    return not known.isdisjoint({twin.message, *twin.rows})


def echo_plan(matter: Matter, member: str, state: FullDeskState) -> Plan:
    """It changes nothing."""
    twin, conversation = state.twin, state.conversation
    event = Event("message_joined", {"twin": twin.queue_id if twin else None})
    if conversation is None:
        plan = Plan(matter.decisions[0].inbox, member, None, f"owner by writing: {member}", events=(event,))
        return replace(plan, twin=twin, part=Part.NOTE, member=member)
    return replace(unchanged(conversation, event), twin=twin, part=Part.ASIDE, member=member)


def meanwhile(member: str, state: FullDeskState) -> tuple[Sent, ...]:
    """Answers of others that went out since what the member had before his eyes. One that he answers to he has seen."""
    seen = state.seen.message if state.seen else 0
    return tuple(sent for sent in state.sent() if sent.member != member and sent.after >= seen and sent.message != seen)


def send_held(
    held: Held, by: str, conversation: Conversation, state: FullDeskState, house: House, at: datetime
) -> Plan:
    """#send by `by`: the held bytes go out, never the mail that says so.

    The plan has neither copies nor a part of the mail that said so: whoever obeys the command adds them. The bytes are
    kept as long as they wait (`FullDeskState.content`).
    """
    # Of who has left, it becomes the answer of who sends it.
    author = held.member if house.roster.member(held.member) is not None else by
    raw = state.content(held.message)
    out, head = GoingOut((), ()), b""
    if raw is not None:
        customers = customers_of(conversation, state, house.roster)
        out = going_out(raw, author, conversation, customers, _named_in(MessageView(raw)), state, house, at)
        head = head_as_sent(raw, author, conversation, customers, house, at) if held.kind is HeldKind.DRAFT else b""
    concerned = (replace(copy, head=head) for copy in _concerned(conversation, author, house.roster))
    copies = (*out.copies, *concerned)
    owner = _owner_after(conversation.owner, author, conversation, house)
    plan = unchanged(
        conversation, _told(held.member, out, conversation.standing, by=by), *_owner_events(conversation, owner)
    )
    return replace(
        plan,
        owner=owner,
        why=plan.why if owner == conversation.owner else _BY_ANSWERING,
        resent=tuple(Resent(held.message, copy) for copy in copies),
        standing=replace(
            after_message(conversation.standing, Voice.MEMBER, at),
            messages=conversation.standing.messages,
            answers=conversation.standing.answers + 1,
        ),
        held_ended=(HeldEnded(held.id, HeldEnd.SENT),),
        answered=answered_by(author, conversation, at, house.roster),
    )


def answered_by(member: str, conversation: Conversation, at: datetime, roster: Roster) -> Answered:
    """For the figures."""
    since = conversation.standing.waiting_since
    hours = roster.working_hours(conversation.owner, conversation.team)
    waited = max(at - since, timedelta(0)) if since else None
    working = hours.between(since, at) if hours and since else waited
    return Answered(member, waited, working, is_first=conversation.standing.answers == 0)


def _why_held(
    matter: Matter, member: str, conversation: Conversation, state: FullDeskState, house: House
) -> NewHeld | None:
    if matter.said.spoken.commands or matter.said.spoken.bad:
        return NewHeld(HeldKind.COMMAND)
    if meanwhile(member, state):
        return NewHeld(HeldKind.CONFLICT)
    if is_answered_by_itself(matter, member, state):
        return NewHeld(HeldKind.BY_ITSELF)
    approve = conversation.standing.approve
    counted = approvers_of(member, approve, house.roster, matter.at)
    return NewHeld(HeldKind.APPROVAL, approve) if counted and counted != (member,) else None


def _going_out(matter: Matter, member: str, conversation: Conversation, state: FullDeskState, house: House) -> GoingOut:
    customers = customers_of(conversation, state, house.roster)
    return going_out(matter.received.raw, member, conversation, customers, matter.direct, state, house, matter.at)


def _sent(
    matter: Matter, member: str, conversation: Conversation, out: GoingOut, state: FullDeskState, house: House
) -> Plan:
    owner = _owner_after(conversation.owner, member, conversation, house)
    plan = unchanged(conversation, _told(member, out, conversation.standing), *_owner_events(conversation, owner))
    standing = after_message(conversation.standing, Voice.MEMBER, matter.at)
    return replace(
        plan,
        owner=owner,
        why=plan.why if owner == conversation.owner else _BY_ANSWERING,
        copies=(*out.copies, *_for_members(matter, member, conversation, state, house)),
        standing=replace(standing, answers=conversation.standing.answers + 1),
        part=Part.ANSWER,
        member=member,
        answered=answered_by(member, conversation, matter.at, house.roster),
        sent=True,
    )


def _held(
    matter: Matter, member: str, conversation: Conversation, new_held: NewHeld, state: FullDeskState, house: House
) -> Plan:
    """Nothing goes out. Its author hears why; whose word it waits for gets it to read."""
    event = Event("answer_held", {"member": member, "kind": str(new_held.kind), "release": list(new_held.release)})
    return replace(
        unchanged(conversation, event),
        copies=tuple(_to_be_read(matter, member, conversation, new_held, house)),
        standing=replace(conversation.standing, messages=conversation.standing.messages + 1),
        part=Part.ANSWER,
        member=member,
        authored=(returned(matter, member, conversation, new_held.kind, state, house),),
        new_held=new_held,
    )


def _to_nobody(matter: Matter, member: str, conversation: Conversation, state: FullDeskState, house: House) -> Plan:
    """No address of a customer is known, and he wrote to none."""
    return replace(
        unchanged(conversation, Event("answer_refused", {"member": member, "why": "no customer's address is known"})),
        standing=replace(conversation.standing, messages=conversation.standing.messages + 1),
        part=Part.ASIDE,
        member=member,
        authored=(returned(matter, member, conversation, None, state, house),),
    )


def _passed_on(matter: Matter, member: str, conversation: Conversation, state: FullDeskState, house: House) -> Plan:
    """An answer to an invitation (RFC 5546 3.2.3): the customer's calendar reads it, and nobody is answered by it."""
    out = _going_out(matter, member, conversation, state, house)
    event = Event("calendar_reply_sent", {"member": member, "to": [mailbox.address for mailbox in out.to]})
    return replace(
        unchanged(conversation, event),
        copies=(*out.copies, *_for_members(matter, member, conversation, state, house)),
        standing=replace(conversation.standing, messages=conversation.standing.messages + 1),
        part=Part.CALENDAR,
        member=member,
    )


def _told(member: str, out: GoingOut, before: Standing, **more: object) -> Event:
    to = [mailbox.address for mailbox in out.to]
    return Event("answer_sent", {"member": member, "to": to, **more, **waited_in(before)})


def _owner_after(owner: str, member: str, conversation: Conversation, house: House) -> str:
    """Who answers takes it, where the inbox has it so."""
    found = house.roster.inbox(conversation.inbox)
    return member if found is None or found.takes else owner


def _owner_events(conversation: Conversation, owner: str) -> Iterator[Event]:
    if owner != conversation.owner:
        yield Event("owner_changed", {"from": conversation.owner, "to": owner, "why": f"{owner} answered"})


def _for_members(
    matter: Matter, member: str, conversation: Conversation, state: FullDeskState, house: House
) -> Iterator[PlannedCopy]:
    """The others concerned; and of other inboxes that it came to, whom their rules name."""
    seen = {member}
    parts: tuple[PlannedCopy, ...] = ()
    if state.twin is None and any(decision.inbox != conversation.inbox for decision in matter.decisions):
        others = assign(matter.decisions, house.roster, state, matter.at, house.choose, matter.author)
        parts = tuple(copy for copy in others.copies if copy.role is not Role.FORWARD)
    for copy in (*_concerned(conversation, member, house.roster), *parts):
        if copy.member not in seen:
            seen.add(copy.member)
            yield replace(copy, role=Role.WATCHER)


def _concerned(conversation: Conversation, author: str, roster: Roster) -> Iterator[PlannedCopy]:
    """Members who have a part in the conversation, but for the author."""
    also = (name for _, name in conversation.standing.also)
    for name in dict.fromkeys((conversation.owner, *conversation.standing.watchers, *also)):
        if name != author and roster.member(name) is not None:
            yield PlannedCopy(name, Role.WATCHER)


def _to_be_read(
    matter: Matter, member: str, conversation: Conversation, new_held: NewHeld, house: House
) -> Iterator[PlannedCopy]:
    """For those whose word it waits for. #send said to such a copy sends what it shows."""
    people = approvers_of(member, new_held.release, house.roster, matter.at)
    if not people:
        return
    head = head_of_waiting(APPROVE_PREFIX, matter.received.raw, member, conversation, people, house, matter.at)
    yield from (PlannedCopy(name, Role.DESK, head=head) for name in people)


def _named_in(view: MessageView) -> frozenset[str]:
    return frozenset(mailbox.address for name in ("to", "cc") for mailbox in view.addresses(name))
