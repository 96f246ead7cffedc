"""How often addresses with tokens may be used, and forged. Pure: moments are seconds of a clock that does not jump."""

from collections.abc import Sequence

from routerd.intake.limits.counts import Counted, Counts
from routerd.intake.protocol.events import Declined
from routerd.message.envelope import Accepted, Envelope, Purpose, Recipient, Verdict

FLOODED = Declined(450, "4.7.1", "Too much mail for this return path", "return_path_flood")
DESK_FLOODED = Declined(450, "4.7.1", "Too much mail for this address today", "desk_address_flood")
TOO_MANY_FORGED = Declined(421, "4.7.0", "Too many addresses that we never gave out", "forged_token")
OF_DESK = frozenset((Purpose.ANSWER, Purpose.NOTE, Purpose.DRAFT))


class ReturnPathUse:
    """Of all listeners, over reloads."""

    def __init__(self, counts: Counts) -> None:
        # By client: some bounces are mangled on their way, so a few are let by.
        self._forged = counts.tally(Counted.FORGED_TOKENS, allowed=10, window_seconds=3600.0)
        # By copy: its bounces, its delays and an automatic answer or two; whoever saw the address may send no flood.
        # By stranger, however his address was wrapped: nobody who writes in his name shall have him flooded so.
        self._used = counts.tally(Counted.RETURN_PATHS, allowed=20, window_seconds=86_400.0)
        # By copy and purpose: what members have to say to one message, and far from what floods them.
        self._used_at_desk = counts.tally(Counted.DESK_ADDRESSES, allowed=100, window_seconds=86_400.0)

    def judge(self, found: Recipient | Declined, client: str | None, now: float) -> Recipient | Declined:
        """What becomes of a recipient that was looked up. `client`: by its key; None: a hop of ours, whose tries of
        forged addresses are not counted.
        """
        if isinstance(found, Recipient):
            key = _key(found)
            if key is None:
                return found
            if found.purpose in OF_DESK:
                return DESK_FLOODED if self._used_at_desk.is_spent(key, now) else found
            return FLOODED if self._used.is_spent(key, now) else found
        if client is None or found.reason != "forged_token":
            return found
        return TOO_MANY_FORGED if self._forged.count(client, now) else found

    def count(self, envelope: Envelope, verdicts: Sequence[Verdict], now: float) -> None:
        """Only of what was taken: whoever merely names a return path must not use it up."""
        used = {(key, one.purpose) for one in envelope.recipients if (key := _key(one)) is not None}
        if not used or not any(isinstance(verdict, Accepted) for verdict in verdicts):
            return
        for key, purpose in used:
            (self._used_at_desk if purpose in OF_DESK else self._used).count(key, now)


def _key(recipient: Recipient) -> str | None:
    """By what the use of such an address is counted; None: it is none."""
    if recipient.original is not None:
        return recipient.original.key
    if recipient.copy_number is None:
        return None
    return f"{recipient.purpose}.{recipient.copy_number}"
