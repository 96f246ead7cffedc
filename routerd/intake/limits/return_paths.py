"""How often return paths may be used, and forged. Pure: moments are a clock's that does not jump, in seconds."""

from collections.abc import Sequence

from routerd.intake.limits.tally import Tally
from routerd.intake.protocol.events import Declined
from routerd.message.envelope import Accepted, Envelope, Recipient, Verdict

FLOODED = Declined(450, "4.7.1", "Too much mail for this return path", "return_path_flood")
TOO_MANY_FORGED = Declined(421, "4.7.0", "Too many addresses that we never gave out", "forged_token")


class ReturnPathUse:
    """Of all listeners, over reloads."""

    def __init__(self) -> None:
        # By client: some bounces are mangled on their way, so a few are let by.
        self._forged = Tally(allowed=10, window_seconds=3600.0)
        # By copy: its bounces, its delays and an automatic answer or two; whoever saw the address may send no flood.
        # By stranger, however his address was wrapped: nobody who writes in his name shall have him flooded so.
        self._used = Tally(allowed=20, window_seconds=86_400.0)

    def judge(self, found: Recipient | Declined, client: str | None, now: float) -> Recipient | Declined:
        """What becomes of a recipient that was looked up. `client`: by its key; None: a hop of ours, whose tries of
        forged addresses are not counted.
        """
        if isinstance(found, Recipient):
            key = _key(found)
            return FLOODED if key is not None and self._used.is_spent(key, now) else found
        if client is None or found.reason != "forged_token":
            return found
        return TOO_MANY_FORGED if self._forged.count(client, now) else found

    def count(self, envelope: Envelope, verdicts: Sequence[Verdict], now: float) -> None:
        """Only of what was taken: whoever merely names a return path must not use it up."""
        if not any(isinstance(verdict, Accepted) for verdict in verdicts):
            return
        for key in {_key(recipient) for recipient in envelope.recipients}:
            if key is not None:
                self._used.count(key, now)


def _key(recipient: Recipient) -> str | None:
    """By what the use of a return path is counted; None: it is none."""
    if recipient.original is not None:
        return recipient.original.key
    return None if recipient.copy_number is None else str(recipient.copy_number)
