"""The words of one text by their stems, and what a term of `stem` looks for among them."""

from collections.abc import Collection, Iterator, Mapping, Set
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
    unstemmed,
    whole,
)

MAX_STEMMED_WORDS = 10_000  # of one message; 256 KB of Polish, which inflects much, have about as many
_CHUNK = 256  # tokens folded at a time
_FEW_PLACES = 4  # of a word in the letters of a text


class Stem(NamedTuple):
    """What stands for any form of a word."""

    language: str  # NO_LANGUAGE: the folded word itself
    text: str


@dataclass(frozen=True, slots=True)
class StemPhrase:
    """One term of `stem`: for each of its words the stems of which one must be there, one word after the other.

    `wholes`: what stands for each word itself, where a text has too many words for all to be stemmed.
    """

    words: tuple[frozenset[Stem], ...]
    wholes: tuple[str, ...]
    clues: frozenset[Stem] = field(init=False)  # one of these is among the stems of any text that has the phrase

    def __post_init__(self) -> None:
        clues: frozenset[Stem] = frozenset()
        if self.words:
            longest = max(range(len(self.words)), key=lambda word: max(len(stem.text) for stem in self.words[word]))
            languages = {stem.language for stem in self.words[longest]} - {NO_LANGUAGE}
            clues = self.words[longest] | {Stem(language, self.wholes[longest]) for language in languages}
        object.__setattr__(self, "clues", clues)


def stem_phrase(term: str, latin: tuple[str, ...]) -> StemPhrase:
    """`latin`: the languages that words in Latin script are stemmed by. Without words where the term has none."""
    written = written_words(term)
    return StemPhrase(tuple(_stems_of_term(word, latin) for word in written), tuple(whole(fold(w)) for w in written))


def written_words(text: str) -> tuple[str, ...]:
    """The words of `text` as written but in lower case: those whose folded forms `words(fold(text))` gives."""
    return tuple(_words_of_lower(fold_exact(text).lower()))


def _words_of_lower(lower: str) -> list[str]:
    """What folds to nothing is no word; nothing else does than marks without a letter."""
    found = words(lower)
    if lower.isascii():
        return found
    silent = silent_arabic()
    if silent.keys().isdisjoint(map(ord, {word[0] for word in found})):
        return found
    return [word for word in found if ord(word[0]) not in silent or fold(word)]


def _stems_of_term(word: str, latin: tuple[str, ...]) -> frozenset[Stem]:
    languages = languages_of(word, latin)
    stems = {Stem(language, stem) for language in languages for stem in stems_of(word, language)}
    return frozenset(stems or [Stem(NO_LANGUAGE, fold(word))])


class Vocabulary:
    """The different words of one message, in whatever text of it they stand, that are stemmed: a bounded number.

    Those that the first texts have: a message may be made of words that stand nowhere else.
    """

    __slots__ = ("_words", "was_cut")

    def __init__(self) -> None:
        self.was_cut = False  # whether there were more words
        self._words: set[str] = set()

    def beyond(self, different: Collection[str]) -> list[str]:
        """Those of a text's words, each given once, that are not stemmed."""
        known = self._words
        if len(known) + len(different) <= MAX_STEMMED_WORDS:
            known.update(different)
            return []
        beyond = []
        for word in different:
            if len(known) < MAX_STEMMED_WORDS:
                known.add(word)
            elif word not in known:
                beyond.append(word)
        self.was_cut = self.was_cut or bool(beyond)
        return beyond


class StemmedText:
    """Made once for a text, and only where a rule asks for stems; what a language does to it, on the first question."""

    __slots__ = (
        "_alike", "_answer", "_by_script", "_firsts", "_forms", "_lower", "_of_words", "_places", "_starts", "_text",
        "_tokens", "_unstemmed", "_words",
    )  # fmt: skip

    def __init__(self, text: str, vocabulary: Vocabulary | None = None) -> None:
        """`vocabulary`: that of the message, which its texts share."""
        self._text = text
        self._lower = fold_exact(text).lower().strip()
        self._words = _words_of_lower(self._lower)
        self._unstemmed: dict[str, str] = {}  # words by what stands for them as a whole
        self._alike: dict[str, list[str]] = {}  # further ones of the same
        self._by_script = self._told_apart(vocabulary or Vocabulary())
        self._forms: dict[str, dict[str, list[str]]] = {}  # words by language, and by stem
        self._firsts: dict[str, int] | None = None  # where each word first stands
        self._places: dict[str, list[int]] | None = None  # and all places
        self._answer: tuple[StemPhrase | None, int | None] = (None, None)
        self._tokens: list[str] | None = None  # between white space
        self._starts: list[int] = []  # of the words in `_lower`
        self._of_words: list[int] | None = None

    def stems_among(self, wanted: Set[str], language: str) -> set[str]:
        """Those of the wanted stems that stand in the text, and of the wanted wholes those of words not stemmed."""
        stems = stems_in_text(language)
        of_script = self._by_script.get(script_of_language(language), ())
        found = {stem for word in of_script for stem in stems[word] if stem in wanted}
        return found | (wanted & self._unstemmed.keys()) if self._unstemmed else found

    def place_of(self, phrase: StemPhrase) -> int | None:
        """The number of the word with which the phrase first begins."""
        asked, place = self._answer
        if asked is not phrase:  # a rule that matched asks the same again, to say what it found
            place = self._first_place_of(phrase)
            self._answer = (phrase, place)
        return place

    def _first_place_of(self, phrase: StemPhrase) -> int | None:
        found = []
        for stems, one in zip(phrase.words, phrase.wholes, strict=True):
            forms = self._forms_of(stems, one)
            if not forms:
                return None
            found.append(forms)
        if len(found) == 1:
            if self._firsts is None:
                self._firsts = dict(zip(reversed(self._words), range(len(self._words) - 1, -1, -1), strict=True))
            return min(self._firsts[word] for word in found[0])
        if self._places is None:
            self._places = {}
            for place, word in enumerate(self._words):
                self._places.setdefault(word, []).append(place)
        places = self._places
        counts = [sum(len(places[word]) for word in forms) for forms in found]
        rarest = counts.index(min(counts))
        begins = range(len(self._words) - len(found) + 1)
        for start in sorted(place - rarest for word in found[rarest] for place in places[word]):
            if start in begins and all(self._words[start + step] in forms for step, forms in enumerate(found)):
                return start
        return None

    def find(self, phrase: StemPhrase, place: int) -> str | None:
        """The phrase at `place` as the text has it, with what is written onto its words; None: that cannot be told."""
        last = place + len(phrase.words) - 1
        if self._tokens is None:
            self._tokens = self._text.split()
        if place == last:
            found = self._token_of(self._words[place], self._tokens)
            if found is not None:
                return found
        if not self._starts:
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

    def _token_of(self, word: str, tokens: list[str]) -> str | None:
        """The first token that has the word, where its letters do not stand in many other words before."""
        at = -1
        for _ in range(_FEW_PLACES):
            at = self._lower.find(word, at + 1)
            if at < 0:
                return None
            number = self._lower.count(" ", 0, at)
            if number < len(tokens) and word in written_words(tokens[number]):
                return tokens[number]
        return None

    def _told_apart(self, vocabulary: Vocabulary) -> dict[str, list[str]]:
        """The words that are stemmed, each once, by script, "" for all of them; others are remembered as wholes."""
        different = dict.fromkeys(self._words)
        beyond = vocabulary.beyond(different)
        for word, folded in zip(beyond, _folded(beyond), strict=True):
            del different[word]
            for form in unstemmed(folded):
                if self._unstemmed.setdefault(form, word) is not word:
                    self._alike.setdefault(form, []).append(word)
        every = list(different)
        if self._lower.isascii():
            return {"": every, "latin": every}
        by_script = {"": every}
        for word, script in zip(every, map(script_of, every), strict=True):
            if script:
                by_script.setdefault(script, []).append(word)
        return by_script

    def _forms_in(self, language: str) -> Mapping[str, list[str]]:
        """The words of the text by their stems in a language."""
        forms = self._forms.get(language)
        if forms is None:
            forms = self._forms[language] = {}
            stems = stems_in_text(language)
            for word in self._by_script.get(script_of_language(language), ()):
                for stem in stems[word]:
                    forms.setdefault(stem, []).append(word)
        return forms

    def _forms_of(self, stems: frozenset[Stem], one: str) -> set[str]:
        """The words of the text that have one of the stems, or are that one word."""
        found = {word for stem in stems for word in self._forms_in(stem.language).get(stem.text, ())}
        if one in self._unstemmed:
            found.update((self._unstemmed[one], *self._alike.get(one, ())))
        return found


def _folded(written: list[str]) -> list[str]:
    """Each of the words folded; all at once, which costs far less, where none of them becomes two."""
    folded = fold(" ".join(written)).split(" ")
    return folded if len(folded) == len(written) else list(map(fold, written))


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
