"""What folds letter by letter, asked of every character that there is."""

import sys
import unicodedata
from collections.abc import Iterable

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.fold import fold, nfc_visible
from routerd.rules.matching.letter_folds import fold_by_letter, folded_letter, is_plain, is_telling

EVERY = [one for one in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(one) not in ("Cs", "Cn", "Co")]
KNOWN = [character for character in EVERY if folded_letter(character) is not None]
IN_ANY_CASE = re2.Options()
IN_ANY_CASE.case_sensitive = False


def members(characters: Iterable[str]) -> str:
    return "".join(f"\\x{{{ord(character):x}}}" for character in characters)


def test_whatever_a_regex_takes_for_a_letter_folds_like_it() -> None:
    """For every known character: all that RE2 finds for it, without regard to case, folds to the same."""
    cased = [one for one in EVERY if len({one, one.lower(), one.upper(), one.title(), one.casefold()}) > 1]
    text = "".join(cased)
    for character in set(KNOWN) & set(cased):
        for found in re2.findall(members([character]), text, IN_ANY_CASE):
            assert fold(found) == fold_by_letter(found) == folded_letter(character)
    caseless = sorted(set(KNOWN) - set(cased))
    for start in range(0, len(caseless), 10_000):
        chunk = caseless[start : start + 10_000]
        assert set(re2.findall(f"[{members(chunk)}]", "".join(EVERY), IN_ANY_CASE)) == set(chunk)


def joining() -> set[str]:
    """Every character that can be the second of two that are composed to one, the first of them known."""
    known = set(KNOWN)
    seconds = {chr(code) for code in range(0x11A8, 0x11C3)}
    for character in EVERY:
        parts = unicodedata.decomposition(character).split()
        if len(parts) != 2 or parts[0].startswith("<") or not unicodedata.is_normalized("NFC", character):
            continue
        if chr(int(parts[0], 16)) in known:
            seconds.add(chr(int(parts[1], 16)))
    return seconds


def test_no_text_with_what_may_join_is_plain() -> None:
    """Whatever begins, in any of its forms, with a mark that can join a known letter is seen."""
    seconds = joining()
    assert "\u0301" in seconds
    for character in EVERY:
        forms = {unicodedata.normalize("NFKD", form) for form in (character, character.casefold(), fold(character))}
        if any(first in seconds for form in forms for first in form[:1]):
            assert not is_plain(character)
        if nfc_visible(character) != unicodedata.normalize("NFC", character):
            assert not is_plain(character)


ODD = "aß\u0130ŉǰиيカ하가한ا\u0640\u064b\u0653\u0654\u0301\u0306\u0345\u3099ﾞㄳ\u11a8\ufb01①ﷺﻻ\u200d\u00ad \u0338"
COMPANY = st.text(ODD, max_size=3)
LETTERS = st.text(st.sampled_from(KNOWN) | st.sampled_from("aizαιинкגカ하가شكوى"), min_size=1, max_size=5)


@given(COMPANY, LETTERS, COMPANY)
def test_letters_fold_one_by_one_in_any_company(before: str, letters: str, behind: str) -> None:
    """What a regex sees of a text, letter by letter, stands in its folded text, or in that folded by letter."""
    text = before + letters + behind
    if letters not in nfc_visible(text):
        return
    folded = " ".join("".join(folded_letter(letter) or "" for letter in letters).split())
    if folded.isascii() or is_plain(text):
        assert folded in fold(text)
    if not is_plain(text):
        assert folded in fold_by_letter(nfc_visible(text))


@pytest.mark.parametrize(
    ("literal", "telling"),
    [("abc", True), ("ab", False), ("退", True), ("شكو", True), ("12345", False), ("/2026/", True), ("a-12", False)],
)
def test_what_is_worth_looking_for(literal: str, telling: bool) -> None:
    """Three letters, one ideograph, six digits."""
    assert is_telling(literal) is telling
