"""The conditions on sizes and counts. They are always there: where there is nothing to count, they are 0."""

from dataclasses import dataclass

from routerd.rules.conditions.truth import Condition, Truth
from routerd.rules.decision import Evidence
from routerd.rules.facts import Seen


@dataclass(frozen=True, slots=True)
class NumberTest:
    """`over`, `under` or `equals` a number."""

    operator: str
    number: int
    written: str

    def holds(self, number: int) -> bool:
        if self.operator == "over":
            return number > self.number
        if self.operator == "under":
            return number < self.number
        return number == self.number

    def describe(self) -> str:
        return f"{self.operator} {self.written}"


@dataclass(frozen=True, slots=True)
class SizeCondition(Condition):
    """The decoded size of the message in bytes."""

    test: NumberTest

    @property
    def cost(self) -> int:
        return 4

    def truth(self, seen: Seen) -> Truth:
        return Truth.YES if self.test.holds(seen.facts.view.size_bytes) else Truth.NO

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        return (Evidence("size", str(seen.facts.view.size_bytes), self.test.describe()),)

    def describe(self) -> str:
        return f"size {self.test.describe()}"

    def saw(self, seen: Seen) -> str:
        return f"size is {shown_bytes(seen.facts.view.size_bytes)}"


def shown_bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count} bytes"


@dataclass(frozen=True, slots=True)
class CountCondition(Condition):
    """How many there are: `attachments`, or `recipients` (addresses in To and Cc, each once)."""

    field: str
    test: NumberTest

    @property
    def cost(self) -> int:
        return 8 if self.field == "attachments" else 2

    def truth(self, seen: Seen) -> Truth:
        return Truth.YES if self.test.holds(self._count(seen)) else Truth.NO

    def _count(self, seen: Seen) -> int:
        if self.field == "attachments":
            return len(seen.attachments)
        return len({*seen.addresses("to"), *seen.addresses("cc")})

    def evidence(self, seen: Seen) -> tuple[Evidence, ...]:
        return (Evidence(self.field, str(self._count(seen)), self.test.describe()),)

    def describe(self) -> str:
        return f"{self.field} {self.test.describe()}"

    def saw(self, seen: Seen) -> str:
        return f"{self.field}: {self._count(seen)}"
