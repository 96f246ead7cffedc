"""`routerd.yaml` as values. Each key's type, default and help stand here and nowhere else.

The JSON Schema and the README's reference are made from these models; `load` adds places and the checks across keys.
"""

import ipaddress
import re
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from routerd.message.address import Address, parse_address

_DURATION = re.compile(r"(\d+)\s*(s|m|h|d|w|y)\Z")
_DURATION_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_SIZE = re.compile(r"(\d+)\s*(B|KB|MB|GB)?\Z")
_SIZE_UNITS = {None: 1, "B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_DAYS = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.\.(\d{4}-\d\d-\d\d))?\Z")


def parse_duration(value: object) -> timedelta:
    """`90s 5m 4h 5d 2w 2y`. Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    found = _DURATION.match(str(value))
    if not found:
        raise ValueError(f"{value!r} is not a duration; write a number and a unit, such as 90s, 5m, 4h or 5d")
    return timedelta(seconds=int(found[1]) * _DURATION_UNITS[found[2]])


def parse_size(value: object) -> int:
    """`1000`, `512KB`, `50MB`; decimal units. Bytes. Raises ValueError."""
    if isinstance(value, int):
        return value
    found = _SIZE.match(str(value))
    if not found:
        raise ValueError(f"{value!r} is not a size; write a number and a unit, such as 512KB or 50MB")
    return int(found[1]) * _SIZE_UNITS[found[2]]


def _parse_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise ValueError(f"{value!r} is not true or false")
    return value == "true"


def _parse_host_port(value: object) -> "HostPort":
    if isinstance(value, HostPort):
        return value
    host, colon, port = str(value).rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{value!r} is not HOST:PORT")
    return HostPort(host=host.removeprefix("[").removesuffix("]"), port=int(port))


def _parse_mail_address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    try:
        return parse_address(str(value), utf8=False)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a mail address: {error}") from None


def _parse_network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(value, strict=False)  # type: ignore[arg-type]
    except ValueError:
        raise ValueError(f"{value!r} is not an IP network, such as 10.0.0.0/8 or ::1/128") from None


def _parse_days(value: object) -> "Days":
    if isinstance(value, Days):
        return value
    found = _DAYS.match(str(value))
    if not found:
        raise ValueError(f"{value!r} is not a date or a range of dates, such as 2026-12-20..2027-01-02")
    first, last = date.fromisoformat(found[1]), date.fromisoformat(found[2] or found[1])
    if last < first:
        raise ValueError(f"{value!r} ends before it begins")
    return Days(first=first, last=last)


def _one_or_more(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _text_schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "integer"], "pattern": pattern, "examples": list(examples)})


class Model(BaseModel):
    """Frozen, and no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class HostPort(Model):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Days(Model):
    """Whole days in UTC, both ends included."""

    first: date
    last: date


Duration = Annotated[timedelta, BeforeValidator(parse_duration), _text_schema(r"^\d+\s*[smhdwy]$", "5m", "4h", "5d")]
Size = Annotated[int, BeforeValidator(parse_size), _text_schema(r"^\d+\s*(B|KB|MB|GB)?$", "512KB", "50MB")]
Bool = Annotated[bool, BeforeValidator(_parse_bool), WithJsonSchema({"type": "boolean"})]
Endpoint = Annotated[HostPort, BeforeValidator(_parse_host_port), _text_schema(r"^.+:\d+$", "0.0.0.0:25", "[::]:25")]
MailAddress = Annotated[Address, BeforeValidator(_parse_mail_address), WithJsonSchema({"type": "string", "format": "email"})]
Network = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network,
    BeforeValidator(_parse_network),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.0/8", "::1/128"]}),
]
AwayDays = Annotated[Days, BeforeValidator(_parse_days), WithJsonSchema({"type": "string", "examples": ["2026-12-20..2027-01-02"]})]
Endpoints = Annotated[tuple[Endpoint, ...], BeforeValidator(_one_or_more)]


class ListenProtocol(StrEnum):
    SMTP = "smtp"
    LMTP = "lmtp"


class TlsPolicy(StrEnum):
    NONE = "none"
    MAY = "may"
    REQUIRED = "required"


class Pick(StrEnum):
    ROUND_ROBIN = "round_robin"
    FIRST = "first"
    RANDOM = "random"
    LEAST_LOADED = "least_loaded"


class Listener(Model):
    address: Endpoint | None = Field(None, description="IP address and port to listen on")
    systemd: str | None = Field(None, description="name of a socket passed by systemd (FileDescriptorName=), instead of an address")
    protocol: ListenProtocol = Field(ListenProtocol.SMTP, description="smtp, or lmtp with one reply per recipient")
    tls: TlsPolicy = Field(TlsPolicy.MAY, description="none: no STARTTLS; may: offered where `tls:` is set; required: no mail without it")
    bare_newlines: Literal["auto", "refuse", "normalise"] = Field(
        "auto", description="a bare CR or LF in a message: refuse it, make it CRLF, or (auto) the latter from trusted networks only"
    )
    smtputf8: Bool = Field(False, description="offer SMTPUTF8 (RFC 6531)")

    @property
    def name(self) -> str:
        """What metrics and logs call it."""
        return self.systemd or str(self.address)


class TlsFiles(Model):
    certificate: Path = Field(description="PEM file with the certificate and its chain")
    key: Path = Field(description="PEM file with the private key")


class Limits(Model):
    message_size: Size = Field(50_000_000, description="largest message taken, as advertised by SIZE")
    recipients: int = Field(1000, ge=1, description="recipients per message")
    connections: int = Field(1000, ge=1, description="connections in all")
    connections_per_client: int = Field(50, ge=1, description="connections per client address; trusted networks are not counted")
    rule_text: Size = Field(256_000, ge=1000, description="text per part that rules see")
    memory: Size = Field(512_000_000, description="bytes of messages in flight; more is answered 452")


class Http(Model):
    address: Endpoint = Field(HostPort(host="127.0.0.1", port=9925), description="where /metrics, /healthz and /readyz are served")
    token: str | None = Field(None, description="Bearer token that a scraper must send; needed on other than loopback, or `allow`")
    allow: tuple[Network, ...] = Field((), description="networks that may ask, on other than loopback")


class Member(Model):
    name: str | None = Field(None, description="the person's name, as X-Assigned-Name shows it; default: the key")
    mailbox: MailAddress = Field(description="where this member's copies go")
    addresses: tuple[MailAddress, ...] = Field((), description="other addresses this person writes from")
    away: Annotated[tuple[AwayDays, ...], BeforeValidator(_one_or_more)] = Field((), description="days of absence in UTC, such as 2026-12-20..2027-01-02")
    deputy: str | None = Field(None, description="the member who takes over while this one is away")


class Team(Model):
    members: tuple[str, ...] = Field(min_length=1, description="members, in the order in which they are picked")
    pick: Pick = Field(Pick.ROUND_ROBIN, description="round_robin, first, random, or least_loaded (fewest messages assigned in the last 24 h)")
    fallback: str | None = Field(None, description="member or team that takes over when nobody of this one is there")


class Inbox(Model):
    default: str = Field(description="member or team that owns what no rule assigns")
    copies: Literal["owner", "team"] = Field("owner", description="who gets a copy: the owner, or everyone of the team it was assigned to")
    aliases: tuple[MailAddress, ...] = Field((), description="further addresses of this inbox")


class Addresses(Model):
    style: Literal["plus", "domain"] = Field("plus", description="how routerd's own addresses look: support+b.TOKEN@example.com, or the same at `domain`")
    delimiter: str = Field("+", pattern=r"^[+\-=_.]$", description="what divides an inbox's name from a detail")
    domain: str | None = Field(None, description="domain of routerd's own addresses with style: domain")


class SmtpAuth(Model):
    user: str = Field(description="user name at the next hop")
    password_file: Path = Field(description="file whose first line is the password")


class Route(Model):
    domain: str = Field(description="domain of the mailboxes it is for; * is any")
    smtp: Endpoints | None = Field(None, description="next hop HOST:PORT, or a list tried in order")
    lmtp: str | None = Field(None, description="LMTP server: unix:/path or HOST:PORT")
    maildir: str | None = Field(None, description="Maildir path; {local}, {domain} and {mailbox} are filled in")
    tls: TlsPolicy = Field(TlsPolicy.MAY, description="none, may, or required (certificate checked)")
    auth: SmtpAuth | None = Field(None, description="AUTH at the next hop; only inside TLS")
    trusts_us: Bool = Field(False, description="the mailbox's server accepts what we change")

    @property
    def transport(self) -> Literal["smtp", "lmtp", "maildir"]:
        return "smtp" if self.smtp else "lmtp" if self.lmtp else "maildir"


class Retry(Model):
    first: Duration = Field(timedelta(minutes=5), description="wait before the second attempt")
    factor: float = Field(2.0, ge=1, le=10, description="each further wait is so much longer")
    max: Duration = Field(timedelta(hours=4), description="longest wait")
    give_up: Duration = Field(timedelta(days=5), description="after this long a copy is held")
    warn: Duration = Field(timedelta(hours=4), description="after this long a waiting copy is logged as late and counted")
    reroute_after: Duration = Field(timedelta(hours=4), description="after this long a copy whose mailbox still defers goes to the next in line")


class Retain(Model):
    events: Duration = Field(timedelta(days=730), description="how long a message's history is kept after its last delivery")
    bodies: Duration = Field(timedelta(0), description="how long its bytes are kept, beyond bounce_window")


class RuleLimit(Model):
    files: str = Field(description="glob of rule file names; the first entry that fits applies")
    inboxes: tuple[MailAddress, ...] | None = Field(None, description="inboxes whose mail these files see; absent: all")
    labels: tuple[str, ...] | None = Field(None, description="labels they may give, as globs in which * does not cross /; absent: all")
    assign: tuple[str, ...] | None = Field(None, description="members and teams they may assign or have watch; absent: all")
    actions: tuple[str, ...] = Field((), description="what they may do beyond assign, label, priority, watch, stop: header hold reassign reply approve reject forward stop-all, or all")


class Settings(Model):
    hostname: str = Field(description="name in the greeting, Received and Message-ID; default: the machine's FQDN")
    state: Path = Field(Path("/var/lib/routerd"), description="folder of the store, mode 0700")
    rules: Path = Field(Path("rules.d"), description="folder of the rule files, relative to this file")
    workers: int = Field(1, ge=1, description="processes")
    listen: tuple[Listener, ...] = Field((Listener(address=HostPort(host="127.0.0.1", port=2525)),), min_length=1, description="where mail comes in")
    tls: TlsFiles | None = Field(None, description="certificate for STARTTLS; absent: not offered")
    trusted_networks: tuple[Network, ...] = Field((), description="hops that may hand mail over; never an identity")
    authserv_ids: tuple[str, ...] = Field((), description="Authentication-Results of these, from a trusted hop, are believed")
    limits: Limits = Field(Limits(), description="bounds on what comes in")
    http: Http = Field(Http(), description="metrics and health")
    postmaster: str = Field(description="member or team who hears of trouble, the last in line, and gets postmaster@ and abuse@")
    members: dict[str, Member] = Field(min_length=1, description="persons with a mailbox of their own")
    teams: dict[str, Team] = Field({}, description="named sets of members")
    inboxes: dict[str, Inbox] = Field(min_length=1, description="shared addresses that routerd accepts mail for")
    addresses: Addresses = Field(Addresses(), description="how routerd's own addresses look")
    delivery: tuple[Route, ...] = Field(min_length=1, description="routes; the first whose domain fits the mailbox is taken")
    retry: Retry = Field(Retry(), description="when a waiting copy is tried again")
    return_path: Literal["inbox", "keep"] = Field("inbox", description="envelope sender of copies: our own, by which bounces come back, or the stranger's")
    bounce_window: Duration = Field(timedelta(days=7), description="how long bytes are kept after the last delivery, for a late bounce")
    retain: Retain = Field(Retain(), description="how long history is kept")
    limits_of_rules: tuple[RuleLimit, ...] | None = Field(None, description="what rule files may do; where it stands, a file that fits no entry is an error")


# What the contract names and a later version brings: refused with a sentence that says so, never read and ignored.
NOT_YET: dict[str, Any] = {
    "workers": "more than one worker is not available yet; remove it or write 1",
    "proxies": "the PROXY protocol is not available yet; remove it",
    "dnsbl": "DNS lists are not available yet; remove it",
    "calendars": "calendars are not available yet; remove it",
    "listen.auth": "AUTH on a listener is not available yet; remove it",
    "members.show": "`show` is not available yet; remove it",
    "teams.calendar": "calendars are not available yet; remove it",
    "delivery.mx": "delivery by MX is not available yet; name the next hop with smtp:",
    "teams.pick.last": "pick: last is not available yet; take round_robin, first, random or least_loaded",
}
