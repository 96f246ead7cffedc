"""The keys of `routerd.yaml` that say where mail comes in, from whom, and how much."""

import ipaddress
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from routerd.config.model import Model
from routerd.config.values import (
    Bool,
    Count,
    DnsServer,
    Domain,
    Duration,
    Endpoint,
    FilePath,
    Networks,
    OrItsShort,
    Size,
    Text,
)

SECOND = timedelta(seconds=1)
DNS_LIST_ANSWERS = ipaddress.IPv4Network("127.0.0.0/8")  # RFC 5782 2.1
DNS_LIST_ERRORS = ipaddress.IPv4Network("127.255.255.0/24")  # how lists say that they do not serve who asks
LISTS_NOBODY = ipaddress.IPv4Address("127.0.0.1")


class ListenProtocol(StrEnum):
    SMTP = "smtp"
    LMTP = "lmtp"


class ListenTls(StrEnum):
    NONE = "none"
    MAY = "may"
    REQUIRED = "required"
    IMPLICIT = "implicit"


class Listener(Model):
    address: Endpoint | None = Field(None, description="IP address and port to listen on")
    systemd: Text | None = Field(
        None, description="name of a socket passed by systemd (FileDescriptorName=), instead of an address"
    )
    protocol: ListenProtocol = Field(ListenProtocol.SMTP, description="smtp, or lmtp with one reply per recipient")
    tls: ListenTls = Field(
        ListenTls.MAY,
        description="none: no STARTTLS; may: offered where `tls:` is set; required: no mail without it; implicit: TLS "
        "from the first byte (RFC 8314)",
    )
    auth: Literal["none", "required"] = Field(
        "none", description="required: only members who log in (AUTH PLAIN or LOGIN, inside TLS) may send"
    )
    greet_delay: Duration = Field(
        timedelta(0),
        le=timedelta(seconds=60),
        description="wait before the greeting; who speaks before it is refused. Trusted networks do not wait",
    )
    reverse_name: Literal["ignore", "note", "require"] = Field(
        "note",
        description="the client's name by DNS, checked forwards: not asked for, noted in Received and for rules, or "
        "demanded (who has none is refused)",
    )
    bare_newlines: Literal["auto", "refuse", "normalise"] = Field(
        "auto",
        description="a bare CR or LF in a message: refuse it, make it CRLF, or (auto) CRLF from trusted networks only",
    )
    smtputf8: Bool = Field(False, description="offer SMTPUTF8 (RFC 6531)")
    verify: Bool | None = Field(
        None,
        description="look who wrote what comes in, by SPF, DKIM and DMARC; absent: of strangers' mail, not of what "
        "trusted networks or this machine bring. Of trusted networks SPF is not asked, of who logged in nothing",
    )
    members: Bool = Field(
        False,
        description="the network before it lets only members in: From of what comes here is believed to be a member's",
    )
    reject_through: Bool = Field(
        False, description="what a rule rejects is refused to a trusted hop too, which then tells the sender"
    )

    @property
    def name(self) -> str:
        """What metrics and logs call it."""
        return self.systemd or str(self.address)


class TlsFiles(Model):
    certificate: FilePath = Field(description="PEM file with the certificate and its chain")
    key: FilePath = Field(description="PEM file with the private key")


class TrustedLimits(Model):
    """What differs for clients in `trusted_networks`; absent is as for all others."""

    recipients: Count | None = Field(None, ge=1, description="recipients per message")
    connections_per_client: Count | None = Field(None, ge=1, description="connections per address; absent: not counted")
    messages_per_connection: Count | None = Field(
        None, ge=1, description="messages in one connection; absent: not counted"
    )
    errors: Count | None = Field(None, ge=1, description="refused commands in one connection")
    commands: Count | None = Field(None, ge=1, description="commands in one connection; absent: not counted")
    session: Duration | None = Field(None, ge=SECOND, description="how long a connection may last")
    idle: Duration | None = Field(None, ge=SECOND, description="how long nothing may come")


class Limits(Model):
    message_size: Size = Field(50_000_000, ge=1000, description="largest message taken, as advertised by SIZE")
    recipients: Count = Field(1000, ge=1, description="recipients per message")
    connections: Count = Field(1000, ge=1, description="connections in all")
    connections_per_client: Count = Field(
        50,
        ge=1,
        description="connections per client address, for IPv6 per /64; trusted networks are not counted",
    )
    messages_per_connection: Count = Field(1000, ge=1, description="messages in one connection")
    errors: Count = Field(20, ge=1, description="refused commands in one connection")
    commands: Count = Field(10_000, ge=10, description="commands in one connection")
    session: Duration = Field(
        timedelta(hours=1), ge=SECOND, description="how long a connection may last; a message that is coming may end"
    )
    idle: Duration = Field(
        timedelta(minutes=5), ge=SECOND, description="how long nothing may come (RFC 5321 asks for 5m)"
    )
    least_rate: Size = Field(
        100, ge=1, description="bytes a second that content must come at, over any time longer than `idle`"
    )
    header_size: Size = Field(1_000_000, ge=1000, description="largest header of a message")
    header_fields: Count = Field(1000, ge=10, description="fields in a message's header")
    line_size: Size = Field(2_000_000, ge=1000, description="longest line of a message")
    mime_depth: Count = Field(100, ge=1, le=1000, description="how deep MIME parts may be nested")
    rule_text: Size = Field(256_000, ge=1000, description="text per part that rules see")
    memory: Size = Field(
        512_000_000,
        ge=1000,
        description="bytes in flight: messages, their recipients, connections in TLS, what clients said before their "
        "turn or left unread; more is answered 452",
    )
    free_space: Size = Field(
        50_000_000, description="room that stays free where the state lives; mail that would take it is answered 452"
    )
    trusted: TrustedLimits = Field(TrustedLimits(), description="what differs for clients in `trusted_networks`")


class DnsList(Model):
    """One DNS list; in short its zone alone."""

    zone: Domain = Field(description="zone that is asked for the client's address (RFC 5782)")
    answers: Networks = Field(
        (), description="answers that count, such as 127.0.0.2 or 127.0.0.0/29; absent: all of 127.0.0.0/8 that list"
    )
    reject: Bool = Field(False, description="refuse mail from clients on it; otherwise rules see it as `dnsbl`")

    @model_validator(mode="before")
    @classmethod
    def _from_zone(cls, value: object) -> object:
        if isinstance(value, list):
            raise ValueError("an entry of 'dnsbl' is a zone, or a mapping with 'zone'")
        return {"zone": value} if isinstance(value, str) else value


DnsListOrZone = Annotated[DnsList, OrItsShort("bl.example.org")]


class Dns(Model):
    servers: tuple[DnsServer, ...] = Field(
        (), max_length=5, description="resolvers, as IP or IP:PORT; absent: those of /etc/resolv.conf"
    )
    timeout: Duration = Field(
        timedelta(seconds=5),
        ge=SECOND,
        le=timedelta(seconds=60),
        description="what all questions about one client may take together",
    )
