"""Steps 2 to 5 of a message's way, as far as they only compute: they run where the message's size allows it."""

from dataclasses import dataclass, replace

from routerd.auth.results import AuthResults
from routerd.auth.verification import Verification
from routerd.desk.consider import (
    Office,
    author_of,
    decide,
    facts_of,
    identity_of,
    identity_of_words,
    loops,
    passed_inboxes,
    speaker_of,
)
from routerd.desk.hearing import answers_by_itself, hear, is_named, speaking_as
from routerd.desk.matter import MERE_MAIL, Matter
from routerd.desk.own_labels import SUSPECT
from routerd.desk.plan import Author
from routerd.desk.refusal import LOOP, TOO_DEEP, Barred, unheard
from routerd.desk.reply_due import reply_due
from routerd.desk.roster import Roster
from routerd.desk.said import Kind, Said, Speaker
from routerd.message.body_text import readable_bytes
from routerd.message.encode import without_turns
from routerd.message.envelope import Client, Envelope, Purpose, Received
from routerd.message.key_ring import Keys
from routerd.message.kinds import is_calendar_reply
from routerd.message.light import light
from routerd.message.view import MessageView
from routerd.rules.decision import Decision
from routerd.rules.facts import Facts
from routerd.store.base import Known, ThreadKeys

TO_THE_DESK = frozenset({Purpose.ANSWER, Purpose.NOTE, Purpose.DRAFT})
_SPOKEN_TO = TO_THE_DESK | {Purpose.RETURN_PATH}
_PURPOSES = {
    Kind.ANSWER: Purpose.ANSWER,
    Kind.NOTE: Purpose.NOTE,
    Kind.DRAFT: Purpose.DRAFT,
    Kind.AWAY: Purpose.NOTE,
    Kind.UNHEARD: Purpose.NOTE,
}
_UNTOLD = Speaker(None)  # nobody asks
MAX_REPLY_NAME = 100  # characters


@light
@dataclass(frozen=True, slots=True)
class Considered:
    """What steps 2 to 5 found."""

    matter: Matter
    thread: ThreadKeys
    known: Known
    passed: frozenset[str] = frozenset()  # the inboxes for which it was here before
    verification: Verification | None = None
    barred: Barred | None = None
    is_notice: bool = False  # another routerd's

    @property
    def decisions(self) -> tuple[Decision, ...]:
        return self.matter.decisions


def look(received: Received, trace_keys: Keys, office: Office) -> tuple[MessageView, frozenset[str], Barred | None]:
    """Step 2: the view, the inboxes that it passed before, and why nobody here may have it, whatever the rules say."""
    view = MessageView(received.raw, text_limit=office.settings.limits.rule_text)
    passed = passed_inboxes(view, trace_keys, office.settings.inboxes, received.envelope)
    if loops(view, received.envelope, passed):
        return view, passed, LOOP
    return view, passed, TOO_DEEP if view.is_nested_deeper(office.settings.limits.mime_depth) else None


def bytes_read(view: MessageView) -> int:
    """How much of the message steps 3 to 5 may decode: not what is attached, unless it is text."""
    return readable_bytes(view.raw, view.root)


def thread_keys(
    view: MessageView, envelope: Envelope, client: Client, office: Office, proofs: AuthResults
) -> ThreadKeys:
    """By which step 4 knows the conversation, and the same message.

    An inbox has no part in a conversation: whoever writes in its name, as web forms do, is who Reply-To says.
    """
    roster = office.roster
    parties = (mailbox.address for name in ("from", "reply-to", "to", "cc") for mailbox in view.addresses(name))
    author = view.author.address if view.author else None
    if author is not None and roster.inbox_of(author) is not None:
        author = next((mailbox.address for mailbox in view.addresses("reply-to")), author)
    is_for_desk = not _SPOKEN_TO.isdisjoint([one.purpose for one in envelope.recipients])
    speaker = speaker_of(view, client, office, proofs) if is_for_desk or view.references else _UNTOLD
    about = [one for one in envelope.recipients if one.copy_number is not None and one.purpose in TO_THE_DESK]
    if about and not speaker.has_logged_in:
        about = [one for one in about if is_named(view, one) and not speaker.is_sent_on]
    return ThreadKeys(
        message_id=view.message_id,
        references=view.references,
        participants=tuple(dict.fromkeys(party for party in parties if roster.inbox_of(party) is None)),
        author=author,
        content_hash=(
            identity_of_words(speaker.member, view.message_id)
            if speaker.member is not None and not speaker.has_logged_in and view.message_id
            else identity_of(view, envelope, client, proofs)
        ),
        vouched=speaker.member is not None,
        copy=about[0].copy_number if about else None,
    )


def judge(
    view: MessageView, received: Received, office: Office, known: Known, proofs: AuthResults
) -> tuple[Matter, Barred | None]:
    """Step 5: who speaks, what it is to the desk, and where that is mail, what the rules say for each inbox."""
    envelope = received.envelope
    facts = facts_of(view, envelope, received.client, received.at, office, proofs, known.conversation)
    said = _heard(facts, received, office, known, proofs)
    if said.kind is Kind.BARRED:
        return Matter(received, (), said=said), unheard(said)
    is_mail = said.kind is Kind.MAIL
    decisions = decide(facts, _to_be_ruled(envelope, said, known, is_member=facts.internal is not False), office)
    if known.suspect:
        decisions = (_labelled(decisions[0], SUSPECT), *decisions[1:])
    author = author_of(facts, envelope, office.roster)
    is_outside = is_mail and said.member is None
    reply_name = _reply_name(facts, envelope, author) if is_outside else ""
    due = reply_due(facts, envelope, decisions, proofs, office.roster) if is_outside else None
    if said is MERE_MAIL:
        return Matter(received, decisions, author, reply_name=reply_name, reply_due=due), None
    direct = frozenset(mailbox.address for name in ("to", "cc") for mailbox in view.addresses(name))
    return Matter(
        received,
        decisions,
        author,
        said,
        message_id=view.message_id,
        subject=view.subject,
        direct=direct,
        is_calendar_reply="calendar" in view.kinds and is_calendar_reply(view.root),
        reply_name=reply_name,
        reply_due=due,
    ), None


def _reply_name(facts: Facts, envelope: Envelope, author: Author) -> str:
    """Of mail that somebody outside may be answered to. List mail is answered to its list, as it comes; what answers by
    itself by nobody, lest a mailbox that does not look does."""
    view = facts.view
    if not envelope.sender or not author.outside or "list" in view.kinds or view.author is None:
        return ""
    if answers_by_itself(view, envelope):
        return ""
    return (without_turns(view.author.name) or view.author.address)[:MAX_REPLY_NAME]


def _heard(facts: Facts, received: Received, office: Office, known: Known, proofs: AuthResults) -> Said:
    envelope, roster = received.envelope, office.roster
    is_addressed = any(recipient.purpose in TO_THE_DESK for recipient in envelope.recipients)
    if facts.internal is False and not is_addressed:
        return MERE_MAIL
    speaker = speaker_of(facts.view, received.client, office, proofs)
    conversation = known.conversation
    return hear(
        facts.view,
        envelope,
        speaker,
        conversation,
        lambda member: speaking_as(member, roster, received.at),
        answers_through=bool(
            conversation and speaker.member and _answers_through(speaker.member, conversation.inbox, office)
        ),
        named=_named(facts.view, roster) if speaker.member is not None else (),
    )


def _named(view: MessageView, roster: Roster) -> frozenset[Kind]:
    """What its To and Cc say that it is for, of what is for members alone."""
    found = {roster.takes_from_members(mailbox.address) for name in ("to", "cc") for mailbox in view.addresses(name)}
    return frozenset(Kind(kind) for kind in found if kind is not None)


def _answers_through(member: str, inbox: str, office: Office) -> bool:
    """Whether what a member writes to the inbox itself is for the customer."""
    found, route = office.roster.inbox(inbox), office.settings.route_for(office.roster.mailbox(member))
    return found is not None and found.takes_answers(trusts_us=route is not None and route.trusts_us)


def _to_be_ruled(envelope: Envelope, said: Said, known: Known, *, is_member: bool) -> Envelope:
    """What came to the desk's own addresses and is nothing to it is mail to their inboxes.

    Not of a member: what his client or a list has marked as a machine's may still be meant for colleagues alone, and a
    rule might forward it.
    """
    if said.kind is not Kind.MAIL:
        return _as_said(envelope, said.kind, known)
    if all(recipient.purpose not in TO_THE_DESK for recipient in envelope.recipients):
        return envelope
    if is_member:
        return _as_said(envelope, Kind.NOTE, known)
    recipients = tuple(
        replace(recipient, purpose=Purpose.INBOX) if recipient.purpose in TO_THE_DESK else recipient
        for recipient in envelope.recipients
    )
    return replace(envelope, recipients=recipients)


def _as_said(envelope: Envelope, kind: Kind, known: Known) -> Envelope:
    """What is said to the desk is no rule's to read where it is said, also where it went to that inbox, too."""
    said_at = {recipient.inbox for recipient in envelope.recipients if recipient.purpose in TO_THE_DESK}
    if known.conversation is not None:
        said_at.add(known.conversation.inbox)
    recipients = tuple(
        replace(recipient, purpose=_PURPOSES[kind]) if recipient.inbox in said_at else recipient
        for recipient in envelope.recipients
    )
    return replace(envelope, recipients=recipients)


def _labelled(decision: Decision, label: str) -> Decision:
    return replace(decision, labels=tuple(dict.fromkeys((*decision.labels, label))))
