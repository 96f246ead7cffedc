"""What a new owner gets: the conversation so far, and a note that sums it up. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from routerd.desk.changes import Authored, Part, PlannedCopy, Resent, Role
from routerd.desk.commands import below_commands
from routerd.desk.matter import House
from routerd.desk.moments import moment, zone_of
from routerd.desk.pick import Picked, Picker, ownership, reason_of
from routerd.desk.plan import Conversation, ConversationState, Event, FullDeskState, Past, Plan, Standing
from routerd.desk.telling import Told, note_address, tell
from routerd.message.address_list import Mailbox
from routerd.message.outgoing import Letterhead, outgoing_head
from routerd.message.view import MessageView

MAX_RESENT = 20
_LOOKED_AT = 60  # messages of the conversation, of which some are routerd's own
_READ_TEXT = 60_000  # bytes of a note that are looked at for what it says
_TOLD = {
    Part.CUSTOMER: "wrote",
    Part.ASIDE: "wrote",
    Part.REPLY: "answered",
    Part.ANSWER: "answered",
    Part.NOTE: "noted",
    Part.CALENDAR: "answered an invitation",
}


@dataclass(frozen=True, slots=True)
class Handover:
    """What is added to a plan that changes the owner."""

    resent: tuple[Resent, ...] = ()
    authored: tuple[Authored, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Word:
    """What is said to the new owner by who gives him the conversation: it stands above the summary."""

    member: str
    text: str
    message_id: str | None  # of the note, without brackets


def hand_over(
    conversation: Conversation,
    to: str,
    why: str,
    state: FullDeskState,
    house: House,
    at: datetime,
    word: Word | None = None,
) -> Handover:
    """`conversation`: as it is from now on, but for its owner. `to`: the member who owns it then; `why`: in words, for
    the event, the summary and X-Routerd-Why.

    To the owner himself: nothing. What somebody has already, he does not get again.
    """
    if to == conversation.owner:
        return Handover()
    event = Event("owner_changed", {"from": conversation.owner, "to": to, "why": why})
    past = so_far(state)
    summary = _summary(conversation, to, why, word, past, house, at)
    # What he replies to the newest mail of it is meant for the customer, whoever wrote that.
    customer = next((name or address for name, address in conversation.standing.outside), "")
    resent = (replace(one, customer=customer) for one in _resent(past, to, conversation, state, house))
    return Handover(tuple(resent), (summary,), (event,))


def with_handover(
    plan: Plan,
    conversation: Conversation,
    state: FullDeskState,
    house: House,
    at: datetime,
    word: Word | None = None,
) -> Plan:
    """`plan`, of a message of the conversation, whose owner may be a new one: then with all that he gets. With `word`
    he does not need the plan's own message.

    Its event of the change stays the only one.
    """
    if plan.owner == conversation.owner or plan.twin is not None:
        return plan
    is_told = [event for event in plan.events if event.kind == "owner_changed"]
    why = str(is_told[-1].data["why"]) if is_told else reason_of(plan.why)
    after = replace(conversation, standing=plan.standing)
    handed = hand_over(after, plan.owner, why, state, house, at, word)
    return replace(
        plan,
        copies=plan.copies if word is None else tuple(one for one in plan.copies if one.member != plan.owner),
        resent=(*handed.resent, *plan.resent),
        authored=(*handed.authored, *plan.authored),
        events=plan.events if is_told else (*plan.events, *handed.events),
    )


def somebody(inbox: str, state: FullDeskState, house: House, at: datetime) -> Picked:
    """Who follows an owner that is not in the config any more: whom the inbox's default names."""
    picker = Picker(house.roster, state, at, house.choose)
    names = (house.roster.default_of(inbox), house.roster.postmaster)
    return next((one for one in map(picker.pick, names) if one is not None), None) or picker.last_resort()


def owned(plan: Plan, state: FullDeskState, house: House, at: datetime) -> Plan:
    """`plan` with an owner who is a member: the conversation of who has left goes on with whatever is done in it."""
    if house.roster.member(plan.owner) is not None:
        return plan
    picked = somebody(plan.inbox, state, house, at)
    given = replace(plan, owner=picked.member, team=picked.team, why=ownership(picked.why, picked.member))
    return given if state.conversation is None else with_handover(given, state.conversation, state, house, at)


def so_far(state: FullDeskState) -> tuple[Past, ...]:
    """What was said in the conversation, the latest, oldest first. No answer that did not go out, and no note of
    commands alone."""
    past = state.past(_LOOKED_AT)
    said = [one for one in past if one.part in _TOLD]
    sent = {one.message for one in state.sent()} if any(one.part is Part.ANSWER for one in said) else set()
    counts = (
        one for one in said if (one.message in sent if one.part is Part.ANSWER else says_something(one, past, state))
    )
    return tuple(tuple(counts)[-MAX_RESENT:])


def says_something(one: Past, past: tuple[Past, ...], state: FullDeskState) -> bool:
    """Of a note: whether it is more than commands, and was not refused with them: then nobody got it, neither as it is
    nor as the word above a summary."""
    if one.part is not Part.NOTE:
        return True
    was_heard = bool(one.members) or any(
        told.part is Part.TOLD and (told.member, told.at) == (one.member, one.at) for told in past
    )
    raw = state.content(one.message) if one.has_bytes else None
    if raw is None:
        return was_heard
    view = MessageView(raw, text_limit=_READ_TEXT)
    below = below_commands(view.own_words.text)
    if below is None:
        return True
    return was_heard and bool(below or view.own_words.passes_on or view.attachments)


def about(state: FullDeskState) -> tuple[Past, ...]:
    """For a member who is asked about the conversation: what he is asked about, and the customer's latest."""
    said = so_far(state)
    latest = next((one for one in reversed(said) if one.part is Part.CUSTOMER), None)
    seen = state.seen.message if state.seen is not None else None
    return tuple(one for one in said if one is latest or one.message == seen)


def shown(
    member: str,
    conversation: Conversation,
    state: FullDeskState,
    house: House,
    past: tuple[Past, ...] | None = None,
) -> tuple[Resent, ...]:
    """The conversation so far, or of it `past`, for a member who did not have it: as far as it is kept."""
    past = so_far(state) if past is None else past
    return _resent(past, member, conversation, state, house)


def _resent(
    past: tuple[Past, ...], member: str, conversation: Conversation, state: FullDeskState, house: House
) -> tuple[Resent, ...]:
    """Neither what he has already, nor what he wrote himself."""
    return tuple(
        Resent(one.message, PlannedCopy(member, Role.WATCHER, head=_head(one, member, conversation, state, house)))
        for one in past
        if one.has_bytes and member not in (one.member, *one.members)
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
    conversation: Conversation,
    to: str,
    why: str,
    word: Word | None,
    past: tuple[Past, ...],
    house: House,
    at: datetime,
) -> Authored:
    ids = tuple(one.message_id for one in past if one.message_id)
    if word is not None and word.message_id:
        ids = (*ids, word.message_id)
    told = Told(
        inbox=conversation.inbox,
        members=(to,),
        subject=f"[note] {conversation.standing.subject}".rstrip(),
        text="".join(f"{line}\n" for line in _lines(conversation, to, why, word, past, house)),
        why=f"the conversation so far: {why}",
        in_reply_to=ids[-1] if ids else None,
        references=ids,
        in_name_of=word.member if word is not None else None,
    )
    return tell(told, house, at)


def _lines(
    conversation: Conversation, to: str, why: str, word: Word | None, past: tuple[Past, ...], house: House
) -> Iterator[str]:
    standing, roster = conversation.standing, house.roster
    zone = zone_of(to, roster, conversation)
    yield f"This conversation of {conversation.inbox} is yours now; it was {roster.display_name(conversation.owner)}'s."
    if word is None:
        yield f"Why: {why}."
    else:
        yield ""
        yield f"{roster.display_name(word.member)} writes:"
        yield from (f"> {line}" for line in word.text.splitlines())
    yield ""
    yield from _stands(standing, zone)
    watchers = [roster.display_name(name) for name in standing.watchers if name != to and roster.member(name)]
    if watchers:
        yield f"Watching: {', '.join(watchers)}"
    if past:
        yield ""
        yield "So far:" if len(past) < MAX_RESENT else f"The latest {MAX_RESENT} messages:"
    for one in past:
        who = "the customer" if one.part is Part.CUSTOMER else "a machine or a colleague"
        if one.member is not None:
            who = roster.display_name(one.member)
        kept = "" if one.has_bytes else " (not kept any more)"
        yield f"  {moment(one.at, zone)}  {who} {_TOLD[one.part]}{kept}"


def _stands(standing: Standing, zone: tzinfo) -> Iterator[str]:
    if standing.subject:
        yield f"Subject: {standing.subject}"
    if standing.outside:
        yield f"With: {', '.join(standing.named_outside)}"
    state = str(standing.state)
    if standing.state is ConversationState.SNOOZED and standing.snoozed_until is not None:
        state += f" until {moment(standing.snoozed_until, zone)}"
    if standing.waiting_since is not None:
        state += f"; the customer has been waiting since {moment(standing.waiting_since, zone)}"
    yield f"State: {state}"
    if standing.respond_by is not None:
        yield f"To be answered by: {moment(standing.respond_by, zone)}" + (" (overdue)" if standing.overdue else "")
    if standing.approve:
        yield f"An answer needs the #send of: {', '.join(standing.approve)}"
    if standing.priority is not None:
        yield f"Priority: {standing.priority}"
    if standing.labels:
        yield f"Labels: {', '.join(standing.labels)}"
