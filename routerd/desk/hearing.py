"""What a message is to the desk: mail for the rules, or a member's answer, note or draft. Pure.

Decided by the address that it came to and by who is proven to have written it, never by a token alone: whoever has seen
a copy knows its tokens.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from routerd.desk.commands import Speaking, read_spoken, why_not_apart
from routerd.desk.moments import zone_of
from routerd.desk.plan import Conversation
from routerd.desk.roster import Roster
from routerd.desk.said import Kind, Said, Speaker, Spoken
from routerd.message.bounce import is_by_server, is_daemon
from routerd.message.envelope import Envelope, Purpose, Recipient
from routerd.message.kinds import is_of_list, marks_of_machine
from routerd.message.subject import cut_prefixes, says_out_of_office
from routerd.message.view import MessageView

OLD = timedelta(days=6)  # longer than mail servers try (RFC 5321 4.5.4.1)
MAX_DATE = 100  # characters
MISSING = "Notes and drafts are taken from members alone: {why}"
NOT_ANSWERED = "Not sent to the customer, as nothing shows that a member wrote it: {why}"
NOT_NAMED = "its To and Cc do not name this address, and no member has logged in"
NOT_PROVEN = (
    "no signature of its author's domain covers its To and Cc, SPF does not pass for that, and no member has logged in"
)
NOT_NOW = "Who wrote this cannot be verified now; try again"


def hear(
    view: MessageView,
    envelope: Envelope,
    speaker: Speaker,
    conversation: Conversation | None,
    speaking: Callable[[str], Speaking],
    *,
    answers_through: bool,
    named: Collection[Kind] = (),
) -> Said:
    """`answers_through`: what the member writes to the inbox itself in a known conversation is for the customer.
    `named`: what the addresses in To and Cc are for, NOTE and DRAFT, wherever it goes. `speaking`: what is known of who
    speaks."""
    purposes = {recipient.purpose for recipient in envelope.recipients}
    if speaker.member is not None and not speaker.has_logged_in:
        said_to = [recipient for recipient in envelope.recipients if recipient.purpose in _KINDS]
        if said_to and (speaker.is_sent_on or not all(is_named(view, recipient) for recipient in said_to)):
            speaker = Speaker(None, missing=NOT_PROVEN if speaker.is_sent_on else NOT_NAMED, is_claimed=True)
    kind = _KINDS.get(next((purpose for purpose in _WEIGHTIEST if purpose in purposes), Purpose.INBOX), Kind.MAIL)
    member = speaker.member
    if member is None:
        return _of_nobody(kind, speaker, by_machine=is_of_machine(view, envelope, is_at_desk=True))
    if is_of_machine(view, envelope, is_at_desk=kind is not Kind.MAIL):
        if is_out_of_office(view, purposes, in_reply=conversation is not None):
            is_of_now = speaker.has_logged_in or _was_written_lately(view, speaking(member).at)
            return Said(Kind.AWAY, member) if is_of_now else Said(Kind.MAIL)
        return _unheard(view, envelope, member, kind, speaking)
    is_reply = conversation is not None and "forward" not in view.kinds
    if kind is Kind.MAIL and answers_through and is_reply and _says_it_to_the_inbox(view, envelope, speaker):
        kind = Kind.ANSWER
    # What is for colleagues may come here before it comes there, or here alone: no rule sends it outside.
    if named and (kind is Kind.ANSWER or Purpose.INBOX in purposes) and kind not in (Kind.NOTE, Kind.DRAFT):
        kind = Kind.NOTE if Kind.NOTE in named else Kind.DRAFT
    if kind is Kind.MAIL:
        return Said(Kind.MAIL, member)
    spoken = spoken_in(view, speaking(member))
    missing = why_not_apart(spoken) if conversation is None and kind is not Kind.ANSWER else ""
    if missing:
        return Said(Kind.BARRED, member, missing=missing)
    return Said(kind, member, spoken)


def spoken_in(view: MessageView, speaking: Speaking) -> Spoken:
    """What the author himself says in it."""
    own = view.own_words
    return replace(read_spoken(own.text, speaking), has_more=own.passes_on or bool(view.attachments))


def _unheard(
    view: MessageView, envelope: Envelope, member: str, kind: Kind, speaking: Callable[[str], Speaking]
) -> Said:
    """He is told where he may wait for what it asks: of an answer, and of a command. Not a program that answers by
    itself what comes, which would answer that, too.
    """
    marks = marks_of_machine(view.headers, view.root) if envelope.sender else ()
    if not marks or kind is Kind.MAIL or "bounce" in view.kinds or view.root.type == "multipart/report":
        return Said(Kind.MAIL)
    spoken = spoken_in(view, speaking(member))
    if kind is Kind.ANSWER or spoken.commands or spoken.bad:
        return Said(Kind.UNHEARD, member, spoken, missing=", ".join(marks))
    return Said(Kind.MAIL)


def _of_nobody(kind: Kind, speaker: Speaker, *, by_machine: bool) -> Said:
    """Who is no member may write to an address for answers as to the inbox: he may have it from one.

    Not under a member's own address: if it is he, he has to hear that the customer did not get it.
    """
    if kind not in (Kind.ANSWER, Kind.NOTE, Kind.DRAFT):
        return Said(Kind.MAIL)
    if speaker.is_unsure:
        return Said(Kind.BARRED, missing=NOT_NOW, temporary=True)
    if kind is not Kind.ANSWER:
        return Said(Kind.BARRED, missing=MISSING.format(why=speaker.missing))
    if speaker.is_claimed and not by_machine:
        return Said(Kind.BARRED, missing=NOT_ANSWERED.format(why=speaker.missing))
    return Said(Kind.MAIL)


def is_named(view: MessageView, recipient: Recipient) -> bool:
    """Whether its author has written to this address. Else somebody may have sent on, to an address that he has seen, a
    mail that a member signed for others: DKIM does not cover the envelope.
    """
    return any(mailbox.address == recipient.address.key for name in ("to", "cc") for mailbox in view.addresses(name))


def _says_it_to_the_inbox(view: MessageView, envelope: Envelope, speaker: Speaker) -> bool:
    to_inboxes = [recipient for recipient in envelope.recipients if recipient.purpose is Purpose.INBOX]
    if speaker.has_logged_in:
        return bool(to_inboxes)
    return not speaker.is_sent_on and any(is_named(view, recipient) for recipient in to_inboxes)


def is_of_machine(view: MessageView, envelope: Envelope, *, is_at_desk: bool) -> bool:
    """Whether a member's mail is automatic, which is never an answer, a note or a command (RFC 3834).

    Some companies' gateways mark all that leaves them as bulk, or as what nobody's mailbox shall answer by itself.
    `is_at_desk`: it names an address of ours for answers or notes, as nothing does that is for a list.
    """
    if not envelope.sender or "bounce" in view.kinds:
        return True
    if "auto" in view.kinds and (_says_it_is_out_of_office(view) or marks_of_machine(view.headers, view.root)):
        return True
    return not is_at_desk and is_of_list(view.headers)


def is_out_of_office(view: MessageView, purposes: Collection[Purpose], *, in_reply: bool) -> bool:
    """Whether a mailbox says by itself that nobody reads it now: no report, receipt or calendar's answer (RFC 3834 2).

    Nothing but bounces and such comes to a return path. Elsewhere it has to say what it is, and at the inbox itself to
    answer a known conversation.
    """
    kinds = view.kinds
    if "auto" not in kinds or not kinds.isdisjoint(_NEVER_AWAY) or view.root.type == "multipart/report":
        return False
    if Purpose.RETURN_PATH in purposes:
        return True
    if not in_reply and _OF_COPIES.isdisjoint(purposes):
        return False
    return says_out_of_office(view.bare_subject) or _is_auto_replied(view)


def answers_by_itself(view: MessageView, envelope: Envelope) -> bool:
    """Whether a mail server or a mailbox has answered by itself, so that nobody is there to be answered.

    A form that writes for a person says that a machine did, and who names an address for answers wants some.
    """
    if "bounce" in view.kinds or is_daemon(envelope.sender):
        return True
    if "auto" not in view.kinds or view.header("reply-to"):
        return False
    return is_by_server(view) or _says_it_is_out_of_office(view) or _is_auto_replied(view)


def _says_it_is_out_of_office(view: MessageView) -> bool:
    """A person who answers such mail keeps its subject."""
    bare = cut_prefixes(view.subject)
    return bare.meaning is None and says_out_of_office(bare.text)


def _was_written_lately(view: MessageView, now: datetime) -> bool:
    """An out-of-office goes to whoever writes to the member, and each of them may send it on when he is back. Its Date
    is signed; where it says none, it is taken for what it is."""
    try:
        written_at = parsedate_to_datetime(next(iter(view.header("date")), "")[:MAX_DATE])
    except (ValueError, OverflowError):
        return True
    if written_at.tzinfo is None:  # "-0000": of an unknown zone (RFC 5322 3.3)
        written_at = written_at.replace(tzinfo=UTC)
    return abs(now - written_at) < OLD


def _is_auto_replied(view: MessageView) -> bool:
    return any(value.strip().lower().startswith("auto-replied") for value in view.header("auto-submitted"))


def speaking_as(member: str, roster: Roster, at: datetime) -> Speaking:
    """Days and hours are meant in the time in which he is told of them."""
    return Speaking(roster.called, roster.members, at, zone_of(member, roster))


_OF_COPIES = frozenset((Purpose.ANSWER, Purpose.NOTE, Purpose.DRAFT))
_NEVER_AWAY = frozenset(("bounce", "list", "calendar"))
# What is for colleagues never becomes an answer, whatever else it was sent to.
_WEIGHTIEST = (Purpose.NOTE, Purpose.DRAFT, Purpose.ANSWER)
_KINDS = {Purpose.NOTE: Kind.NOTE, Purpose.DRAFT: Kind.DRAFT, Purpose.ANSWER: Kind.ANSWER}
