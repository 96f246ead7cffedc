"""Folding, as the rule language has it."""

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerd.message.fold import display, fold, fold_exact, nfc_visible, steady_run, word_spans, words

SAME = [
    pytest.param("SKARGĘ", "skarge", id="polish marks"),
    pytest.param("Łódź", "lodz", id="stroke"),
    pytest.param("Straße", "STRASSE", id="sharp s"),
    pytest.param("İstanbul", "istanbul", id="dotted capital i"),
    pytest.param("ISPARTA ısparta", "isparta isparta", id="dotless i"),
    pytest.param("Ærø Œuvre đặng", "aero oeuvre dang", id="ligatures and two marks"),
    pytest.param("e\u0301te\u0301", "été", id="NFD"),
    pytest.param("ｆｕｌｌ　ｗｉｄｔｈ", "full width", id="full width"),
    pytest.param("ﬁnd", "find", id="ligature"),
    pytest.param("fak\u00adtu\u200bra\u200d", "faktura", id="soft hyphen, zero width, joiner"),
    pytest.param("a \t\r\n\u00a0\u3000b", "a b", id="white space"),
    pytest.param("١٢٣ ۴۵ १२", "123 45 12", id="digits of any script"),
    pytest.param("it’s ‘so’", "it's 'so'", id="single quotes"),
    pytest.param("“a” „b” «c»", '"a" "b" "c"', id="double quotes"),
    pytest.param("a–b—c−d‐e", "a-b-c-d-e", id="dashes"),
    pytest.param("شَكْوَى", "شكوي", id="harakat and alif maqsura"),
    pytest.param("شكـــوى", "شكوى", id="tatweel"),
    pytest.param("أحمد إلى آخر ٱلله", "احمد الى اخر الله", id="alifs"),
    pytest.param("فاتورة", "فاتوره", id="ta marbuta"),
    pytest.param("کتابی", "كتابي", id="Farsi kaf and yeh"),
    pytest.param("ﻓﺎﺗﻮﺭﺓ", "فاتورة", id="presentation forms"),
    pytest.param("ΜΆΙΟΣ", "μάιος", id="final sigma"),
]
DIFFERENT = [("й", "и"), ("ά", "α"), ("ё", "е"), ("か", "が"), ("कि", "क"), ("ؤ", "و"), ("ئ", "ي"), ("l", "i")]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_word_fold_alike(one: str, other: str) -> None:
    """Spellings that people take for one word are one."""
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_marks_of_other_scripts_stay(one: str, other: str) -> None:
    """Outside Latin and Arabic a mark makes another letter."""
    assert fold(one) != fold(other)


def test_every_character_folds_once() -> None:
    """No single code point changes when it is folded again."""
    text = [chr(code) for code in range(0x30000)]
    assert [c for c in text if fold(fold(c)) != fold(c)] == []


_TRICKY = st.text(
    st.sampled_from("aąłıİßﬃ1١ ’–«وىاأـ\u0301\u0327\u0338\u064b\u0653\u0654\u0345\u200d\u00adαи가가´\ud800\U0001f600")
    | st.characters()
)


_MOSTLY_COMMON = st.text(
    st.sampled_from("aAzŁłĄß…„”–\xa0\xad\u200f\n\r\t\x1c  0٣أآةىـ\u064e\u0651وٰйé\u0301Ⅷ"), max_size=20
)


@given(_MOSTLY_COMMON)
def test_common_letters_fold_as_among_others(text: str) -> None:
    """What most mail is written with is folded byte by byte; a letter that is not common makes no difference to it."""
    assert fold(text + "|ж") == fold(text) + "|ж"


def test_every_character_folds_as_among_others() -> None:
    """The same of each character by itself."""
    for character in map(chr, range(0x3000)):
        assert fold(f"a{character}|ж") == fold(f"a{character}|") + "ж", hex(ord(character))


@given(_TRICKY)
def test_folding_is_idempotent(text: str) -> None:
    """What was folded is its own folded form, for all three forms."""
    for form in (fold, fold_exact, nfc_visible):
        assert form(form(text)) == form(text)


@given(_TRICKY)
def test_folded_text_holds_no_invisible_character_and_no_double_space(text: str) -> None:
    folded = fold(text)
    assert not any(unicodedata.category(character) == "Cf" for character in folded)
    assert "  " not in folded
    assert folded.isascii() or folded == unicodedata.normalize("NFKC", folded)


def test_every_character_of_category_cf_is_gone() -> None:
    """The written-out list is that of this Python's Unicode."""
    kept = [
        hex(c)
        for c in range(sys.maxunicode + 1)
        if unicodedata.category(chr(c)) == "Cf" and fold(f"a{chr(c)}b") != "ab"
    ]
    assert kept == []


def test_a_flood_of_marks_is_bounded() -> None:
    """Normalising sorts marks in the square of their number, so a run of them is cut."""
    flood = "a" + "\u0301\u0327" * 20_000
    assert fold(flood) == "a"
    assert len(nfc_visible(flood)) <= 31
    assert fold("и" + "\u0301\u0327" * 20_000).startswith("и")


def test_many_different_characters_fold_as_few_do() -> None:
    """Text with very many distinct characters takes another way to the same result."""
    letters = [chr(code) for code in range(0xC0, 0x250)]
    assert fold(" ".join(letters)) == " ".join(fold(letter) for letter in letters)


def test_white_space_at_the_ends_is_one_space() -> None:
    assert fold(" \n a \t") == " a "
    assert fold(" \n ") == " "
    assert fold("") == ""


def test_exact_keeps_case_marks_and_quotes() -> None:
    assert fold_exact("Łódź  “X”\u200b ﬁ") == "Łódź “X” fi"


def test_regex_sees_text_as_written() -> None:
    """NFC and Cf gone, but case, space and compatibility characters stay."""
    assert nfc_visible("e\u0301\u200b  ﬁ") == "é  ﬁ"


def test_words_are_runs_of_letters_marks_and_digits() -> None:
    assert words(fold("Żaba, ab_c d'e 12a — हिन्दी 😀ok فاتورة؟")) == [
        "zaba", "ab", "c", "d", "e", "12a", "हिन्दी", "ok", "فاتوره",
    ]  # fmt: skip
    assert words("") == []


@given(_TRICKY)
def test_word_spans_are_where_the_words_stand(text: str) -> None:
    assert [text[start:end] for start, end in word_spans(text)] == words(text)


def test_display_shows_what_cannot_be_seen() -> None:
    """Nothing that moves a cursor or turns the direction of a line gets out."""
    assert display("a\u202eb\x1b[2J\n", 80) == "a<U+202E>b<U+001B>[2J<U+000A>"
    assert display("x" * 100, 10) == "xxxxxxxxx…"
    assert display("\ud800", 80) == "<U+D800>"


@pytest.mark.parametrize(
    ("text", "wanted"), [("Pilne🔥faktura ☎\ufe0f", ["pilne", "faktura"]), ("ok👍no e\u0301", ["ok", "no"])]
)
def test_a_mark_somewhere_takes_no_emoji_away(text: str, wanted: list[str]) -> None:
    """Characters above the BMP are no marks of the Latin letter before them, so words do not run together."""
    assert words(fold(text))[:2] == wanted


@given(
    st.text("aZżŁß١٢=<—ـًاىأ発ſŞ \u0301\u0338\u0345\u00ad", max_size=6),
    st.text("aZżŁß١٢=<—ـًاىأ発ſŞ \u0301\u0338\u0345\u00ad\u0653\u0654", max_size=5),
    st.text("aZżŁß١٢=<—ـًاىأ発ſŞ \u0301\u0338\u0345\u00ad\u0653\u0654", max_size=5),
)
@settings(max_examples=300, deadline=None)
def test_what_stands_exactly_leaves_its_run_in_the_folded_text(term: str, before: str, behind: str) -> None:
    """Whatever is beside it, and whichever marks join it."""
    exact, text = fold_exact(term), before + term + behind
    if exact in fold_exact(text):
        assert steady_run(exact) in fold(text)
