"""The condition on when a message was accepted."""

from dataclasses import dataclass
from datetime import datetime

from routerd.config.calendar_values import shown_moment
from routerd.config.working_hours import WorkingHours
from routerd.rules.conditions.truth import All, AnyOf, Condition, NoneOf, Truth
from routerd.rules.decision import Evidence
from routerd.rules.facts import Seen


@dataclass(frozen=True, slots=True)
class TimeCondition(Condition):
    """Accepted inside (or outside) the hours of one of these; where it is not said when, that cannot be told."""

    hours: tuple[WorkingHours, ...]
    inside: bool
    written: str  # "during office"

    @property
    def cost(self) -> int:
        return 1

    def truth(self, seen: Seen) -> Truth:
        at = seen.facts.at
        if at is None:
            return Truth.UNKNOWN
        return Truth.YES if any(hours.includes(at) is self.inside for hours in self.hours) else Truth.NO

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        return (Evidence("at", self._shown(seen.facts.at), self.written),)

    def _shown(self, at: datetime | None) -> str:
        return "" if at is None else shown_moment(at, self.hours[0].zone)

    def describe(self) -> str:
        return f"at {self.written}"

    def saw(self, seen: Seen) -> str:
        at = self._shown(seen.facts.at)
        return f"it was accepted at {at}" if at else "it is not said when it was accepted"


def asks_when(condition: Condition) -> bool:
    """Whether it, or a part of it, asks when the message was accepted."""
    if isinstance(condition, All | AnyOf | NoneOf):
        return any(map(asks_when, condition.parts))
    return isinstance(condition, TimeCondition)
