"""Where a session stands: what both sides know of each other by now. Commands read it and change it. Pure."""

from routerd.intake.protocol.allowance import Allowance
from routerd.intake.protocol.events import LookUp, Phase, RoomFor
from routerd.intake.protocol.sasl import Exchange
from routerd.intake.protocol.terms import Terms
from routerd.intake.protocol.transaction import Transaction
from routerd.message.envelope import Protocol, Refused


class Standing:
    """What is given is the Dialogue's."""

    __slots__ = (
        "allowance", "client_refused", "codec", "esmtp", "exchange", "helo", "in_tls", "is_lmtp", "look_up",
        "member", "messages", "phase", "room_for", "terms", "transaction",
    )  # fmt: skip

    def __init__(self, terms: Terms, look_up: LookUp, room_for: RoomFor, *, trusted: bool, in_tls: bool) -> None:
        self.terms = terms
        self.look_up = look_up
        self.room_for = room_for
        self.in_tls = in_tls
        self.allowance = Allowance(terms, trusted=trusted)
        self.codec = "utf-8" if terms.smtputf8 else "ascii"  # of commands
        self.is_lmtp = terms.protocol is Protocol.LMTP
        self.phase = Phase.GREETING
        self.helo = ""  # "": no hello yet
        self.esmtp = False
        self.member: str | None = None  # who has logged in
        self.exchange: Exchange | None = None  # an AUTH that waits for the client's response
        self.client_refused: tuple[Refused, str] | None = None  # so is every recipient but the postmaster
        self.transaction: Transaction | None = None
        self.messages = 0  # whose content has come, taken or not

    def forget_the_clear(self) -> None:
        """Nothing that was said before TLS counts in it (RFC 3207 4.2)."""
        self.in_tls = True
        self.helo = ""
        self.esmtp = False
        self.exchange = None
        self.transaction = None
