"""What can be said of one rule alone, and of one below another: decided only where few atoms are involved."""

from collections.abc import Iterable

from routerd.rules.lint.asking import Asked
from routerd.rules.lint.atoms import AddressAtom, Atom, InboxAtom, NumberAtom, TextAtom, ToldAtom, implies
from routerd.rules.lint.formula import FALSE, TRUE, And, Formula, Is, Not, Or, TooManyError, World, atoms_in, has_not

_MAX_PAIRED = 1_000  # pairs of atoms of two lists that are compared
_FREE_OPERATORS = ("contains", "word", "stem", "regex")  # any of them can stand in one text


def is_never(formula: Formula) -> bool:
    """Whether no message at all makes it true; False where that is not decided."""
    if formula == FALSE:
        return True
    if _is_plain(formula):
        return False
    try:
        return World(formula).ways[0] == 0
    except TooManyError:
        return False


def is_always(formula: Formula) -> bool:
    """Whether every message makes it true; False where that is not decided."""
    if formula == TRUE:
        return True
    if not has_not(formula) and not any(map(_may_clash, atoms_in(formula))):
        return False
    try:
        return World(TRUE, formula).without(0, 1) == 0
    except TooManyError:
        return False


def matches_wherever(upper: Formula, lower: Formula) -> bool:
    """Whether every message that makes `lower` true makes `upper` true; False where that is not decided."""
    if _plainly_wherever(upper, lower):
        return True
    try:
        return World(lower, upper).without(0, 1) == 0
    except TooManyError:
        return False


def ways_together(one: Asked, other: Asked, most: int) -> list[frozenset[Atom]] | None:
    """Ways in which both may match, simple ones first; empty where they cannot, None where that is not decided."""
    try:
        world = World(And((one.formula, other.formula)))
    except TooManyError:
        return None
    return world.true_in(world.ways[0], most)


def _is_plain(formula: Formula) -> bool:
    """A few alternatives of atoms that do not stand in each other's way: most rules are so."""
    if has_not(formula):
        return False
    parts = formula.parts if isinstance(formula, And) else (formula,)
    constrained = [part for part in parts if any(map(_may_clash, atoms_in(part)))]
    return len(constrained) <= 1 and all(_alternatives(part) for part in parts)


def _may_clash(atom: Atom) -> bool:
    match atom:
        case TextAtom(operator=operator):
            return operator not in _FREE_OPERATORS
        case AddressAtom(field):
            return field == "sender"
        case NumberAtom() | InboxAtom() | ToldAtom():
            return True
    return False


def _alternatives(part: Formula) -> tuple[Atom, ...] | None:
    """The atoms any of which suffices for this part; None where it is made in another way."""
    match part:
        case Is(atom):
            return (atom,)
        case Or(parts):
            atoms = tuple(one.atom for one in parts if isinstance(one, Is))
            return atoms if len(atoms) == len(parts) else None
    return None


def _plainly_wherever(upper: Formula, lower: Formula) -> bool:
    """Each part of `upper` follows from a part of `lower` by itself; this also works for long lists."""
    return all(any(_follows(part, given) for given in _parts_of(lower)) for part in _parts_of(upper))


def _parts_of(formula: Formula) -> Iterable[Formula]:
    return formula.parts if isinstance(formula, And) else (formula,)


def _follows(part: Formula, given: Formula) -> bool:
    if part == given:
        return True
    if isinstance(part, Not) and isinstance(given, Not):
        wanted, had = _alternatives(given.part), _alternatives(part.part)
    else:
        wanted, had = _alternatives(part), _alternatives(given)
    if not wanted or not had:
        return False
    left = set(had).difference(wanted)
    if len(left) * len(wanted) > _MAX_PAIRED:
        return False
    return all(any(atom.group == other.group and implies(atom, other) for other in wanted) for atom in left)
