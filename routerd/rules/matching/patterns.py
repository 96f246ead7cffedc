"""The only door to RE2: compiled patterns over UTF-8, and globs. Linear time on any input."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import re2

MAX_PROGRAM = 20_000  # RE2 instructions; \w is some 1,450 of them
_MEMORY_BYTES = 8 << 20  # of one pattern: 2 MB for the largest program, the rest for what it remembers while it runs
_SET_BYTES = 16 << 20
_SET_PATTERNS = 250  # of more the states are so many that they are forgotten again and again
_KEPT_STEPS = 1_500_000  # instructions of compiled patterns that are kept; each takes some 40 bytes


class PatternError(ValueError):
    """RE2 does not take it; the message is RE2's own."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that RE2 takes. It is compiled when it is first asked, and again where many others were asked since."""

    source: str  # as RE2 reads it
    case_sensitive: bool = False

    def found(self, text: bytes) -> bool:
        return self._compiled.search(text) is not None

    def fits(self, text: str) -> bool:
        """Whether it fits the whole text."""
        return self._compiled.fullmatch(text.encode("utf-8", "replace")) is not None

    def hit(self, text: bytes) -> str | None:
        """What it finds first."""
        match = self._compiled.search(text)
        return match.group().decode("utf-8", "replace") if match else None

    @property
    def size(self) -> int:
        return self._compiled.programsize

    @property
    def _compiled(self) -> re2._Regexp:
        return _KEPT.get(self.source, self.case_sensitive)


def compile_pattern(source: str, *, case_sensitive: bool = False) -> Pattern:
    """Raises PatternError where RE2 does not take it."""
    pattern = Pattern(source, case_sensitive)
    _compile(source, case_sensitive, _MEMORY_BYTES)
    return pattern


def fits_nothing(source: str) -> bool:
    """Whether a pattern, such as `x*`, is found in the empty text. Raises PatternError where RE2 does not take it."""
    return _compile(source, False, _MEMORY_BYTES).search(b"") is not None


class PatternSet:
    """Many patterns that are asked of a text at once, without regard to case."""

    __slots__ = ("_halves", "_set", "_size")

    def __init__(self, sources: Sequence[str]) -> None:
        self._size = len(sources)
        self._set = _compiled_set(sources) if len(sources) <= _SET_PATTERNS else None
        middle = len(sources) // 2
        self._halves: tuple[PatternSet, ...] = ()
        if self._set is None and middle:
            self._halves = (PatternSet(sources[:middle]), PatternSet(sources[middle:]))

    def may_fit(self, text: bytes) -> Sequence[int]:
        """The numbers of those that are found in `text`; of all that cannot be told about, too."""
        if self._halves:
            first, second = self._halves
            return [*first.may_fit(text), *(number + first._size for number in second.may_fit(text))]
        found = self._set.Match(text) if self._set is not None else None
        # RE2 says nothing at all where its memory does not suffice; but the last pattern fits every text.
        if not found or self._size not in found:
            return range(self._size)
        return [number for number in found if number != self._size]


def _compiled_set(sources: Sequence[str]) -> re2.Set | None:
    patterns = re2.Set.SearchSet(_options(case_sensitive=False, most_bytes=_SET_BYTES))
    try:
        for source in (*sources, r"\z"):
            patterns.Add(_encoded(source))
        patterns.Compile()
    except re2.error:
        return None
    return patterns


class _Kept:
    """The compiled patterns that were asked last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._patterns: OrderedDict[tuple[str, bool], re2._Regexp] = OrderedDict()
        self._steps = 0

    def get(self, source: str, case_sensitive: bool) -> re2._Regexp:
        key = (source, case_sensitive)
        with self._lock:
            kept = self._patterns.get(key)
            if kept is not None:
                self._patterns.move_to_end(key)
                return kept
        compiled = _compile(source, case_sensitive, _MEMORY_BYTES)
        with self._lock:
            if key not in self._patterns:
                self._patterns[key] = compiled
                self._steps += compiled.programsize
            while self._steps > _KEPT_STEPS:
                self._steps -= self._patterns.popitem(last=False)[1].programsize
        return compiled


_KEPT = _Kept()


def _compile(source: str, case_sensitive: bool, most_bytes: int) -> re2._Regexp:
    try:
        return re2.compile(_encoded(source), _options(case_sensitive, most_bytes))
    except re2.error as error:
        detail = error.args[0] if error.args else b"not a pattern"
        text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
        raise PatternError(text) from None


def _encoded(source: str) -> bytes:
    """Half of a surrogate pair stays one, and fits nothing; a `?` in its place would be an operator."""
    return source.encode("utf-8", "surrogatepass")


def _options(case_sensitive: bool, most_bytes: int) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = case_sensitive
    options.never_capture = True
    options.max_mem = most_bytes
    return options


def compile_glob(glob: str, *, not_across: str = "") -> Pattern:
    """`*` is any run of characters, `?` any one, less those of `not_across`. Case counts; fold both sides first."""
    any_one = rf"[^{_escape(not_across)}]" if not_across else r"(?s:.)"
    parts: list[str] = []
    for letter in glob:
        if letter == "*":
            if not parts or parts[-1] != f"{any_one}*":
                parts.append(f"{any_one}*")
        elif letter == "?":
            parts.append(any_one)
        else:
            parts.append(_escape(letter))
    return compile_pattern("".join(parts), case_sensitive=True)


def is_glob(text: str) -> bool:
    return "*" in text or "?" in text


def _escape(text: str) -> str:
    return "".join(letter if letter.isalnum() or ord(letter) > 127 else f"\\x{{{ord(letter):x}}}" for letter in text)
