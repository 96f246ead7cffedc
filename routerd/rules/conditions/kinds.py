"""The conditions on what sort of message it is, and on the labels that it has so far."""

from dataclasses import dataclass

from routerd.rules.conditions.truth import Condition, Truth
from routerd.rules.decision import Evidence
from routerd.rules.facts import Seen

_NO, _UNKNOWN, _YES = Truth.NO, Truth.UNKNOWN, Truth.YES


@dataclass(frozen=True, slots=True)
class KindCondition(Condition):
    """What sort of message it is: any of these."""

    kinds: tuple[str, ...]

    @property
    def cost(self) -> int:
        return 0 if self.kinds == ("internal",) else 3

    def truth(self, seen: Seen) -> Truth:
        truth = _NO
        for kind in self.kinds:
            if kind == "internal":
                if seen.facts.internal:
                    return _YES
                if seen.facts.internal is None:
                    truth = _UNKNOWN
            elif kind in seen.facts.view.kinds:
                return _YES
        return truth

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        held = next(kind for kind in self.kinds if KindCondition((kind,)).truth(seen) is _YES)
        return (Evidence("is", "", held),)

    def describe(self) -> str:
        return f"is {', '.join(self.kinds)}"

    def saw(self, seen: Seen) -> str:
        kinds = sorted(seen.facts.view.kinds)
        if seen.facts.internal:
            kinds.append("internal")
        elif seen.facts.internal is None and "internal" in self.kinds:
            return "whether it is internal cannot be told now"
        return f"it is {', '.join(kinds)}" if kinds else "it is an ordinary message"


@dataclass(frozen=True, slots=True)
class LabelCondition(Condition):
    """A label that a rule above gave."""

    labels: tuple[str, ...]

    @property
    def cost(self) -> int:
        return 0

    def truth(self, seen: Seen) -> Truth:
        for label in self.labels:
            if label in seen.labels:
                return _YES
        return _NO

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        return (Evidence("label", next(label for label in self.labels if label in seen.labels), ""),)

    def describe(self) -> str:
        return f"label {', '.join(self.labels)}"

    def saw(self, seen: Seen) -> str:
        return f"labels so far: {', '.join(seen.labels)}" if seen.labels else "no label so far"
