"""What became of one attempt to deliver one copy. Each says why, at which stage, and in whose words."""

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """Where in an attempt it was decided, in the order in which an attempt passes them."""

    PREPARE = "prepare"  # before anybody was spoken to
    DNS = "dns"  # who takes mail for the mailbox's domain
    CONNECT = "connect"
    GREETING = "greeting"
    HELLO = "hello"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # the answer to DATA
    CONTENT = "content"  # the answer to the final dot
    MAILDIR = "maildir"


_TURNED_DOWN = {
    Stage.GREETING: "the connection",
    Stage.HELLO: "our EHLO",
    Stage.TLS: "TLS",
    Stage.AUTH: "the login",
    Stage.MAIL: "the sender",
    Stage.RCPT: "the recipient",
    Stage.DATA: "the message before it was sent",
    Stage.CONTENT: "the message",
}

BEFORE_MAILBOX = frozenset({Stage.DNS, Stage.CONNECT, Stage.GREETING, Stage.HELLO, Stage.TLS, Stage.AUTH, Stage.MAIL})


def turned_down(stage: Stage, code: int) -> str:
    """What a reply of 4xx or 5xx did, for who does not know SMTP: `refused the recipient`."""
    return f"{'refused' if code >= 500 else 'put off'} {_TURNED_DOWN.get(stage, stage)}"


@dataclass(frozen=True, slots=True)
class Answer:
    """`reply` holds the next hop's words, "" where it said none; `status` is the enhanced code (RFC 3463) or "".

    `host`: to which it led, where it led to one.
    """

    reason: str
    stage: Stage
    reply: str = ""
    code: int = 0
    status: str = ""
    host: str = ""

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("an outcome says why")


@dataclass(frozen=True, slots=True)
class Delivered(Answer):
    """The next hop is responsible now."""


@dataclass(frozen=True, slots=True)
class Deferred(Answer):
    """Not now; whatever is not understood is this."""

    @property
    def of_destination(self) -> bool:
        """Trouble of the next hop as a whole, not of this copy: another host may do better."""
        return self.stage in BEFORE_MAILBOX or self.code == 421

    @property
    def of_connection(self) -> bool:
        """No conversation came about: the next copy would fare the same."""
        if self.stage is Stage.MAIL:
            return self.code in (0, 421)
        return self.stage in BEFORE_MAILBOX or self.code == 421

    @property
    def of_mailbox(self) -> bool:
        """The next hop is well, it is this mailbox that does not take mail."""
        if self.code == 421 or self.stage in BEFORE_MAILBOX:
            return False
        if self.status.startswith(("4.1.", "4.2.")):
            return True
        return self.stage is Stage.RCPT and self.code // 100 == 4 and not self.status.startswith(("4.3.", "4.4."))


@dataclass(frozen=True, slots=True)
class Failed(Answer):
    """Not ever, as it stands."""

    @property
    def of_destination(self) -> bool:
        """This host says that it lacks what the copy needs (SMTPUTF8, room for its size): another may have it."""
        return self.stage is Stage.MAIL and self.code == 0


Outcome = Delivered | Deferred | Failed
