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
    silent = silent_arabic()
    # What folds to nothing is no word; nothing else does than marks without a letter.
    return tuple(word for word in words(fold_exact(text).lower()) if ord(word[0]) not in silent or fold(word))


def _stems_of_term(word: str, latin: tuple[str, ...]) -> frozenset[Stem]:
    languages = languages_of(word, latin)
    stems = {Stem(language, stem) for language in languages for stem in stems_of(word, language)}
    return frozenset(stems or [Stem(NO_LANGUAGE, fold(word))])


class StemmedText:
    """Made once for a text, and only where a rule asks for stems; what a language does to it, on the first question."""

    __slots__ = ("_by_script", "_places", "_text", "_tokens", "_words")

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = written_words(text)
        self._places: dict[str, dict[str, list[int]]] = {}
        self._by_script: dict[str, dict[str, list[int]]] | None = None
        self._tokens: tuple[list[str], list[int]] | None = None

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
            for word, folded in zip(every, _folded(list(every)), strict=True):
                if its_script := script_of(folded):
                    self._by_script.setdefault(its_script, {})[word] = every[word]
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
        if self._tokens is None:
            tokens = self._text.split()
            self._tokens = tokens, list(_tokens_of_words(tokens))
        tokens, of_words = self._tokens
        if place is None or len(of_words) != len(self._words):
            return None
        return " ".join(tokens[of_words[place] : of_words[place + len(phrase.words) - 1] + 1])

    def _places_of(self, stems: frozenset[Stem]) -> set[int]:
        return {place for stem in stems for place in self.places(stem.language).get(stem.text, ())}


def _folded(words_of_text: list[str]) -> list[str]:
    """Each word folded by itself; all at once, for `|` keeps them apart in whatever form."""
    folded = fold("|".join(words_of_text)).split("|") if words_of_text else []
    return folded if len(folded) == len(words_of_text) else list(map(fold, words_of_text))


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
