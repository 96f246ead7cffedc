"""A member's mail as colleagues get it: a note, a draft, an answer that waits for their word. Pure."""

from datetime import datetime
from email.utils import format_datetime

from routerd.desk.going_out import fresh_message_id
from routerd.desk.matter import House
from routerd.desk.telling import note_address
from routerd.message.address_list import Mailbox
from routerd.message.envelope import Raw
from routerd.message.outgoing import Letterhead, outgoing_head


def head_for(
    prefix: str, raw: Raw, author: str, inbox: str, members: tuple[str, ...], house: House, at: datetime
) -> bytes:
    """The header of what goes to `members`: from the note address, so that no answer to it ever leaves the house."""
    roster = house.roster
    letterhead = Letterhead(
        sender=Mailbox(roster.display_name(author), note_address(inbox, house.settings.addresses)),
        to=tuple(Mailbox(roster.display_name(name), str(roster.mailbox(name))) for name in members),
        prefix=prefix,
        date=format_datetime(at),
        message_id=fresh_message_id(inbox, house, at),
    )
    return outgoing_head(raw, letterhead)
