"""What an inbox does with mail that DMARC says is not from whom it names (`inboxes.dmarc`)."""

from dataclasses import replace

from routerd.auth.dmarc import Wish
from routerd.auth.verification import author_domain
from routerd.config.auth_settings import DmarcPolicy
from routerd.rules.decision import Decision
from routerd.rules.facts import Facts

LABEL = "dmarc-fail"
REASON = "dmarc"  # under which a refusal is counted


def after_dmarc(decision: Decision, facts: Facts, policy: DmarcPolicy) -> Decision:
    """For mail whose DMARC result is fail: labelled, and held or refused where the inbox and the domain's owner want
    that. What the rules have decided stays."""
    labelled = replace(decision, labels=tuple(dict.fromkeys((*decision.labels, LABEL))))
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
