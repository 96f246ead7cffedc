"""What a message is to the desk: mail for the rules, or a member's answer, note or draft. Pure.

Decided by the address that it came to and by who is proven to have written it, never by a token alone: whoever has seen
a copy knows its tokens.
"""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from routerd.desk.commands import Speaking, folded_name, read_spoken
from routerd.desk.plan import Conversation
from routerd.desk.roster import Roster
from routerd.desk.said import Kind, Said, Spoken
from routerd.message.envelope import Envelope, Purpose
from routerd.message.view import MessageView

OF_MACHINES = frozenset(("auto", "bounce", "bulk", "list"))
MISSING = (
    "Notes and drafts are taken from members alone, and this mail does not prove who wrote it; "
    "log in to send it, or send it by the mail server of your address"
)
NOT_NOW = "Who wrote this cannot be verified now; try again"


def hear(
    view: MessageView,
    envelope: Envelope,
    member: str | None,
    conversation: Conversation | None,
    speaking: Callable[[str], Speaking],
    *,
    is_unsure: bool,
    answers_through: bool,
) -> Said:
    """`member`: who is proven to have written it. `is_unsure`: that could not be told now. `answers_through`: what he
    writes to the inbox itself in a known conversation is for the customer. `speaking`: what is known of who speaks."""
    purposes = {recipient.purpose for recipient in envelope.recipients}
    if is_of_machine(view, envelope):
        return Said(Kind.MAIL, member)
    kind = _KINDS.get(next((purpose for purpose in _WEIGHTIEST if purpose in purposes), Purpose.INBOX), Kind.MAIL)
    if kind is Kind.MAIL and Purpose.INBOX in purposes and answers_through and member and conversation:
        kind = Kind.ANSWER
    if kind is Kind.MAIL:
        return Said(Kind.MAIL, member)
    if member is None:
        if is_unsure:
            return Said(Kind.BARRED, missing=NOT_NOW, temporary=True)
        return Said(Kind.MAIL) if kind is Kind.ANSWER else Said(Kind.BARRED, missing=MISSING)
    spoken = read_spoken(view.new_text, speaking(member))
    return Said(kind, member, spoken if kind is not Kind.ANSWER else Spoken(text=spoken.text))


def is_of_machine(view: MessageView, envelope: Envelope) -> bool:
    """Automatic mail is never an answer, a note or a command (RFC 3834)."""
    return not envelope.sender or not view.kinds.isdisjoint(OF_MACHINES)


def speaking_as(member: str, roster: Roster, at: datetime) -> Speaking:
    """Days and hours are meant in the time of his own calendar, without one in UTC."""
    hours = roster.working_hours(member, None)
    return Speaking(
        {folded_name(name): name for name in roster.names},
        roster.members,
        at,
        hours.zone if hours else ZoneInfo("UTC"),
    )


# What is for colleagues never becomes an answer, whatever else it was sent to.
_WEIGHTIEST = (Purpose.NOTE, Purpose.DRAFT, Purpose.ANSWER)
_KINDS = {Purpose.NOTE: Kind.NOTE, Purpose.DRAFT: Kind.DRAFT, Purpose.ANSWER: Kind.ANSWER}
