"""Steps 2 to 5 of a message's way, as far as they only compute: they run where the message's size allows it."""

from dataclasses import dataclass, replace

from routerd.auth.results import AuthResults
from routerd.auth.verification import Verification
from routerd.desk.consider import (
    Office,
    author_of,
    comes_from_member,
    decide,
    facts_of,
    identity_of,
    loops,
    passed_inboxes,
)
from routerd.desk.hearing import hear, speaking_as
from routerd.desk.matter import MERE_MAIL, Matter
from routerd.desk.refusal import LOOP, TOO_DEEP, Barred, unheard
from routerd.desk.said import Kind, Said
from routerd.message.envelope import Client, Envelope, Purpose, Received
from routerd.message.view import MessageView
from routerd.rules.decision import Decision
from routerd.rules.facts import Facts
from routerd.store.base import Known, ThreadKeys

SUSPECT = "thread-suspect"
TO_THE_DESK = frozenset({Purpose.ANSWER, Purpose.NOTE, Purpose.DRAFT})


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


def look(received: Received, trace_key: bytes, office: Office) -> tuple[MessageView, frozenset[str], Barred | None]:
    """Step 2: the view, the inboxes that it passed before, and why nobody here may have it, whatever the rules say."""
    view = MessageView(received.raw, text_limit=office.settings.limits.rule_text)
    passed = passed_inboxes(view, trace_key, office.settings.inboxes, received.envelope)
    if loops(view, received.envelope, passed):
        return view, passed, LOOP
    return view, passed, TOO_DEEP if view.is_nested_deeper(office.settings.limits.mime_depth) else None


def thread_keys(
    view: MessageView, envelope: Envelope, client: Client, office: Office, proofs: AuthResults
) -> ThreadKeys:
    """By which step 4 knows the conversation, and the same message."""
    parties = (mailbox.address for name in ("from", "reply-to", "to", "cc") for mailbox in view.addresses(name))
    copy = next(
        (one.copy_number for one in envelope.recipients if one.purpose in TO_THE_DESK and one.copy_number), None
    )
    names_others = bool(view.references) or copy is not None
    return ThreadKeys(
        message_id=view.message_id,
        references=view.references,
        participants=tuple(dict.fromkeys(parties)),
        author=view.author.address if view.author else None,
        content_hash=identity_of(view, envelope, client, proofs),
        vouched=names_others and comes_from_member(view, client, office, proofs) is True,
        copy=copy,
    )


def judge(
    view: MessageView, received: Received, office: Office, known: Known, proofs: AuthResults
) -> tuple[Matter, Barred | None]:
    """Step 5: who speaks, what it is to the desk, and where that is mail, what the rules say for each inbox."""
    envelope = received.envelope
    facts = facts_of(view, envelope, received.client, received.at, office, proofs, known.conversation)
    said = _heard(facts, received, office, known)
    if said.kind is Kind.BARRED:
        return Matter(received, (), said=said), unheard(said)
    decisions = decide(facts, _as_mail(envelope) if said.kind is Kind.MAIL else envelope, office)
    if known.suspect:
        decisions = (_labelled(decisions[0], SUSPECT), *decisions[1:])
    author = author_of(facts, envelope, office.roster)
    if said is MERE_MAIL:
        return Matter(received, decisions, author), None
    direct = frozenset(mailbox.address for name in ("to", "cc") for mailbox in view.addresses(name))
    return Matter(received, decisions, author, said, view.message_id, view.subject, direct), None


def _heard(facts: Facts, received: Received, office: Office, known: Known) -> Said:
    view, envelope = facts.view, received.envelope
    is_addressed = any(recipient.purpose in TO_THE_DESK for recipient in envelope.recipients)
    if facts.internal is False and not is_addressed:
        return MERE_MAIL
    return hear(
        view,
        envelope,
        office.roster.member_with(view.author.address) if facts.internal and view.author else None,
        known.conversation,
        lambda member: speaking_as(member, office.roster, received.at),
        is_unsure=facts.internal is None,
        answers_through=False,
    )


def _as_mail(envelope: Envelope) -> Envelope:
    """What came to the desk's own addresses and is nothing to it is mail to their inboxes."""
    if all(recipient.purpose not in TO_THE_DESK for recipient in envelope.recipients):
        return envelope
    recipients = tuple(
        replace(recipient, purpose=Purpose.INBOX) if recipient.purpose in TO_THE_DESK else recipient
        for recipient in envelope.recipients
    )
    return replace(envelope, recipients=recipients)


def _labelled(decision: Decision, label: str) -> Decision:
    return replace(decision, labels=tuple(dict.fromkeys((*decision.labels, label))))
