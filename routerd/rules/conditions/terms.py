"""What text operators look for: single terms, and many of them at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from routerd.rules.facts import Part
from routerd.rules.matching.literals import Literals
from routerd.rules.matching.phrases import Phrase
from routerd.rules.matching.regex import Regex
from routerd.rules.matching.stemmed import Stem, StemPhrase
from routerd.rules.matching.stems import NO_LANGUAGE

MAX_CLUES = 1_000  # of one test: above it, asking it of every message is cheaper than to look for them all
_MANY = 16  # terms: above it they are found by what they must have, not asked one by one
_NO_STEMS: frozenset[Stem] = frozenset()


class Sought(Protocol):
    """A term. It is found only where one of `literals` stands in the compared text, or one of `stems` in the text.

    Both empty: that cannot be said.
    """

    @property
    def written(self) -> str: ...
    @property
    def literals(self) -> frozenset[str]: ...
    @property
    def stems(self) -> frozenset[Stem]: ...


class Term(NamedTuple):
    """A text: as the rule writes it, and as it is compared."""

    written: str
    folded: str

    @property
    def literals(self) -> frozenset[str]:
        return frozenset([self.folded])

    @property
    def stems(self) -> frozenset[Stem]:
        return _NO_STEMS


class WordTerm(NamedTuple):
    """Words one after the other, as they are compared."""

    written: str
    phrase: Phrase

    @property
    def literals(self) -> frozenset[str]:
        """The longest word: also without its proclitics a word is a piece of the text."""
        return frozenset([max(self.phrase.words, key=len)])

    @property
    def stems(self) -> frozenset[Stem]:
        return _NO_STEMS


class StemTerm(NamedTuple):
    """Words in any of their forms, one after the other."""

    written: str
    phrase: StemPhrase

    @property
    def literals(self) -> frozenset[str]:
        return frozenset(stem.text for stem in self.phrase.clues if stem.language == NO_LANGUAGE)

    @property
    def stems(self) -> frozenset[Stem]:
        return frozenset(stem for stem in self.phrase.clues if stem.language != NO_LANGUAGE)


class RegexTerm(NamedTuple):
    """A pattern as the rule writes it, and compiled."""

    written: str
    regex: Regex

    @property
    def literals(self) -> frozenset[str]:
        return self.regex.literals

    @property
    def stems(self) -> frozenset[Stem]:
        return _NO_STEMS


T = TypeVar("T", bound=Sought)


@dataclass(frozen=True, slots=True)
class Terms(Generic[T]):
    """The terms that a rule writes, or those of one list, which all rules share that name it."""

    terms: tuple[T, ...]
    source: str = ""  # the list's path
    _crowd: "_Crowd | None" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_crowd", _Crowd(self.terms) if len(self.terms) > _MANY else None)

    def near(self, part: Part) -> Sequence[T]:
        """Those that can be found in `part`, in their order."""
        if self._crowd is None:
            return self.terms
        return [self.terms[number] for number in self._crowd.near(part)]

    @property
    def described(self) -> tuple[str, ...]:
        return (f"in {self.source}",) if self.source else tuple(term.written for term in self.terms)


class _Crowd:
    """Many terms by what they must have."""

    __slots__ = ("_by_literal", "_by_stem", "_literals", "_others")

    def __init__(self, terms: Iterable[Sought]) -> None:
        self._others: list[int] = []
        self._by_literal: dict[str, list[int]] = {}
        self._by_stem: dict[str, dict[str, list[int]]] = {}  # by language
        for number, term in enumerate(terms):
            literals, stems = term.literals, term.stems
            for literal in literals:
                self._by_literal.setdefault(literal, []).append(number)
            for stem in stems:
                self._by_stem.setdefault(stem.language, {}).setdefault(stem.text, []).append(number)
            if not (literals or stems):
                self._others.append(number)
        self._literals = Literals(self._by_literal)

    def near(self, part: Part) -> list[int]:
        numbers = set(self._others)
        for literal in part.found_of(self._literals) if self._by_literal else ():
            numbers.update(self._by_literal[literal])
        for language, by_stem in self._by_stem.items():
            for stem in part.stemmed.stems_among(by_stem.keys(), language):
                numbers.update(by_stem[stem])
        return sorted(numbers)
