"""Who is told no: the verdicts for a message that inboxes reject."""

from collections.abc import Mapping

from routerd.message.envelope import Accepted, Protocol, Received, Refused, Verdict
from routerd.rules.decision import Decision


def refusals(
    received: Received, decisions: tuple[Decision, ...], *, is_known: bool, reject_through: bool = False
) -> dict[str, Refused]:
    """The inboxes whose rules reject, where the sender can be told: not through another's queue (unless that is meant:
    `reject_through`), and not in a known conversation (`is_known`). Where it cannot be told, the desk holds it."""
    if is_known or (received.client.trusted and not reject_through):
        return {}
    return {
        decision.inbox: Refused(550, "5.7.1", decision.reject.encode("ascii", "replace").decode("ascii") or "rejected")
        for decision in decisions
        if decision.reject is not None
    }


def for_all(received: Received, verdict: Verdict) -> tuple[Verdict, ...]:
    """The same for everybody: one verdict for SMTP, one for each recipient for LMTP."""
    return (verdict,) * (len(received.envelope.recipients) if received.client.protocol is Protocol.LMTP else 1)


def for_each(received: Received, refused: Mapping[str, Refused], verdict: Accepted) -> tuple[Verdict, ...]:
    """LMTP: each recipient its own. SMTP: a refusal only where every inbox refuses."""
    inboxes = [recipient.inbox for recipient in received.envelope.recipients]
    if received.client.protocol is Protocol.LMTP:
        return tuple(refused.get(inbox, verdict) for inbox in inboxes)
    return (refused[inboxes[0]],) if all(inbox in refused for inbox in inboxes) else (verdict,)
