"""What a connection to a next hop is told, and what its host is to do, as values."""

from dataclasses import dataclass, field

from routerd.config.settings import TlsPolicy
from routerd.delivery.outcome import Deferred, Outcome


@dataclass(frozen=True, slots=True)
class Credentials:
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Login:
    """How a connection introduces itself."""

    hello: str  # our host name
    lmtp: bool = False
    tls: TlsPolicy = TlsPolicy.NONE
    private: bool = False  # a unix socket: nobody listens in, so AUTH needs no TLS there
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """One message. `size_bytes` before dot stuffing."""

    sender: str  # "" is the null sender
    recipients: tuple[str, ...]
    size_bytes: int
    has_8bit: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    data: bytes


@dataclass(frozen=True, slots=True)
class SendContent:
    """The dot-stuffed content may go; call `content_sent` after its last byte."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Start TLS, then call `tls_started`."""


@dataclass(frozen=True, slots=True)
class Ready:
    """`start` may be called."""


@dataclass(frozen=True, slots=True)
class Finished:
    """One outcome per recipient, in their order. The connection may be used again where `usable`."""

    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """The connection is of no use; no transaction was under way."""

    outcome: Deferred


Action = Send | SendContent | Upgrade | Ready | Finished | Broken
