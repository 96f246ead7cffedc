"""What a new owner gets: the conversation so far, and a note that sums it up. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime

from routerd.desk.changes import Authored, Part, PlannedCopy, Resent, Role
from routerd.desk.matter import House
from routerd.desk.plan import Conversation, Event, FullDeskState, Past, Plan
from routerd.desk.telling import Told, note_address, tell
from routerd.message.address_list import Mailbox
from routerd.message.outgoing import Letterhead, outgoing_head

MAX_RESENT = 20
_LOOKED_AT = 60  # messages of the conversation, of which some are routerd's own
_TOLD = {
    Part.CUSTOMER: "wrote",
    Part.ASIDE: "wrote",
    Part.REPLY: "answered",
    Part.ANSWER: "answered",
    Part.NOTE: "noted",
}


@dataclass(frozen=True, slots=True)
class Handover:
    """What is added to a plan that changes the owner."""

    resent: tuple[Resent, ...] = ()
    authored: tuple[Authored, ...] = ()
    events: tuple[Event, ...] = ()


def hand_over(
    conversation: Conversation, to: str, why: str, state: FullDeskState, house: House, at: datetime
) -> Handover:
    """`to`: the member who owns it from now on; `why`: in words, for the event, the summary and X-Routerd-Why.

    To the owner himself: nothing. What somebody has already, he does not get again.
    """
    if to == conversation.owner:
        return Handover()
    event = Event("owner_changed", {"from": conversation.owner, "to": to, "why": why})
    past = so_far(to, state)
    return Handover(
        _resent(past, to, conversation, state, house), (_summary(conversation, to, why, past, house, at),), (event,)
    )


def with_handover(plan: Plan, conversation: Conversation, state: FullDeskState, house: House, at: datetime) -> Plan:
    """`plan`, of a message of the conversation, whose owner may be a new one: then with all that he gets.

    Its event of the change stays the only one.
    """
    if plan.owner == conversation.owner or plan.twin is not None:
        return plan
    is_told = [event for event in plan.events if event.kind == "owner_changed"]
    why = str(is_told[-1].data["why"]) if is_told else plan.why.removeprefix("owner by ")
    handed = hand_over(conversation, plan.owner, why, state, house, at)
    return replace(
        plan,
        resent=(*handed.resent, *plan.resent),
        authored=(*handed.authored, *plan.authored),
        events=plan.events if is_told else (*plan.events, *handed.events),
    )


def so_far(member: str, state: FullDeskState) -> tuple[Past, ...]:
    """What was said in the conversation, and by others than `member`, the latest, oldest first. No answer that did not
    go out."""
    said = [one for one in state.past(_LOOKED_AT) if one.part in _TOLD and one.member != member]
    sent = {one.message for one in state.sent()} if any(one.part is Part.ANSWER for one in said) else set()
    return tuple([one for one in said if one.part is not Part.ANSWER or one.message in sent][-MAX_RESENT:])


def shown(member: str, conversation: Conversation, state: FullDeskState, house: House) -> tuple[Resent, ...]:
    """The conversation so far, for a member who did not have it: as far as it is kept."""
    return _resent(so_far(member, state), member, conversation, state, house)


def _resent(
    past: tuple[Past, ...], member: str, conversation: Conversation, state: FullDeskState, house: House
) -> tuple[Resent, ...]:
    return tuple(
        Resent(one.message, PlannedCopy(member, Role.WATCHER, head=_head(one, member, conversation, state, house)))
        for one in past
        if one.has_bytes and member not in one.members
    )


def _head(one: Past, member: str, conversation: Conversation, state: FullDeskState, house: House) -> bytes:
    """Of a note: whoever answers its copy speaks to colleagues, whomever the note itself was sent to."""
    raw = state.content(one.message) if one.part is Part.NOTE else None
    if raw is None:
        return b""
    roster = house.roster
    author = roster.display_name(one.member) if one.member and roster.member(one.member) else conversation.inbox
    letterhead = Letterhead(
        sender=Mailbox(author, note_address(conversation.inbox, house.settings.addresses)),
        to=(Mailbox(roster.display_name(member), str(roster.mailbox(member))),),
        prefix="[note] ",
        cut_prefixes=("[note] ",),
    )
    return outgoing_head(raw, letterhead)


def _summary(
    conversation: Conversation, to: str, why: str, past: tuple[Past, ...], house: House, at: datetime
) -> Authored:
    ids = tuple(one.message_id for one in past if one.message_id)
    told = Told(
        inbox=conversation.inbox,
        members=(to,),
        subject=f"[note] {conversation.standing.subject}".rstrip(),
        text="".join(f"{line}\n" for line in _lines(conversation, to, why, past, house)),
        why=f"the conversation so far: {why}",
        in_reply_to=ids[-1] if ids else None,
        references=ids,
    )
    return tell(told, house, at)


def _lines(conversation: Conversation, to: str, why: str, past: tuple[Past, ...], house: House) -> Iterator[str]:
    standing, roster = conversation.standing, house.roster
    before = roster.display_name(conversation.owner) if roster.member(conversation.owner) else conversation.owner
    yield f"This conversation of {conversation.inbox} is yours now; it was {before}'s."
    yield f"Why: {why}"
    yield ""
    if standing.subject:
        yield f"Subject: {standing.subject}"
    if standing.outside:
        yield f"With: {', '.join(f'{name} <{address}>' if name else address for name, address in standing.outside)}"
    yield f"State: {standing.state}"
    if standing.labels:
        yield f"Labels: {', '.join(standing.labels)}"
    if standing.waiting_since is not None:
        yield f"Waiting since: {format_datetime(standing.waiting_since)}"
    if standing.respond_by is not None:
        yield f"To be answered by: {format_datetime(standing.respond_by)}"
    watchers = [roster.display_name(name) for name in standing.watchers if name != to and roster.member(name)]
    if watchers:
        yield f"Watching: {', '.join(watchers)}"
    if past:
        yield ""
        yield "So far:" if len(past) < MAX_RESENT else f"The latest {MAX_RESENT} messages:"
    for one in past:
        who = "the customer" if one.part is Part.CUSTOMER else "a machine or a colleague"
        if one.member is not None:
            who = roster.display_name(one.member) if roster.member(one.member) else one.member
        kept = "" if one.has_bytes else " (not kept any more)"
        yield f"  {one.at:%Y-%m-%d %H:%M} UTC  {who} {_TOLD[one.part]}{kept}"
