"""The condition on the language of the new text."""

from dataclasses import dataclass

from routerd.rules.conditions.truth import Condition, Truth
from routerd.rules.decision import Evidence
from routerd.rules.facts import Seen


@dataclass(frozen=True, slots=True)
class LanguageCondition(Condition):
    """The new text is in one of these languages; where that cannot be told, it is in none."""

    codes: tuple[str, ...]  # ISO 639-1

    @property
    def cost(self) -> int:
        return 9

    def truth(self, seen: Seen) -> Truth:
        return Truth.YES if seen.texts.language in self.codes else Truth.NO

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        return (Evidence("language", seen.texts.language or "", ", ".join(self.codes)),)

    def describe(self) -> str:
        return f"language {', '.join(self.codes)}"

    def saw(self, seen: Seen) -> str:
        return f"the new text is in {seen.texts.language or 'a language that cannot be told'}"
