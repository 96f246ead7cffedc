"""Mail addresses and paths as RFC 5321 4.1.2 writes them (RFC 6531 3.3 where UTF-8 is allowed), without guessing.

No comments, no encoded words, no obsolete forms: what a path may not hold is refused, never repaired. `%` and `!` in a
local part are letters like any other: nothing is ever routed by them.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from routerd.message.a_labels import LabelError, has_broken_a_label, to_a_labels
from routerd.message.light import light

MAX_LOCAL_OCTETS = 64  # RFC 5321 4.5.3.1.1
MAX_DOMAIN_OCTETS = 255  # RFC 5321 4.5.3.1.2
MAX_PATH_OCTETS = 254  # RFC 5321 4.5.3.1.3 less the brackets

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_DOT_ATOM = re.compile(rf"[{_ATEXT}]++(?:\.[{_ATEXT}]++|(?!))*+\Z")
_DOT_ATOM_UTF8 = re.compile(rf"[{_ATEXT}\u0080-\U0010ffff]++(?:\.[{_ATEXT}\u0080-\U0010ffff]++|(?!))*+\Z")
_QUOTED = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*+"\Z')
_QUOTED_UTF8 = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\u00a0-\U0010ffff]|\\[\x20-\x7e])*+"\Z')
# No host name has an underscore, but domains that send mail do; refusing them would lose it.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL}|(?!))*+\Z")
# What nearly all addresses look like; what fits needs no closer look. It leaves out `=?`, as encoded words begin, and
# `xn--`, as A-labels do.
_PLAIN_LABEL = rf"(?![Xx][Nn]--){_LABEL}"
_PLAIN = re.compile(
    rf"(?=[A-Za-z0-9._+-]{{1,64}}@)([A-Za-z0-9_+-]++(?:\.[A-Za-z0-9_+-]++|(?!))*+)@({_PLAIN_LABEL}(?:\.{_PLAIN_LABEL}|(?!))*+)\Z"
)
_QUOTED_PAIR = re.compile(r"\\(.)")
_ENCODED_WORD = re.compile(r"=\?[^?]*+\?[bq]\?[^?]*+\?=", re.IGNORECASE)
# Nor what turns the order of the text that it stands in: nobody's name needs it, and it makes two addresses look alike.
_SAFE_UTF8 = re.compile(r"[^\x00-\x1f\x7f\u0080-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]*+\Z")
_BRACKETED = re.compile(r'<((?:[^<>"]|"(?:[^"\\]|\\.)*+"|(?!))*+)>(?: +(.*))?\Z', re.DOTALL)
_SOURCE_ROUTE = re.compile(r"@([^:@,]++(?:,@[^:@,]++|(?!))*+):")


class AddressError(ValueError):
    """Not an address; the message says why, in ASCII."""


@light
@dataclass(frozen=True, slots=True)
class Address:
    """`local` without its quotes, `domain` in lower case (A-labels) or an address literal with its brackets."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{_quoted_if_needed(self.local)}@{self.domain}"

    @property
    def key(self) -> str:
        """What two spellings of one mailbox of ours have in common: all in lower case and composed (RFC 6532 3.1)."""
        local = self.local.lower()
        return f"{local if local.isascii() else unicodedata.normalize('NFC', local)}@{self.domain}"

    def without_detail(self, delimiter: str) -> tuple["Address", str | None]:
        """The base address and the detail behind the first `delimiter` (None without one)."""
        base, found, detail = self.local.partition(delimiter)
        if not found or not base:
            return self, None
        return Address(base, self.domain), detail

    def splits(self, delimiter: str) -> Iterator[tuple["Address", str]]:
        """Every base address with its detail, longest base first: it may hold the delimiter (`my-team-detail`)."""
        at = self.local.rfind(delimiter)
        while at > 0:
            yield Address(self.local[:at], self.domain), self.local[at + len(delimiter) :]
            at = self.local.rfind(delimiter, 0, at)


def parse_address(text: str, *, utf8: bool = False) -> Address:
    """`local@domain`, without brackets. Raises AddressError.

    `utf8`: RFC 6531 addresses are allowed; a domain in U-labels becomes A-labels.
    """
    if len(text) > MAX_PATH_OCTETS:
        raise AddressError(f"address longer than {MAX_PATH_OCTETS} octets")
    plain = _PLAIN.match(text)
    if plain:
        return Address(plain[1], plain[2].lower())
    if not utf8 and not text.isascii():
        raise AddressError("non-ASCII address without SMTPUTF8")
    if not _SAFE_UTF8.match(text):
        raise AddressError("control character in address")
    local, at, domain = text.rpartition("@")
    if not at:
        raise AddressError("address without a domain")
    if len(text.encode()) > MAX_PATH_OCTETS:
        raise AddressError(f"address longer than {MAX_PATH_OCTETS} octets")
    address = Address(_parse_local(local, utf8), parse_domain(domain, utf8=utf8))
    if len(str(address).encode()) > MAX_PATH_OCTETS:
        raise AddressError(f"address longer than {MAX_PATH_OCTETS} octets in A-labels")
    return address


def parse_path(text: str, *, utf8: bool = False) -> tuple[Address | None, str]:
    """`<local@domain> PARAMETERS` as it stands behind `MAIL FROM:` or `RCPT TO:`. Raises AddressError.

    Gives the address, None for the null path `<>`, and the parameters as written. A source route
    (`<@a.example,@b.example:user@c.example>`) must be well-formed and is dropped (RFC 5321 3.6.1, appendix C).
    """
    found = _BRACKETED.match(text)
    if not found:
        raise AddressError("path is not in angle brackets")
    path, parameters = found[1], found[2] or ""
    if not path:
        return None, parameters
    if path.startswith("@"):
        path = _without_source_route(path, utf8)
    return parse_address(path, utf8=utf8), parameters


def parse_domain(text: str, *, utf8: bool = False) -> str:
    """A domain in lower-case A-labels, or a literal `[192.0.2.1]`, `[IPv6:2001:db8::1]`. Raises AddressError."""
    if text.startswith("["):
        return _parse_literal(text)
    if not text or len(text) > MAX_DOMAIN_OCTETS:
        raise AddressError("domain is empty or too long")
    if not text.isascii():
        if not utf8:
            raise AddressError("non-ASCII domain without SMTPUTF8")
        try:
            text = to_a_labels(text)
        except LabelError as error:
            raise AddressError(str(error)) from None
        if len(text) > MAX_DOMAIN_OCTETS:
            raise AddressError("domain is too long in A-labels")
    if not _DOMAIN.match(text):
        raise AddressError("domain has a label that is not letters, digits and hyphens")
    domain = text.lower()
    if "xn--" in domain and has_broken_a_label(domain):
        raise AddressError("domain has a label that begins with xn-- and is no punycode")
    return domain


def parse_host_name(text: str) -> str:
    """A domain as hosts may bear it (RFC 1123 2.1): without underscores. Raises AddressError."""
    if "_" in text:
        raise AddressError("domain has a label that is not letters, digits and hyphens")
    return parse_domain(text, utf8=True)


def _parse_local(text: str, utf8: bool) -> str:
    if len(text.encode()) > MAX_LOCAL_OCTETS:
        raise AddressError(f"local part longer than {MAX_LOCAL_OCTETS} octets")
    if (_DOT_ATOM_UTF8 if utf8 else _DOT_ATOM).match(text):
        plain = text
    elif text.startswith('"') and (_QUOTED_UTF8 if utf8 else _QUOTED).match(text):
        plain = _QUOTED_PAIR.sub(r"\1", text[1:-1])
    else:
        raise AddressError("local part is not an atom or quoted string")
    if not plain:
        raise AddressError("empty local part")
    if plain.startswith("=?") or _ENCODED_WORD.search(plain):
        raise AddressError("encoded word in address")
    return plain


def _parse_literal(text: str) -> str:
    inside = text[1:-1]
    if not text.endswith("]"):
        raise AddressError("address literal is not closed")
    try:
        if inside[:5].lower() == "ipv6:":
            if "%" in inside:
                raise AddressError("address literal with a zone")
            return f"[IPv6:{ipaddress.IPv6Address(inside[5:])}]"
        return f"[{ipaddress.IPv4Address(inside)}]"
    except ipaddress.AddressValueError:
        raise AddressError("address literal is not an IP address") from None


def _without_source_route(path: str, utf8: bool) -> str:
    route = _SOURCE_ROUTE.match(path)
    if not route or len(path) > 2 * MAX_PATH_OCTETS:
        raise AddressError("source route is malformed")
    for domain in route[1].split(",@"):
        parse_domain(domain, utf8=utf8)
    return path[route.end() :]


def _quoted_if_needed(local: str) -> str:
    if _DOT_ATOM_UTF8.match(local):
        return local
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
