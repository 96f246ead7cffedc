"""What a formula asks for in any case, part by part: how long lists are compared without looking at all ways."""

from collections.abc import Iterable
from dataclasses import dataclass

from routerd.rules.lint.atoms import Atom, implies
from routerd.rules.lint.effort import Effort
from routerd.rules.lint.formula import And, Formula, Is, Not, Or

_MAX_PAIRED = 1_000  # pairs of atoms of two lists that are compared


@dataclass(frozen=True, slots=True)
class Part:
    """`alternatives`: the atoms any of which suffices (`negated`: none of which may be); None: made in another way."""

    formula: Formula
    alternatives: frozenset[Atom] | None
    negated: bool


def parts_of(formula: Formula) -> tuple[Part, ...]:
    """All of them hold where the formula is true."""
    return tuple(map(_part, formula.parts if isinstance(formula, And) else (formula,)))


def plainly_wherever(upper: Iterable[Part], lower: Iterable[Part], effort: Effort) -> bool:
    """Whether each part of `upper` follows from a part of `lower` by itself. Raises SpentError."""
    return all(any(_follows(part, given, effort) for given in lower) for part in upper)


def _part(formula: Formula) -> Part:
    negated = isinstance(formula, Not)
    return Part(formula, _alternatives(formula.part if isinstance(formula, Not) else formula), negated)


def _alternatives(formula: Formula) -> frozenset[Atom] | None:
    match formula:
        case Is(atom):
            return frozenset((atom,))
        case Or(parts) if parts:
            atoms = frozenset(one.atom for one in parts if isinstance(one, Is))
            return atoms if len(atoms) == len(parts) else None
    return None


def _follows(part: Part, given: Part, effort: Effort) -> bool:
    if part.alternatives is None or given.alternatives is None:
        effort.take(1)
        return part.formula == given.formula
    if part.negated is not given.negated:
        return False
    wanted, had = part.alternatives, given.alternatives
    if part.negated:
        wanted, had = had, wanted
    left = had - wanted
    effort.take(1 + len(had) // 16)
    if len(left) * len(wanted) > _MAX_PAIRED:
        return False
    for atom in left:
        effort.take(1 + len(wanted) // 4)
        if not any(atom.group == other.group and implies(atom, other) for other in wanted):
            return False
    return True
