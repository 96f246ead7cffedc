"""The operators on text: each asks the texts of one field, and can say what it found there."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from routerd.rules.decision import Evidence
from routerd.rules.facts import FieldText, Part, Phrase
from routerd.rules.found import find_phrase, find_text, shown
from routerd.rules.regex import Regex


@dataclass(frozen=True, slots=True)
class Term:
    """One thing to look for: as the rule writes it, and folded."""

    written: str
    folded: str


class TextTest(ABC):
    """An operator with its terms; any of them suffices, in any text of the field."""

    __slots__ = ()
    operator: ClassVar[str]

    @abstractmethod
    def holds(self, texts: FieldText, field: str) -> bool:
        """Whether one of the field's texts has one of the terms."""

    @abstractmethod
    def find(self, part: Part) -> tuple[str, str] | None:
        """What was found in this text, as written there, and the term that found it; None where nothing was."""

    @abstractmethod
    def terms_written(self) -> tuple[str, ...]:
        """The terms as the rule writes them."""

    @property
    def literals(self) -> frozenset[str]:
        """It holds only where one of these stands in a folded text of the field, or one of `patterns` fits there.

        Both empty: that cannot be said.
        """
        return frozenset()

    @property
    def patterns(self) -> frozenset[str]:
        """RE2 patterns, asked of the text as written."""
        return frozenset()

    def evidence(self, texts: FieldText, field: str) -> Evidence | None:
        for part in texts.parts(field):
            hit = self.find(part)
            if hit is not None:
                found, term = hit
                return Evidence(part.field, found, f"{self.operator} {shown(term)}")
        return None

    def describe(self) -> str:
        written = self.terms_written()
        more = f", … ({len(written)} in all)" if len(written) > 5 else ""
        return f"{self.operator} {', '.join(shown(term) for term in written[:5])}{more}"


@dataclass(frozen=True, slots=True)
class _Literals(TextTest):
    terms: tuple[Term, ...]

    def terms_written(self) -> tuple[str, ...]:
        return tuple(term.written for term in self.terms)

    @property
    def literals(self) -> frozenset[str]:
        return frozenset(term.folded for term in self.terms)


@dataclass(frozen=True, slots=True)
class Contains(_Literals):
    """The term stands in the text, also inside a word."""

    operator: ClassVar[str] = "contains"

    def holds(self, texts: FieldText, field: str) -> bool:
        for text in texts.folded(field):
            for term in self.terms:
                if term.folded in text:
                    return True
        return False

    def find(self, part: Part) -> tuple[str, str] | None:
        for term in self.terms:
            if term.folded in part.folded:
                return find_text(part.original, term.folded), term.written
        return None


@dataclass(frozen=True, slots=True)
class Equals(_Literals):
    """The whole text is the term."""

    operator: ClassVar[str] = "equals"

    def holds(self, texts: FieldText, field: str) -> bool:
        return any(text == term.folded for text in texts.folded(field) for term in self.terms)

    def find(self, part: Part) -> tuple[str, str] | None:
        for term in self.terms:
            if part.folded == term.folded:
                return shown(part.original), term.written
        return None


@dataclass(frozen=True, slots=True)
class StartsWith(_Literals):
    """The text begins with the term."""

    operator: ClassVar[str] = "starts_with"

    def holds(self, texts: FieldText, field: str) -> bool:
        return any(text.startswith(term.folded) for text in texts.folded(field) for term in self.terms)

    def find(self, part: Part) -> tuple[str, str] | None:
        for term in self.terms:
            if part.folded.startswith(term.folded):
                return find_text(part.original, term.folded), term.written
        return None


@dataclass(frozen=True, slots=True)
class EndsWith(_Literals):
    """The text ends with the term."""

    operator: ClassVar[str] = "ends_with"

    def holds(self, texts: FieldText, field: str) -> bool:
        return any(text.endswith(term.folded) for text in texts.folded(field) for term in self.terms)

    def find(self, part: Part) -> tuple[str, str] | None:
        for term in self.terms:
            if part.folded.endswith(term.folded):
                # Of several hits the last: what stands before the others' ends is not asked about.
                tail = part.original[-4 * len(term.folded) - 200 :]
                return find_text(tail, term.folded), term.written
        return None


@dataclass(frozen=True, slots=True)
class HasWords(TextTest):
    """The term's words stand in the text as whole words, one after the other."""

    terms: tuple[tuple[str, Phrase], ...]  # as written, and its words

    operator: ClassVar[str] = "word"

    def terms_written(self) -> tuple[str, ...]:
        return tuple(written for written, _ in self.terms)

    @property
    def literals(self) -> frozenset[str]:
        """Of each phrase the longest word: also without its proclitics a word is a piece of the text."""
        return frozenset(max(phrase.words, key=len) for _, phrase in self.terms)

    def holds(self, texts: FieldText, field: str) -> bool:
        for part in texts.parts(field):
            words = part.words
            for _, phrase in self.terms:
                if words.has(phrase):
                    return True
        return False

    def find(self, part: Part) -> tuple[str, str] | None:
        for written, phrase in self.terms:
            if part.words.has(phrase):
                return find_phrase(part.original, phrase), written
        return None


@dataclass(frozen=True, slots=True)
class FitsRegex(TextTest):
    """A regex is found in the text as it was written."""

    terms: tuple[Regex, ...]

    operator: ClassVar[str] = "regex"

    def terms_written(self) -> tuple[str, ...]:
        return tuple(term.written for term in self.terms)

    @property
    def literals(self) -> frozenset[str]:
        return frozenset(literal for term in self.terms for literal in term.literals)

    @property
    def patterns(self) -> frozenset[str]:
        return frozenset(term.pattern.source for term in self.terms if not term.literals)

    def holds(self, texts: FieldText, field: str) -> bool:
        return any(term.found(part.visible) for part in texts.parts(field) for term in self.terms)

    def find(self, part: Part) -> tuple[str, str] | None:
        for term in self.terms:
            hit = term.hit(part.visible)
            if hit is not None:
                return shown(hit), term.written
        return None


@dataclass(frozen=True, slots=True)
class IsThere(TextTest):
    """The field is there and not blank, or is not."""

    wanted: bool

    operator: ClassVar[str] = "exists"

    def terms_written(self) -> tuple[str, ...]:
        return ("true" if self.wanted else "false",)

    def holds(self, texts: FieldText, field: str) -> bool:
        return bool(texts.parts(field)) is self.wanted

    def find(self, part: Part) -> tuple[str, str] | None:
        return (shown(part.original), "true") if self.wanted else None
