"""The nearest right name to a wrong one, and wrong text shown so that it can be seen."""

import difflib
import unicodedata
from collections.abc import Iterable

MAX_SHOWN = 60


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` was probably meant to be, or None."""
    by_folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(word[:200].casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """`; did you mean 'finance'?`, or nothing: the end of a sentence."""
    found = nearest(word, choices)
    return f"; did you mean {quoted(found)}?" if found is not None else ""


def quoted(text: str) -> str:
    """`text` in quotes on one line: invisible and control characters as `<U+200F>`, the rest of a long one left out."""
    return f"'{visible(text)}'"


def visible(text: str) -> str:
    """As `quoted`, without the quotes."""
    shown = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"
    return "".join(_visible(character) for character in shown)


def invisible(text: str) -> str | None:
    """The first character of `text` that cannot be seen (control, format, line separator), as `<U+200F>`; or None."""
    return next((_visible(character) for character in text if _is_invisible(character)), None)


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _visible(character: str) -> str:
    return f"<U+{ord(character):04X}>" if _is_invisible(character) else character
