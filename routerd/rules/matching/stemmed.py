"""The words of one text by their stems, and what a term of `stem` looks for among them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from routerd.message.fold import fold, fold_exact, word_spans, words
from routerd.rules.matching.stems import (
    NO_LANGUAGE,
    languages_of,
    script_of,
    script_of_language,
    silent_arabic,
    stems_in_text,
    stems_of,
)

_CHUNK = 256  # tokens folded at a time


class Stem(NamedTuple):
    """What stands for any form of a word."""

    language: str  # NO_LANGUAGE: the folded word itself
    text: str


@dataclass(frozen=True, slots=True)
class StemPhrase:
    """One term of `stem`: for each of its words the stems of which one must be there, one word after the other."""

    words: tuple[frozenset[Stem], ...]
    clues: frozenset[Stem] = field(init=False)  # one of these is among the stems of any text that has the phrase

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "clues", max(self.words, key=lambda stems: max(len(stem.text) for stem in stems), default=frozenset())
        )


def stem_phrase(term: str, latin: tuple[str, ...]) -> StemPhrase:
    """`latin`: the languages that words in Latin script are stemmed by. Without words where the term has none."""
    return StemPhrase(tuple(_stems_of_term(word, latin) for word in written_words(term)))


def written_words(text: str) -> tuple[str, ...]:
    """The words of `text` as written but in lower case: those whose folded forms `words(fold(text))` gives."""
    return _words_of_lower(fold_exact(text).lower())


def _words_of_lower(lower: str) -> tuple[str, ...]:
    found = words(lower)
    # What folds to nothing is no word; nothing else does than marks without a letter.
    silent = silent_arabic()
    if silent.keys().isdisjoint([ord(word[0]) for word in found]):
        return tuple(found)
    return tuple(word for word in found if ord(word[0]) not in silent or fold(word))


def _stems_of_term(word: str, latin: tuple[str, ...]) -> frozenset[Stem]:
    languages = languages_of(word, latin)
    stems = {Stem(language, stem) for language in languages for stem in stems_of(word, language)}
    return frozenset(stems or [Stem(NO_LANGUAGE, fold(word))])


class StemmedText:
    """Made once for a text, and only where a rule asks for stems; what a language does to it, on the first question."""

    __slots__ = ("_by_script", "_lower", "_of_words", "_places", "_starts", "_text", "_tokens", "_words")

    def __init__(self, text: str) -> None:
        self._text = text
        self._lower = fold_exact(text).lower().strip()
        self._words = _words_of_lower(self._lower)
        self._places: dict[str, dict[str, list[int]]] = {}
        self._by_script: dict[str, dict[str, list[int]]] | None = None
        self._tokens: list[str] = []  # between white space
        self._starts: list[int] = []  # of the words in `_lower`
        self._of_words: list[int] | None = None

    def places(self, language: str) -> Mapping[str, list[int]]:
        """Each stem that stands in the text, and the numbers of the words that have it."""
        places = self._places.get(language)
        if places is None:
            places = self._places[language] = {}
            for word, its_places in self._written_in(script_of_language(language)).items():
                for stem in stems_in_text(word, language):
                    if stem in places:
                        places[stem] += its_places
                    else:
                        places[stem] = its_places.copy()
        return places

    def _written_in(self, script: str) -> Mapping[str, list[int]]:
        """The words of a script, "" for all of them, and the numbers of each."""
        if self._by_script is None:
            every: dict[str, list[int]] = {}
            for place, word in enumerate(self._words):
                every.setdefault(word, []).append(place)
            self._by_script = {"": every}
            for word, places in every.items():
                if its_script := script_of(word):
                    self._by_script.setdefault(its_script, {})[word] = places
        return self._by_script.get(script, {})

    def place_of(self, phrase: StemPhrase) -> int | None:
        """The number of the word with which the phrase first begins."""
        found = [self._places_of(stems) for stems in phrase.words]
        rarest = min(range(len(found)), key=lambda step: len(found[step]))
        for place in sorted(found[rarest]):
            if all(place - rarest + step in places for step, places in enumerate(found)):
                return place - rarest
        return None

    def find(self, phrase: StemPhrase) -> str | None:
        """The phrase as the text has it, with what is written onto its words; None where that cannot be told."""
        place = self.place_of(phrase)
        if place is None:
            return None
        last = place + len(phrase.words) - 1
        if not self._tokens:
            self._tokens = self._text.split()
            self._starts = [start for start, _ in word_spans(self._lower)]
        if len(self._starts) == len(self._words):  # mostly each token remains one, and all words are some
            first, end = (self._lower.count(" ", 0, self._starts[word]) for word in (place, last))
            found = " ".join(self._tokens[first : end + 1])
            if set(written_words(found)).issuperset(self._words[place : last + 1]):
                return found
        if self._of_words is None:
            self._of_words = list(_tokens_of_words(self._tokens))
        if len(self._of_words) != len(self._words):
            return None
        return " ".join(self._tokens[self._of_words[place] : self._of_words[last] + 1])

    def _places_of(self, stems: frozenset[Stem]) -> set[int]:
        return {place for stem in stems for place in self.places(stem.language).get(stem.text, ())}


def _tokens_of_words(tokens: list[str]) -> Iterator[int]:
    """Of each word of a text the number of the token, between white space, in which it stands."""
    silent = silent_arabic()
    for first in range(0, len(tokens), _CHUNK):
        some = tokens[first : first + _CHUNK]
        lower = fold_exact(" ".join(some)).lower()
        if lower.count(" ") + 1 != len(some):  # some token folds to nothing, or to two
            for place, token in enumerate(some, first):
                yield from [place] * len(written_words(token))
            continue
        place, counted = first, 0
        for start, end in word_spans(lower):
            place += lower.count(" ", counted, start)
            counted = start
            if ord(lower[start]) not in silent or fold(lower[start:end]):
                yield place
