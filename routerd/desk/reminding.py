"""An answer was promised: the owner hears that time runs out, and what is overdue is called so. Pure."""

from dataclasses import replace
from datetime import datetime, tzinfo

from routerd.desk.approving import approvers_of
from routerd.desk.changes import Authored, Part, Resent, Timer
from routerd.desk.matter import House
from routerd.desk.moments import by_zone, moment, zone_of
from routerd.desk.own_labels import OVERDUE
from routerd.desk.pick import Picker
from routerd.desk.plan import Conversation, ConversationState, Event, FullDeskState, Plan
from routerd.desk.showing import show
from routerd.desk.telling import Told, tell
from routerd.desk.timers import unchanged

_LOOKED_AT = 20  # messages of the conversation
_HOW = "To put it off, give it away or close it, reply to this mail with #snooze 2h, #assign NAME or #close on top."

_APPROVE = "What {author} wrote waits for your #send: say it on top of a reply to the mail that shows it, or #drop."


def remind(_: Timer, conversation: Conversation, state: FullDeskState, house: House, at: datetime) -> Plan | None:
    """Once. What is due by now anyhow is not reminded of twice: see `become_overdue`."""
    standing = conversation.standing
    if not is_promised(conversation) or standing.overdue or standing.remind_at is None:
        return None
    if standing.respond_by is not None and standing.respond_by <= at:
        return None
    reminded = replace(conversation, standing=replace(standing, remind_at=None))
    return _reminding(reminded, (), state, house, at)


def become_overdue(
    _: Timer, conversation: Conversation, state: FullDeskState, house: House, at: datetime
) -> Plan | None:
    """An owner who was not reminded in time, as routerd did not run then, hears of it now."""
    standing = conversation.standing
    if not is_promised(conversation) or standing.overdue or standing.respond_by is None:
        return None
    labels = tuple(dict.fromkeys((*standing.labels, OVERDUE)))
    late = replace(conversation, standing=replace(standing, overdue=True, labels=labels, remind_at=None))
    event = Event("conversation_overdue", {"respond_by": standing.respond_by.isoformat()})
    if standing.remind_at is None:
        return unchanged(late, event)
    return _reminding(late, (event,), state, house, at)


def is_promised(conversation: Conversation) -> bool:
    standing = conversation.standing
    return standing.state is ConversationState.OPEN and standing.respond_by is not None


def _reminding(
    conversation: Conversation, events: tuple[Event, ...], state: FullDeskState, house: House, at: datetime
) -> Plan:
    """The owner, and whose word an answer waits for."""
    mails, brought = _to_approve(conversation, state, house, at)
    return unchanged(
        conversation,
        *events,
        _reminded(conversation, state, house, at),
        authored=(_reminder(conversation, state, house, at), *mails),
        resent=brought,
    )


def _to_approve(
    conversation: Conversation, state: FullDeskState, house: House, at: datetime
) -> tuple[list[Authored], list[Resent]]:
    """Those of them who are there hear that it waits. Who did not get it yet, as he stands in for somebody who went
    away since, gets it to read."""
    roster, mails, brought = house.roster, list[Authored](), list[Resent]()
    has = {one.message: one.members for one in state.past(_LOOKED_AT)}
    for held in (one for one in state.held() if one.release):
        counted = approvers_of(held.member, held.release, roster, at)
        people = tuple(name for name in counted if not roster.is_away(name, at))
        if state.content(held.message) is None:
            continue
        for zone, readers in by_zone(people, roster, conversation):
            text = f"{waits(conversation, zone)}\n\n{_APPROVE.format(author=roster.display_name(held.member))}"
            mails.append(note_of(conversation, _word_for(conversation), text, state, house, at, to=readers))
        missing = tuple(name for name in people if name not in has.get(held.message, ()))
        brought += show(held, missing, conversation, state, house, at) if missing else ()
    return mails, brought


def _word_for(conversation: Conversation) -> str:
    return OVERDUE if conversation.standing.overdue else "reminder"


def _reminded(conversation: Conversation, state: FullDeskState, house: House, at: datetime) -> Event:
    [member] = who_is_there(conversation, state, house, at)
    return Event("owner_reminded", {"member": member})


def _reminder(conversation: Conversation, state: FullDeskState, house: House, at: datetime) -> Authored:
    [reader] = who_is_there(conversation, state, house, at)
    said = waits(conversation, zone_of(reader, house.roster, conversation))
    return note_of(conversation, _word_for(conversation), f"{said}\n\n{_HOW}", state, house, at, to=(reader,))


def waits(conversation: Conversation, zone: tzinfo) -> str:
    """Who waits, since when, and until when he was to be answered."""
    standing = conversation.standing
    customer = next((name or address for name, address in standing.outside), "The customer")
    said = [f"{customer} is waiting for an answer"]
    if standing.waiting_since is not None:
        said = [f"{customer} has been waiting for an answer since {moment(standing.waiting_since, zone)}"]
    if standing.respond_by is not None:
        said.append(f"; it {'was' if standing.overdue else 'is'} to be given by {moment(standing.respond_by, zone)}")
    return "".join((*said, "."))


def note_of(
    conversation: Conversation,
    word: str,
    text: str,
    state: FullDeskState,
    house: House,
    at: datetime,
    *,
    to: tuple[str, ...] | None = None,
) -> Authored:
    """A mail of routerd about the conversation, in its thread; `to` None: to its owner, or who is there for him."""
    standing = conversation.standing
    about = [one.message_id for one in state.past(_LOOKED_AT) if one.part is Part.CUSTOMER and one.message_id]
    told = Told(
        inbox=conversation.inbox,
        members=who_is_there(conversation, state, house, at) if to is None else to,
        subject=f"[{word}] {standing.subject or '(no subject)'}",
        text=f"{text}\n\nConversation {conversation.id} of {conversation.inbox}\n",
        why=word,
        in_reply_to=about[-1] if about else None,
    )
    return tell(told, house, at)


def who_is_there(conversation: Conversation, state: FullDeskState, house: House, at: datetime) -> tuple[str, ...]:
    """The owner; while he is away, who is there for him."""
    owner = conversation.owner
    if house.roster.member(owner) is not None:
        picked = Picker(house.roster, state, at, house.choose).pick(owner)
        return (picked.member if picked else owner,)
    return (house.roster.people(house.roster.postmaster)[0],)
