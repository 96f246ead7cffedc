"""Which rules a message may match at all: found by what stands in it, so that the rest need not be asked."""

from collections.abc import Iterable, Iterator, Sequence

from routerd.rules.facts import Seen
from routerd.rules.literals import Literals
from routerd.rules.truth import Condition


class RuleIndex:
    """Of the conditions of one file, from top to bottom; they are known by their number."""

    __slots__ = ("_always", "_by_address", "_by_literal", "_literals")

    def __init__(self, conditions: Sequence[Condition], literals: Literals) -> None:
        """`literals` holds at least `literals_of(conditions)`; files share one, so that texts are searched once."""
        self._literals = literals
        self._always: list[int] = []  # without clues
        self._by_literal: dict[str, dict[str, list[int]]] = {}  # field → literal → numbers
        self._by_address: dict[str, dict[str, list[int]]] = {}  # field → form → numbers
        for number, condition in enumerate(conditions):
            clues = condition.clues
            if clues is None:
                self._always.append(number)
                continue
            for clue in clues:
                by_field = self._by_address if clue.is_address else self._by_literal
                by_field.setdefault(clue.field, {}).setdefault(clue.form, []).append(number)

    def to_ask(self, seen: Seen) -> list[int]:
        """The conditions that may be other than NO, in their order."""
        numbers = set(self._always)
        for field, by_form in self._by_address.items():
            for address in seen.addresses(field):
                for form in _forms_of(address):
                    numbers.update(by_form.get(form, ()))
        for field, by_literal in self._by_literal.items():
            for part in seen.texts.parts(field):
                for literal in by_literal.keys() & part.found_of(self._literals):
                    numbers.update(by_literal[literal])
        return sorted(numbers)


def literals_of(conditions: Iterable[Condition]) -> frozenset[str]:
    """All that is looked for in texts."""
    return frozenset(clue.form for condition in conditions for clue in condition.clues or () if not clue.is_address)


def _forms_of(address: str) -> Iterator[str]:
    """The ways in which a rule can name it: itself, its domain, `.` and the domain or an end of it."""
    domain = address.rpartition("@")[2]
    yield address
    yield domain
    dotted = "." + domain
    at = 0
    while at >= 0:
        yield dotted[at:]
        at = dotted.find(".", at + 1)
