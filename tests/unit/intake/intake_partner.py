"""Dialogues without sockets: what a session says when it is fed whole, and octet by octet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from routerd.intake.protocol.dialogue import Dialogue
from routerd.intake.protocol.events import (
    CheckLogin,
    Close,
    CommandRefused,
    Content,
    ContentDropped,
    Declined,
    Event,
    LoggedIn,
    MessageDone,
    Say,
    UpgradeTls,
)
from routerd.intake.protocol.refusals import NO_MEMORY
from routerd.intake.protocol.terms import Terms
from routerd.message.address import Address
from routerd.message.envelope import Accepted, Envelope, Purpose, QueueId, Recipient, Refused, Verdict

_PURPOSES = {"postmaster": Purpose.POSTMASTER, "wrapped": Purpose.WRAPPED, "other-wrapped": Purpose.WRAPPED}


def look_up(address: Address | None) -> Recipient | Declined:
    if address is None:
        address = Address("postmaster", "desk.test")
    if address.domain != "desk.test":
        return Declined(550, "5.7.1", "Relaying denied", "relaying")
    if address.local.lower() == "nobody":
        return Declined(550, "5.1.1", "No such address here", "unknown_recipient")
    purpose = _PURPOSES.get(address.local.lower(), Purpose.INBOX)
    return Recipient(address, purpose, address.key)


@dataclass
class Heard:
    """All that came of one conversation."""

    text: str = ""
    messages: list[tuple[Envelope, bytes]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    closed: bool = False
    handshakes: int = 0
    abouts: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)

    @property
    def codes(self) -> list[str]:
        """Code and enhanced status of each reply's last line."""
        lines = [line for line in self.text.split("\r\n") if line and line[3] == " "]
        return [line[:9] if line[4:5].isdigit() and "." in line[4:6] else line[:3] for line in lines]


Answer = Callable[[Envelope], Sequence[Verdict]]


def accept_all(envelope: Envelope) -> Sequence[Verdict]:
    return (Accepted(QueueId("Q")),)


def knows_ewa(login: str, password: str) -> LoggedIn | Refused:
    return LoggedIn("ewa") if (login, password) == ("ewa", "right") else Refused(535, "5.7.8", "Wrong")


class Partner:
    """Plays the host and the client."""

    def __init__(
        self,
        terms: Terms,
        *,
        trusted: bool = False,
        answer: Answer = accept_all,
        room: bool = True,
        in_tls: bool = False,
        greets: bool = True,
    ) -> None:
        self.dialogue = Dialogue(terms, look_up, lambda _: None if room else NO_MEMORY, trusted=trusted, in_tls=in_tls)
        self.answer = answer
        self.heard = Heard()
        self._pieces: list[bytes] = []
        if greets:
            self.take(self.dialogue.greet())

    def take(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Say(data):
                    self.heard.text += data.decode("ascii")
                case Content(piece):
                    self._pieces.append(piece)
                case ContentDropped():
                    self._pieces.clear()
                case CommandRefused(reason, _, about):
                    self.heard.reasons.append(reason)
                    self.heard.abouts.append(about)
                case CheckLogin(login, password):
                    self.heard.logins.append((login, password))
                    self.take(self.dialogue.logged_in(knows_ewa(login, password)))
                case Close():
                    self.heard.closed = True
                case UpgradeTls():
                    self.heard.handshakes += 1
                case MessageDone(envelope):
                    self.heard.messages.append((envelope, b"".join(self._pieces)))
                    self._pieces.clear()
                    self.take(self.dialogue.answer(self.answer(envelope)))

    def send(self, data: bytes, chunk: int | None = None) -> None:
        for at in range(0, len(data), chunk or len(data) or 1):
            self.take(self.dialogue.feed(data[at : at + chunk] if chunk else data))


TERMS = Terms(hostname="mx.desk.test", listener="test", message_size=10_000)
