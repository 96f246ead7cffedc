"""What holds of all that is said of a file: it has a place there, and is one line that can be shown."""

import unicodedata
from collections.abc import Mapping, Sequence

from routerd.config.yaml_source import LINE_END, Problem
from routerd.rules.finding import Finding

_LONGEST = 3_000  # characters, beyond the line itself: a list of all that there is may stand in one


def lines_of(data: bytes, *, of_yaml: bool) -> Sequence[str]:
    """As YAML counts them, or as lists are read."""
    text = data.decode(errors="replace").removeprefix("\ufeff")
    return LINE_END.split(text) if of_yaml else text.splitlines()


def check_said(problem: Problem | Finding, lines_by_file: Mapping[str, Sequence[str]]) -> None:
    """Raises AssertionError."""
    said, (file, line, column) = problem.message, problem.mark
    if file not in lines_by_file:
        raise AssertionError(f"{problem} is in no file")
    lines = lines_by_file[file]
    if not (line == 0 or (0 < line <= len(lines) and 0 < column <= len(lines[line - 1]) + 1)):
        where = f"{len(lines)} lines" + (f", {len(lines[line - 1])} columns" if 0 < line <= len(lines) else "")
        raise AssertionError(f"{problem} has its place outside of the file ({where})")
    if not said.strip() or len(said) > _LONGEST + max(map(len, lines)) or any(map(_is_invisible, said)):
        raise AssertionError(f"{problem.mark}: {said[:500]!r} cannot be shown ({len(said)} characters)")


def _is_invisible(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")
