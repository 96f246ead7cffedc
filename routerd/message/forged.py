"""Cutting what nobody from outside may say: our own headers, those that rules give, and Authentication-Results in our
name (RFC 8601 5).

Conservative on purpose: a field is cut where *some* parser would take it for one of these, as far down as some parser
still reads headers. A field goes with its continuations, so that none of them becomes part of the field above. Only
whole fields go; every other byte stays as it is and where it is, so that DKIM signatures hold.

All of it is regular expressions without backtracking: linear, and at C speed on a header of any size.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MAX_JUDGED_FIELDS = 1_000  # Authentication-Results looked at one by one; a header with more of them loses the rest
MAX_JUDGED_BYTES = 65_536  # of one value; what is longer is cut

_OWN_FAMILIES = ("Assigned-", "Routerd-")  # behind X-
_OWN_HEADER = "Labels"
_OWN_NAMES = tuple(f"x-{name}".lower().encode() for name in (*_OWN_FAMILIES, _OWN_HEADER))
_RESULTS = b"authentication-results"


def is_ours(name: str) -> bool:
    """Whether nobody from outside can say a header of this name (in lower case), whatever the rules are."""
    rest = name.removeprefix("x-")
    families = tuple(family.lower() for family in _OWN_FAMILIES)
    return rest != name and (rest.startswith(families) or rest == _OWN_HEADER.lower())


class _Reading(NamedTuple):
    """One way in which parsers read lines."""

    before: bytes  # what stands before a field and goes with it
    fold: bytes  # a line end before a continuation
    in_line: bytes  # characters that do not end a line
    dropped: bytes  # characters that a parser may drop from a name or around it


# Lines end in LF.
_AT_LF = _Reading(rb"\n(?![ \t])", rb"\n(?=[ \t])", rb"[^\n]", rb"[\x00-\x09\x0b-\x20\x7f-\xff]")
# The same, every CR, or every control character, dropped first: what is behind them may be a continuation.
_WITHOUT_CR = _AT_LF._replace(before=rb"\n(?!\r*+[ \t])", fold=rb"\n\r*+(?=[ \t])")
_WITHOUT_CONTROLS = _AT_LF._replace(
    before=rb"\n(?![\x00-\x08\x0b-\x1f\x7f]*+[ \t])", fold=rb"\n[\x00-\x08\x0b-\x1f\x7f]*+(?=[ \t])"
)
# A bare CR ends a line too, as Python's email package and others have it. The line end behind a field stays for what
# stands before it on the same LF line.
_AT_CR = _Reading(
    rb"(?<=[^\r\n])\r++(?![\n \t])",
    rb"[\r\n]++(?=[ \t])",
    rb"[^\r\n]",
    rb"[\x00-\x09\x0b\x0c\x0e-\x20\x7f-\xff]",
)


class _Patterns(NamedTuple):
    ours: re.Pattern[bytes]
    results: re.Pattern[bytes]  # Authentication-Results with its value as group 1
    named: re.Pattern[bytes]  # any field; all that stands before its colon as group 1
    fold: re.Pattern[bytes]


def _patterns(reading: _Reading) -> _Patterns:
    before, fold, in_line, dropped = reading
    junk = b"(?:" + dropped + b"|" + fold + b"|(?!))*+"
    until_colon = b"(?:(?!:)" + in_line + b"|" + fold + b"|(?!))*+"
    rest = in_line + b"*+(?:" + fold + in_line + b"*+|(?!))*+"
    # The name may also stand on the continuation of a line that has no colon.
    colonless = b"(?:(?:(?!:)" + in_line + b"|(?!))*+" + fold + b"|(?!))++"

    def spelled(name: str) -> bytes:
        return junk.join(re.escape(letter.encode()) for letter in name) + junk

    families = b"|".join(spelled(family) + until_colon for family in _OWN_FAMILIES)
    ours = spelled("X-") + b"(?:" + families + b"|" + spelled(_OWN_HEADER) + b"):"
    results = spelled("Authentication-Results") + b":"

    def pattern(named: bytes) -> re.Pattern[bytes]:
        start = before + b"(?:" + junk + named + b"|" + colonless + junk + named + b")"
        return re.compile(start + b"(" + rest + b")", re.IGNORECASE)

    named = re.compile(before + b"(" + until_colon + b"):" + rest)
    return _Patterns(pattern(ours), pattern(results), named, re.compile(fold))


_PLAIN = _patterns(_AT_LF)
# In this order: a cut may join what stood on both sides of it, and only the next reading sees that.
_OF_CONTROLS = tuple(_patterns(reading) for reading in (_AT_CR, _AT_LF, _WITHOUT_CR, _WITHOUT_CONTROLS))
_CONTROLS = bytes([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])
# Continuations of nothing would become part of our last header, an mbox line would end the header below ours.
_ORPHANS = re.compile(rb"\A(?:\n[ \t][^\n]*+|(?!))*+(?:\n>*+From [^\n]*+(?:\n[ \t][^\n]*+|(?!))*+|(?!))?+")


def cut_forged(header: bytes, authserv_ids: Iterable[str], names: Sequence[str] = ()) -> bytes:
    """`header` (all of it, without its empty line) less what is forged. Never raises.

    `names`: further headers that nobody from outside may say, in any case.
    """
    # With an LF on top every field stands between two, and one goes with the LF before it.
    text = _ORPHANS.sub(b"", b"\n" + header)
    judge = _Judge(authserv_ids)
    given = frozenset(name.lower().encode() for name in names)
    text = _cut(text, _PLAIN, judge, given)
    if text.count(b"\r") != text.count(b"\r\n") or len(text.translate(None, _CONTROLS)) != len(text):
        for patterns in _OF_CONTROLS:
            text = _cut(text, patterns, judge, given)
    return text[1:]


def _cut(text: bytes, patterns: _Patterns, judge: "_Judge", given: frozenset[bytes]) -> bytes:
    # A name that any reading finds stands in what is left of the text without what any of them drops: to look there
    # first spares most headers the patterns, which take ten times as long.
    squeezed = text.translate(_LOWER, _NOT_IN_NAMES)
    if any(name in squeezed for name in _OWN_NAMES):
        text = patterns.ours.sub(b"", text)
        squeezed = text.translate(_LOWER, _NOT_IN_NAMES)
    if _RESULTS in squeezed:
        text = patterns.results.sub(judge, text)
        squeezed = text.translate(_LOWER, _NOT_IN_NAMES)
    given = frozenset(name for name in given if name in squeezed)
    if not given:
        return text
    longest = max(map(len, given))

    def unless_given(field: re.Match[bytes]) -> bytes:
        return b"" if _is_named(patterns.fold.split(field[1]), given, longest) else field[0]

    return patterns.named.sub(unless_given, text)


def _is_named(lines: list[bytes], given: frozenset[bytes], longest: int) -> bool:
    """Whether what stands before a colon, over `lines`, may be read as one of these names.

    The name may begin on any of the lines; what parsers may drop does not count. Linear: a name has an end.
    """
    name = b""
    for line in reversed(lines):
        name = line.translate(_LOWER, _NOT_IN_NAMES)[-longest - 1 :] + name
        if name in given:
            return True
        if len(name) > longest:
            return False
    return False


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
_NOT_IN_NAMES = bytes(byte for byte in range(0x100) if not 0x20 < byte < 0x7F)
_NOT_IN_WORDS = bytes(byte for byte in range(0x100) if not 0x20 <= byte < 0x7F and byte != 0x09)
_LOWER_WORDS = bytes(0x20 if byte in _NOT_IN_WORDS else byte for byte in _LOWER)
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
    text = b"".join(words)
    if depth or quoted:
        text = b" ".join((text, re.sub(rb'[()"\\;]', b" ", value)))
    # What is in no word may be passed over, or end one: many take a vertical tab or a no-break space for a space.
    plain = b" ".join((text.translate(_LOWER, _NOT_IN_WORDS), text.translate(_LOWER_WORDS))).decode("ascii")
    return frozenset(part.strip(".") for word in plain.split() for part in (word, word.partition("/")[0]))
