"""Whether a message may be answered automatically, as far as the message itself tells (RFC 3834 2). Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from routerd.auth.results import AuthResults
from routerd.desk.roster import Roster
from routerd.message.address import AddressError, parse_address
from routerd.message.envelope import Envelope, Purpose
from routerd.message.kinds import OF_MACHINES
from routerd.message.view import MessageView
from routerd.rules.decision import Decision, Reply
from routerd.rules.facts import Facts

# RFC 3834 2, RFC 2142, and what people call mailboxes that nobody reads.
_NOBODY_READS = re.compile(
    r"(?:.*[-._+])?(?:no|not|non|do-?not|dont|nie-?odpowiada[jć]|never)[-._]?(?:reply|respond|answer|odpowiadaj|responder)"
    r"(?:[-._+].*)?|mailer-?daemon|mail-?daemon|postmaster|daemon|bounces?(?:[-._+=].*)?|.*[-+]bounces?|owner-.*|.*-owner|"
    r".*-request|.*-relay|list-?serv|majordomo|news|nobody|root|abuse|hostmaster|webmaster|notifications?|alerts?|"
    r"srs[01][-+=].*|prvs=.*",
    re.IGNORECASE,
)
_SPAM = {"x-spam-flag": ("yes", "true"), "x-spam-status": ("yes",), "x-spam": ("yes", "true", "spam")}


class Withheld(StrEnum):
    """Why no automatic reply goes out; the word of the metric."""

    NULL_SENDER = "null_sender"
    AUTOMATIC = "automatic"
    NO_REPLY = "no_reply_address"
    OURS = "ours"
    UNPROVEN = "unproven"
    SPAM = "spam"
    NOT_ADDRESSED = "not_addressed"
    NOT_A_CUSTOMER = "not_a_customer"
    HELD = "held"
    ONCE = "once_per"
    SENDER_LIMIT = "sender_limit"
    INBOX_LIMIT = "inbox_limit"


@dataclass(frozen=True, slots=True)
class ReplyDue:
    """A reply that some rule wants, as far as the message alone tells."""

    reply: Reply
    address: str  # MAIL FROM, which alone it goes to, as written
    name: str
    language: str | None
    subject: str
    message_id: str | None
    references: tuple[str, ...]
    withheld: Withheld | None  # None: it may go


def reply_due(
    facts: Facts, envelope: Envelope, decisions: tuple[Decision, ...], proofs: AuthResults, roster: Roster
) -> ReplyDue | None:
    """None: no rule of the home inbox wants one."""
    home = decisions[0]
    if home.reply is None:
        return None
    view = facts.view
    author = view.author
    return ReplyDue(
        home.reply,
        envelope.sender,
        author.name if author is not None and author.name else envelope.sender,
        facts.texts.language,
        view.subject,
        view.message_id,
        view.references,
        _withheld(facts, envelope, home.inbox, proofs, roster),
    )


def _withheld(facts: Facts, envelope: Envelope, inbox: str, proofs: AuthResults, roster: Roster) -> Withheld | None:
    """The first reason, the cheapest looked at first."""
    view = facts.view
    local, _, domain = envelope.sender.lower().rpartition("@")
    reasons: tuple[tuple[Withheld, Callable[[], bool]], ...] = (
        (Withheld.NULL_SENDER, lambda: not envelope.sender),
        (Withheld.AUTOMATIC, lambda: not view.kinds.isdisjoint(OF_MACHINES)),
        (Withheld.NO_REPLY, lambda: _NOBODY_READS.fullmatch(local) is not None),
        (Withheld.OURS, lambda: _is_ours(envelope.sender, roster)),
        (Withheld.NOT_A_CUSTOMER, lambda: facts.internal is True),
        (Withheld.SPAM, lambda: _is_spam(facts, proofs)),
        (Withheld.UNPROVEN, lambda: not _is_proven(domain, proofs)),
        (Withheld.NOT_ADDRESSED, lambda: not _is_addressed(view, envelope, inbox, roster)),
    )
    return next((reason for reason, holds in reasons if holds()), None)


def _is_ours(sender: str, roster: Roster) -> bool:
    try:
        key = parse_address(sender).key
    except AddressError:
        return True  # a reply could not be addressed either
    return roster.inbox_of(key) is not None or roster.member_with(key) is not None


def _is_spam(facts: Facts, proofs: AuthResults) -> bool:
    """Whoever forges a sender would have us write to him."""
    if proofs.by_method.get("dmarc") == "fail" or facts.dnsbl.listed:
        return True
    view = facts.view
    return any(value.strip().lower().startswith(words) for name, words in _SPAM.items() for value in view.header(name))


def _is_proven(domain: str, proofs: AuthResults) -> bool:
    """SPF for MAIL FROM, or a signature of its domain or of one above it (RFC 7489 3.1.1 calls that relaxed)."""
    for result in proofs.results:
        if result.result != "pass":
            continue
        if result.method == "spf":
            proven = (result.property("smtp.mailfrom") or "").lower().rpartition("@")[2]
            if proven == domain:
                return True
        elif result.method == "dkim":
            signer = (result.property("header.d") or "").lower().rstrip(".")
            if "." in signer and (domain == signer or domain.endswith(f".{signer}")):
                return True
    return False


def _is_addressed(view: MessageView, envelope: Envelope, inbox: str, roster: Roster) -> bool:
    """Who stands in nobody's To or Cc is answered by nobody (RFC 3834 2): it was sent to him in a crowd."""
    if not any(recipient.purpose is Purpose.INBOX for recipient in envelope.recipients):
        return False
    return any(roster.inbox_of(mailbox.address) == inbox for name in ("to", "cc") for mailbox in view.addresses(name))
