"""The kinds of values that `routerd.yaml` knows: how each is written, read, refused in words, and shown in the schema.

Readers take the text that stands in the file, or the value itself (defaults), and raise ValueError with a sentence.
File names are relative to the folder that the validation context gives as `folder`.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, GetJsonSchemaHandler, ValidationInfo, WithJsonSchema
from pydantic_core import CoreSchema

from routerd.config.nearest import invisible, quoted
from routerd.message.address import Address, parse_address, parse_host_name

_DURATION = re.compile(r"([0-9]{1,9})\s*([smhdwy])\Z")
_DURATION_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_LONGEST_YEARS = 100
_SIZE = re.compile(r"([0-9]{1,12})\s*(B|KB|MB|GB)?\Z")
_SIZE_UNITS = {None: 1, "B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_COUNT = re.compile(r"[0-9]{1,9}\Z")
_FACTOR = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?\Z")
_DAYS = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.\.([0-9]{4}-[0-9]{2}-[0-9]{2}))?\Z")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
MAILDIRPLACEHOLDERS = ("local", "domain", "mailbox")
MAX_NAME = 64
MAX_WORKERS = 64
AUTO = "auto"
DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class HostPort:
    """Where to listen or to connect: an IP address or a host name (without brackets), and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The IP address, or None for a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days in UTC, both ends included."""

    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"


def parse_duration(value: object) -> timedelta:
    """`90s 5m 4h 5d 2w 2y`. Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    found = _DURATION.match(_as_text(value))
    if not found:
        raise ValueError(f"{_shown(value)} is not a duration; write a number and a unit, such as 90s, 5m, 4h or 5d")
    seconds = int(found[1]) * _DURATION_UNITS[found[2]]
    if seconds > _LONGEST_YEARS * _DURATION_UNITS["y"]:
        raise ValueError(f"{_shown(value)} is longer than {_LONGEST_YEARS} years")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """As it would be written in `routerd.yaml`: `5m`, `4h`, `2y`."""
    seconds = int(value.total_seconds())
    for unit in ("y", "d", "h", "m"):
        if seconds and seconds % _DURATION_UNITS[unit] == 0:
            return f"{seconds // _DURATION_UNITS[unit]}{unit}"
    return f"{seconds}s"


def parse_size(value: object) -> int:
    """`1000`, `512KB`, `50MB`; decimal units. Bytes. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.match(_as_text(value))
    if not found:
        raise ValueError(f"{_shown(value)} is not a size; write a number and a unit, such as 512KB or 50MB")
    return int(found[1]) * _SIZE_UNITS[found[2]]


def format_size(value: int) -> str:
    """As it would be written in `routerd.yaml`: `512KB`, `50MB`."""
    for unit in ("GB", "MB", "KB"):
        if value and value % _SIZE_UNITS[unit] == 0:
            return f"{value // _SIZE_UNITS[unit]}{unit}"
    return str(value)


def parse_mail_address(value: object) -> Address:
    """`local@domain`; the domain may be in its own script, the local part is ASCII. Raises ValueError."""
    if isinstance(value, Address):
        return value
    try:
        address = parse_address(_as_text(value), utf8=True)
    except ValueError as error:
        raise ValueError(f"{_shown(value)} is not a mail address: {error}") from None
    if not address.local.isascii():
        raise ValueError(f"{_shown(value)} has letters outside ASCII before the @, which is not supported")
    return address


def check_name(value: str) -> str:
    """A member's or team's name: letters and digits of any script, `_ . -` inside. Raises ValueError."""
    hidden = invisible(value)
    if hidden:
        raise ValueError(f"the name {quoted(value)} contains the invisible character {hidden}; remove it")
    if len(value) > MAX_NAME:
        raise ValueError(f"the name {quoted(value)} is longer than {MAX_NAME} characters")
    inside = all(character.isalnum() or character in "_.-" or _is_mark(character) for character in value)
    if not value[:1].isalnum() or not inside:
        raise ValueError(f"{quoted(value)} cannot be a name; a name is letters, digits and _ . - behind the first")
    if value.casefold() == "none":  # rule tests say `team: none`
        raise ValueError(f"{quoted(value)} cannot be a name; it means nobody")
    return value


def _is_mark(character: str) -> bool:
    """Vowel signs and accents that stand as characters of their own, as Arabic and Indic scripts have them."""
    return unicodedata.category(character) in ("Mn", "Mc")


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else ""


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return quoted(str(value))


def _parse_count(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not _COUNT.match(_as_text(value)):
        raise ValueError(f"{_shown(value)} is not a whole number")
    return int(_as_text(value))


def _parse_workers(value: object) -> int | str:
    if value == AUTO:
        return AUTO
    try:
        number = _parse_count(value)
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_WORKERS:
        raise ValueError(f"takes a whole number from 1 to {MAX_WORKERS}, or {AUTO}, not {_shown(value)}")
    return number


def _parse_factor(value: object) -> float:
    if isinstance(value, float):
        return value
    if not _FACTOR.match(_as_text(value)):
        raise ValueError(f"{_shown(value)} is not a number")
    return float(_as_text(value))


def _parse_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise ValueError(f"{_shown(value)} is not true or false")
    return value == "true"


def _visible_text(value: str) -> str:
    if not value.strip():
        raise ValueError("is blank")
    hidden = invisible(value)
    if hidden:
        raise ValueError(f"{quoted(value)} contains the character {hidden}; remove it")
    return value


def _split_host_port(value: object, example: str) -> HostPort:
    host, colon, port = _as_text(value).rpartition(":")
    if not colon or not host or not _COUNT.match(port):
        raise ValueError(f"{_shown(value)} is not HOST:PORT, such as {example}")
    if int(port) > 65535:
        raise ValueError(f"{_shown(value)} has a port above 65535")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"{_shown(value)} is not HOST:PORT; write an IPv6 address in brackets, such as [::1]:25")
    return HostPort(host.removeprefix("[").removesuffix("]"), int(port))


def _parse_own_endpoint(value: object) -> HostPort:
    if isinstance(value, HostPort):
        return value
    endpoint = _split_host_port(value, "127.0.0.1:25")
    if endpoint.ip is None:
        raise ValueError(f"{quoted(endpoint.host)} is not an IP address; write one, such as 127.0.0.1 or [::1]")
    return HostPort(str(endpoint.ip), endpoint.port)


def _parse_dns_server(value: object) -> HostPort:
    if isinstance(value, HostPort):
        return value
    try:
        return HostPort(str(ipaddress.ip_address(_as_text(value))), DNS_PORT)
    except ValueError:
        pass
    if ":" in _as_text(value):
        server = _split_host_port(value, "127.0.0.1:53")
        if server.ip is not None and server.port != 0:
            return HostPort(str(server.ip), server.port)
    raise ValueError(f"{_shown(value)} is not a DNS server; write its IP address, such as 127.0.0.1 or [::1]:53")


def parse_next_hop(value: object) -> HostPort:
    """HOST:PORT of a server to connect to. Raises ValueError."""
    if isinstance(value, HostPort):
        return value
    endpoint = _split_host_port(value, "mail.example.com:25")
    if endpoint.port == 0:
        raise ValueError(f"{_shown(value)} has no port to connect to")
    if endpoint.ip is not None:
        return HostPort(str(endpoint.ip), endpoint.port)
    return HostPort(_parse_domain(endpoint.host), endpoint.port)


def _parse_domain(value: object) -> str:
    try:
        return parse_host_name(_as_text(value))
    except ValueError as error:
        raise ValueError(f"{_shown(value)} is not a domain: {error}") from None


def _parse_route_domain(value: object) -> str:
    return "*" if value == "*" else _parse_domain(value)


def _parse_network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    try:
        network = ipaddress.ip_network(_as_text(value), strict=False)
    except ValueError:
        raise ValueError(f"{_shown(value)} is not an IP network, such as 10.0.0.0/8 or ::1/128") from None
    if ipaddress.ip_interface(_as_text(value)).ip != network.network_address:
        raise ValueError(f"{_shown(value)} has bits behind its prefix; write {network}, or the one address alone")
    return network


def parse_days(value: object) -> Days:
    """`2026-12-20` or `2026-12-20..2027-01-02`. Raises ValueError."""
    if isinstance(value, Days):
        return value
    found = _DAYS.match(_as_text(value))
    if not found:
        raise ValueError(f"{_shown(value)} is not a date or a range of dates, such as 2026-12-20..2027-01-02")
    try:
        days = Days(date.fromisoformat(found[1]), date.fromisoformat(found[2] or found[1]))
    except ValueError:
        raise ValueError(f"{_shown(value)} names a day that no calendar has") from None
    if days.last < days.first:
        raise ValueError(f"{_shown(value)} ends before it begins")
    return days


def _parse_inbox_key(value: object) -> str:
    return parse_mail_address(value).key


def _in_folder(path: str, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder") if isinstance(info.context, dict | None) else None
    return Path(folder, path) if folder is not None else Path(path)


def _parse_path(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        return _in_folder(str(value), info)
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is not a file name")
    if "://" in value:
        raise ValueError(f"{_shown(value)} is not a file name; stores other than a folder are not available yet")
    return _in_folder(_visible_text(value), info)


def _parse_lmtp(value: object, info: ValidationInfo) -> str:
    text = _as_text(value)
    if not text.startswith("unix:"):
        return str(parse_next_hop(value))
    if not text.removeprefix("unix:"):
        raise ValueError("'unix:' names no socket; write unix:/path/of/the/socket")
    return f"unix:{_in_folder(_visible_text(text.removeprefix('unix:')), info)}"


def _parse_maildir(value: object, info: ValidationInfo) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is not a path")
    known = ", ".join(f"{{{name}}}" for name in MAILDIRPLACEHOLDERS)
    for name in PLACEHOLDER.findall(value):
        if name not in MAILDIRPLACEHOLDERS:
            raise ValueError(f"{quoted('{' + name + '}')} is not known; a Maildir path may hold {known}")
    if "{" in PLACEHOLDER.sub("", value) or "}" in PLACEHOLDER.sub("", value):
        raise ValueError(f"{_shown(value)} has a brace without its partner; a Maildir path may hold {known}")
    return str(_in_folder(_visible_text(value), info))


def one_or_more(value: object) -> object:
    """What stands alone, as a list of one."""
    return value if isinstance(value, list | tuple) else [value]


class OneOrMore:
    """A list, or one of its items alone."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(core_schema)
        return {"anyOf": [many["items"], many]}


@dataclass(frozen=True, slots=True)
class OrItsShort:
    """A mapping, or in its place the text that a validator of its own makes it from."""

    example: str

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "examples": [self.example]}, handler(core_schema)]}


def _written(*examples: str, pattern: str | None = None) -> WithJsonSchema:
    """Text in the schema. Editors take a plain `2026` or `no` for a number or a boolean; routerd reads it as text."""
    schema: dict[str, Any] = {"type": ["string", "number", "boolean"]}
    if pattern:
        schema |= {"type": ["string", "integer"], "pattern": pattern}
    return WithJsonSchema(schema | ({"examples": list(examples)} if examples else {}))


def _only_text(pattern: str | None, *examples: str) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string"} | ({"pattern": pattern} if pattern else {})
    return WithJsonSchema(schema | ({"examples": list(examples)} if examples else {}))


Text = Annotated[str, AfterValidator(_visible_text), _written()]
Name = Annotated[str, AfterValidator(check_name), _written()]
Count = Annotated[int, BeforeValidator(_parse_count)]
Workers = Annotated[
    int | Literal["auto"],
    BeforeValidator(_parse_workers),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_WORKERS},
                {"enum": [AUTO, *map(str, range(1, MAX_WORKERS + 1))]},
            ]
        }
    ),
]
Factor = Annotated[float, BeforeValidator(_parse_factor)]
Bool = Annotated[bool, BeforeValidator(_parse_bool)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration), _only_text(r"^[0-9]+\s*[smhdwy]$", "5m", "4h", "5d")]
Size = Annotated[int, BeforeValidator(parse_size), _written("512KB", "50MB", pattern=r"^[0-9]+\s*(B|KB|MB|GB)?$")]
Endpoint = Annotated[HostPort, BeforeValidator(_parse_own_endpoint), _only_text(r":[0-9]+$", "0.0.0.0:25", "[::]:25")]
NextHop = Annotated[HostPort, BeforeValidator(parse_next_hop), _only_text(r":[0-9]+$", "mail.example.com:25")]
NextHops = Annotated[tuple[NextHop, ...], BeforeValidator(one_or_more), OneOrMore()]
MailAddress = Annotated[Address, BeforeValidator(parse_mail_address), _only_text("@", "ewa@example.com")]
InboxKey = Annotated[str, BeforeValidator(_parse_inbox_key), _only_text("@", "support@example.com")]
Domain = Annotated[str, BeforeValidator(_parse_domain), _only_text(None, "mx1.example.com")]
RouteDomain = Annotated[str, BeforeValidator(_parse_route_domain), _only_text(None, "example.com", "*")]
Network = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network,
    BeforeValidator(_parse_network),
    _only_text(None, "127.0.0.0/8", "::1/128"),
]
Networks = Annotated[tuple[Network, ...], BeforeValidator(one_or_more), OneOrMore()]
DnsServer = Annotated[HostPort, BeforeValidator(_parse_dns_server), _only_text(None, "127.0.0.1", "[::1]:5353")]
AwayDays = Annotated[Days, BeforeValidator(parse_days), _only_text(None, "2026-12-20..2027-01-02", "2026-12-20")]
Absences = Annotated[tuple[AwayDays, ...], BeforeValidator(one_or_more), OneOrMore()]
FilePath = Annotated[Path, BeforeValidator(_parse_path), _only_text(None)]
LmtpServer = Annotated[str, BeforeValidator(_parse_lmtp), _only_text(None, "unix:/run/dovecot/lmtp", "127.0.0.1:24")]
MaildirTemplate = Annotated[str, BeforeValidator(_parse_maildir), _only_text(None, "/var/mail/{local}")]
