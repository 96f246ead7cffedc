"""What the sender newly wrote: quoted replies and signatures cut, by one scan of lines. Linear, never raises.

Where in doubt a line stays: a word too many in the text costs less than a complaint that no rule saw.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import product
from unicodedata import category

from routerd.message.attribution import MAX_WRAPPED, lines_of_attribution
from routerd.message.quote_marks import (
    HEADER_KEYS,
    INTRODUCES_FORWARDED,
    MAX_MARK,
    MOBILE_SIGNATURE,
    STARTS,
    TITLE_OF_FORWARDED,
    TITLE_OF_ORIGINAL,
)

# No letter needs more of any of these, and a flood must not cost more. Behind them only what has a `>` is cut.
MAX_LINES = 10_000
MAX_GLANCES = 2_000  # at lines that begin or end like a mark
MAX_CLOSE_LOOKS = 100  # at such a line together with its neighbours

_RULES = "-_=–—─"
_COLONS = ":："
_BOLD = "*"
_LIKE_A_MARK = STARTS.union(
    map("".join, product(_RULES + _BOLD, _RULES)), (_BOLD + start[0] for start in STARTS), (_BOLD + _BOLD,)
)
_ENDS_LIKE_A_MARK = frozenset(_RULES + _COLONS)
# In every case in which people write them: to ask for a line's first two letters as they are takes half the time.
_STARTS_LIKE_A_MARK = frozenset(
    first + second
    for start in _LIKE_A_MARK
    for first, second in product(*({letter, letter.upper()} for letter in start))
)
_MAX_KEY = 25  # characters of a header's key
_MIN_MOBILE, _MAX_MOBILE = 10, 120
_MAX_BLOCK = 10  # lines in which the keys of a header block stand
_MAX_SIGNATURE = 12  # lines behind a `--` that lacks its space, for it to be a signature
_MAX_SIGNATURE_LINE = 100
_FULL_LINE = 50  # characters: a line that long and without an end goes on in the next
_COMMANDS = "#\N{FULLWIDTH NUMBER SIGN}"
CUT = "[…]"
_QUOTED_LINE = re.compile(r"^>.*\n?", re.MULTILINE)
_EDGES = " \t\r\f\v\xa0\u202f\u200b\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069\ufeff"


class _Mark(Enum):
    """What a line is found to be."""

    OWN = auto()
    DROPPED = auto()  # it alone
    SIGNATURE = auto()  # and what follows, up to a quote
    REST = auto()  # and all that follows
    FORWARD = auto()  # all from here on belongs to what the sender says


def cut_quotes(text: str) -> str:
    """`text` (LF line ends) without quotes, attributions and signature; the whole where nothing else is in it.

    Where what follows is a forwarded message, all of it stays.
    """
    new = Scan(text).new_text()
    return new if any(map(str.isalnum, new)) else text.strip()


@dataclass(frozen=True, slots=True)
class OwnWords:
    text: str  # what the sender himself wrote above all else; "" for nothing
    passes_on: bool  # a forwarded message follows


def own_words(text: str) -> OwnWords:
    """For what must not be done because somebody else has said so: what is passed on is left out, too."""
    scan = Scan(text)
    own = scan.new_text(with_forwarded=False)
    first = next((character for character in own if category(character) != "Cf"), " ")
    return OwnWords(scan.told_apart() if first in _COMMANDS else own, scan.passes_on)


class Scan:
    """One pass over the lines of a text. `glances` and `close_looks` count what it costs beyond that."""

    def __init__(self, text: str) -> None:
        self._raw = text.split("\n", MAX_LINES)
        self._behind = self._raw.pop() if len(self._raw) > MAX_LINES else ""
        self._lines = [line.strip(_EDGES) for line in self._raw]
        self._has_quotes = ">" in text
        self._kept: list[str] = []
        self._above = 0  # lines of it that stand above the first quote, where those say something
        self._looked_at = 0
        self._dropped_to = 0  # behind the last line that was not kept
        self.passes_on = False  # a forwarded message was found
        self.glances = 0
        self.close_looks = 0

    def new_text(self, *, with_forwarded: bool = True) -> str:
        """What is left. May be called once."""
        in_signature = False
        taken = 0  # lines
        for at in self._noted():
            if in_signature:
                self._dropped_to = at
            else:
                self._kept += self._lines[taken:at]
            taken = at + 1
            line = self._lines[at]
            mark = _Mark.OWN
            if line[0] == ">" and line != ">:":  # which may end an attribution that is wrapped
                mark = _Mark.DROPPED
                in_signature = False
                self._above = self._above or (len(self._kept) if any(self._kept[self._looked_at :]) else 0)
                self._looked_at = len(self._kept)
            elif self.glances < MAX_GLANCES and len(line) <= MAX_MARK:
                self.glances += 1
                mark = self._mark(at, line)
            if mark is _Mark.REST:
                self._drop_separators()
                break
            if mark is _Mark.FORWARD:
                self.passes_on = True
                self._kept.extend((*self._lines[at:], self._behind) if with_forwarded else ())
                break
            in_signature = in_signature or mark is _Mark.SIGNATURE
            if in_signature or mark is _Mark.DROPPED:
                self._dropped_to = taken
            else:
                self._kept.append(line)
        else:
            if not in_signature:
                self._kept += self._lines[taken:]
            self._kept.append(_QUOTED_LINE.sub("", self._behind))
        return "\n".join(self._kept).strip()

    def _noted(self) -> list[int]:
        """The lines that begin or end like a mark or a quote. All others are asked nothing else, here and in one go:
        that is a third of what a turn of `new_text` costs for each."""
        lines, starts, ends = enumerate(self._lines), _STARTS_LIKE_A_MARK, _ENDS_LIKE_A_MARK
        if self._has_quotes:
            return [at for at, line in lines if line[:1] == ">" or line[-1:] in ends or line[:2] in starts]
        return [at for at, line in lines if line[-1:] in ends or line[:2] in starts]

    def told_apart(self) -> str:
        """The new text; where some of it stands below a quote, whose lines clients break, that is told apart from what
        stands above: no line of it is on top any more."""
        above, below = ("\n".join(some).strip() for some in (self._kept[: self._above], self._kept[self._above :]))
        return f"{above}\n{CUT}\n{below}" if above and below else above or below

    def _mark(self, at: int, line: str) -> _Mark:
        """Of a line that could be more than the sender's own, which most that come here are nevertheless."""
        bare = line.strip(_BOLD)
        if not bare[:2].strip(_RULES) or not bare[-2:].strip(_RULES):
            return self._mark_of_rule(at, bare)
        key = _header_key(line)
        if key is not None and self._opens_header_block(at, key):
            return _Mark.REST
        if line[-1] in _COLONS:
            return self._mark_of_introduction(at, line)
        return _Mark.DROPPED if self._is_mobile_signature(at, line) else _Mark.OWN

    def _mark_of_rule(self, at: int, line: str) -> _Mark:
        """Of a line that begins or ends with dashes and kin."""
        if line == "--":
            return _Mark.SIGNATURE if self._is_signature(at) else _Mark.OWN
        title = line.strip(_RULES + _EDGES)
        if TITLE_OF_FORWARDED.match(title):
            return _Mark.FORWARD
        if line[:2].strip(_RULES) or line[-2:].strip(_RULES):
            return _Mark.OWN
        return _Mark.REST if TITLE_OF_ORIGINAL.match(title) else self._mark_of_attribution(at, [title])

    def _is_signature(self, at: int) -> bool:
        """Below `-- ` (RFC 3676 4.3), or below `--` a few short lines up to the end or a quote."""
        if self._raw[at].rstrip("\r").endswith("-- "):
            return True
        if not self._may_look():
            return False
        count = 0
        for line in self._lines[at + 1 : at + 2 + 2 * _MAX_SIGNATURE]:
            if line[:1] == ">":
                break
            if line:
                count += 1
                if count > _MAX_SIGNATURE or len(line) > _MAX_SIGNATURE_LINE:
                    return False
        return True

    def _opens_header_block(self, at: int, key: str) -> bool:
        """Here begins Outlook's way to quote: author, subject, and date or addressee, each on its line."""
        if key == "to" or (key != "from" and at > 0 and self._lines[at - 1].strip(_RULES)):
            return False  # right below other text only the author begins it
        if not self._may_look():
            return False
        keys = {_header_key(line) for line in self._lines[at : at + _MAX_BLOCK]}
        return {"from", "subject"} <= keys and not keys.isdisjoint(("date", "to"))

    def _mark_of_introduction(self, at: int, line: str) -> _Mark:
        """Of a line that ends with a colon: dropped with what it continues where it says who wrote the quote."""
        if INTRODUCES_FORWARDED.match(line):
            return _Mark.FORWARD
        first = at
        while first > max(self._dropped_to, at - MAX_WRAPPED) and self._lines[first - 1]:
            first -= 1
        paragraph = self._lines[first : at + 1]
        return self._mark_of_attribution(at, paragraph)

    def _mark_of_attribution(self, at: int, paragraph: Sequence[str]) -> _Mark:
        """Of a line with those above it in its paragraph."""
        behind = next((line for line in self._lines[at + 1 : at + 4] if line), "")
        is_marked = behind[:1] == ">"
        if not (is_marked or any("@" in line for line in paragraph)) or not self._may_look():
            return _Mark.OWN
        count = lines_of_attribution(paragraph, marked=is_marked)
        if not count:
            return _Mark.OWN
        del self._kept[len(self._kept) - (count - 1) :]
        return _Mark.DROPPED if is_marked else _Mark.REST

    def _is_mobile_signature(self, at: int, line: str) -> bool:
        if not _MIN_MOBILE <= len(line) <= _MAX_MOBILE or not MOBILE_SIGNATURE.match(line):
            return False
        above = self._lines[at - 1] if at > self._dropped_to else ""
        return len(above) < _FULL_LINE or not (above[-1].isalnum() or above[-1] == ",")

    def _may_look(self) -> bool:
        if self.close_looks == MAX_CLOSE_LOOKS:
            return False
        self.close_looks += 1
        return True

    def _drop_separators(self) -> None:
        """Takes back the rules, and titles between rules, that stand right above what is cut."""
        while self._kept and (not self._kept[-1] or _is_separator(self._kept[-1])):
            self._kept.pop()


def _is_separator(line: str) -> bool:
    return not line[:2].strip(_RULES) and not line[-2:].strip(_RULES) and len(line) <= MAX_MARK


def _header_key(line: str) -> str | None:
    key, colon, _ = line[: _MAX_KEY + 5].partition(":")
    return HEADER_KEYS.get(key.strip(_BOLD + _EDGES).lower()) if colon else None
