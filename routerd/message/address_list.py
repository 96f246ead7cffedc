"""Address headers (RFC 5322 3.4) as people's software writes them: tolerant, linear, bounded, never raises.

Not for SMTP paths: those are parsed strictly by `address.py`.
"""

import re
from dataclasses import dataclass, field

from routerd.message.address import AddressError, parse_domain
from routerd.message.encoded_words import decode_words
from routerd.message.light import light

MAX_MAILBOXES = 1000

_MAX_ADDRESS = 320  # RFC 5321 4.5.3.1: 64 for the local part, 255 for the domain, and the @
_TOKEN = re.compile(
    r'"(?P<quoted>(?:[^"\\]|\\.)*+)"?+'
    r"|(?P<word>=\?[^?\s]{1,80}\?[bBqQ]\?[^?\s]*+\?=)"
    r"|(?P<open>\()"
    r"|<(?P<angle>[^<>]*+)>?+"
    r"|(?P<mark>[,;]++|:)"
    r"|(?P<space>\s++)"
    r'|(?P<atom>(?:(?!=\?)[^\s"(),;:<>]|(?!))++|.)',
    re.DOTALL,
)
# `Anna Nowak <anna@klient.pl>` or `anna@klient.pl`, as nearly all are, with the comma behind it.
_PLAIN_DOMAIN = r"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++|(?!))*+"
_PLAIN = re.compile(
    r"[ \t]*+(?:([^\"(),;:<>@=\\\x00-\x1f\x7f-\x9f]*+)<|(?!))?+"
    rf"(?P<address>[A-Za-z0-9._+-]++@{_PLAIN_DOMAIN})(?(1)>)[ \t]*+(?:,[ \t]*+|\Z)"
)
_COMMENT_MARK = re.compile(r"[()]|\\.", re.DOTALL)
_QUOTED_LOCAL_DOMAIN = re.compile(r'@[^\s"(),;:<>]+')
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LENIENT_DOMAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\Z")


@light
@dataclass(frozen=True, slots=True)
class Mailbox:
    """`address` is `local@domain` in lower case with an A-label domain; `name` is decoded, "" where there is none."""

    name: str
    address: str


@dataclass(slots=True)
class _Entry:
    """What was read since the last separator."""

    phrase: list[str] = field(default_factory=list)
    angle: str | None = None
    comment: str = ""
    has_at: bool = False


def parse_mailboxes(value: str) -> tuple[Mailbox, ...]:
    """Every mailbox in an unfolded value with its encoded words not decoded yet; groups opened; up to MAX_MAILBOXES."""
    plain = _parse_plain(value)
    return _parse_any(value) if plain is None else plain


def _parse_plain(value: str) -> tuple[Mailbox, ...] | None:
    """The same, faster; None where some mailbox is not written plainly."""
    found: list[Mailbox] = []
    at = 0
    while at < len(value) and len(found) < MAX_MAILBOXES:
        plain = _PLAIN.match(value, at)
        if plain is None or plain.end("address") - plain.start("address") > _MAX_ADDRESS:
            return None
        at = plain.end()
        name = plain[1]
        found.append(Mailbox(" ".join(name.split()) if name else "", plain["address"].lower()))
    return tuple(found)


def _parse_any(value: str) -> tuple[Mailbox, ...]:
    found: list[Mailbox] = []
    entry = _Entry()
    at = 0
    while at < len(value) and len(found) < MAX_MAILBOXES:
        token = _TOKEN.match(value, at)
        if token is None:
            break
        at = token.end()
        match token.lastgroup:
            case "quoted":
                at = _read_quoted(token["quoted"], value, at, entry)
            case "angle":
                entry.angle = token["angle"]
            case "open":
                at, comment = _read_comment(value, at)
                entry.comment = entry.comment or comment
            case "mark" if token["mark"] == ":":
                if entry.angle is None and not entry.has_at:
                    entry = _Entry()  # it was a group's name
            case "mark":
                found.extend(_mailbox_of(entry))
                entry = _Entry()
            case _:
                entry.phrase.append(token[0])
                entry.has_at = entry.has_at or "@" in token[0]
    if len(found) < MAX_MAILBOXES:
        found.extend(_mailbox_of(entry))
    return tuple(found)


def normal_address(text: str) -> str | None:
    """`local@domain` in lower case, the domain in A-labels; None where it is no address."""
    text = _UNSAFE.sub("", text[: 2 * _MAX_ADDRESS]).strip().removeprefix("mailto:")
    local, at, domain = text.rpartition("@")
    local, domain = local.strip(), domain.strip().rstrip(".").lower()
    if not at or not local or not domain or len(text) > _MAX_ADDRESS:
        return None
    try:
        domain = parse_domain(domain, utf8=True)
    except AddressError:
        if not _LENIENT_DOMAIN.match(domain):
            return None
    return f"{local.lower()}@{domain}"


def _read_quoted(inside: str, value: str, at: int, entry: _Entry) -> int:
    """A quoted string: a name, or the local part of `"a b"@c`, which is read with its domain. Where it ends."""
    text = _QUOTED_PAIR.sub(r"\1", inside)
    domain = _QUOTED_LOCAL_DOMAIN.match(value, at)
    if domain is None:
        entry.phrase.append(text)
        return at
    entry.angle = entry.angle or text + domain[0]
    return domain.end()


def _read_comment(value: str, at: int) -> tuple[int, str]:
    """The end and text of the comment whose parenthesis was read. Depth is counted, not recursed into."""
    depth, start = 1, at
    for mark in _COMMENT_MARK.finditer(value, at):
        if mark[0] == "(":
            depth += 1
        elif mark[0] == ")":
            depth -= 1
            if depth == 0:
                return mark.end(), value[start : mark.start()]
    return len(value), value[start:]


def _mailbox_of(entry: _Entry) -> list[Mailbox]:
    phrase = "".join(entry.phrase).strip()
    if entry.angle is not None:
        route = entry.angle.rpartition(":")[2] if entry.angle.lstrip().startswith("@") else entry.angle
        address = normal_address(route)
        name = phrase or entry.comment
    else:
        address, name = _bare_address(phrase, entry.comment)
    if address is None:
        return []
    return [Mailbox(" ".join(decode_words(name).split()), address)]


def _bare_address(phrase: str, comment: str) -> tuple[str | None, str]:
    """`a@b`, `a @ b`, and `Anna anna@b` without its brackets."""
    if "@" not in phrase:
        return None, ""
    parts = phrase.split()
    with_at = [part for part in parts if "@" in part]
    if len(parts) > 1 and len(with_at[-1]) > 1 and with_at[-1] == parts[-1] and not parts[-1].startswith("@"):
        return normal_address(parts[-1]), comment or " ".join(parts[:-1])
    return normal_address(phrase), comment
