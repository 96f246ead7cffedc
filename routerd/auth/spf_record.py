"""An SPF record (RFC 7208 3): its text → what it says, or why it says nothing. Pure; linear."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from routerd.auth.spf_macros import MacroString, SpfSyntaxError, check_macro_string, parse_domain_spec

_KEPT_RECORDS = 256
_LONGEST_KEPT = 1_024  # octets: a read record takes twenty times as much

_RESULTS = {"": "pass", "+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_VERSION = re.compile(r"v=spf1(?: |\Z)", re.IGNORECASE)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"([+~?-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:([:/].*))?", re.IGNORECASE | re.DOTALL)
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PREFIX = r"/(0|[1-9][0-9]{0,2})"
_IP4 = re.compile(rf":{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}(?:{_PREFIX})?")
_IP6 = re.compile(rf":([0-9A-Fa-f:.]+)(?:{_PREFIX})?")
_PREFIXES = re.compile(rf"(?:{_PREFIX})?(?:/{_PREFIX})?\Z")


class Mechanism(StrEnum):
    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class Directive:
    """A mechanism, and what is so where it matches."""

    result: str  # pass, fail, softfail, neutral
    mechanism: Mechanism
    written: str  # as in the record, in visible ASCII
    target: MacroString | None = None  # of what DNS is asked; None: of the domain whose record it is
    network: int = 0  # of ip4 and ip6: the address without its last bits
    bits_v4: int = 0  # the last ones of an address that do not count
    bits_v6: int = 0


@dataclass(frozen=True, slots=True)
class SpfRecord:
    directives: tuple[Directive, ...]
    redirect: MacroString | None = None


def spf_records(texts: Iterable[str]) -> list[str]:
    """Those of a domain's TXT records that are SPF records (RFC 7208 4.5)."""
    return [text for text in texts if _VERSION.match(text)]


def parse_record(text: str) -> SpfRecord:
    """`text`: one of `spf_records`. Raises SpfSyntaxError, wherever in the record the fault is (RFC 7208 4.6)."""
    return _read_once(text) if len(text) <= _LONGEST_KEPT else _read(text)


def _read(text: str) -> SpfRecord:
    directives: list[Directive] = []
    modifiers: dict[str, MacroString] = {}
    for term in text[6:].split(" "):
        if not term:
            continue
        found = _MODIFIER.fullmatch(term)
        if found is None:
            directives.append(_directive(term))
            continue
        name = found[1].lower()
        if name not in ("redirect", "exp"):
            check_macro_string(found[2])
        elif name in modifiers:
            raise SpfSyntaxError(f"{name}= is given twice")
        else:
            modifiers[name] = parse_domain_spec(found[2])
    return SpfRecord(tuple(directives), modifiers.get("redirect"))


_read_once = lru_cache(_KEPT_RECORDS)(_read)  # a few hosters' records are in most domains'


def _directive(term: str) -> Directive:
    found = _DIRECTIVE.fullmatch(term)
    if found is None:
        raise SpfSyntaxError(f"{term!r} is no mechanism")
    result, mechanism, argument = _RESULTS[found[1]], Mechanism(found[2].lower()), found[3] or ""
    match mechanism:
        case Mechanism.IP4:
            return _ip4(term, result, argument)
        case Mechanism.IP6:
            return _ip6(term, result, argument)
        case Mechanism.A | Mechanism.MX:
            domain, v4, v6 = _without_prefixes(argument)
            target = _target(term, domain)
            return Directive(result, mechanism, term, target, 0, _bits(term, v4, 32), _bits(term, v6, 128))
        case Mechanism.ALL:
            if argument:
                raise SpfSyntaxError(f"{term!r}: all takes nothing")
        case Mechanism.INCLUDE | Mechanism.EXISTS:
            if not argument:
                raise SpfSyntaxError(f"{term!r} names no domain")
    return Directive(result, mechanism, term, _target(term, argument))


def _ip4(term: str, result: str, argument: str) -> Directive:
    found = _IP4.fullmatch(argument)
    if found is None:
        raise SpfSyntaxError(f"{term!r} is no network")
    one, two, three, four, prefix = found.groups()
    bits = _bits(term, prefix, 32)
    number = int(one) << 24 | int(two) << 16 | int(three) << 8 | int(four)
    return Directive(result, Mechanism.IP4, term, None, number >> bits, bits)


def _ip6(term: str, result: str, argument: str) -> Directive:
    found = _IP6.fullmatch(argument)
    try:
        number = int(ipaddress.IPv6Address(found[1] if found else ""))
    except ipaddress.AddressValueError:
        raise SpfSyntaxError(f"{term!r} is no network") from None
    bits = _bits(term, found[2] if found else None, 128)
    return Directive(result, Mechanism.IP6, term, None, number >> bits, 0, bits)


def _without_prefixes(argument: str) -> tuple[str, str | None, str | None]:
    """And those that stood at its end, for IPv4 and for IPv6."""
    found = _PREFIXES.search(argument)
    return (argument[: found.start()], found[1], found[2]) if found else (argument, None, None)


def _target(term: str, argument: str) -> MacroString | None:
    if not argument:
        return None
    if argument[0] != ":":
        raise SpfSyntaxError(f"{term!r} has no such prefix")
    return parse_domain_spec(argument[1:])


def _bits(term: str, prefix: str | None, most: int) -> int:
    if prefix is None:
        return 0
    if int(prefix) > most:
        raise SpfSyntaxError(f"{term!r}: a prefix has at most {most} bits")
    return most - int(prefix)
