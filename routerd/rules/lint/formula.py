"""Conditions as formulas over atoms, and all the ways in which a few atoms can be true together."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, combinations, islice, product

from routerd.rules.lint.atoms import JOINED_FIELDS, Atom, EitherAtom, TextAtom, ThereAtom, impossible
from routerd.rules.lint.effort import Effort

MAX_ATOMS = 16  # of a pair of rules: 65,536 ways
MAX_COMPARED = 40  # atoms that are compared with each other before those that matter are counted
_WAYS_A_STEP = 15  # a step for so many ways, as a power of 2
_MOST_LISTED = 4_000  # ways that are looked at for simple ones


@dataclass(frozen=True, slots=True)
class Is:
    atom: Atom


@dataclass(frozen=True, slots=True)
class Not:
    part: "Formula"


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["Formula", ...]


Formula = Is | Not | And | Or

TRUE = And(())
FALSE = Or(())


def atoms_in(formula: Formula, *, only_wanted: bool = False) -> list[Atom]:
    """Every occurrence, from left to right. `only_wanted`: those that help to make it true."""
    found: list[Atom] = []
    _gather(formula, True, only_wanted, found)
    return found


def _gather(formula: Formula, wanted: bool, only_wanted: bool, found: list[Atom]) -> None:
    if isinstance(formula, Is):
        if wanted or not only_wanted:
            found.append(formula.atom)
    elif isinstance(formula, Not):
        _gather(formula.part, not wanted, only_wanted, found)
    else:
        for part in formula.parts:
            _gather(part, wanted, only_wanted, found)


def has_not(formula: Formula) -> bool:
    match formula:
        case Not():
            return True
        case And(parts) | Or(parts):
            return any(map(has_not, parts))
    return False


def is_true_of_nothing(formula: Formula) -> bool:
    """Whether it is true where none of its atoms are."""
    match formula:
        case Is():
            return False
        case Not(part):
            return not is_true_of_nothing(part)
        case And(parts):
            return all(map(is_true_of_nothing, parts))
    return any(map(is_true_of_nothing, formula.parts))


def simplified(formula: Formula) -> Formula:
    """Without parts that are always or never true, and without And in And and Or in Or."""
    match formula:
        case Not(part):
            part = simplified(part)
            if part == TRUE:
                return FALSE
            return TRUE if part == FALSE else part.part if isinstance(part, Not) else Not(part)
        case And(parts):
            return _flat(And, TRUE, FALSE, parts)
        case Or(parts):
            return _flat(Or, FALSE, TRUE, parts)
    return formula


def _flat(kind: type[And] | type[Or], nothing: Formula, all_of_it: Formula, parts: tuple[Formula, ...]) -> Formula:
    flat: dict[Formula, None] = {}
    for part in map(simplified, parts):
        if part == all_of_it:
            return all_of_it
        if part != nothing:
            flat.update(dict.fromkeys(part.parts if isinstance(part, kind) else (part,)))
    kept = tuple(flat)
    return kept[0] if len(kept) == 1 else kind(kept)


class TooManyError(Exception):
    """More atoms than are decided."""


class World:
    """The atoms of some formulas, and which of them can be true together. Raises TooManyError.

    A set of ways is a whole number with a bit for each way; atom N is true in those whose number has bit N.
    """

    def __init__(self, effort: Effort, *formulas: Formula) -> None:
        """Raises SpentError too."""
        simple = list(formulas)
        occurring = Counter(atom for formula in simple for atom in atoms_in(formula))
        effort.take(1 + occurring.total() // 4)
        if len(occurring) > MAX_COMPARED:
            raise TooManyError
        if _has_mixed_texts(occurring):
            simple = [simplified(_split(formula)) for formula in simple]
            occurring = Counter(atom for formula in simple for atom in atoms_in(formula))
            effort.take(occurring.total())
        if len(occurring) > MAX_COMPARED or len(occurring) - _mergeable(simple, occurring) > MAX_ATOMS:
            raise TooManyError
        clashes = list(_clashes(tuple(occurring), effort))
        if len(occurring) > MAX_ATOMS:
            neighbours = _neighbours(clashes)
            simple = [_merged(formula, occurring, neighbours) for formula in simple]
            occurring = Counter(atom for formula in simple for atom in atoms_in(formula))
            if len(occurring) > MAX_ATOMS:
                raise TooManyError
        self._atoms = tuple(occurring)
        effort.take(1 + ((occurring.total() + 4 * len(clashes)) << len(self._atoms) >> _WAYS_A_STEP))
        self._all = (1 << (1 << len(self._atoms))) - 1
        self._columns = dict(zip(self._atoms, _columns(len(self._atoms)), strict=True))
        self._possible = self._all
        for one, other, values in clashes:
            if one in self._columns and other in self._columns:
                self._possible &= ~(self._where(one, values[0]) & self._where(other, values[1]))
        self.ways = [self._ways(formula) & self._possible for formula in simple]  # of each formula
        self.impossible_ways = self._all & ~self._possible

    def without(self, one: int, other: int) -> int:
        """The possible ways of formula number `one` that are none of formula number `other`."""
        return self.ways[one] & ~self.ways[other]

    def true_in(self, ways: int, most: int) -> list[frozenset[Atom]]:
        """The atoms that are true in some of the ways, those with few of them first."""
        bits = f"{ways:b}"[::-1]
        found = list(islice((at for at, bit in enumerate(bits) if bit == "1"), _MOST_LISTED))
        found.sort(key=lambda way: (way.bit_count(), way))
        return [frozenset(atom for at, atom in enumerate(self._atoms) if way >> at & 1) for way in found[:most]]

    def _where(self, atom: Atom, value: bool) -> int:
        return self._columns[atom] if value else self._all & ~self._columns[atom]

    def _ways(self, formula: Formula) -> int:
        match formula:
            case Is(atom):
                return self._columns[atom]
            case Not(part):
                return self._all & ~self._ways(part)
            case And(parts):
                ways = self._all
                for part in parts:
                    ways &= self._ways(part)
                return ways
            case Or(parts):
                ways = 0
                for part in parts:
                    ways |= self._ways(part)
                return ways


@cache
def _columns(atoms: int) -> tuple[int, ...]:
    """For each atom the ways in which it is true: blocks of 2^N zeros and 2^N ones in turn."""
    columns = []
    for atom in range(atoms):
        column, width = ((1 << (1 << atom)) - 1) << (1 << atom), 2 << atom
        while width < 1 << atoms:
            column |= column << width
            width *= 2
        columns.append(column)
    return tuple(columns)


def _clashes(atoms: tuple[Atom, ...], effort: Effort) -> Iterator[tuple[Atom, Atom, tuple[bool, bool]]]:
    """Only atoms of one group clash, and those of the new text with those of the whole one."""
    groups: dict[str, list[Atom]] = {}
    for atom in atoms:
        groups.setdefault(atom.group, []).append(atom)
    compared = [combinations(group, 2) for group in groups.values()]
    across = product(groups.get("text body", ()), groups.get("text whole", ()))
    for one, other in chain(*compared, across):
        effort.take(1)
        for values in impossible(one, other):
            yield one, other, values


def _mergeable(formulas: Iterable[Formula], occurring: Counter[Atom]) -> int:
    """How many fewer atoms there are at best when long lists are merged."""
    fewer = 0
    for formula in formulas:
        if isinstance(formula, Or):
            fewer += max(0, sum(isinstance(part, Is) and occurring[part.atom] == 1 for part in formula.parts) - 1)
        if isinstance(formula, Not):
            fewer += _mergeable((formula.part,), occurring)
        elif not isinstance(formula, Is):
            fewer += _mergeable(formula.parts, occurring)
    return fewer


def _neighbours(clashes: Iterable[tuple[Atom, Atom, tuple[bool, bool]]]) -> dict[Atom, set[Atom]]:
    found: dict[Atom, set[Atom]] = {}
    for one, other, _ in clashes:
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return found


def _has_mixed_texts(atoms: Iterable[Atom]) -> bool:
    fields = {atom.field for atom in atoms if isinstance(atom, TextAtom | ThereAtom)}
    return not fields.isdisjoint(JOINED_FIELDS) and len(fields & {"subject", "body", "whole", *JOINED_FIELDS}) > 1


def _split(formula: Formula) -> Formula:
    """`text` as subject or body: a term stands in one of them."""
    match formula:
        case Is(TextAtom(field, operator, term, words)) if field in JOINED_FIELDS:
            return Or(tuple(Is(TextAtom(part, operator, term, words)) for part in JOINED_FIELDS[field]))
        case Is(ThereAtom(field, True)) if field in JOINED_FIELDS:
            return Or(tuple(Is(ThereAtom(part)) for part in JOINED_FIELDS[field]))
        case Not(part):
            return Not(_split(part))
        case And(parts):
            return And(tuple(map(_split, parts)))
        case Or(parts):
            return Or(tuple(map(_split, parts)))
    return formula


def _merged(formula: Formula, occurring: Counter[Atom], neighbours: dict[Atom, set[Atom]]) -> Formula:
    """Of a long list, what has to do with nothing outside of it as one atom."""
    match formula:
        case Not(part):
            return Not(_merged(part, occurring, neighbours))
        case And(parts):
            return And(tuple(_merged(part, occurring, neighbours) for part in parts))
        case Or(parts):
            once = {part.atom for part in parts if isinstance(part, Is) and occurring[part.atom] == 1}
            alone = tuple(atom for atom in once if neighbours.get(atom, set()) <= once)
            if len(alone) < 2:
                return Or(tuple(_merged(part, occurring, neighbours) for part in parts))
            kept = tuple(part for part in parts if not (isinstance(part, Is) and part.atom in alone))
            in_order = tuple(part.atom for part in parts if isinstance(part, Is) and part.atom in alone)
            return Or((*(_merged(part, occurring, neighbours) for part in kept), Is(EitherAtom(in_order))))
    return formula
