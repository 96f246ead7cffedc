"""What can be said of one rule alone, and of one below others: decided only where few atoms are involved.

All raise SpentError where no steps are left.
"""

from routerd.rules.lint.atoms import AddressAtom, Atom, InboxAtom, NumberAtom, TextAtom, ToldAtom
from routerd.rules.lint.effort import Effort
from routerd.rules.lint.formula import FALSE, TRUE, And, Formula, Or, TooManyError, World, atoms_in, has_not
from routerd.rules.lint.parts import parts_of

_FREE_OPERATORS = ("contains", "word", "stem", "regex")  # any of them can stand in one text


def is_never(formula: Formula, effort: Effort) -> bool:
    """Whether no message at all makes it true; False where that is not decided."""
    if formula == FALSE:
        return True
    if _is_plain(formula):
        return False
    if isinstance(formula, Or):
        return all(is_never(part, effort) for part in formula.parts)
    try:
        return World(effort, formula).ways[0] == 0
    except TooManyError:
        return False


def is_always(formula: Formula, effort: Effort) -> bool:
    """Whether every message makes it true; False where that is not decided."""
    if formula == TRUE:
        return True
    if not has_not(formula) and not any(map(_may_clash, atoms_in(formula))):
        return False
    return holds_wherever(formula, TRUE, effort)


def holds_wherever(upper: Formula, lower: Formula, effort: Effort) -> bool:
    """Whether every message that makes `lower` true makes `upper` true; False where that is not decided."""
    try:
        return World(effort, lower, upper).without(0, 1) == 0
    except TooManyError:
        return False


def ways_of(formula: Formula, most: int, effort: Effort) -> list[frozenset[Atom]] | None:
    """Ways in which it is true, simple ones first; empty where it cannot be, None where that is not decided."""
    try:
        world = World(effort, formula)
    except TooManyError:
        return None
    return world.true_in(world.ways[0], most)


def may_be_split(formula: Formula) -> bool:
    """Whether several rules may share out what makes it true, with none of them having all of it."""
    return has_not(formula) or any(map(_may_clash, atoms_in(formula)))


def _is_plain(formula: Formula) -> bool:
    """A few alternatives of atoms that do not stand in each other's way: most rules are so."""
    if has_not(formula):
        return False
    parts = formula.parts if isinstance(formula, And) else (formula,)
    constrained = [part for part in parts if any(map(_may_clash, atoms_in(part)))]
    return len(constrained) <= 1 and all(part.alternatives for part in parts_of(formula))


def _may_clash(atom: Atom) -> bool:
    match atom:
        case TextAtom(operator=operator):
            return operator not in _FREE_OPERATORS
        case AddressAtom(field):
            return field == "sender"
        case NumberAtom() | InboxAtom() | ToldAtom():
            return True
    return False
