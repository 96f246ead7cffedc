"""The only door to RE2: compiled patterns over UTF-8, and globs. Linear time on any input."""

from dataclasses import dataclass, field

import re2

MAX_PROGRAM = 20_000  # RE2 instructions; \w is some 1,450 of them
_MEMORY_BYTES = 32 << 20


class PatternError(ValueError):
    """RE2 does not take it; the message is RE2's own."""


@dataclass(frozen=True, slots=True)
class Pattern:
    source: str  # as RE2 reads it
    _compiled: re2._Regexp = field(repr=False, compare=False)

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


def compile_pattern(source: str, *, case_sensitive: bool = False, most_bytes: int = _MEMORY_BYTES) -> Pattern:
    """`most_bytes`: for the program and for what it remembers while it runs. Raises PatternError."""
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = case_sensitive
    options.never_capture = True
    options.max_mem = most_bytes
    try:
        return Pattern(source, re2.compile(source.encode("utf-8", "replace"), options))
    except re2.error as error:
        detail = error.args[0] if error.args else b"not a pattern"
        text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
        raise PatternError(text) from None


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
