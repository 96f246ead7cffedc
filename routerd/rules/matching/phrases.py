"""The words of one folded text, and what a term of `word` looks for among them."""

from dataclasses import dataclass, field

from routerd.message.fold import word_spans, words
from routerd.rules.matching.arabic import LAST_OF_PROCLITICS, has_arabic, without_proclitics

_FEW_PLACES = 32  # of a word in a text
_SOME_PLACES = 200  # of the first word of a phrase
_LONGEST_PROCLITICS = 5  # letters
_SLACK = 40  # characters: of what may stand between the words of a phrase, and of a word behind it
_BESIDE_WORDS = ("", " ")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One term of `word`: folded words that must stand one after the other."""

    words: tuple[str, ...]
    joined: str = field(init=False)
    arabic: bool = field(init=False)
    longest: int = field(init=False)  # the place of the longest word
    most_letters: int = field(init=False)  # with proclitics, and single spaces between the words

    def __post_init__(self) -> None:
        object.__setattr__(self, "joined", " " + " ".join(self.words) + " ")
        object.__setattr__(self, "arabic", any(has_arabic(word) for word in self.words))
        object.__setattr__(self, "longest", self.words.index(max(self.words, key=len)))
        object.__setattr__(self, "most_letters", len(self.joined) + len(self.words) * _LONGEST_PROCLITICS)

    def begins(self, found: list[str]) -> bool:
        """Whether the words found are the phrase's, as far as both go."""
        return all(
            word == wanted or (self.arabic and wanted in without_proclitics(word))
            for word, wanted in zip(found, self.words, strict=False)
        )


class Words:
    """The words of one folded text, ready to be asked for words and phrases. They are told apart when they must be."""

    __slots__ = ("_answer", "_folded", "_index", "_joined", "_words")

    def __init__(self, folded: str) -> None:
        self._folded = folded
        self._words: tuple[str, ...] = ()
        self._joined: str | None = None
        self._index: dict[str, list[int]] | None = None
        self._answer: tuple[Phrase | None, bool] = (None, False)

    def has(self, phrase: Phrase) -> bool:
        """Whether the phrase's words stand here one after the other."""
        asked, found = self._answer
        if asked is not phrase:  # a rule that matched asks the same again, to say what it found
            found = self._stands_here(phrase)
            self._answer = (phrase, found)
        return found

    def _stands_here(self, phrase: Phrase) -> bool:
        found = self._has_in_few_places(phrase)
        if found is not None:
            return found
        folded = self._folded
        for word in phrase.words:
            if word not in folded:
                return False
        if self._joined is None:
            self._words = tuple(words(folded))
            self._joined = " " + " ".join(self._words) + " "
        if phrase.joined in self._joined:
            return True
        if not phrase.arabic:
            return False
        found = self._follow_one_another(phrase, self._joined)
        return self._has_behind_proclitics(phrase.words) if found is None else found

    def _has_in_few_places(self, phrase: Phrase) -> bool | None:
        """None where that is better asked of all words: the longest often stands here, or the others may be far off."""
        folded, longest = self._folded, phrase.words[phrase.longest]
        at = folded.find(longest)
        for _ in range(_FEW_PLACES):
            if at < 0:
                return False
            behind = at + len(longest)
            found = self._at_a_glance(at, behind, phrase)
            if found is None:
                found = self._stands_around(at, behind, phrase)
            if found is not False:
                return found
            at = folded.find(longest, at + 1)
        return None

    def _at_a_glance(self, at: int, behind: int, phrase: Phrase) -> bool | None:
        """Whether the phrase is here, as far as that is told by what mostly stands beside a word: a letter or a space.

        None: that takes a closer look.
        """
        folded, place = self._folded, phrase.longest
        before, after = folded[at - 1 : at], folded[behind : behind + 1]
        if after.isalnum() or (before.isalnum() and not (phrase.arabic and before in LAST_OF_PROCLITICS)):
            return False
        if before == " " and place and folded[at - 2 : at - 1].isalnum():  # proclitics stand before that word
            previous = phrase.words[place - 1]
            if not folded.endswith(previous, 0, at - 1):
                return False
        if after == " " and place + 1 < len(phrase.words) and folded[behind + 1 : behind + 2].isalnum():
            following = phrase.words[place + 1]
            if folded.find(following, behind + 1, behind + 1 + _LONGEST_PROCLITICS + len(following)) < 0:
                return False
        if len(phrase.words) > 1:
            return None
        return True if before in _BESIDE_WORDS and after in _BESIDE_WORDS else None

    def _stands_around(self, at: int, behind: int, phrase: Phrase) -> bool | None:
        """Whether the phrase is here, of which the longest word's letters are; None where too little is near to say."""
        folded, count = self._folded, len(phrase.words)
        reach = phrase.most_letters + _SLACK if count > 1 else _LONGEST_PROCLITICS + 1
        start, end = max(at - reach, 0), behind + reach
        near = folded[start:end]
        is_first, is_last = start == 0, end >= len(folded)
        whole = [span for span in word_spans(near) if (is_first or span[0]) and (is_last or span[1] < len(near))]
        place = next((place for place, span in enumerate(whole) if span[1] == behind - start), None)
        if place is None:
            return False  # the letters are some of a longer word
        first = place - phrase.longest
        if first < 0:
            return False if is_first else None
        found = [near[begin:stop] for begin, stop in whole[first : first + count]]
        if not phrase.begins(found):
            return False
        return True if len(found) == count else False if is_last else None

    def _follow_one_another(self, phrase: Phrase, joined: str) -> bool | None:
        """Whether the words stand here, each behind its proclitics; None where the first stands in many places."""
        ending = phrase.words[0] + " "
        at = joined.find(ending)
        for _ in range(_SOME_PLACES):
            if at < 0:
                return False
            start = joined.rfind(" ", 0, at + 1) + 1
            near = joined[start : start + phrase.most_letters].split(" ")[: len(phrase.words)]
            if len(near) == len(phrase.words) and phrase.begins(near):
                return True
            at = joined.find(ending, at + 1)
        return None

    def _has_behind_proclitics(self, phrase: tuple[str, ...]) -> bool:
        if self._index is None:
            self._index = {}
            for place, word in enumerate(self._words):
                for form in (word, *without_proclitics(word)):
                    self._index.setdefault(form, []).append(place)
        places = set(self._index.get(phrase[0], ()))
        for step, word in enumerate(phrase[1:], 1):
            if not places:
                return False
            places &= {place - step for place in self._index.get(word, ())}
        return bool(places)
