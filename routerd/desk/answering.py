"""A member's answer to the customer: to whom it goes, under which header, and whether it may go now."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime

from routerd.desk.changes import (
    Answered,
    Authored,
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
from routerd.desk.matter import House, Matter
from routerd.desk.plan import Conversation, ConversationState, Event, FullDeskState, Plan, Sent, Voice
from routerd.desk.roster import Roster
from routerd.desk.standing import after_message
from routerd.message.address_list import Mailbox
from routerd.message.desk_mail import DeskMail, compose_desk_mail
from routerd.message.envelope import Raw
from routerd.message.outgoing import Letterhead, outgoing_head

MAX_OUTSIDE = 50  # addresses that one answer goes to

MAX_QUOTED = 20_000  # characters of what is given back
_WHY = {
    HeldKind.CONFLICT: "Your answer was not sent: somebody else has answered meanwhile.",
    HeldKind.COMMAND: "Your answer was not sent: its first line looks like a command.",
    HeldKind.APPROVAL: "Your answer waits for somebody's word before it is sent.",
    HeldKind.DRAFT: "This is a draft.",
}
_HOW = "To send it all the same, reply to this mail with #send as the first line; with #drop it is not sent."
_COMMAND = re.compile(r"\s*#[^\W\d]")


def answer_plan(matter: Matter, conversation: Conversation, state: FullDeskState, house: House) -> Plan:
    """It is sent, or held and given back to its author with what was said meanwhile."""
    member = matter.said.member or ""
    new_held = _why_held(matter, member, conversation, state)
    if new_held is not None:
        return _held_plan(matter, member, conversation, new_held, meanwhile(member, state), house)
    return _sent_plan(matter, member, conversation, house)


def meanwhile(member: str, state: FullDeskState) -> tuple[Sent, ...]:
    """Answers of others that went out since what the member had before his eyes. One that he answers to he has seen."""
    seen = state.seen.message if state.seen else 0
    return tuple(sent for sent in state.sent() if sent.member != member and sent.after >= seen and sent.message != seen)


def customers_of(conversation: Conversation, direct: frozenset[str], roster: Roster) -> tuple[Mailbox, ...]:
    """The outside people of the conversation who did not get it directly: never a member, never an inbox."""
    return tuple(
        Mailbox(name, address)
        for name, address in conversation.standing.outside[:MAX_OUTSIDE]
        if address not in direct and is_outside(address, roster)
    )


def is_outside(address: str, roster: Roster) -> bool:
    """`address` in lower case. Nothing that is ours, with whatever detail, is outside."""
    return roster.inbox_of(address) is None and roster.member_with(address) is None


def answer_head(
    raw: Raw, conversation: Conversation, member: str, to: tuple[Mailbox, ...], house: House, at: datetime
) -> bytes:
    """The header that the customer sees."""
    domain = conversation.inbox.rpartition("@")[2]
    letterhead = Letterhead(
        sender=sender_of(conversation.inbox, member, house),
        to=to[:1],
        cc=to[1:],
        date=format_datetime(at),
        message_id=f"{house.new_id(at)}@{domain}",
    )
    return outgoing_head(raw, letterhead)


def sender_of(inbox: str, member: str, house: House) -> Mailbox:
    """From of an answer: the inbox's `from`, in which {member} is his name."""
    found = house.roster.inbox(inbox)
    template = getattr(found, "from_", None) or inbox.partition("@")[0].capitalize()
    return Mailbox(template.replace("{member}", house.roster.display_name(member)), inbox)


def _why_held(matter: Matter, member: str, conversation: Conversation, state: FullDeskState) -> NewHeld | None:
    if _COMMAND.match(matter.said.spoken.text):
        return NewHeld(HeldKind.COMMAND)
    if meanwhile(member, state):
        return NewHeld(HeldKind.CONFLICT)
    approve = conversation.standing.approve
    if approve:
        return NewHeld(HeldKind.APPROVAL, approve)
    return None


def _sent_plan(matter: Matter, member: str, conversation: Conversation, house: House) -> Plan:
    to = customers_of(conversation, matter.direct, house.roster)
    head = answer_head(matter.received.raw, conversation, member, to, house, matter.at) if to else b""
    before = conversation.standing
    found = house.roster.inbox(conversation.inbox)
    takes = getattr(found, "takes", True)
    owner = member if takes else conversation.owner
    events = [Event("answer_sent", {"member": member, "to": [mailbox.address for mailbox in to]})]
    if owner != conversation.owner:
        why = f"{member} answered"
        events.append(Event("owner_changed", {"from": conversation.owner, "to": owner, "why": why}))
    standing = replace(after_message(before, Voice.MEMBER, matter.at), answers=before.answers + 1)
    return Plan(
        inbox=conversation.inbox,
        owner=owner,
        team=conversation.team,
        why="owner by the conversation" if owner == conversation.owner else f"owner by answering: {owner}",
        labels=(),
        copies=(
            *(PlannedCopy(mailbox.address, Role.ANSWER, head=head) for mailbox in to),
            *_concerned(conversation, member, house.roster),
        ),
        joins=conversation.id,
        events=tuple(events),
        standing=standing,
        part=Part.ANSWER,
        member=member,
        answered=_answered(member, conversation, matter.at, house.roster),
        sent=True,
    )


def send_held(
    held: Held, by: str, conversation: Conversation, state: FullDeskState, house: House, at: datetime
) -> Plan:
    """#send by `by`: the held bytes go out. Its mail alone says so; it is never sent itself.

    The plan has neither copies nor a part of the mail that said so: whoever obeys the command adds them.
    """
    raw = state.content(held.message)
    to = customers_of(conversation, frozenset(), house.roster)
    head = answer_head(raw, conversation, held.member, to, house, at) if raw is not None and to else b""
    before = conversation.standing
    return Plan(
        inbox=conversation.inbox,
        owner=conversation.owner,
        team=conversation.team,
        why="owner by the conversation",
        resent=tuple(
            Resent(held.message, one)
            for one in (
                *(PlannedCopy(mailbox.address, Role.ANSWER, head=head) for mailbox in to if raw is not None),
                *_concerned(conversation, held.member, house.roster),
            )
        ),
        joins=conversation.id,
        events=(Event("answer_sent", {"member": held.member, "by": by, "to": [mailbox.address for mailbox in to]}),),
        standing=replace(
            before,
            state=ConversationState.ANSWERED,
            waiting_since=None,
            respond_by=None,
            overdue=False,
            answered_at=at,
            answers=before.answers + 1,
        ),
        held_ended=(HeldEnded(held.id, HeldEnd.SENT),),
        answered=_answered(held.member, conversation, at, house.roster),
    )


def _held_plan(
    matter: Matter, member: str, conversation: Conversation, new_held: NewHeld, others: Sequence[Sent], house: House
) -> Plan:
    """Nothing goes out; the author hears why, and how to send it all the same."""
    before = conversation.standing
    return Plan(
        inbox=conversation.inbox,
        owner=conversation.owner,
        team=conversation.team,
        why="owner by the conversation",
        joins=conversation.id,
        events=(Event("answer_held", {"member": member, "kind": str(new_held.kind)}),),
        standing=replace(before, messages=before.messages + 1),
        part=Part.ANSWER,
        member=member,
        authored=(_returned(matter, member, conversation, new_held, others, house),),
        new_held=new_held,
    )


def _returned(
    matter: Matter, member: str, conversation: Conversation, new_held: NewHeld, others: Sequence[Sent], house: House
) -> Authored:
    queue_id = house.new_id(matter.at)
    message_id = f"{queue_id}@{conversation.inbox.rpartition('@')[2]}"
    mail = DeskMail(
        sender=Mailbox("routerd", conversation.inbox),
        to=(Mailbox(house.roster.display_name(member), str(house.roster.mailbox(member))),),
        subject=f"Not sent: {conversation.standing.subject}",
        text="\n".join((_WHY[new_held.kind], "", *_told(others, house), _HOW, "", *_quoted(matter.said.spoken.text)))
        + "\n",
        message_id=message_id,
        at=matter.at,
        in_reply_to=matter.message_id,
    )
    return Authored(
        id=queue_id,
        part=Part.TOLD,
        raw=compose_desk_mail(mail),
        message_id=message_id,
        copies=(PlannedCopy(member, Role.DESK),),
        shows_new=True,
        from_null=True,
        why=_WHY[new_held.kind],
    )


def _text_of(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _told(others: Sequence[Sent], house: House) -> Iterator[str]:
    for sent in others:
        yield f"{house.roster.display_name(sent.member)} answered on {sent.at:%Y-%m-%d at %H:%M} UTC."
    if others:
        yield ""


def _quoted(text: str) -> Iterator[str]:
    return (f"> {line}" for line in text[:MAX_QUOTED].splitlines())


def _concerned(conversation: Conversation, author: str, roster: Roster) -> Iterator[PlannedCopy]:
    """The owner and the watchers, but for the author."""
    for member in dict.fromkeys((conversation.owner, *conversation.standing.watchers)):
        if member != author and roster.member(member) is not None:
            yield PlannedCopy(member, Role.WATCHER)


def _answered(member: str, conversation: Conversation, at: datetime, roster: Roster) -> Answered:
    since = conversation.standing.waiting_since
    hours = roster.working_hours(conversation.owner, conversation.team)
    waited = max(at - since, timedelta(0)) if since else None
    working = hours.between(since, at) if hours and since else waited
    return Answered(member, waited, working, is_first=conversation.standing.answers == 0)
