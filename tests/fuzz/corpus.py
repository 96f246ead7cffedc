"""Inputs that are worth keeping: those that once failed, and those that reach what chance does not."""

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "corpus"


@cache
def corpus_of(target: str) -> tuple[bytes, ...]:
    """Of `corpus/TARGET.txt`: an input a line, with Python's escapes; `#` begins a comment."""
    file = _FOLDER / f"{target}.txt"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return tuple(_unescaped(line) for line in lines if line and not line.startswith("#"))


def _unescaped(line: str) -> bytes:
    return line.encode("utf-8").decode("unicode_escape").encode("latin-1")
