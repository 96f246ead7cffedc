"""Lines for a terminal of a given width: folded between words with an indent, or cut at the end."""

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterator

NARROWEST = 40  # columns: below that a terminal may fold lines itself
BOLD, BOLD_END = "\x01", "\x02"  # mark what is bold; text that is fit to print has neither
_CUT = "…"
_SGR_BOLD, _SGR_END = "\x1b[1m", "\x1b[0m"  # ECMA-48 8.3.117


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None where it is none, so that lines stay whole for `grep`.

    Behind a pipe the environment may say $COLUMNS, as watch(1) does, which shows what it reads.
    """
    if sys.stdout.isatty():
        return max(shutil.get_terminal_size().columns, NARROWEST)
    said = os.environ.get("COLUMNS", "")
    return max(int(said), NARROWEST) if said.isascii() and said.isdecimal() and 0 < len(said) < 5 else None


def folded(text: str, width: int | None, lead: str = "", indent: str = "") -> Iterator[str]:
    """`lead` and `text`, safe to print, on as many lines as they need; those behind the first begin with `indent`.

    What stands between BOLD and BOLD_END is bold, on each of its lines.
    """
    is_bold = False
    for line in _lines(text, width, lead, indent):
        opened = line if not is_bold else line.replace(indent, indent + BOLD, 1) if indent else BOLD + line
        is_bold = opened.rfind(BOLD) > opened.rfind(BOLD_END)
        closed = opened + BOLD_END if is_bold else opened
        yield closed.replace(BOLD, _SGR_BOLD).replace(BOLD_END, _SGR_END)


def _lines(text: str, width: int | None, lead: str, indent: str) -> Iterator[str]:
    if width is None or columns_of(lead) + columns_of(text) <= width:
        yield lead + text
        return
    line, is_empty = lead, True
    for word in text.split(" "):
        if not is_empty and columns_of(line) + 1 + columns_of(word) > width:
            yield line
            line, is_empty = indent, True
        line, is_empty = (line + word if is_empty else f"{line} {word}"), False
        while columns_of(line) > width:  # a word wider than a line
            head = _head(line, width)
            yield head
            line = indent + line[len(head) :]
    yield line


def _head(line: str, width: int) -> str:
    """As much of the line as fits."""
    used = 0
    for number, character in enumerate(line):
        used += _columns(character)
        if used > width:
            return line[:number]
    return line


def cut(text: str, most: int | None) -> str:
    """`text` in at most so many columns; what is left out shows as `…`."""
    if most is None or columns_of(text) <= most:
        return text
    return _head(text, max(most - 1, 0)) + _CUT


def columns_of(text: str) -> int:
    """How many columns a terminal gives it: wide letters take two, marks above others none."""
    if text.isascii():
        return len(text) - text.count(BOLD) - text.count(BOLD_END)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if character in (BOLD, BOLD_END) or unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
