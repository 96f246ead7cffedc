"""What a new owner gets: the conversation so far, and a note that sums it up. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from routerd.desk.changes import Authored, Part, PlannedCopy, Resent, Role
from routerd.desk.matter import House
from routerd.desk.plan import Conversation, Event, FullDeskState, Past
from routerd.message.address_list import Mailbox
from routerd.message.desk_mail import DeskMail, compose_desk_mail

MAX_RESENT = 20
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

    To the owner himself: nothing. Who watches has it all already and gets the summary alone.
    """
    if to == conversation.owner:
        return Handover()
    event = Event("owner_changed", {"from": conversation.owner, "to": to, "why": why})
    past = () if to in conversation.standing.watchers else state.past(MAX_RESENT)
    resent = tuple(
        Resent(one.message, PlannedCopy(to, Role.WATCHER))
        for one in past
        if one.has_bytes and one.part in _TOLD and one.member != to
    )
    return Handover(resent, (_summary(conversation, to, why, past, house, at),), (event,))


def _summary(
    conversation: Conversation, to: str, why: str, past: tuple[Past, ...], house: House, at: datetime
) -> Authored:
    queue_id = house.new_id(at)
    message_id = f"{queue_id}@{conversation.inbox.rpartition('@')[2]}"
    about = [one.message_id for one in past if one.message_id and one.part in (Part.CUSTOMER, Part.ASIDE)]
    mail = DeskMail(
        sender=Mailbox("routerd", conversation.inbox),
        to=(Mailbox(house.roster.display_name(to), str(house.roster.mailbox(to))),),
        subject=f"[note] {conversation.standing.subject}".rstrip(),
        text="".join(f"{line}\n" for line in _lines(conversation, to, why, past, house)),
        message_id=message_id,
        at=at,
        in_reply_to=about[-1] if about else None,
    )
    return Authored(
        id=queue_id,
        part=Part.TOLD,
        raw=compose_desk_mail(mail),
        message_id=message_id,
        copies=(PlannedCopy(to, Role.DESK),),
        from_null=True,
        why=f"the conversation so far: {why}",
    )


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
        earlier = standing.messages - len(past)
        if earlier > 0:
            yield f"So far ({earlier} earlier not listed):"
        else:
            yield "So far:"
    for one in past:
        if one.part in _TOLD:
            who = "the customer" if one.part is Part.CUSTOMER else "a machine or a colleague"
            if one.member is not None:
                who = roster.display_name(one.member) if roster.member(one.member) else one.member
            kept = "" if one.has_bytes else " (not kept any more)"
            yield f"  {one.at:%Y-%m-%d %H:%M} UTC  {who} {_TOLD[one.part]}{kept}"
