"""The nearest right name to a wrong one, and wrong text shown so that it can be seen."""

import difflib
import unicodedata
from collections.abc import Iterable, Mapping

MAX_SHOWN = 60
_CUTOFF = 0.6  # difflib's ratio: what is less alike is no misspelling
_SHORT, _SHORT_CUTOFF = 5, 0.55  # letters: in so few, one more counts for much
_ADDRESS_CUTOFF = 0.8  # any two addresses share much


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` was probably meant to be, or None.

    A domain that two addresses share does not make them alike: there only what stands before the @ counts.
    """
    folded = word[:200].casefold()
    by_folded = {choice.casefold(): choice for choice in choices}
    _, at, domain = folded.rpartition("@")
    if not at:
        return _closest(folded, by_folded, _CUTOFF if len(folded) > _SHORT else _SHORT_CUTOFF)
    neighbours = {one.rpartition("@")[0]: choice for one, choice in by_folded.items() if one.endswith(at + domain)}
    others = {one: choice for one, choice in by_folded.items() if not one.endswith(at + domain)}
    return _closest(folded.rpartition("@")[0], neighbours, _CUTOFF) or _closest(folded, others, _ADDRESS_CUTOFF)


def _closest(word: str, choices: Mapping[str, str], cutoff: float) -> str | None:
    found = difflib.get_close_matches(word, choices, n=1, cutoff=cutoff)
    return choices[found[0]] if found else None


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
    if text.isprintable():
        return None
    return next((_visible(character) for character in text if _is_invisible(character)), None)


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _visible(character: str) -> str:
    return f"<U+{ord(character):04X}>" if _is_invisible(character) else character
