"""The recipients of one transaction. Pure."""

from collections.abc import Sequence

from routerd.message.envelope import Recipient, Verdict


class Granted:
    """Those whose RCPT was granted: in the envelope once, but LMTP answers each RCPT."""

    __slots__ = ("keys", "recipients")

    def __init__(self) -> None:
        self.recipients: dict[str, Recipient] = {}  # by the address's key
        self.keys: list[str] = []  # one per RCPT

    def add(self, recipient: Recipient) -> None:
        key = recipient.address.key
        self.recipients.setdefault(key, recipient)
        self.keys.append(key)

    def for_each_rcpt(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """From one verdict per recipient of the envelope, one per RCPT."""
        given = dict(zip(self.recipients, verdicts, strict=True))
        return [given[key] for key in self.keys]
