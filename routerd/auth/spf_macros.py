"""Macros of SPF records (RFC 7208 7): read once, expanded for each message."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

MAX_NAME = 253  # RFC 7208 7.3: of a name that is asked for
_ENOUGH = 2 * MAX_NAME  # what stands further to the left is cut off in any case
_MOST_PARTS = 127  # a domain has no more labels
_ALLOWED = frozenset("slodipvh")
_ONLY_IN_EXPLANATIONS = frozenset("crt")
_WRITTEN_OUT = {"%": "%", "_": " ", "-": "%20"}

_PIECE = re.compile(r"%\{([A-Za-z])([0-9]*)([rR]?)([.\-+,/_=]*)\}|%([%_-])|([!-$&-~]+)")
_TOP_LABEL = re.compile(r"[0-9]*[A-Za-z][0-9A-Za-z]*|[0-9A-Za-z]+-[0-9A-Za-z-]*[0-9A-Za-z]")
_LABEL = r"[ -\-/-\[\]-~]{1,63}"  # what stands in ASCII but a dot, and "\", which would escape the next character
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL}|(?!))*+")


class SpfSyntaxError(ValueError):
    """A record that does not follow the grammar (RFC 7208 12); the message says where."""


@dataclass(frozen=True, slots=True)
class Macro:
    """`%{l2r+-}`."""

    letter: str  # in lower case
    parts: int = _MOST_PARTS  # how many are kept, from the right
    is_reversed: bool = False
    delimiters: str = "."  # each once
    is_escaped: bool = False  # an upper-case letter: as in a URL (RFC 3986 2.3)


MacroString = tuple[str | Macro, ...]


def parse_domain_spec(text: str) -> MacroString:
    """A domain-spec (RFC 7208 7.1). Raises SpfSyntaxError."""
    pieces, last = _pieces(text, _ALLOWED)
    if isinstance(last, str):
        _, dot, label = last.removesuffix(".").rpartition(".")
        if not dot or not _TOP_LABEL.fullmatch(label):
            raise SpfSyntaxError(f"{text!r} is no domain")
    return pieces


def check_macro_string(text: str) -> None:
    """The value of a modifier that we do not know (RFC 7208 6). Raises SpfSyntaxError."""
    if text:
        _pieces(text, _ALLOWED | _ONLY_IN_EXPLANATIONS)


def uses(pieces: MacroString, letter: str) -> bool:
    return any(isinstance(piece, Macro) and piece.letter == letter for piece in pieces)


def expand(pieces: MacroString, values: Mapping[str, str]) -> str | None:
    """The name that is asked for, cut from the left where it is too long (RFC 7208 7.3); None: no name can be so.

    `values`: for each letter that occurs, in lower case. However much a record repeats a macro, this is short work.
    """
    texts: list[str] = []
    length = 0
    for piece in reversed(pieces):
        text = piece if isinstance(piece, str) else _value(piece, values[piece.letter])
        texts.append(text)
        length += len(text)
        if length > _ENOUGH:
            break
    name = "".join(reversed(texts)).removesuffix(".")
    if len(name) > MAX_NAME:
        name = name[-MAX_NAME - 1 :].partition(".")[2]
    return name if _NAME.fullmatch(name) else None


def _pieces(text: str, allowed: frozenset[str]) -> tuple[MacroString, str | None]:
    """And what stands last, where that is not a macro."""
    pieces: list[str | Macro] = []
    last: str | None = ""
    at = 0
    while at < len(text):
        found = _PIECE.match(text, at)
        if not found:
            raise SpfSyntaxError(f"{text[at:]!r} is no macro, nor visible ASCII")
        letter, digits, is_reversed, delimiters, escape, last = found.groups()
        if letter:
            pieces.append(_macro(letter, digits, bool(is_reversed), delimiters, allowed))
        else:
            pieces.append(last or _WRITTEN_OUT[escape])
        at = found.end()
    return tuple(pieces), last


def _macro(letter: str, digits: str, is_reversed: bool, delimiters: str, allowed: frozenset[str]) -> Macro:
    if letter.lower() not in allowed:
        raise SpfSyntaxError(f"there is no macro {letter!r} here")
    parts = _MOST_PARTS
    if digits:
        digits = digits.lstrip("0")
        if not digits:
            raise SpfSyntaxError("a macro that keeps 0 parts")
        parts = min(int(digits[:4]), _MOST_PARTS)
    return Macro(letter.lower(), parts, is_reversed, "".join(dict.fromkeys(delimiters)) or ".", letter.isupper())


def _value(macro: Macro, value: str) -> str:
    first = macro.delimiters[0]
    for delimiter in macro.delimiters[1:]:
        value = value.replace(delimiter, first)
    parts = value.split(first)
    if macro.is_reversed:
        parts.reverse()
    value = ".".join(parts[-macro.parts :])
    return quote(value, safe="") if macro.is_escaped and value.isascii() else value  # RFC 8616 4: else no name
