"""Three-valued truth, and what every condition can do."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, NamedTuple

from routerd.rules.decision import Evidence
from routerd.rules.facts import Seen


class Truth(IntEnum):
    """Ordered, so that `all` is the least and `any` the greatest of its parts."""

    NO = 0
    UNKNOWN = 1
    YES = 2


_NO, _UNKNOWN, _YES = Truth.NO, Truth.UNKNOWN, Truth.YES
_OPPOSITE = {_NO: _YES, _UNKNOWN: _UNKNOWN, _YES: _NO}


class Clue(NamedTuple):
    """Something to be found in a field: folded text, or an address, its domain, or `.` and the end of its domain.

    In a field of addresses folded text stands in one of them. A pattern is RE2's, and fits the text as written. With a
    language it is a stem of one of the text's words.
    """

    field: str
    form: str
    is_address: bool = False
    is_pattern: bool = False
    language: str = ""


class Condition(ABC):
    """One `when`, or a part of one. Pure: the same `Seen` gives the same answer."""

    __slots__ = ()

    @property
    @abstractmethod
    def cost(self) -> int:
        """How dear it is to ask, from 0; `all` and `any` ask the cheap ones first."""

    @abstractmethod
    def truth(self, seen: Seen) -> Truth:
        """Whether it holds."""

    @property
    def clues(self) -> frozenset[Clue] | None:
        """Where none of these is found the truth is NO, so it need not be asked; None where it must be."""
        return None

    @property
    def clue_choices(self) -> tuple[frozenset[Clue], ...]:
        """Each of these says by itself what `clues` says, cheap ones first; none where it must be asked."""
        clues = self.clues
        return () if clues is None else (clues,)

    @abstractmethod
    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        """Why it holds; asked only where it does."""

    @abstractmethod
    def describe(self) -> str:
        """As the rule says it, in one line: `subject contains skarg`."""

    def saw(self, _seen: Seen) -> str:
        """What the message has in the place that is asked; "" where that says nothing."""
        return ""


def by_cost(parts: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """The cheap ones first, else as they come."""
    return tuple(sorted(parts, key=lambda part: part.cost))


@dataclass(frozen=True, slots=True)
class _OfParts(Condition):
    """What is made of other conditions; the cheap ones are asked first."""

    parts: tuple[Condition, ...]
    _asked: tuple[Condition, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_asked", by_cost(self.parts))

    @property
    def cost(self) -> int:
        return max(part.cost for part in self.parts)

    def _some_part_holds(self, seen: Seen) -> Truth:
        truth = _NO
        for part in self._asked:
            found = part.truth(seen)
            if found is _YES:
                return _YES
            if found is _UNKNOWN:
                truth = _UNKNOWN
        return truth


@dataclass(frozen=True, slots=True)
class All(_OfParts):
    """Every part holds. `parts` in the order of the file; they are asked the cheap ones first."""

    def truth(self, seen: Seen) -> Truth:
        truth = _YES
        for part in self._asked:
            found = part.truth(seen)
            if found is _NO:
                return _NO
            if found is _UNKNOWN:
                truth = _UNKNOWN
        return truth

    @property
    def clues(self) -> frozenset[Clue] | None:
        """Those of the cheapest part that has any: where they are not found, no dearer one is looked for."""
        return next(iter(self.clue_choices), None)

    @property
    def clue_choices(self) -> tuple[frozenset[Clue], ...]:
        return tuple(clues for part in self._asked for clues in part.clue_choices)

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        found = [evidence for part in self.parts for evidence in part.evidence(seen)]
        return tuple(sorted(found, key=lambda evidence: evidence.field == "not"))  # what stands there says more

    def describe(self) -> str:
        return "all of (" + "; ".join(part.describe() for part in self.parts) + ")"


@dataclass(frozen=True, slots=True)
class AnyOf(_OfParts):
    """At least one part holds."""

    def truth(self, seen: Seen) -> Truth:
        return self._some_part_holds(seen)

    @property
    def clues(self) -> frozenset[Clue] | None:
        clues: frozenset[Clue] = frozenset()
        for part in self.parts:
            of_part = part.clues
            if of_part is None:
                return None
            clues |= of_part
        return clues

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        first = next((part for part in self.parts if part.truth(seen) is _YES), None)
        return first.evidence(seen) if first else ()

    def describe(self) -> str:
        return "any of (" + "; ".join(part.describe() for part in self.parts) + ")"


@dataclass(frozen=True, slots=True)
class NoneOf(_OfParts):
    """No part holds. What cannot be told of a part cannot be told of its opposite."""

    def truth(self, seen: Seen) -> Truth:
        return _OPPOSITE[self._some_part_holds(seen)]

    def evidence(self, _seen: Seen) -> tuple[Evidence, ...]:
        return tuple(Evidence("not", "", part.describe()) for part in self.parts)

    def describe(self) -> str:
        return "; ".join(f"not {part.describe()}" for part in self.parts)

    def saw(self, seen: Seen) -> str:
        held = next((part for part in self.parts if part.truth(seen) is _YES), None)
        return "; ".join(str(evidence) for evidence in held.evidence(seen)) if held else ""


@dataclass(frozen=True, slots=True)
class Always(Condition):
    """Holds for every message."""

    cost: ClassVar[int] = 0

    def truth(self, _seen: Seen) -> Truth:
        return _YES

    def evidence(self, _seen: Seen) -> tuple[Evidence, ...]:
        return (Evidence("always", "", "true"),)

    def describe(self) -> str:
        return "always true"
