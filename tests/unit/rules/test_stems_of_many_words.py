"""A message may have more different words than can be stemmed while others wait."""

import random

import pytest
from rule_sets import facts_of, ruleset_of

from routerd.message.view import MessageView
from routerd.rules.decision import Decision
from routerd.rules.facts import Facts
from routerd.rules.matching import stems
from routerd.rules.matching.stemmed import MAX_STEMMED_WORDS, StemmedText, Vocabulary, stem_phrase

NOTE = "the message has more than 10,000 different words: `stem` compares the others as `word`"
LETTERS = "bcdfghjklmnprstwz"


def made_up(count: int, seed: int = 1) -> list[str]:
    """So many different words, none of which means anything."""
    chosen = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(chosen.choices(LETTERS, k=7))] = None
    return list(found)


def decided(when: str, facts: Facts, lang: str = "en, pl") -> Decision:
    rules = f"lang: [{lang}]\nrules:\n  - {{name: it, when: {when}, then: {{label: hit}}}}\n"
    return ruleset_of(rules).decide(facts)


def of_raw(raw: str) -> Facts:
    facts = facts_of()
    return Facts(
        view=MessageView(raw.encode(), text_limit=2_000_000),
        sender=facts.sender,
        recipients=facts.recipients,
        inbox=facts.inbox,
        own_addresses=facts.own_addresses,
        internal=facts.internal,
        at=facts.at,
    )


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every word that is stemmed."""
    found: list[str] = []
    stem = stems._stems

    def counting(word: str, language: str) -> tuple[str, ...]:
        found.append(word)
        return stem(word, language)

    monkeypatch.setattr(stems, "_stems", counting)
    return found


def test_so_many_words_of_a_text_are_stemmed(counted: list[str]) -> None:
    """Of a text with more words no more are stemmed, in each language once, and the trace says so."""
    words = made_up(3 * MAX_STEMMED_WORDS)
    decision = decided("{text: {stem: complaint}}", of_raw(f"Subject: x\n\n{' '.join(words)}\n"))
    assert decision.labels == ()
    assert decision.trace.notes == (NOTE,)
    assert len(counted) <= 2 * (MAX_STEMMED_WORDS + 1)


def test_so_many_words_of_all_texts_are_stemmed(counted: list[str]) -> None:
    """Many headers are no more than one long one."""
    words = made_up(2 * MAX_STEMMED_WORDS, seed=2)
    headers = "".join(f"X-Foo: {' '.join(words[at : at + 100])}\n" for at in range(0, len(words), 100))
    decision = decided("{header: {X-Foo: {stem: complaint}}}", of_raw(f"{headers}\nhi\n"))
    assert decision.trace.notes == (NOTE,)
    assert len(counted) <= 2 * (MAX_STEMMED_WORDS + 1)


def test_the_same_words_are_counted_once() -> None:
    """A word that comes again, here or in another text, takes no other's place, and nothing is noted."""
    line = " ".join(made_up(MAX_STEMMED_WORDS // 2, seed=3))
    facts = of_raw(f"Subject: complaints\nX-Foo: {line}\n\n{line}\n{line}\n")
    when = "{all: [{header: {X-Foo: {stem: nothing}}}]}"
    assert decided(when, facts).trace.notes == ()
    decision = decided("{text: {stem: complaint}}", facts)
    assert decision.labels == ("hit",)
    assert decision.trace.notes == ()


@pytest.mark.parametrize(
    ("term", "there", "found"),
    [
        ("complaint", "Complaint!", True),
        ("complaint", "complaints", False),
        ("skargę", "SKARGE", True),
        ("skargę", "skargi", False),
        ("pilna skarga", "pilna skarga", True),
        ("pilna skarga", "skarga pilna", False),
        ("شكوى", "وللشكوى", True),
        ("شكوى", "شكوك", False),
        ("发票", "发票", True),
    ],
)
def test_those_beyond_are_compared_as_words(term: str, there: str, found: bool) -> None:
    """A word that is one too many is found as it stands, folded, Arabic without its proclitics; no other form is."""
    before = " ".join(made_up(MAX_STEMMED_WORDS, seed=4))
    decision = decided(f"{{text: {{stem: '{term}'}}}}", of_raw(f"Subject: x\n\n{before} {there} behind\n"))
    assert (decision.labels == ("hit",)) is found
    assert decision.trace.notes == (NOTE,)
    if found:
        ((evidence,),) = (match.evidence for match in decision.trace.matches)
        assert evidence.found == there.strip("!")


def test_a_phrase_of_both() -> None:
    """Its first word is stemmed, its second one too many."""
    vocabulary = Vocabulary()
    StemmedText(" ".join(["pilnej", *made_up(MAX_STEMMED_WORDS - 1, seed=5)]), vocabulary)
    text = StemmedText("w pilnej skardze", vocabulary)
    assert text.place_of(stem_phrase("pilna skardze", ("pl",))) == 1
    assert text.place_of(stem_phrase("pilna skarga", ("pl",))) is None


def test_lang_names_a_few() -> None:
    """Every language is tried of every word, so a file has not all of them."""
    with pytest.raises(AssertionError, match="lang: 7 languages, of at most 6"):
        decided("{text: {stem: x}}", facts_of(), "en, pl, de, fr, es, it, tr")
    assert decided("{text: {stem: skarga}}", facts_of(text="skargi"), "en, de, fr, es, it, pl").labels == ("hit",)
