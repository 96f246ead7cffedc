"""The condition on a text of the message."""

from dataclasses import dataclass

from routerd.rules.conditions.text_tests import FitsRegex, TextTest
from routerd.rules.conditions.truth import Clue, Condition, Truth
from routerd.rules.decision import Evidence
from routerd.rules.facts import Seen
from routerd.rules.matching.found import shown

_NO, _UNKNOWN, _YES = Truth.NO, Truth.UNKNOWN, Truth.YES
_TEXT_COSTS = {"subject": 3, "from_name": 3, "body": 5, "text": 6, "everything": 7}


@dataclass(frozen=True, slots=True)
class TextCondition(Condition):
    """A text of the message: `field` as `FieldText` names it."""

    field: str
    test: TextTest

    @property
    def cost(self) -> int:
        return _TEXT_COSTS.get(self.field, 4) + (10 if isinstance(self.test, FitsRegex) else 0)

    def truth(self, seen: Seen) -> Truth:
        return _YES if self.test.holds(seen.texts, self.field) else _NO

    @property
    def clues(self) -> frozenset[Clue] | None:
        literals, patterns, stems = self.test.literals, self.test.patterns, self.test.stems
        if not (literals or patterns or stems):
            return None
        clues = [Clue(self.field, literal) for literal in literals]
        clues += [Clue(self.field, pattern, is_pattern=True) for pattern in patterns]
        clues += [Clue(self.field, stem.text, language=stem.language) for stem in stems]
        return frozenset(clues)

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        evidence = self.test.evidence(seen.texts, self.field)
        return (evidence or Evidence(self.field, "", self.test.describe()),)

    def describe(self) -> str:
        return f"{self.field} {self.test.describe()}"

    def saw(self, seen: Seen) -> str:
        parts = seen.texts.parts(self.field)
        return "; ".join(f'{part.field} has "{shown(part.original)}"' for part in parts[:3]) or f"no {self.field}"
