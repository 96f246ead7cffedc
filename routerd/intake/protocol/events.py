"""What a dialogue says and asks of its host, as values. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from routerd.message.address import Address
from routerd.message.envelope import Envelope, Recipient, Refused


class Phase(Enum):
    GREETING = "greeting"  # nothing is said yet
    COMMANDS = "commands"
    CONTENT = "content"
    ANSWER = "answer"  # the message is whole; its verdict is awaited
    CREDENTIALS = "credentials"  # whether a login holds is awaited
    HANDSHAKE = "handshake"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Say:
    """Bytes for the client."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """More of the message's bytes, unstuffed, line ends CRLF."""

    piece: bytes


@dataclass(frozen=True, slots=True)
class ContentDropped:
    """The message is refused: throw away what came of it."""


@dataclass(frozen=True, slots=True)
class MessageDone:
    """All content has come. What follows waits for `answer`."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class UpgradeTls:
    """Begin the TLS handshake, then call `secured`. Plaintext that came behind STARTTLS is gone (RFC 3207 4.2)."""


@dataclass(frozen=True, slots=True)
class CheckLogin:
    """Whether `password` is that of `login` is asked. What follows waits for `logged_in`."""

    login: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The answer: it is, and this is the member, as the config names him."""

    member: str


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """For logs and metrics: `reason` is one of a few words, `about` the argument or the envelope's part refused.

    `sender`: of the message whose recipient was refused; "" is the null one.
    """

    reason: str
    refused: Refused
    about: str
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection once everything said is written."""


Event = Say | Content | ContentDropped | MessageDone | UpgradeTls | CheckLogin | CommandRefused | Close


@dataclass(frozen=True, slots=True)
class Declined(Refused):
    """A recipient refused, or a message, with the word under which it is counted."""

    reason: str = "recipient"


LookUp = Callable[[Address | None], Recipient | Declined]
"""Whose address it is; None stands for `<Postmaster>`."""

RoomFor = Callable[[int], Declined | None]
"""Why a message of so many octets (0: not said) may not come now; None: it may."""
