"""A user's regex: RE2's syntax, with classes and word borders that know every script.

RE2's own `\\w \\d \\s \\b` are ASCII, so `\\bżaba\\b` would miss. The pattern is read piece by piece, classes are
rewritten, and a `\\b` where it is allowed becomes "the edge of the text, or a character that is no letter, mark,
digit or _".
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

from routerd.rules.matching.patterns import MAX_PROGRAM, Pattern, PatternError, compile_pattern, fits_nothing
from routerd.rules.matching.regex_errors import RegexError, in_words, misplaced, too_large
from routerd.rules.matching.required import ANYTHING, NOTHING, Required, any_of, in_a_row, letter, repeated

MAX_PATTERN = 2_000  # characters

# In brackets a `-` may follow, so each of these ends in a category, of which that makes no range.
_WORD = r"_\pL\pN\pM"
_DIGIT = r"\p{Nd}"
_SPACE = r"\t\n\x0b\f\r \x{85}\pZ"
# Inside [ ] a complement cannot be nested, so the rest of the categories is spelled out; and the pictures, of which
# there are more every year than RE2 knows a category of.
_PICTURES = r"\x{1F300}-\x{1FAFF}"
_NOT_WORD = (
    _PICTURES + r"\x{203F}\x{2040}\x{2054}\x{FE33}\x{FE34}\x{FE4D}-\x{FE4F}\x{FF3F}"
    r"\pZ\pS\p{Cc}\p{Cf}\p{Co}\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Po}"
)
_NOT_SPACE = _PICTURES + r"\x00-\x08\x0e-\x1f\x7f-\x{84}\x{86}-\x{9f}\p{Cf}\p{Co}\pL\pM\pN\pP\pS"
_CLASSES = {
    "w": (f"[{_WORD}]", _WORD),
    "W": (f"[^{_WORD}]", _NOT_WORD),
    "d": (_DIGIT, _DIGIT),
    "D": (r"\P{Nd}", r"\P{Nd}"),
    "s": (f"[{_SPACE}]", _SPACE),
    "S": (f"[^{_SPACE}]", _NOT_SPACE),
}
_REQUIRED = {"s": letter(" ")}  # any white space is a space when it is folded
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_FEW = 16  # characters of a class that are looked at one by one
_STEPS = {"w": 1_450, "W": 1_350, "d": 90, "D": 150, "s": 25, "S": 700}
_HOPELESS = 3  # times the bound: an estimate above it needs no exact count
_HARMLESS = 0.5  # nor does one below it
_BEFORE = rf"(?:\A|[^{_WORD}])"
_AFTER = rf"(?:\z|[^{_WORD}])"

_ESCAPE = re.compile(r"\\(?:[pP](?:\{[^}]*\}|.)|x(?:\{[0-9A-Fa-f]+\}|[0-9A-Fa-f]{2})|[0-7]{1,3}|.)", re.DOTALL)
_REPEAT = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\??")
_GROUP = re.compile(r"\((?:\?P?<[^>]*>|\?[imsU-]*:)?")
_FLAGS = re.compile(r"\(\?[imsU-]+\)")
_POSIX = re.compile(r"\[:\^?[a-z]+:\]")


@dataclass(frozen=True, slots=True)
class Regex:
    """A user's pattern, ready to be asked of texts in UTF-8."""

    written: str
    pattern: Pattern
    has_borders: bool  # a hit may bear the character before and after the word
    literals: frozenset[str] = frozenset()  # folded: one stands in whatever it fits; empty where that cannot be said
    steps: int = 1  # about how many RE2 instructions it comes to

    def found(self, text: bytes) -> bool:
        return self.pattern.found(text)

    def hit(self, text: bytes) -> str | None:
        """What it finds first, as it stands in the text."""
        hit = self.pattern.hit(text)
        if hit and self.has_borders:
            return next(filter(self.pattern.fits, _between_borders(hit)), hit)
        return hit


def _between_borders(hit: str) -> Iterator[str]:
    """The hit without the characters beside the word that it may bear; as it is where it bears none."""
    before, behind = not _is_word(hit[0]), not _is_word(hit[-1])
    if before and behind:
        yield hit[1:-1]
    if before:
        yield hit[1:]
    if behind:
        yield hit[:-1]


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
    required: Required = ANYTHING


def compile_regex(pattern: str) -> Regex:
    """Case-insensitive unless `(?-i)`. Raises RegexError."""
    if len(pattern) > MAX_PATTERN:
        raise RegexError(f"a pattern of {len(pattern)} characters; at most {MAX_PATTERN} are allowed")
    try:
        # RE2's errors speak of what the user wrote, so it is asked before anything is rewritten.
        found_in_nothing = fits_nothing(pattern)
        reader = _Reader(pattern)
        piece = reader.read()
        steps = piece.steps
        if steps > _HARMLESS * MAX_PROGRAM:
            steps = compile_pattern(piece.source).size
    except PatternError as error:
        raise RegexError(in_words(str(error), pattern)) from None
    if steps > MAX_PROGRAM:
        raise RegexError(too_large(steps), steps)
    if found_in_nothing:
        raise RegexError("the pattern fits the empty text, so it would match everything")
    return Regex(pattern, Pattern(piece.source), reader.has_borders, piece.required.best, steps)


class _Reader:
    """Reads a pattern that RE2 has accepted; depth is bounded by RE2's own limit of 1,000."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.has_borders = False

    def read(self) -> _Piece:
        try:
            piece = self._alternatives(top=True)
        except RecursionError:
            raise RegexError("groups are nested too deeply") from None
        if self.at < len(self.text):
            raise RegexError(f"cannot be read from character {self.at + 1} on")
        return piece

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
            any_of([piece.required for piece in pieces]),
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
                raise RegexError(misplaced(closed_at))
            if pieces and self.text.startswith("\\b", self.at):
                closed_at = self.at
                closes_border = self._takes_border(top)
                continue
            pieces.append(self._repeated())
        empty = all(piece.may_be_empty for piece in pieces)
        starts_word = all(piece.starts_word for piece in _up_to_solid(pieces))
        ends_word = all(piece.ends_word for piece in _up_to_solid(pieces[::-1]))
        if opens_border and (empty or not starts_word):
            raise RegexError(misplaced(begins_at))
        if closes_border and (empty or not ends_word):
            raise RegexError(misplaced(closed_at))
        source = "".join(piece.source for piece in pieces)
        steps = sum(piece.steps for piece in pieces)
        if opens_border or closes_border:
            if any(_FLAGS.fullmatch(piece.source) for piece in pieces):
                raise RegexError(r"flags such as (?i) go to the front where \b is used")
            self.has_borders = True
            steps += _STEPS["w"] * (opens_border + closes_border)
            source = f"{_BEFORE if opens_border else ''}(?:{source}){_AFTER if closes_border else ''}"
        return _Piece(
            flags + source,
            starts_word,
            ends_word,
            empty,
            self._within_bounds(steps),
            in_a_row([piece.required for piece in pieces]),
        )

    def _within_bounds(self, steps: int) -> int:
        """Far too large is refused before RE2 spends seconds on it."""
        if steps > _HOPELESS * MAX_PROGRAM:
            raise RegexError(too_large(steps), MAX_PROGRAM)
        return steps

    def _takes_border(self, top: bool) -> bool:
        if not self.text.startswith("\\b", self.at):
            return False
        if not top:
            raise RegexError(misplaced(self.at))
        self.at += 2
        return True

    def _repeated(self) -> _Piece:
        piece = self._atom()
        while found := _REPEAT.match(self.text, self.at):
            if _FLAGS.fullmatch(piece.source) or piece.source == r"\Q\E":  # for RE2 it repeats what stands before
                raise RegexError(f"nothing stands before the repetition at character {self.at + 1}")
            self.at = found.end()
            least, most = _times(found[0])
            piece = _Piece(
                piece.source + found[0],
                piece.starts_word,
                piece.ends_word,
                piece.may_be_empty or least == 0,
                self._within_bounds(piece.steps * max(1, least, most or 0)),
                repeated(piece.required, least, most),
            )
        return piece

    def _atom(self) -> _Piece:
        character = self.text[self.at]
        if character == "(":
            return self._group()
        if character == "[":
            return self._bracket()
        if character == "\\":
            return self._escape()
        self.at += 1
        if character in "^$":
            return _Piece(character, True, True, may_be_empty=True, required=NOTHING)
        if character == ".":
            return _Piece(character, steps=10)
        return _literal(character, character)

    def _group(self) -> _Piece:
        if found := _FLAGS.match(self.text, self.at):  # flags in the middle: hold for the rest of this group
            self.at = found.end()
            return _Piece(found[0], True, True, may_be_empty=True, required=NOTHING)
        found = _GROUP.match(self.text, self.at)
        opening = found[0] if found else "("
        self.at += len(opening)
        inside = self._alternatives(top=False)
        self.at += 1  # RE2 has seen the closing bracket
        return replace(inside, source=f"{opening}{inside.source})")

    def _escape(self) -> _Piece:
        found = _ESCAPE.match(self.text, self.at)
        escape, start = found[0] if found else "\\", self.at
        if escape == "\\Q":
            return self._quoted()
        self.at += len(escape)
        kind = escape[1:2]
        if kind in _CLASSES:
            is_word = kind in "wd"
            return _Piece(
                _CLASSES[kind][0], is_word, is_word, steps=_STEPS[kind], required=_REQUIRED.get(kind, ANYTHING)
            )
        if kind in "bB":
            raise RegexError(misplaced(start, escape))
        if kind == "C":
            raise RegexError(rf"\C at character {start + 1} (a single byte) is not allowed; write .")
        if kind in "Az":
            return _Piece(escape, True, True, may_be_empty=True, required=NOTHING)
        character = _escaped(escape)
        if character is not None:
            return _literal(escape, character)
        is_word = kind == "p" and escape[2:] in ("L", "{L}", "N", "{N}", "Nd", "{Nd}", "{Lu}", "{Ll}")
        return _Piece(escape, is_word, is_word, steps=_STEPS["w"] if kind in "pP" else 1)

    def _quoted(self) -> _Piece:
        end = self.text.find("\\E", self.at)
        inside = self.text[self.at + 2 : end if end >= 0 else len(self.text)]
        source = f"\\Q{inside}\\E"
        self.at = end + 2 if end >= 0 else len(self.text)
        if len(inside) > 1 and _REPEAT.match(self.text, self.at):
            # RE2 repeats the last character only; so it stays, and its edges are not claimed
            return _Piece(source, steps=len(inside))
        literals = in_a_row(map(letter, inside))
        return _Piece(source, inside[:1].isalnum(), inside[-1:].isalnum(), not inside, len(inside), literals)

    def _bracket(self) -> _Piece:
        parts = ["["]
        self.at += 1
        if negated := self.text.startswith("^", self.at):
            parts.append("^")
            self.at += 1
        words_only = not negated
        required: list[Required] = []
        first = True
        while first or self.text[self.at] != "]":
            member, is_word, characters = self._member()
            parts.append(member)
            words_only = words_only and is_word
            required.append(any_of(map(letter, characters)) if characters else ANYTHING)
            first = False
        self.at += 1
        source = "".join(parts) + "]"
        found = ANYTHING if negated else any_of(required)
        return _Piece(source, words_only, words_only, False, _bracket_steps(source), found)

    def _member(self) -> tuple[str, bool, str]:
        """One character, escape or range of a class, whether all of it is letters and digits, and all of it if few."""
        if found := _POSIX.match(self.text, self.at):
            self.at = found.end()
            is_word = found[0] in ("[:alpha:]", "[:alnum:]", "[:digit:]", "[:lower:]", "[:upper:]", "[:word:]")
            return found[0], is_word, ""
        start = self.at
        found = _ESCAPE.match(self.text, self.at)
        if found and found[0][1] in _CLASSES:
            self.at = found.end()
            return _CLASSES[found[0][1]][1], found[0][1] in "wd", " " if found[0][1] == "s" else ""
        self.at = found.end() if found else self.at + 1
        low = self.text[start : self.at]
        character = _escaped(low) if found else low
        if not (self.text.startswith("-", self.at) and self.text[self.at + 1 : self.at + 2] not in ("]", "")):
            return low, low.isalnum(), character or ""
        self.at += 1
        found = _ESCAPE.match(self.text, self.at)
        high_at, self.at = self.at, found.end() if found else self.at + 1
        high = self.text[high_at : self.at]
        same_kind = any(low in letters and high in letters for letters in _RUNS) if low and high else False
        return f"{low}-{high}", same_kind, _between(character, _escaped(high) if found else high)


def _bracket_steps(source: str) -> int:
    """Few for some letters of ASCII; what else is in a class, or left out of it, can come to many and is counted."""
    if "\\p" in source.lower():
        return _STEPS["w"]
    return 10 if source.isascii() and "^" not in source and "\\x" not in source else compile_pattern(source).size


def _literal(source: str, character: str) -> _Piece:
    is_word = character.isalnum()
    steps = 1 if character.isascii() else 8
    return _Piece(source, is_word, is_word, steps=steps, required=letter(character))


def _escaped(escape: str) -> str | None:
    """The one character that an escape stands for; None for those that stand for something else."""
    kind = escape[1:2]
    if kind == "x":
        return chr(int(escape[2:].strip("{}"), 16))
    if kind in _CONTROLS:
        return _CONTROLS[kind]
    return kind if kind.isascii() and not kind.isalnum() else None


def _between(low: str | None, high: str | None) -> str:
    """All characters from one to the other; "" where they are many, or not known."""
    if low is None or high is None or ord(high) - ord(low) > _FEW:
        return ""
    return "".join(map(chr, range(ord(low), ord(high) + 1)))


def _times(repetition: str) -> tuple[int, int | None]:
    """The least and most times; None: without end."""
    if repetition[0] != "{":
        return int(repetition[0] == "+"), 1 if repetition[0] == "?" else None
    least, comma, most = repetition[1 : repetition.index("}")].partition(",")
    return int(least), int(most) if most else None if comma else int(least)


def _up_to_solid(pieces: list[_Piece]) -> Iterator[_Piece]:
    """The pieces that can stand at the edge: those before the first that is never empty, and it."""
    for piece in pieces:
        yield piece
        if not piece.may_be_empty:
            return


_RUNS = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
