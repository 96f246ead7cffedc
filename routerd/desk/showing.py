"""A member's mail as colleagues get it: a note, a draft, an answer that waits for their word. Pure."""

from datetime import datetime
from email.utils import format_datetime

from routerd.desk.approving import said_of_approvers
from routerd.desk.changes import Held, HeldKind, PlannedCopy, Resent, Role
from routerd.desk.going_out import fresh_message_id
from routerd.desk.matter import House
from routerd.desk.plan import Conversation, FullDeskState
from routerd.desk.telling import note_address
from routerd.message.address_list import Mailbox
from routerd.message.desk_mail import readable
from routerd.message.envelope import Raw
from routerd.message.leading import led_by
from routerd.message.outgoing import Letterhead, outgoing_head

APPROVE_PREFIX = "[approve] "
DRAFT_PREFIX = "[draft] "
MAX_SHOWN = 3  # customers that are named
MAX_NAMED = 50  # members in To: each copy has the header for itself, so that it would grow by the square
_HOW = """\
To send it as it stands below, reply with #send as the first line; #drop drops it.
Any other reply is a note to colleagues. Replies go to {note},
never to the customer.

----------------------------------------------------------------------
"""


def head_for(
    prefix: str, raw: Raw, author: str, inbox: str, members: tuple[str, ...], house: House, at: datetime
) -> bytes:
    """The header of what goes to `members`: from the note address, so that no answer to it ever leaves the house."""
    roster = house.roster
    letterhead = Letterhead(
        sender=Mailbox(roster.display_name(author), note_address(inbox, house.settings.addresses)),
        to=tuple(Mailbox(roster.display_name(name), str(roster.mailbox(name))) for name in members[:MAX_NAMED]),
        prefix=prefix,
        date=format_datetime(at),
        message_id=fresh_message_id(inbox, house, at),
    )
    return outgoing_head(raw, letterhead)


def head_of_waiting(
    prefix: str,
    raw: Raw,
    author: str,
    conversation: Conversation,
    members: tuple[str, ...],
    house: House,
    at: datetime,
) -> bytes:
    """Of an answer or a draft that waits for #send: it says on top what that is about, and how to say it."""
    head = head_for(prefix, raw, author, conversation.inbox, members, house, at)
    roster, approve = house.roster, conversation.standing.approve
    outside = conversation.standing.named_outside
    to = f" to {', '.join(outside[:MAX_SHOWN])}{', …' if outside[MAX_SHOWN:] else ''}" if outside else ""
    approvers = said_of_approvers(author, approve, roster, at)
    waits = f"waits for the #send of {approvers}" if approvers else "waits for somebody's #send"
    words = f"{roster.display_name(author)} wrote this answer{to}.\nIt {waits}.\n"
    if members == (author,):
        words += "Nobody else has it: a note with @NAME, in reply to this mail, brings it to a colleague.\n"
    words += "\n"
    how = _HOW.format(note=note_address(conversation.inbox, house.settings.addresses))
    return led_by(readable(words + how), head, raw)


def show(
    held: Held, members: tuple[str, ...], conversation: Conversation, state: FullDeskState, house: House, at: datetime
) -> tuple[Resent, ...]:
    """What waits, for `members` to read, as far as it is kept. #send said to such a copy sends what it shows."""
    raw = state.content(held.message)
    if raw is None:
        return ()
    prefix = DRAFT_PREFIX if held.kind is HeldKind.DRAFT else APPROVE_PREFIX
    author = held.member if house.roster.member(held.member) is not None else members[0]
    head = head_of_waiting(prefix, raw, author, conversation, members, house, at)
    return tuple(Resent(held.message, PlannedCopy(name, Role.DESK, head=head)) for name in members)
