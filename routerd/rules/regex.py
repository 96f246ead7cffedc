"""A user's regex: RE2's syntax, with classes and word borders that know every script.

RE2's own `\\w \\d \\s \\b` are ASCII, so `\\bżaba\\b` would miss. The pattern is read piece by piece, classes are
rewritten, and a `\\b` where it is allowed becomes "the edge of the text, or a character that is no letter, mark,
digit or _".
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from routerd.rules.patterns import MAX_PROGRAM, Pattern, PatternError, compile_pattern

MAX_PATTERN = 2_000  # characters

_WORD = r"\pL\pN\pM_"
_DIGIT = r"\p{Nd}"
_SPACE = r"\t\n\x0b\f\r \x{85}\pZ"
# Inside [ ] a complement cannot be nested, so the rest of the categories is spelled out.
_NOT_WORD = (
    r"\pZ\pS\p{Cc}\p{Cf}\p{Co}\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Po}"
    r"\x{203F}\x{2040}\x{2054}\x{FE33}\x{FE34}\x{FE4D}-\x{FE4F}\x{FF3F}"
)
_NOT_SPACE = r"\x00-\x08\x0e-\x1f\x7f-\x{84}\x{86}-\x{9f}\p{Cf}\p{Co}\pL\pM\pN\pP\pS"
_CLASSES = {
    "w": (f"[{_WORD}]", _WORD),
    "W": (f"[^{_WORD}]", _NOT_WORD),
    "d": (_DIGIT, _DIGIT),
    "D": (r"\P{Nd}", r"\P{Nd}"),
    "s": (f"[{_SPACE}]", _SPACE),
    "S": (f"[^{_SPACE}]", _NOT_SPACE),
}
_STEPS = {"w": 1_450, "W": 1_350, "d": 90, "D": 150, "s": 25, "S": 700}
_CHECK_BYTES = 4 << 20  # for RE2's first look: room for far more than MAX_PROGRAM
_HOPELESS = 3  # times the bound: an estimate above it needs no exact count
_BEFORE = rf"(?:\A|[^{_WORD}])"
_AFTER = rf"(?:\z|[^{_WORD}])"

_ESCAPE = re.compile(r"\\(?:[pP](?:\{[^}]*\}|.)|x(?:\{[0-9A-Fa-f]+\}|[0-9A-Fa-f]{2})|[0-7]{1,3}|.)", re.DOTALL)
_REPEAT = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\??")
_GROUP = re.compile(r"\((?:\?P?<[^>]*>|\?[imsU-]*:)?")
_FLAGS = re.compile(r"\(\?[imsU-]+\)")
_LITERAL = re.compile("[A-Za-z0-9]{3,}")
_POSIX = re.compile(r"\[:\^?[a-z]+:\]")

_IN_WORDS = (
    ("missing )", "a '(' is not closed"),
    ("unexpected )", "a ')' without its '('"),
    ("missing ]", "a '[' is not closed"),
    ("invalid perl operator", "look-around and other '(?' forms are not in RE2"),
    ("invalid named capture", "not a proper group name"),
    ("no argument for repetition", "nothing stands before the repetition"),
    ("bad repetition operator", "a repetition of a repetition"),
    ("invalid repetition size", "a repetition above 1000"),
    ("invalid character class range", "not a range or class of characters"),
    ("trailing \\", "ends in a single backslash"),
    ("pattern too large", "the pattern is too large; make it shorter, or repeat less"),
)


class RegexError(ValueError):
    """What is wrong with a user's pattern, in words; where a place is known it is named."""


@dataclass(frozen=True, slots=True)
class Regex:
    """A user's pattern, ready to be asked of texts in UTF-8."""

    written: str
    pattern: Pattern
    has_borders: bool  # a hit may bear the character before and after the word
    literals: frozenset[str] = frozenset()  # folded: one stands in whatever it fits; empty where that cannot be said

    def found(self, text: bytes) -> bool:
        return self.pattern.found(text)

    def hit(self, text: bytes) -> str | None:
        """What it finds first, as it stands in the text."""
        hit = self.pattern.hit(text)
        if hit and self.has_borders:
            start = 0 if _is_word(hit[0]) else 1
            hit = hit[start : len(hit) if _is_word(hit[-1]) else -1]
        return hit


def _is_word(letter: str) -> bool:
    return letter == "_" or unicodedata.category(letter)[0] in "LMN"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the pattern, rewritten, and what is known of its edges."""

    source: str
    starts_word: bool = False  # whatever it matches, if not empty, begins with a letter, digit, mark or _
    ends_word: bool = False
    may_be_empty: bool = False
    steps: int = 1  # about how many RE2 instructions it comes to


def compile_regex(pattern: str) -> Regex:
    """Case-insensitive unless `(?-i)`. Raises RegexError."""
    if len(pattern) > MAX_PATTERN:
        raise RegexError(f"a pattern of {len(pattern)} characters; at most {MAX_PATTERN} are allowed")
    try:
        # RE2's errors speak of what the user wrote, so it is asked before anything is rewritten.
        compile_pattern(pattern, most_bytes=_CHECK_BYTES)
    except PatternError as error:
        raise RegexError(_in_words(str(error), pattern)) from None
    reader = _Reader(pattern)
    try:
        compiled = compile_pattern(reader.read())
    except PatternError as error:
        raise RegexError(_in_words(str(error), pattern)) from None
    if compiled.size > MAX_PROGRAM:
        raise RegexError(_too_large(compiled.size))
    if compiled.found(b""):
        raise RegexError("the pattern fits the empty text, so it would match everything")
    return Regex(pattern, compiled, reader.has_borders, reader.literals)


class _Reader:
    """Reads a pattern that RE2 has accepted; depth is bounded by RE2's own limit of 1,000."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.has_borders = False
        self._alternatives_literals: list[str] = []  # of each top-level alternative the longest, "" without one

    @property
    def literals(self) -> frozenset[str]:
        literals = self._alternatives_literals
        return frozenset(literals) if all(literals) else frozenset()

    def read(self) -> str:
        try:
            source = self._alternatives(top=True).source
        except RecursionError:
            raise RegexError("groups are nested too deeply") from None
        if self.at < len(self.text):
            raise RegexError(f"cannot be read from character {self.at + 1} on")
        return source

    def _alternatives(self, *, top: bool) -> _Piece:
        pieces = [self._sequence(top=top)]
        while self.text.startswith("|", self.at):
            self.at += 1
            pieces.append(self._sequence(top=top))
        return _Piece(
            "|".join(piece.source for piece in pieces),
            all(piece.starts_word for piece in pieces),
            all(piece.ends_word for piece in pieces),
            any(piece.may_be_empty for piece in pieces),
            sum(piece.steps for piece in pieces),
        )

    def _sequence(self, *, top: bool) -> _Piece:
        flags = ""
        while found := _FLAGS.match(self.text, self.at):
            flags += found[0]
            self.at = found.end()
        begins_at = self.at
        opens_border = self._takes_border(top)
        pieces: list[_Piece] = []
        closes_border = False
        closed_at = 0
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            if closes_border:
                raise RegexError(_border_error(closed_at))
            if pieces and self.text.startswith("\\b", self.at):
                closed_at = self.at
                closes_border = self._takes_border(top)
                continue
            pieces.append(self._repeated())
        if top:
            self._alternatives_literals.append(_longest_literal(pieces))
        empty = all(piece.may_be_empty for piece in pieces)
        starts_word = all(piece.starts_word for piece in _up_to_solid(pieces))
        ends_word = all(piece.ends_word for piece in _up_to_solid(pieces[::-1]))
        if opens_border and (empty or not starts_word):
            raise RegexError(_border_error(begins_at))
        if closes_border and (empty or not ends_word):
            raise RegexError(_border_error(closed_at))
        source = "".join(piece.source for piece in pieces)
        if opens_border or closes_border:
            if any(_FLAGS.fullmatch(piece.source) for piece in pieces):
                raise RegexError(r"flags such as (?i) go to the front where \b is used")
            self.has_borders = True
            source = f"{_BEFORE if opens_border else ''}(?:{source}){_AFTER if closes_border else ''}"
        return _Piece(
            flags + source,
            starts_word,
            ends_word,
            empty,
            self._within_bounds(sum(piece.steps for piece in pieces)),
        )

    def _within_bounds(self, steps: int) -> int:
        """Far too large is refused before RE2 spends seconds on it."""
        if steps > _HOPELESS * MAX_PROGRAM:
            raise RegexError(_too_large(steps))
        return steps

    def _takes_border(self, top: bool) -> bool:
        if not self.text.startswith("\\b", self.at):
            return False
        if not top:
            raise RegexError(_border_error(self.at))
        self.at += 2
        return True

    def _repeated(self) -> _Piece:
        piece = self._atom()
        while found := _REPEAT.match(self.text, self.at):
            self.at = found.end()
            empty = piece.may_be_empty or found[0][0] in "*?" or found[0].startswith(("{0}", "{0,"))
            steps = self._within_bounds(piece.steps * max([1, *map(int, re.findall("[0-9]+", found[0]))]))
            piece = _Piece(piece.source + found[0], piece.starts_word, piece.ends_word, empty, steps)
        return piece

    def _atom(self) -> _Piece:
        letter = self.text[self.at]
        if letter == "(":
            return self._group()
        if letter == "[":
            return self._bracket()
        if letter == "\\":
            return self._escape()
        self.at += 1
        if letter in "^$":
            return _Piece(letter, True, True, may_be_empty=True)
        is_word = letter.isalnum()
        return _Piece(letter, is_word, is_word)

    def _group(self) -> _Piece:
        if found := _FLAGS.match(self.text, self.at):  # flags in the middle: hold for the rest of this group
            self.at = found.end()
            return _Piece(found[0], True, True, may_be_empty=True)
        found = _GROUP.match(self.text, self.at)
        opening = found[0] if found else "("
        self.at += len(opening)
        inside = self._alternatives(top=False)
        self.at += 1  # RE2 has seen the closing bracket
        return _Piece(
            f"{opening}{inside.source})", inside.starts_word, inside.ends_word, inside.may_be_empty, inside.steps
        )

    def _escape(self) -> _Piece:
        found = _ESCAPE.match(self.text, self.at)
        escape, start = found[0] if found else "\\", self.at
        if escape == "\\Q":
            return self._quoted()
        self.at += len(escape)
        kind = escape[1:2]
        if kind in _CLASSES:
            is_word = kind in "wd"
            return _Piece(_CLASSES[kind][0], is_word, is_word, steps=_STEPS[kind])
        if kind in "bB":
            raise RegexError(_border_error(start, escape))
        if kind == "C":
            raise RegexError(rf"\C at character {start + 1} (a single byte) is not allowed; write .")
        if kind in "Az":
            return _Piece(escape, True, True, may_be_empty=True)
        is_word = kind == "p" and escape[2:] in ("L", "{L}", "N", "{N}", "Nd", "{Nd}", "{Lu}", "{Ll}")
        return _Piece(escape, is_word, is_word)

    def _quoted(self) -> _Piece:
        end = self.text.find("\\E", self.at)
        inside = self.text[self.at + 2 : end if end >= 0 else len(self.text)]
        source = f"\\Q{inside}\\E"
        self.at = end + 2 if end >= 0 else len(self.text)
        if len(inside) > 1 and _REPEAT.match(self.text, self.at):
            # RE2 repeats the last character only; so it stays, and its edges are not claimed
            return _Piece(source)
        return _Piece(source, inside[:1].isalnum(), inside[-1:].isalnum(), not inside)

    def _bracket(self) -> _Piece:
        parts = ["["]
        self.at += 1
        if negated := self.text.startswith("^", self.at):
            parts.append("^")
            self.at += 1
        words_only = not negated
        first = True
        while first or self.text[self.at] != "]":
            member, is_word = self._member()
            parts.append(member)
            words_only = words_only and is_word
            first = False
        self.at += 1
        source = "".join(parts) + "]"
        return _Piece(source, words_only, words_only, steps=_STEPS["w"] if "\\p" in source.lower() else 10)

    def _member(self) -> tuple[str, bool]:
        """One character, escape or range of a class, and whether all of it is letters and digits."""
        if found := _POSIX.match(self.text, self.at):
            self.at = found.end()
            return found[0], found[0] in ("[:alpha:]", "[:alnum:]", "[:digit:]", "[:lower:]", "[:upper:]", "[:word:]")
        start = self.at
        found = _ESCAPE.match(self.text, self.at)
        if found and found[0][1] in _CLASSES:
            self.at = found.end()
            return _CLASSES[found[0][1]][1], found[0][1] in "wd"
        self.at = found.end() if found else self.at + 1
        low = self.text[start : self.at]
        if not (self.text.startswith("-", self.at) and self.text[self.at + 1 : self.at + 2] not in ("]", "")):
            return low, low.isalnum()
        self.at += 1
        found = _ESCAPE.match(self.text, self.at)
        high_at, self.at = self.at, found.end() if found else self.at + 1
        high = self.text[high_at : self.at]
        same_kind = any(low in letters and high in letters for letters in _RUNS) if low and high else False
        return f"{low}-{high}", same_kind


def _longest_literal(pieces: list[_Piece]) -> str:
    """The longest run of ASCII letters and digits, folded; "" where all are short.

    Only those: however text is written, and whatever stands beside them, folding leaves them as they are, and what
    RE2 takes for one of them without regard to case (the long s, the Kelvin sign) it folds to that one.
    """
    letters = "".join(piece.source if len(piece.source) == 1 else "\0" for piece in pieces)
    # Of equals the last: the patterns of a rule file mostly have their beginnings in common.
    return max(reversed(_LITERAL.findall(letters)), key=len, default="").lower()


def _up_to_solid(pieces: list[_Piece]) -> Iterator[_Piece]:
    """The pieces that can stand at the edge: those before the first that is never empty, and it."""
    for piece in pieces:
        yield piece
        if not piece.may_be_empty:
            return


_RUNS = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _border_error(at: int, what: str = r"\b") -> str:
    return (
        rf"{what} at character {at + 1}: \b may stand only at the start or end of the pattern or of a top-level "
        "alternative, beside a letter or digit; or use `word:`"
    )


def _too_large(steps: int) -> str:
    return (
        f"the pattern is too large ({steps} steps of at most {MAX_PROGRAM}); repeat less: each \\w is some 1,450 steps"
    )


def _in_words(error: str, pattern: str) -> str:
    kind, _, fragment = error.partition(": ")
    words = next((words for start, words in _IN_WORDS if kind.startswith(start)), None)
    if kind.startswith("invalid escape sequence"):
        words = (
            "back-references are not in RE2"
            if fragment[1:2].isdigit()
            else f"{fragment!r} is not an escape that RE2 knows"
        )
    place = pattern.find(fragment) if fragment and fragment != pattern else -1
    where = f" at character {place + 1}: {fragment[:40]!r}" if place >= 0 else ""
    return (words or kind) + where
