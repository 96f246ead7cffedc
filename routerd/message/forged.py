"""Cutting what nobody from outside may say: our own headers, and Authentication-Results in our name (RFC 8601 5).

Conservative on purpose: a field is cut where *some* parser would take it for one of these, as far down as some parser
still reads headers. A field goes with its continuations, so that none of them becomes part of the field above. Only
whole fields go; every other byte stays as it is and where it is, so that DKIM signatures hold.

All of it is regular expressions without backtracking: linear, and at C speed on a header of any size.
"""

import re
from collections.abc import Iterable

MAX_JUDGED_FIELDS = 1_000  # Authentication-Results looked at one by one; a header with more of them loses the rest
MAX_JUDGED_BYTES = 65_536  # of one value; what is longer is cut


def _spelled(name: str, junk: bytes) -> bytes:
    """`name` with anything between its letters that a parser may drop."""
    return junk.join(re.escape(letter.encode()) for letter in name)


def _ours(junk: bytes, until_colon: bytes) -> bytes:
    start = _spelled("X-", junk) + junk
    families = b"|".join(_spelled(name, junk) + until_colon for name in ("Assigned-", "Routerd-"))
    return start + b"(?:" + families + b"|" + _spelled("Labels", junk) + b")"


def _results(junk: bytes, until_colon: bytes) -> bytes:  # noqa: ARG001 - the same shape as _ours
    return _spelled("Authentication-Results", junk)


# What a parser may drop from a name or around it: control characters, white space, 8-bit, folds. Lines end in LF here.
_JUNK = rb"(?:[\x00-\x09\x0b-\x20\x7f-\xff]|\n(?=[ \t]))*+"
_UNTIL_COLON = rb"(?:[^:\n]|\n(?=[ \t]))*+"
_REST_OF_FIELD = rb"[^\n]*+(?:\n[ \t][^\n]*+)*+"
# The same where a bare CR ends a line, as Python's email package and others have it.
_JUNK_CR = rb"(?:[\x00-\x09\x0b\x0c\x0e-\x20\x7f-\xff]|[\r\n]++(?=[ \t]))*+"
_UNTIL_COLON_CR = rb"(?:[^:\r\n]|[\r\n]++(?=[ \t]))*+"
_REST_OF_FIELD_CR = rb"[^\r\n]*+(?:[\r\n]++[ \t][^\r\n]*+)*+"


def _lf_pattern(name: bytes) -> re.Pattern[bytes]:
    """A field from the LF before it to the one that ends it. The name may also stand on the continuation of a line
    that has no colon."""
    named = _JUNK + name + _JUNK + b":"
    colonless = rb"(?:[^:\n]*+\n(?=[ \t]))++"
    start = rb"\n(?![ \t])(?:" + named + b"|" + colonless + named + b")"
    return re.compile(start + b"(" + _REST_OF_FIELD + b")", re.IGNORECASE)


def _cr_pattern(name: bytes) -> re.Pattern[bytes]:
    """A field behind a bare CR, with that CR; the line end behind it stays for what stands before."""
    named = _JUNK_CR + name + _JUNK_CR + b":"
    start = rb"(?<=[^\r\n])\r++(?![\n \t])" + named
    return re.compile(start + b"(" + _REST_OF_FIELD_CR + b")", re.IGNORECASE)


_OURS = _lf_pattern(_ours(_JUNK, _UNTIL_COLON))
_RESULTS = _lf_pattern(_results(_JUNK, _UNTIL_COLON))
_OURS_CR = _cr_pattern(_ours(_JUNK_CR, _UNTIL_COLON_CR))
_RESULTS_CR = _cr_pattern(_results(_JUNK_CR, _UNTIL_COLON_CR))
# Continuations of nothing would become part of our last header, an mbox line would end the header below ours.
_ORPHANS = re.compile(rb"\A(?:\n[ \t][^\n]*+)*+(?:\n>*+From [^\n]*+(?:\n[ \t][^\n]*+)*+)?+")


def cut_forged(header: bytes, authserv_ids: Iterable[str]) -> bytes:
    """`header` (all of it, without its empty line) less what is forged. Never raises."""
    # With an LF on top every field stands between two, and one goes with the LF before it.
    text = _ORPHANS.sub(b"", b"\n" + header)
    judge = _Judge(authserv_ids)
    text = _RESULTS.sub(judge, _OURS.sub(b"", text))
    if text.count(b"\r") != text.count(b"\r\n"):
        text = _RESULTS_CR.sub(judge, _OURS_CR.sub(b"", text))
        # What stood on both sides of a cut may be one of ours now, to a parser that drops CRs.
        text = _RESULTS.sub(judge, _OURS.sub(b"", text))
    return text[1:]


class _Judge:
    """Says of each Authentication-Results what is left of it: all or nothing."""

    __slots__ = ("_ids", "_judged")

    def __init__(self, authserv_ids: Iterable[str]) -> None:
        self._ids = frozenset(id_.lower().rstrip(".") for id_ in authserv_ids)
        self._judged = 0

    def __call__(self, field: re.Match[bytes]) -> bytes:
        self._judged += 1
        value = field[1]
        if self._judged > MAX_JUDGED_FIELDS or len(value) > MAX_JUDGED_BYTES:
            return b""
        if b"\r" in value.replace(b"\r\n", b"").removesuffix(b"\r"):
            return b""  # parsers would not agree where it ends
        return b"" if not self._ids.isdisjoint(claimed_ids(value)) else field[0]


_LOWER = bytes(range(0x100)).lower()
_NOT_IN_WORDS = bytes(byte for byte in range(0x100) if not 0x20 <= byte < 0x7F and byte != 0x09)
_COMMENT_OR_TEXT = re.compile(rb'[^()"\\;]++|\\.?|[()";]', re.DOTALL)


def claimed_ids(value: bytes) -> frozenset[str]:
    """Every authserv-id, in lower case, that a parser might read out of this Authentication-Results value.

    RFC 8601 2.2 has one, before the first `;`, perhaps quoted, among comments, with a version behind it. Where a
    comment or a quote is never closed, each word of the whole value may be it.
    """
    words: list[bytes] = []
    depth = 0
    quoted = False
    for token in _COMMENT_OR_TEXT.findall(value):
        if depth:
            depth += (token == b"(") - (token == b")")
        elif token == b'"':
            quoted = not quoted
        elif quoted:
            words.append(token[1:] if token.startswith(b"\\") else token)
        elif token == b"(":
            depth = 1
            words.append(b" ")
        elif token == b";":
            break
        else:
            words.append(token.removeprefix(b"\\"))
    text = b"".join(words) if not depth and not quoted else re.sub(rb'[()"\\;]', b" ", value)
    plain = text.translate(_LOWER, _NOT_IN_WORDS).decode("ascii")
    return frozenset(part.strip(".") for word in plain.split() for part in (word, word.partition("/")[0]))
