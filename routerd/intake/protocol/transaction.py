"""One mail transaction: what MAIL and RCPT have said of the message to come. Pure."""

from collections.abc import Sequence

from routerd.intake.protocol import refusals
from routerd.intake.protocol.events import Declined
from routerd.intake.protocol.parameters import MailFrom
from routerd.message.envelope import Envelope, Purpose, Recipient, Verdict

_WRAPPED = Purpose.WRAPPED


class Transaction:
    """Begun by a MAIL that was granted. A recipient is in the envelope once, but LMTP answers each RCPT."""

    __slots__ = ("_keys", "_recipients", "mail", "rcpt_refused")

    def __init__(self, mail: MailFrom) -> None:
        self.mail = mail
        self.rcpt_refused = False
        self._recipients: dict[str, Recipient] = {}  # by the address's key
        self._keys: list[str] = []  # one per RCPT

    def declines(self, recipient: Recipient) -> Declined | None:
        """Why this message may not come to it; None: it may.

        What is taken back to a stranger is a bounce of his own mail, which comes from nobody and to nobody else.
        """
        is_wrapped = recipient.purpose is _WRAPPED
        if is_wrapped and self.mail.sender:
            return refusals.BOUNCES_ONLY
        if not self._recipients:
            return None
        first = next(iter(self._recipients.values()))
        is_wrapped = is_wrapped or first.purpose is _WRAPPED
        return refusals.NOT_TOGETHER if is_wrapped and first.address.key != recipient.address.key else None

    def grant(self, recipient: Recipient) -> None:
        key = recipient.address.key
        self._recipients.setdefault(key, recipient)
        self._keys.append(key)

    @property
    def granted(self) -> int:
        """How many RCPT were."""
        return len(self._keys)

    @property
    def recipients(self) -> int:
        """How many addresses they named."""
        return len(self._recipients)

    def envelope(self) -> Envelope:
        mail = self.mail
        return Envelope(mail.sender, tuple(self._recipients.values()), mail.body_8bit, mail.smtputf8)

    def for_each_rcpt(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """From one verdict per recipient of the envelope, one per RCPT."""
        given = dict(zip(self._recipients, verdicts, strict=True))
        return [given[key] for key in self._keys]
