"""Whom a member's answer goes to, and under which header. Pure."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from routerd.config.desk_settings import MEMBER
from routerd.desk.changes import AMONG_US, Part, PlannedCopy, Role
from routerd.desk.consider import outside_of
from routerd.desk.matter import House
from routerd.desk.plan import Conversation, FullDeskState
from routerd.desk.roster import Roster
from routerd.message.address_list import Mailbox
from routerd.message.envelope import Raw
from routerd.message.outgoing import Letterhead, outgoing_head
from routerd.message.view import MessageView

_LOOKED_AT = 20  # messages
_MAY_BE_NAMED = 1_000  # messages of the conversation: References names what is long past, too


@dataclass(frozen=True, slots=True)
class GoingOut:
    """An answer on its way. `to`: who has it from us; others of the conversation have it from its author."""

    to: tuple[Mailbox, ...]
    copies: tuple[PlannedCopy, ...]


def customers_of(conversation: Conversation, state: FullDeskState, roster: Roster) -> tuple[Mailbox, ...]:
    """The outside people of the conversation, the customer first: as it stands, or as its last customer's mail says."""
    outside = conversation.standing.outside or _in_last_mail(state, roster)
    return tuple(Mailbox(name, address) for name, address in outside if not roster.is_ours(address))


def going_out(
    raw: Raw,
    member: str,
    conversation: Conversation,
    customers: tuple[Mailbox, ...],
    direct: frozenset[str],
    state: FullDeskState,
    house: House,
    at: datetime,
) -> GoingOut:
    """`direct`: addresses that stand in its own To and Cc, in lower case: they are named in the header, but who stands
    there got it already."""
    to = tuple(mailbox for mailbox in customers if mailbox.address not in direct)
    if not to:
        return GoingOut((), ())
    letterhead = Letterhead(
        sender=Mailbox(_sender_name(conversation.inbox, member, house), conversation.inbox),
        to=customers[:1],
        cc=customers[1:],
        date=format_datetime(at),
        message_id=fresh_message_id(conversation.inbox, house, at),
        unseen=frozenset(
            one.message_id for one in state.past(_MAY_BE_NAMED) if one.part in AMONG_US and one.message_id is not None
        ),
    )
    head = outgoing_head(raw, letterhead)
    return GoingOut(to, tuple(PlannedCopy(mailbox.address, Role.ANSWER, head=head) for mailbox in to))


def head_as_sent(
    raw: Raw, author: str, conversation: Conversation, customers: tuple[Mailbox, ...], house: House, at: datetime
) -> bytes:
    """For colleagues, of a draft that went out: its own header names the address for drafts, and whoever answered all
    would write one more."""
    inbox = conversation.inbox
    desk = inbox.partition("@")[0].capitalize()
    letterhead = Letterhead(
        sender=Mailbox(house.roster.display_name(author), inbox),
        to=tuple(Mailbox(f"{one.name or one.address} via {desk}", inbox) for one in customers),
        date=format_datetime(at),
        message_id=fresh_message_id(inbox, house, at),
    )
    return outgoing_head(raw, letterhead)


def _in_last_mail(state: FullDeskState, roster: Roster) -> tuple[tuple[str, str], ...]:
    """Of a conversation that is older than what its row says now."""
    for one in reversed(state.past(_LOOKED_AT)):
        raw = state.content(one.message) if one.part is Part.CUSTOMER and one.has_bytes else None
        if raw is not None:
            return outside_of(MessageView(raw), roster)
    return ()


def fresh_message_id(inbox: str, house: House, at: datetime) -> str:
    """For a mail that has none of its own; without brackets."""
    return f"{house.new_id(at)}@{inbox.rpartition('@')[2]}"


def _sender_name(inbox: str, member: str, house: House) -> str:
    found = house.roster.inbox(inbox)
    template = found.from_ if found is not None else None
    if template is None:
        return inbox.partition("@")[0].capitalize()
    return template.replace(MEMBER, house.roster.display_name(member))
