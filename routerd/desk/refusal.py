"""Who is told no: the verdicts for a message that inboxes reject."""

from collections.abc import Mapping
from dataclasses import dataclass

from routerd.desk.said import Said
from routerd.message.envelope import Accepted, Protocol, Received, Refused, Verdict
from routerd.rules.decision import Decision


@dataclass(frozen=True, slots=True)
class Barred(Refused):
    """With the word under which it is counted."""

    reason: str = "rule"


LOOP = Barred(554, "5.4.6", "routing loop: this message has been here before", "loop")
TOO_DEEP = Barred(554, "5.6.0", "MIME parts are nested too deep", "mime_depth")
FULL = Barred(452, "4.3.1", "insufficient storage, try again later", "no_space")
TROUBLE = Barred(451, "4.3.0", "temporary trouble, try again later", "store_failed")


def unheard(said: Said) -> Barred:
    """To who writes to colleagues alone or answers as one of them, and is not proven to be one; or is one, and writes
    of nothing that we know."""
    if said.member is not None:
        return Barred(550, "5.6.0", said.missing, "no_conversation")
    if said.temporary:
        return Barred(451, "4.7.1", said.missing, "not_a_member")
    return Barred(550, "5.7.1", said.missing, "not_a_member")


def refusals(
    received: Received, decisions: tuple[Decision, ...], *, is_known: bool, reject_through: bool = False
) -> dict[str, Barred]:
    """The inboxes whose rules reject, where the sender can be told: not through another's queue (unless that is meant:
    `reject_through`), and not in a known conversation (`is_known`). Where it cannot be told, the desk holds it."""
    if is_known or (received.client.trusted and not reject_through):
        return {}
    return {
        decision.inbox: Barred(
            550,
            "5.7.1",
            decision.reject.encode("ascii", "replace").decode("ascii") or "rejected",
            decision.reject_reason,
        )
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
