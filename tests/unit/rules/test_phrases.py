"""Words and phrases are found wherever they stand, and nowhere else."""

from hypothesis import given, settings
from hypothesis import strategies as st

from routerd.message.fold import words
from routerd.rules.matching.arabic import has_arabic, without_proclitics
from routerd.rules.matching.phrases import Phrase, Words

_WORDS = ("a", "ab", "b", "aba", "x1", "\u017c", "شكوي", "بشكوي", "وبالشكوي", "كتب", "لل", "ا", "a" * 70)
_BETWEEN = (" ", " ", " ", ", ", " - ", "!" * 80, f" {'.' * 300} ", "", "'", "\u0301", " \u0301")
_TEXTS = st.lists(st.tuples(st.sampled_from(_WORDS), st.sampled_from(_BETWEEN)), max_size=40).map(
    lambda pieces: "".join(word + between for word, between in pieces)
)


def _stands_in(text: str, phrase: tuple[str, ...]) -> bool:
    """One word of the text after the other."""
    arabic = any(map(has_arabic, phrase))
    of_text = words(text)
    return any(
        all(
            word == wanted or (arabic and wanted in without_proclitics(word))
            for word, wanted in zip(of_text[first:], phrase, strict=False)
        )
        for first in range(len(of_text) - len(phrase) + 1)
    )


@settings(max_examples=400, deadline=None)
@given(_TEXTS, st.lists(st.sampled_from(_WORDS), min_size=1, max_size=3))
def test_a_phrase_is_found_as_by_a_look_at_every_word(text: str, phrase: list[str]) -> None:
    """Also with much between its words, beside marks, inside other words, and behind proclitics."""
    assert Words(text).has(Phrase(tuple(phrase))) is _stands_in(text, tuple(phrase))


def test_a_phrase_is_found_behind_many_of_its_words() -> None:
    """A text that repeats the phrase's longest word a thousand times hides it no better."""
    text = "faktura " * 1_000 + "faktura zaległa"
    assert Words(text).has(Phrase(("faktura", "zaległa")))
    assert Words(text).has(Phrase(("zaległa",)))
    assert not Words(text).has(Phrase(("zaległa", "faktura")))
    assert not Words(text.replace(" ", "z")).has(Phrase(("faktura",)))
