"""Which rules may have to do with each other, found without comparing every one with every other.

A rule is filed under traits of what it asks: its terms, its addresses and their domains, kinds, labels. Another is
looked up by the traits that its own atoms bear on: the terms that stand in its terms, the domains of its addresses.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from routerd.rules.lint.asking import Asked
from routerd.rules.lint.atoms import (
    AddressAtom,
    Atom,
    EitherAtom,
    KindAtom,
    LabelAtom,
    OpaqueAtom,
    TextAtom,
    ThereAtom,
    ToldAtom,
)
from routerd.rules.lint.formula import TRUE, And, Formula, atoms_in, has_not
from routerd.rules.matching.literals import Literals

Trait = tuple[object, ...]
_PLACES_OF_TEXT = frozenset(("subject", "body", "text", "everything", "whole"))


def trait(atom: Atom) -> Trait:
    """Under which a rule that asks for this atom is filed."""
    found: Trait = (atom.group,)
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
    return found


def literals_of(asked: Iterable[Asked]) -> Literals:
    """All terms of all rules, to be found in each other's."""
    found = set()
    for one in asked:
        for atom in atoms_in(one.formula):
            if isinstance(atom, TextAtom) and atom.operator != "regex":
                found.add(trait(atom)[2])
    return Literals([term for term in found if isinstance(term, str)])


def bears_on(atom: Atom, literals: Literals) -> Iterator[Trait]:
    """The traits of atoms that may hold because this one does."""
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

    def __init__(self, rules: Sequence[Asked], always: frozenset[int], literals: Literals) -> None:
        """`always`: the numbers of those that match every message at their inboxes."""
        self._rules = rules
        self._literals = literals
        self._for_all = sorted(always)
        self._by_trait: dict[Trait, list[int]] = {}
        counted = Counter(trait(atom) for one in rules for atom in set(atoms_in(one.formula)))
        for number, one in enumerate(rules):
            if number not in always:
                for found in _rarest_part(one.formula, counted):
                    self._by_trait.setdefault(found, []).append(number)

    def related_to(self, formula: Formula, before: int, most: int) -> list[int]:
        """Numbers of rules above number `before` that may match wherever `formula` is true, the first `most`."""
        found = {number for number in self._for_all[:most] if number < before}
        for atom in dict.fromkeys(atoms_in(formula)):
            for one in bears_on(atom, self._literals):
                for number in islice(self._by_trait.get(one, ()), most):
                    if number < before:
                        found.add(number)
        return sorted(found)[:most]


def _rarest_part(formula: Formula, counted: Counter[Trait]) -> set[Trait]:
    parts = formula.parts if isinstance(formula, And) else (formula,)
    filed = [{trait(atom) for atom in atoms_in(part)} for part in parts if part != TRUE]
    negated = [has_not(part) for part in parts if part != TRUE]
    ranked = sorted(zip(negated, (sum(counted[one] for one in part) for part in filed), range(len(filed)), strict=True))
    return filed[ranked[0][2]] if ranked else set()
