"""What an inbox does with mail that DMARC says is not from whom it names (`inboxes.dmarc`)."""

from dataclasses import replace

from routerd.auth.dmarc import Wish
from routerd.auth.results import AuthResults
from routerd.auth.verification import Verification, author_domain
from routerd.config.auth_settings import DmarcPolicy
from routerd.desk.own_labels import DMARC_FAIL
from routerd.desk.refusal import Barred
from routerd.desk.roster import Roster
from routerd.message.envelope import Envelope, Purpose
from routerd.rules.decision import Decision
from routerd.rules.facts import Facts

REASON = "dmarc"  # under which a refusal is counted
UNTOLD = Barred(
    451, "4.7.1", "too many questions about your mail at once, so DMARC cannot be checked: try later", REASON
)
_UNTOLD = ("temperror", "permerror")


def unless_told(verification: Verification, proofs: AuthResults, envelope: Envelope, roster: Roster) -> Barred | None:
    """For mail that may fail DMARC at an inbox where that counts, had its client not kept us from finding out."""
    if not verification.went_without or proofs.vouched or proofs.result("dmarc") not in _UNTOLD:
        return None
    inboxes = (roster.inbox(one.inbox) for one in envelope.recipients if one.purpose is Purpose.INBOX)
    return UNTOLD if any(one is not None and one.dmarc is not DmarcPolicy.REPORT for one in inboxes) else None


def after_dmarc(decision: Decision, facts: Facts, policy: DmarcPolicy) -> Decision:
    """For mail whose DMARC result is fail: labelled, and held or refused where the inbox and the domain's owner want
    that. What the rules have decided stays."""
    labelled = replace(decision, labels=tuple(dict.fromkeys((*decision.labels, DMARC_FAIL))))
    if policy is DmarcPolicy.REPORT or facts.dmarc_wish not in (Wish.QUARANTINE, Wish.REJECT):
        return labelled
    domain = author_domain(facts.view) or "one of the domains in From"
    if policy is DmarcPolicy.REJECT and facts.dmarc_wish == Wish.REJECT:
        if decision.reject is not None:
            return labelled
        text = f"rejected per DMARC policy of {domain}: neither SPF nor DKIM proves that it is from there"
        return replace(labelled, reject=text, reject_reason=REASON)
    if decision.reject is not None or decision.hold is not None:
        return labelled
    return replace(labelled, hold=f"DMARC fails, and {domain} asks to {facts.dmarc_wish} such mail")
