"""Which rules may have to do with each other, found without comparing every one with every other.

A rule is filed under traits of what it asks: its terms, its addresses and their domains, kinds, labels. Another is
looked up by the traits that its own atoms bear on: the terms that stand in its terms, the domains of its addresses.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from routerd.rules.lint.asking import Asked
from routerd.rules.lint.atoms import (
    AddressAtom,
    Atom,
    EitherAtom,
    InboxAtom,
    KindAtom,
    LabelAtom,
    NumberAtom,
    OpaqueAtom,
    TextAtom,
    ThereAtom,
    ToldAtom,
)
from routerd.rules.lint.effort import Effort
from routerd.rules.lint.formula import TRUE, atoms_in, has_not
from routerd.rules.matching.literals import Literals

Trait = tuple[object, ...]
_PLACES_OF_TEXT = frozenset(("subject", "body", "text", "everything", "whole"))


def trait(atom: Atom) -> Trait:
    """Under which a rule that asks for this atom is filed."""
    found: Trait
    match atom:
        case TextAtom(field, "regex", term):
            found = "regex", _place(field), term
        case TextAtom(field, operator, term, words):
            found = "term", _place(field), max(words, key=len) if operator == "word" else term
        case ThereAtom(field):
            found = "there", _place(field)
        case AddressAtom(field, kind, form):
            found = "form" if kind in ("exact", "domain", "suffix") else kind, field, form
        case KindAtom(kind):
            found = "kind", kind
        case LabelAtom(label):
            found = "label", label
        case OpaqueAtom(key) | ToldAtom(key):
            found = "opaque", key
        case EitherAtom():
            found = "either", atom
        case NumberAtom() | InboxAtom():
            found = (atom.group,)
    return found


class Bearing:
    """Which atoms of the rules may hold because another one does, by their traits."""

    def __init__(self, asked: Iterable[Asked]) -> None:
        atoms = {atom for one in asked for atom in one.atoms}
        self._literals = Literals({str(trait(atom)[2]) for atom in atoms if _is_literal(atom)})
        self._known: dict[Atom, tuple[Trait, ...]] = {}

    def of(self, atom: Atom) -> tuple[Trait, ...]:
        """The atom's own trait first."""
        known = self._known.get(atom)
        if known is None:
            known = self._known[atom] = tuple(_bears_on(atom, self._literals))
        return known


def _is_literal(atom: Atom) -> bool:
    return isinstance(atom, TextAtom) and atom.operator != "regex"


def _bears_on(atom: Atom, literals: Literals) -> Iterator[Trait]:
    yield trait(atom)
    match atom:
        case TextAtom(field, operator, term):
            yield "there", _place(field)
            if operator != "regex":
                yield from (("term", _place(field), literal) for literal in literals.found_in(term))
        case AddressAtom(field, kind, form):
            yield "there", field
            domain = form.rpartition("@")[2]
            if kind == "exact":
                yield "form", field, domain
            if kind in ("exact", "domain", "suffix"):
                yield from (("form", field, ending) for ending in _endings(domain))
        case OpaqueAtom(_, needs) if needs:
            yield "there", needs.partition(" ")[2]


def _endings(domain: str) -> Iterator[str]:
    dotted = "." + domain.removeprefix(".")
    at = 0
    while at >= 0:
        yield dotted[at:]
        at = dotted.find(".", at + 1)


def _place(field: str) -> str:
    return "text" if field in _PLACES_OF_TEXT else field


class Filed:
    """Rules that others may be looked up against: each under the rarest thing that it asks for in any case."""

    def __init__(self, rules: Sequence[Asked], always: frozenset[int], bearing: Bearing) -> None:
        """`always`: the numbers of those that match every message at their inboxes."""
        self._bearing = bearing
        self._for_all = sorted(always)
        self._by_trait: dict[Trait, list[int]] = {}
        counted = Counter(bearing.of(atom)[0] for one in rules for atom in one.atoms)
        for number, one in enumerate(rules):
            if number not in always:
                for found in self._rarest_part(one, counted):
                    self._by_trait.setdefault(found, []).append(number)

    def related_to(self, one: Asked, before: int, most: int, effort: Effort) -> list[int]:
        """Numbers of rules above number `before` that may match wherever this one does, `most` of them and one more."""
        effort.take(1 + len(one.atoms) // 2)
        found = set(self._for_all[: min(most + 1, bisect_left(self._for_all, before))])
        for atom in one.atoms:
            for bearing in self._bearing.of(atom):
                filed = self._by_trait.get(bearing)
                if filed is not None:
                    found.update(filed[: min(most + 1, bisect_left(filed, before))])
        effort.take(len(found) // 8)
        return sorted(found)[: most + 1]

    def _rarest_part(self, one: Asked, counted: Counter[Trait]) -> set[Trait]:
        ranked: list[tuple[bool, int, int, set[Trait]]] = []
        for part in one.parts:
            if part.formula != TRUE:
                traits = {self._bearing.of(atom)[0] for atom in atoms_in(part.formula)}
                ranked.append((has_not(part.formula), sum(counted[found] for found in traits), len(ranked), traits))
        return min(ranked)[-1] if ranked else set()
