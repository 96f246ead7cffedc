"""The operators on text: each asks the texts of one field, and can say what it found there."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Generic, NamedTuple, TypeVar

from routerd.message.fold import steady_run
from routerd.rules.conditions.terms import MAX_CLUES, RegexTerm, Sought, StemTerm, Term, Terms, WordTerm
from routerd.rules.decision import Evidence
from routerd.rules.facts import FieldText, Part
from routerd.rules.matching.found import find_phrase, find_stems, find_text, shown
from routerd.rules.matching.stemmed import Stem

T = TypeVar("T", bound=Sought)


class Hit(NamedTuple):
    """What was found, as the message has it, and what was asked: `contains faktur`."""

    found: str
    asked: str


class TextTest(ABC):
    """An operator with its terms; any of them suffices, in any text of the field."""

    __slots__ = ()

    @abstractmethod
    def fits(self, part: Part) -> bool:
        """Whether this text has one of the terms."""

    @abstractmethod
    def hit(self, part: Part) -> Hit | None:
        """The first of the terms that this text has; None where it has none."""

    @abstractmethod
    def describe(self) -> str:
        """As the rule says it: `contains faktur, skarg`."""

    @property
    def literals(self) -> frozenset[str]:
        """It holds only where one of these stands in a folded text of the field, or one of `patterns` fits there, or
        one of `stems` is there. All of them empty: that cannot be said.
        """
        return frozenset()

    @property
    def patterns(self) -> frozenset[str]:
        """RE2 patterns, asked of the text as written."""
        return frozenset()

    @property
    def stems(self) -> frozenset[Stem]:
        """Stems of the text's words."""
        return frozenset()

    def holds(self, texts: FieldText, field: str) -> bool:
        """Whether one of the field's texts has one of the terms."""
        return any(self.fits(part) for part in texts.parts(field))

    def evidence(self, texts: FieldText, field: str) -> Evidence | None:
        for part in texts.parts(field):
            hit = self.hit(part)
            if hit is not None:
                return Evidence(part.field, hit.found, hit.asked)
        return None


@dataclass(frozen=True, slots=True)
class OfTerms(TextTest, Generic[T]):
    """An operator that asks for each term by itself."""

    groups: tuple[Terms[T], ...]

    operator: ClassVar[str]

    @property
    def terms(self) -> tuple[T, ...]:
        return tuple(term for group in self.groups for term in group.terms)

    @property
    def literals(self) -> frozenset[str]:
        return frozenset(literal for term in self._clued for literal in term.literals)

    @property
    def stems(self) -> frozenset[Stem]:
        return frozenset(stem for term in self._clued for stem in term.stems)

    @property
    def _clued(self) -> tuple[T, ...]:
        """The terms, where it is worth while to look for what they need."""
        return self.terms if sum(len(group.terms) for group in self.groups) <= MAX_CLUES else ()

    def fits(self, part: Part) -> bool:
        for group in self.groups:
            for term in group.near(part):
                if self._has(part, term):
                    return True
        return False

    def hit(self, part: Part) -> Hit | None:
        for group in self.groups:
            for term in group.near(part):
                found = self._find(part, term)
                if found is not None:
                    return Hit(found, f"{self.operator} {shown(term.written)}")
        return None

    def describe(self) -> str:
        written = [one for group in self.groups for one in group.described]
        more = f", … ({len(written)} in all)" if len(written) > 5 else ""
        return f"{self.operator} {', '.join(shown(one) for one in written[:5])}{more}"

    @abstractmethod
    def _has(self, part: Part, term: T) -> bool:
        """Whether the text has this term."""

    @abstractmethod
    def _find(self, part: Part, term: T) -> str | None:
        """The term as the text has it; None where it has not."""


class Contains(OfTerms[Term]):
    """The term stands in the text, also inside a word."""

    __slots__ = ()
    operator = "contains"

    def _has(self, part: Part, term: Term) -> bool:
        return term.folded in part.folded

    def _find(self, part: Part, term: Term) -> str | None:
        if not self._has(part, term):
            return None
        return find_text(part.original, term.folded, part.folding, part.folded)


class Equals(OfTerms[Term]):
    """The whole text is the term."""

    __slots__ = ()
    operator = "equals"

    def _has(self, part: Part, term: Term) -> bool:
        return part.folded == term.folded

    def _find(self, part: Part, term: Term) -> str | None:
        return shown(part.original) if self._has(part, term) else None


class StartsWith(OfTerms[Term]):
    """The text begins with the term."""

    __slots__ = ()
    operator = "starts_with"

    def _has(self, part: Part, term: Term) -> bool:
        return part.folded.startswith(term.folded)

    def _find(self, part: Part, term: Term) -> str | None:
        if not self._has(part, term):
            return None
        return find_text(part.original, term.folded, part.folding, part.folded)


class EndsWith(OfTerms[Term]):
    """The text ends with the term."""

    __slots__ = ()
    operator = "ends_with"

    def _has(self, part: Part, term: Term) -> bool:
        return part.folded.endswith(term.folded)

    def _find(self, part: Part, term: Term) -> str | None:
        if not self._has(part, term):
            return None
        # Of several hits the last: what stands before the others' ends is not asked about.
        tail = part.original[-4 * len(term.folded) - 200 :]
        return find_text(tail, term.folded, part.folding)


class HasWords(OfTerms[WordTerm]):
    """The term's words stand in the text as whole words, one after the other."""

    __slots__ = ()
    operator = "word"

    def _has(self, part: Part, term: WordTerm) -> bool:
        return part.words.has(term.phrase)

    def _find(self, part: Part, term: WordTerm) -> str | None:
        if not self._has(part, term):
            return None
        return find_phrase(part.original, term.phrase, part.folding, part.folded)


class HasStems(OfTerms[StemTerm]):
    """Any inflected forms of the term's words stand in the text, one after the other."""

    __slots__ = ()
    operator = "stem"

    def _has(self, part: Part, term: StemTerm) -> bool:
        return part.stemmed.place_of(term.phrase) is not None

    def _find(self, part: Part, term: StemTerm) -> str | None:
        place = part.stemmed.place_of(term.phrase)
        return None if place is None else find_stems(part.stemmed, term.phrase, place) or shown(term.written)


class FitsRegex(OfTerms[RegexTerm]):
    """A regex is found in the text as it was written."""

    __slots__ = ()
    operator = "regex"

    @property
    def patterns(self) -> frozenset[str]:
        return frozenset(term.regex.pattern.source for term in self._clued if not term.literals)

    def _has(self, part: Part, term: RegexTerm) -> bool:
        return term.regex.found(part.visible)

    def _find(self, part: Part, term: RegexTerm) -> str | None:
        found = term.regex.hit(part.visible)
        return None if found is None else shown(found)


class Also(HasWords):
    """Further words beside another operator: what a stemmer misses."""

    __slots__ = ()
    operator = "also"


@dataclass(frozen=True, slots=True)
class WithAlso(TextTest):
    """An operator holds, or else one of the words beside it stands in the text."""

    test: TextTest
    also: Also

    @property
    def literals(self) -> frozenset[str]:
        return self.test.literals | self.also.literals if self._can_say else frozenset()

    @property
    def patterns(self) -> frozenset[str]:
        return self.test.patterns if self._can_say else frozenset()

    @property
    def stems(self) -> frozenset[Stem]:
        return self.test.stems if self._can_say else frozenset()

    @property
    def _can_say(self) -> bool:
        return bool(self.also.literals and (self.test.literals or self.test.patterns or self.test.stems))

    def fits(self, part: Part) -> bool:
        return self.test.fits(part) or self.also.fits(part)

    def hit(self, part: Part) -> Hit | None:
        return self.test.hit(part) or self.also.hit(part)

    def describe(self) -> str:
        return f"{self.test.describe()}, {self.also.describe()}"


@dataclass(frozen=True, slots=True)
class Exact(TextTest):
    """An operator that compares the text as written, but for NFKC, invisible characters and white space."""

    test: TextTest
    compared: tuple[str, ...]  # one of these stands in every text that fits, in its exact form

    @property
    def literals(self) -> frozenset[str]:
        if len(self.compared) > MAX_CLUES:
            return frozenset()
        runs = frozenset(map(steady_run, self.compared))
        return frozenset() if "" in runs else runs

    def fits(self, part: Part) -> bool:
        return self.test.fits(part.exact)

    def hit(self, part: Part) -> Hit | None:
        hit = self.test.hit(part.exact)
        return hit and Hit(hit.found, f"{hit.asked}, exact")

    def describe(self) -> str:
        return f"{self.test.describe()}, exact"


@dataclass(frozen=True, slots=True)
class IsThere(TextTest):
    """The field is there and not blank, or is not."""

    wanted: bool

    def holds(self, texts: FieldText, field: str) -> bool:
        return bool(texts.parts(field)) is self.wanted

    def fits(self, _part: Part) -> bool:
        return self.wanted

    def hit(self, part: Part) -> Hit | None:
        return Hit(shown(part.original), self.describe()) if self.wanted else None

    def describe(self) -> str:
        return f"exists {'true' if self.wanted else 'false'}"
