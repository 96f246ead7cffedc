"""Folding letter by letter: what is sure to stand in the folded text where a regex has found certain letters.

Folding a text is more than folding its letters one after the other: a mark may join the letter before it, and the
letter with its mark folds to something else. Among the letters of `_SETTLED` that can happen only in a text that has
one of `_JOINING`; such a text is folded letter by letter as well. Letters that fold to ASCII (all Latin ones with
marks) lose their marks anyway, so they fold alike in any company.
"""

import re
from functools import cache

from routerd.message.fold import fold
from routerd.rules.matching.patterns import Pattern

# Whatever RE2 takes for one of these without regard to case folds to the same. A test asks about every character.
_SETTLED = re.compile(
    "[0-9A-Za-z!-/:;@\\[-`{|}~"  # less < = > that marks may join, and ? that stands for a broken character
    "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"  # Latin
    "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03ff"
    "\u1f00-\u1fbc\u0400-\u0481\u048a-\u052f\u0531-\u0556\u0561-\u0587\u10d0-\u10fa"  # Greek, Cyrillic, …
    "\u05d0-\u05ea\u0621-\u0652\u0660-\u0669\u066e\u066f\u0671-\u06d3\u06f0-\u06f9"  # Hebrew, Arabic
    "\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]"  # kana, ideographs, Hangul
)
# All marks, and those letters of Hangul and kana that join; also what is not seen, or is shortened before it is folded.
_JOINING = Pattern(
    r"[\pM\p{Cf}\x{11a8}-\x{11c2}\x{3131}-\x{313f}\x{fdfa}\x{fdfb}\x{ff9e}-\x{ffbf}]", case_sensitive=True
)
# What else RE2 takes for a settled letter, and folds to other than itself.
_ALIKE = "\u00b5\u0250-\u02af\u0345\u1c80-\u1cbf\u1fbe-\u1fff\u2126\u212a\u212b\u2c60-\u2c7f"
_UNCHANGED = re.compile("[\u3041-\u30fa\u3400-\ud7a3]")
_IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]")
_SHORTEST = 3


def folded_letter(letter: str) -> str | None:
    """What stands in a folded text where a regex found `letter`: a space for white space, None where none can say."""
    if letter.isspace():
        return " "
    return fold(letter) if _SETTLED.match(letter) else None


def is_plain(text: str) -> bool:
    """Whether all letters of `text`, in any form of it, fold one by one. What regexes see of it is then its NFC."""
    return text.isascii() or not _JOINING.found(text.encode("utf-8", "replace"))


def fold_by_letter(visible: str) -> str:
    """`visible` with every letter that `folded_letter` knows folded by itself; white space single."""
    return " ".join(visible.translate(_by_letter()).split())


def weight(literal: str) -> float:
    """How much a text is told apart by `literal`, in letters; an ideograph says more, a digit or a point less."""
    letters = sum(map(str.isalpha, literal))
    return letters + 2 * len(_IDEOGRAPH.findall(literal)) + (len(literal) - letters) / 2


def is_telling(literal: str) -> bool:
    """Whether it is worth while to look for it."""
    return weight(literal) >= _SHORTEST


@cache
def _by_letter() -> dict[int, str]:
    alike = re.compile(f"[{_ALIKE}]")
    letters = [chr(code) for code in range(0x3000) if _SETTLED.match(chr(code)) or alike.match(chr(code))]
    return {ord(letter): folded for letter in letters if (folded := fold(letter)) != letter}
