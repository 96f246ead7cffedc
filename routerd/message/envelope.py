"""One message as it came: who handed it over, from whom, for whom, its bytes; and what was answered."""

import mmap
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from routerd.message.address import Address
from routerd.message.light import light

QueueId = NewType("QueueId", str)  # 26 characters, a ULID: sorts by the moment of acceptance
CopyId = NewType("CopyId", str)  # QueueId-N

Raw = bytes | mmap.mmap  # the message's bytes; a map of its file where it is large


class Protocol(StrEnum):
    SMTP = "smtp"
    LMTP = "lmtp"


class Purpose(StrEnum):
    """Why an address of ours was accepted."""

    INBOX = "inbox"
    POSTMASTER = "postmaster"  # postmaster@, abuse@, <Postmaster>
    RETURN_PATH = "return_path"  # a copy's own return path, proven by its token
    WRAPPED = "wrapped"  # a stranger's address as copies bear it by SRS, proven by its hash
    ANSWER = "answer"  # support+c.TOKEN@: to the customer
    NOTE = "note"  # support+n.TOKEN@, support+note@: to colleagues, and commands
    DRAFT = "draft"  # support+d.TOKEN@, support+draft@


@light
@dataclass(frozen=True, slots=True)
class Recipient:
    """One accepted RCPT TO."""

    address: Address  # as it was given, with its detail
    purpose: Purpose
    inbox: str  # the inbox's canonical address; for others the address under which it is handled
    detail: str | None = None
    copy_number: int | None = None  # of the copy that the token names; None without one
    original: Address | None = None  # whom a WRAPPED address stands for: his bounces are taken back to him


@light
@dataclass(frozen=True, slots=True)
class Envelope:
    sender: str  # MAIL FROM as given, without brackets; "" is the null sender
    recipients: tuple[Recipient, ...]  # at least one, in the order of RCPT, each address once
    body_8bit: bool = False
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class ClientFindings:
    """What DNS says of a client's address."""

    iprev: str | None = None  # RFC 8601 2.7.3: pass, fail, permerror (it has no name), temperror; None: not asked
    name: str | None = None  # its host name, confirmed forwards; only where iprev passes
    listed_in: frozenset[str] = frozenset()  # zones of DNS lists (RFC 5782)
    unanswered: frozenset[str] = frozenset()  # zones that could not be asked


@light
@dataclass(frozen=True, slots=True)
class Client:
    """The peer that handed the message over."""

    address: str  # IP address, or "" for a unix socket
    port: int
    helo: str
    protocol: Protocol
    listener: str  # the listener's name, a label in metrics
    esmtp: bool = True
    tls: str | None = None  # such as "TLSv1.3 TLS_AES_256_GCM_SHA384"; None: in the clear
    trusted: bool = False  # in trusted_networks: a hop that may hand mail over, never an identity
    member: str | None = None  # who logged in, as the config names him
    findings: ClientFindings = ClientFindings()

    @property
    def with_protocol(self) -> str:
        """How it speaks, as a `with` clause has it (RFC 3848)."""
        if self.protocol is Protocol.SMTP and not self.esmtp:
            return "SMTP"
        name = "LMTP" if self.protocol is Protocol.LMTP else "ESMTP"
        return f"{name}{'S' if self.tls else ''}{'A' if self.member else ''}"


@light
@dataclass(frozen=True, slots=True)
class Received:
    """A whole message that waits for its answer. `raw` has CRLF line ends only."""

    id: QueueId
    envelope: Envelope
    client: Client
    raw: Raw
    at: datetime

    @property
    def with_protocol(self) -> str:
        """The `with` clause of Received (RFC 3848); where the message came with SMTPUTF8, that of RFC 6531 4.3."""
        name = self.client.with_protocol
        return f"UTF8{name.removeprefix('E')}" if self.envelope.smtputf8 else name


@light
@dataclass(frozen=True, slots=True)
class Accepted:
    """Durable: the only ground for a 250."""

    id: QueueId


@dataclass(frozen=True, slots=True)
class Refused:
    """Not taken; the client keeps the message (4xx) or tells its sender (5xx)."""

    code: int
    status: str  # enhanced status code, RFC 3463
    text: str

    def __post_init__(self) -> None:
        if not self.text or not self.text.isascii():
            raise ValueError("a refusal says why, in ASCII")


Verdict = Accepted | Refused
