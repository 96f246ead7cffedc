"""The forms of header and body that DKIM and ARC hash (RFC 6376 3.4): what hops may change must not matter.

In time linear in what is hashed, and a piece at a time: a large body is never in memory twice, and a thread that
hashes it lets others run.
"""

import hashlib
import re
from enum import StrEnum

from routerd.message.envelope import Raw

PIECE_BYTES = 65_536

_SPACES = re.compile(rb"  +")
_LINE_ENDS = b"\r\n"
_BLANK = b" \t\r\n"


class Form(StrEnum):
    """As `c=` names them."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


def canonical_field(form: Form, field: bytes, value_start: int) -> bytes:
    """One field with its line end (RFC 6376 3.4.1, 3.4.2). `field[:value_start]` is the name and its colon."""
    if form is Form.SIMPLE:
        return field.rstrip(_LINE_ENDS) + _LINE_ENDS
    name = field[:value_start].rstrip(b": \t").lower()
    value = _one_space(field[value_start:].translate(None, _LINE_ENDS)).strip(b" ")
    return b"%b:%b\r\n" % (name, value)


def body_digest(form: Form, raw: Raw, body_start: int) -> bytes:
    """SHA-256 of the whole body (RFC 6376 3.4.3, 3.4.4)."""
    digest = hashlib.sha256()
    end = _end_of_body(raw, body_start, _LINE_ENDS if form is Form.SIMPLE else _BLANK)
    if end > body_start:
        if form is Form.SIMPLE:
            _hash_as_it_is(digest, raw, body_start, end)
        else:
            _hash_relaxed(digest, raw, body_start, end)
    if end > body_start or form is Form.SIMPLE:
        digest.update(_LINE_ENDS)
    return digest.digest()


def _one_space(text: bytes) -> bytes:
    """Each run of spaces and tabs as one space. Most text has few and short ones: so it is several times as fast."""
    text = text.replace(b"\t", b" ")
    shorter = text.replace(b"  ", b" ")
    if len(shorter) == len(text):
        return text
    text = shorter.replace(b"  ", b" ")
    return _SPACES.sub(b" ", text) if b"  " in text else text


def _end_of_body(raw: Raw, start: int, ignored: bytes) -> int:
    """Behind the last octet that is none of `ignored`; `start` where there is none."""
    end = len(raw)
    while end > start:
        piece_start = max(start, end - PIECE_BYTES)
        kept = raw[piece_start:end].rstrip(ignored)
        if kept:
            return piece_start + len(kept)
        end = piece_start
    return start


def _hash_as_it_is(digest: "hashlib._Hash", raw: Raw, start: int, end: int) -> None:
    for at in range(start, end, PIECE_BYTES):
        digest.update(raw[at : min(at + PIECE_BYTES, end)])


def _hash_relaxed(digest: "hashlib._Hash", raw: Raw, start: int, end: int) -> None:
    """`raw[end - 1]` is not blank."""
    at = start
    while at < end:
        piece = raw[at : min(at + PIECE_BYTES, end)]
        if at + len(piece) < end:
            # Cut where no run of blanks is: behind a line end, else behind what is not blank.
            line_end = piece.rfind(b"\n") + 1
            cut = line_end or len(piece.rstrip(b" \t\r"))
            if not cut:  # a run of blanks this long is one space, or none: its end says all there is to know
                at += len(piece) - 2
                continue
            piece = piece[:cut]
        at += len(piece)
        digest.update(_one_space(piece).replace(b" \r\n", _LINE_ENDS))
