"""What stands behind MAIL, RCPT, EHLO and LHLO (RFC 5321 4.1.1, 4.1.2; RFC 1870, 4954, 6152, 6531). Pure."""

import re
from dataclasses import dataclass
from functools import lru_cache

from routerd.intake.protocol import refusals
from routerd.intake.protocol.refusals import CommandError
from routerd.message.address import Address, AddressError, parse_domain, parse_path
from routerd.message.envelope import Refused

_BARE_POSTMASTER = re.compile(r"<postmaster>(?: +(.*))?\Z", re.IGNORECASE)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e]+))?\Z")
_SIZE = re.compile(r"[0-9]{1,20}\Z")  # RFC 1870 6
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2}|(?!))++\Z")  # RFC 3461 4


@dataclass(frozen=True, slots=True)
class MailFrom:
    """`sender`: without brackets and source route; "" is the null sender. `size_bytes`: 0 is undeclared."""

    sender: str
    size_bytes: int = 0
    body_8bit: bool = False
    smtputf8: bool = False


def parse_helo(text: str) -> str:
    """The client's name for itself: a domain, which may have underscores as desktops' names do, or an address literal
    (RFC 5321 4.1.1.1, 4.1.3). Raises CommandError.
    """
    try:
        parse_domain(text)
    except AddressError:
        raise CommandError(refusals.SAY_WHO) from None
    return text


def parse_mail(text: str, *, esmtp: bool, smtputf8_offered: bool, auth_offered: bool) -> MailFrom:
    """`FROM:<reverse-path> [parameters]`. Raises CommandError.

    AUTH=, whom a client says it speaks for, is checked and not believed (RFC 4954 5).
    """
    address, parameters = _parse_path(_behind("FROM:", text), smtputf8_offered, "5.1.7")
    size_bytes, body_8bit, smtputf8 = 0, False, False
    for keyword, value in _parse_parameters(parameters):
        if not esmtp:
            raise CommandError(Refused(555, "5.5.4", "Parameters need EHLO"))
        if keyword == "SIZE":
            size_bytes = _parse_size(value)
        elif keyword == "BODY":
            body_8bit = _parse_body(value)
        elif keyword == "SMTPUTF8" and smtputf8_offered:
            if value is not None:
                raise CommandError(Refused(501, "5.5.4", "SMTPUTF8 takes no value"))
            smtputf8 = True
        elif keyword == "AUTH" and auth_offered:
            _check_auth(value)
        else:
            raise CommandError(Refused(555, "5.5.4", f"Parameter {keyword[:40]} is not supported"))
    if not smtputf8:
        _demand_ascii(text)
    return MailFrom("" if address is None else str(address), size_bytes, body_8bit, smtputf8)


@lru_cache(256)  # inboxes are few, and named all the time; up to half a megabyte of what strangers say instead
def parse_rcpt(text: str, *, smtputf8: bool) -> Address | None:
    """`TO:<forward-path>`; None is `<Postmaster>` without a domain (RFC 5321 4.1.1.3). Raises CommandError."""
    path = _behind("TO:", text)
    if not smtputf8:
        _demand_ascii(path)
    bare = _BARE_POSTMASTER.match(path)
    address, parameters = (None, bare[1] or "") if bare else _parse_path(path, smtputf8, "5.1.3")
    if address is None and not bare:
        raise CommandError(Refused(501, "5.1.3", "A recipient is needed"))
    for keyword, _ in _parse_parameters(parameters):
        raise CommandError(Refused(555, "5.5.4", f"Parameter {keyword[:40]} is not supported"))
    return address


def _behind(keyword: str, text: str) -> str:
    """Some clients write a space behind the colon; it is harmless."""
    if text[: len(keyword)].upper() != keyword:
        raise CommandError(Refused(501, "5.5.4", f"Syntax: {keyword}<address>"))
    return text[len(keyword) :].lstrip(" ")


def _demand_ascii(text: str) -> None:
    if not text.isascii():
        raise CommandError(Refused(553, "5.6.7", "Non-ASCII address without SMTPUTF8"))  # RFC 6531 3.5


def _parse_path(text: str, utf8: bool, status: str) -> tuple[Address | None, str]:
    try:
        return parse_path(text, utf8=utf8)
    except AddressError as error:
        raise CommandError(Refused(501, status, f"Bad address: {error}")) from None


def _parse_parameters(text: str) -> list[tuple[str, str | None]]:
    """Keywords in upper case; values as they stand."""
    parameters: dict[str, str | None] = {}
    for word in text.split(" "):
        if not word:
            continue
        found = _PARAMETER.match(word)
        if found is None:
            raise CommandError(Refused(501, "5.5.4", "Bad parameter"))
        keyword = found[1].upper()
        if keyword in parameters:
            raise CommandError(Refused(501, "5.5.4", f"Parameter {keyword[:40]} is given twice"))
        parameters[keyword] = found[2]
    return list(parameters.items())


def _parse_size(value: str | None) -> int:
    if value is None or not _SIZE.match(value):
        raise CommandError(Refused(501, "5.5.4", "SIZE needs a number"))
    return int(value)


def _parse_body(value: str | None) -> bool:
    body = (value or "").upper()
    if body == "BINARYMIME":  # RFC 3030: only where CHUNKING is offered
        raise CommandError(Refused(555, "5.5.4", "BODY=BINARYMIME is not supported"))
    if body not in ("7BIT", "8BITMIME"):
        raise CommandError(Refused(501, "5.5.4", "BODY is 7BIT or 8BITMIME"))
    return body == "8BITMIME"


def _check_auth(value: str | None) -> None:
    if value is None or not _XTEXT.match(value):
        raise CommandError(Refused(501, "5.5.4", "AUTH needs a mailbox in xtext, or <>"))
