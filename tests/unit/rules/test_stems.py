"""What the forms of a word have in common."""

import sys
import threading
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerd.message.fold import fold, words
from routerd.rules.matching.arabic import without_proclitics
from routerd.rules.matching.stemmed import StemmedText, stem_phrase, written_words
from routerd.rules.matching.stems import (
    LATIN_LANGUAGES,
    NO_LANGUAGE,
    languages_of,
    silent_arabic,
    stems_in_text,
    stems_of,
)

ODD = "aŻżİıßﬁŉςΣάйё发ـًّء،شكوىيةه٣1²ⅷ'’-_ \n\u00ad\u200d\u0301\u0308\u0345\u0338\ufdfa\U0001d400\u1160한"


def stands(term: str, text: str, *latin: str) -> bool:
    return StemmedText(text).place_of(stem_phrase(term, latin or ("en",))) is not None


@given(st.text(ODD, max_size=40) | st.text(max_size=40))
@settings(deadline=None)
def test_words_as_written_are_the_folded_words(text: str) -> None:
    """The words that are stemmed are those that `word` compares, one for one."""
    assert [fold(word) for word in written_words(text)] == words(fold(text))


@given(st.text("aąbcłóśżzeisytukmndrw", min_size=1, max_size=8), st.sampled_from(sorted(LATIN_LANGUAGES)))
@settings(deadline=None)
def test_a_word_typed_without_its_marks(word: str, language: str) -> None:
    """In every language a word shares a stem with its bare spelling: in capitals, without marks."""
    assert stands(word, fold(word).upper(), language)
    assert stands(fold(word), word, language)


@given(st.text(ODD, min_size=1, max_size=12), st.text(ODD, max_size=20))
@settings(deadline=None)
def test_what_word_finds_stem_finds(term: str, around: str) -> None:
    """A whole word stands among its own forms, whatever its script, beside whatever else."""
    if words(fold(term)):
        assert stands(term, f"{around} {term.upper()} {around}") or fold(term.upper()) != fold(term)


@pytest.mark.parametrize(
    ("word", "languages"),
    [
        ("faktura", ("en", "pl")), ("fakturę", ("en", "pl")), ("covid19", ("en", "pl")), ("фактура", ("ru",)),
        ("τιμολόγιο", ("el",)), ("فاتورة", ("ar",)), ("شكـوى", ("ar",)), ("发票", ()), ("2026", ()), ("חשבונית", ()),
        ("aфb", ()), ("a发票", ()), ("\u0301", ()),
    ],
)  # fmt: skip
def test_the_language_goes_by_the_script(word: str, languages: tuple[str, ...]) -> None:
    """Latin by the file's languages, Arabic, Cyrillic and Greek by their own, others and mixtures by none."""
    assert languages_of(word, ("en", "pl")) == languages


def test_a_language_stems_only_its_script() -> None:
    """A Russian word has no English stem and a Polish one no Russian stem, so neither can meet by chance."""
    assert stems_of("жалоба", "en") == stems_of("skarga", "ru") == stems_of("شكوى", "el") == ()
    assert stems_of("жалобу", "ru") == ("жалоб",)
    assert stems_of("ЖАЛОБУ".lower(), NO_LANGUAGE) == ("жалобу",)


def test_languages_are_not_mixed() -> None:
    """A word meets another by one language's stems, not by the stem of one and that of another."""
    assert stems_of("news", "en") == ("news",)
    assert not set(stems_of("skardze", "pl")) & set(stems_of("skarga", "pl"))
    assert not stands("skargi", "skarga", "en")
    assert stands("skargi", "skarga", "en", "pl")


def test_arabic_is_not_stemmed_when_folded() -> None:
    """شكوى (complaint) and شكوك (doubts) stay two words; a final ه is also ة, a final ي also ى."""
    assert not stands("شكوى", "لديه شكوك")
    assert not stands("شكوك", "لديه شكوى")
    assert stands("شكوى", "شكوي")
    assert stands("فاتورة", "الفاتوره")
    assert stands("فاتوره", "الفاتورة")
    assert stands("شكوى", "شکوی")  # typed on a Persian keyboard


def test_proclitics_go_from_the_message_only() -> None:
    """A message's word is tried without و ب ال and their joins; what the rule writes is meant as it stands."""
    assert stands("شكوى", "وَبِالشَّكْوَى")
    assert "شكوي" in stems_in_text("ar")["لشكوى"]
    assert "شكوي" not in stems_of("لشكوى", "ar")


def test_a_very_long_word_is_itself() -> None:
    """What is no language is not stemmed, and still found."""
    long = "a" * 70 + "ing"
    assert stems_of(long, "en") == ()
    assert stands(long, long.upper())
    assert not stands(long, "a" * 70)


def test_silent_letters_are_those_that_fold_to_nothing() -> None:
    """A word of marks alone is no word; no other letter, mark or digit folds to nothing."""
    letters = (chr(code) for code in range(sys.maxunicode) if unicodedata.category(chr(code))[0] in "LMN")
    empty = {ord(letter) for letter in letters if unicodedata.is_normalized("NFKC", letter) and not fold(letter)}
    assert empty <= silent_arabic().keys()


def test_proclitics_of_words_as_written() -> None:
    """Alef with hamza begins no article."""
    assert without_proclitics("ألمانيا") == ()


def test_two_threads_stem_at_once() -> None:
    """Each thread has stemmers of its own, and all say the same."""
    found: list[set[str]] = []

    def stem() -> None:
        words_of_all = (f"skarg{chr(97 + number % 26) * (number % 40)}ami" for number in range(2_000))
        found.append({stem for word in words_of_all for stem in stems_of(word, "pl")})

    threads = [threading.Thread(target=stem) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(one == found[0] for one in found)
