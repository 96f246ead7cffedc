"""Mail that routerd writes to members, as part of a plan. Pure.

It comes from the note address of its inbox, which finds the conversation by References: whoever answers it, with
whatever client, speaks to colleagues and to routerd, never to a customer.
"""

from dataclasses import dataclass
from datetime import datetime

from routerd.config.settings import Addresses
from routerd.desk.changes import Authored, HeldId, Part, PlannedCopy, Role
from routerd.desk.matter import House
from routerd.desk.roster import Roster
from routerd.message.address import Address, parse_address
from routerd.message.address_list import Mailbox
from routerd.message.desk_mail import DeskMail, compose_desk_mail
from routerd.message.token import return_path_domain

OWN_NAME = "routerd"


@dataclass(frozen=True, slots=True)
class Told:
    """One mail to members, in the name of an inbox. Who is no member is left out, whoever gave his name."""

    inbox: str
    members: tuple[str, ...]
    subject: str
    text: str  # lines end with \n
    why: str  # in words, for the timeline
    in_reply_to: str | None = None  # a Message-ID without brackets: clients show it there
    references: tuple[str, ...] = ()  # likewise, the oldest first: by these answers to it find the conversation
    shows_new: bool = False  # the answer or draft that the plan's own message is: #send to this mail means that one
    shows: HeldId | None = None  # likewise, of an earlier one
    in_name_of: str | None = None  # the member whose word it brings: who answers it, answers him


def tell(told: Told, house: House, at: datetime) -> Authored:
    """As part of a plan, with an id of its own."""
    roster = house.roster
    members = tuple(name for name in dict.fromkeys(told.members) if roster.member(name) is not None)
    queue_id = house.new_id(at)
    message_id = f"{queue_id}@{told.inbox.rpartition('@')[2]}"
    mail = DeskMail(
        sender=Mailbox(_sender(told, roster), note_address(told.inbox, house.settings.addresses)),
        to=tuple(Mailbox(roster.display_name(name), str(roster.mailbox(name))) for name in members),
        subject=told.subject,
        text=told.text,
        message_id=message_id,
        at=at,
        in_reply_to=told.in_reply_to,
        references=told.references,
    )
    return Authored(
        id=queue_id,
        part=Part.TOLD,
        raw=compose_desk_mail(mail),
        message_id=message_id,
        copies=tuple(PlannedCopy(name, Role.DESK) for name in members),
        shows_new=told.shows_new,
        shows=told.shows,
        from_null=True,
        why=told.why,
        member=told.in_name_of,
    )


def _sender(told: Told, roster: Roster) -> str:
    return roster.display_name(told.in_name_of) if told.in_name_of is not None else OWN_NAME


def note_address(inbox: str, addresses: Addresses) -> str:
    """`support+note@example.com`: where notes are taken without a token."""
    address = parse_address(inbox)
    return str(Address(f"{address.local}{addresses.delimiter}note", return_path_domain(address, addresses)))
