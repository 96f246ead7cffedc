"""`two-owners`: two rules look for the same and assign differently."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from routerd.config.nearest import quoted, visible
from routerd.rules.actions import AssignTo
from routerd.rules.decision import Decision
from routerd.rules.finding import Finding
from routerd.rules.lint.asking import Asked, Place
from routerd.rules.lint.atoms import AddressAtom, Atom, TextAtom, ToldAtom
from routerd.rules.lint.formula import And, atoms_in
from routerd.rules.lint.related import Trait, bears_on, trait
from routerd.rules.lint.shadowed import Shadow
from routerd.rules.lint.verdict import is_always, ways_together
from routerd.rules.lint.witness import Prover, guess, matched
from routerd.rules.matching.literals import Literals
from routerd.rules.trying.cases import CaseResult

_SHARED = frozenset(("term", "regex", "form", "glob", "opaque"))
_MOST_PARTNERS = 8  # of one rule
_MOST_FILED = 40  # rules under one term that are looked at
_WAYS = 24
_TRIES = 10  # messages that are made of one pair


@dataclass(frozen=True, slots=True)
class _Pair:
    upper: Asked
    lower: Asked
    shared: str
    wanted: frozenset[Atom]  # those of both that have to do with each other

    @property
    def places(self) -> tuple[Place, Place]:
        return self.upper.place, self.lower.place


def find_two_owners(
    asked: Sequence[Asked],
    shadows: Mapping[Place, Shadow],
    literals: Literals,
    prover: Prover,
    results: Sequence[CaseResult],
) -> Iterator[Finding]:
    """Each pair once: those of which a test shows both, then those that share what they look for."""
    owners = [one for one in asked if isinstance(one.rule.then.assign, AssignTo) and not one.rule.trial]
    told: set[tuple[Place, Place]] = set()
    for upper, lower, result in _of_tests(owners, results):
        if (upper.place, lower.place) not in told and not is_always(lower.formula):
            told.add((upper.place, lower.place))
            yield _finding(upper, lower, f"the test {result.case.name!r} ({result.case.mark}) meets both")
    for pair in _pairs(owners, literals):
        if pair.places in told or not {pair.upper.place, pair.lower.place}.isdisjoint(shadows):
            continue
        told.add(pair.places)
        ways = ways_together(pair.upper, pair.lower, _WAYS)
        if ways == []:
            continue
        witness = _witness(pair, ways or [], prover)
        both = "one message can meet both" if witness else "one message may meet both"
        yield _finding(pair.upper, pair.lower, f"{pair.shared}, and {both}", witness)


def _finding(upper: Asked, lower: Asked, why: str, witness: str = "") -> Finding:
    above, below = upper.rule, lower.rule
    return Finding(
        "two-owners",
        below.mark,
        f"{below.ref.name!r} assigns {_target(lower)}, {above.ref.name!r} ({above.mark}) assigns "
        f"{_target(upper)}: {why}; the upper one decides",
        (below.ref, above.ref),
        witness,
    )


def _target(one: Asked) -> str:
    assign = one.rule.then.assign
    return assign.describe() if assign else "nobody"


def _shared(atom: Atom, by: Trait) -> str:
    match atom:
        case TextAtom(_, "regex", term):
            return f"both look for /{visible(term)}/"
        case TextAtom():
            return f"both look for {quoted(str(by[2]))}"
        case AddressAtom(_, _, form) if form != by[2]:
            return f"{form} is one of {by[2]}"
        case AddressAtom(_, _, form):
            return f"both look for {form}"
    return "both look for the same"


def _of_tests(owners: Sequence[Asked], results: Sequence[CaseResult]) -> Iterator[tuple[Asked, Asked, CaseResult]]:
    by_ref = {one.rule.ref: one for one in owners}
    for result in results:
        matches = result.decision.trace.matches if result.decision else ()
        matched = [by_ref[match.rule] for match in matches if match.rule in by_ref]
        for lower in matched[1:]:
            if lower.rule.then.assign != matched[0].rule.then.assign:
                yield matched[0], lower, result


def _pairs(owners: Sequence[Asked], literals: Literals) -> Iterator[_Pair]:
    """Pairs that bear on each other by what they look for, in the order of the lower one."""
    wanted = [tuple(dict.fromkeys(atom for atom in atoms_in(one.formula, only_wanted=True))) for one in owners]
    filed: dict[Trait, list[int]] = {}
    for number, atoms in enumerate(wanted):
        for one in {trait(atom) for atom in atoms}:
            if one[0] in _SHARED:
                filed.setdefault(one, []).append(number)
    for number, atoms in enumerate(wanted):
        partners: dict[int, tuple[Atom, Trait]] = {}
        for atom in atoms:
            for one in bears_on(atom, literals) if not isinstance(atom, ToldAtom) else ():
                if one[0] in _SHARED:
                    for other in filed.get(one, ())[:_MOST_FILED]:
                        partners.setdefault(other, (atom, one))
        partners.pop(number, None)
        found = [other for other in partners if _compete(owners, number, other)]
        for other in sorted(found)[:_MOST_PARTNERS]:
            upper, lower = sorted((number, other))
            atom, one = partners[other]
            of_other = (its for its in wanted[other] if trait(its) == one)
            yield _Pair(owners[upper], owners[lower], _shared(atom, one), frozenset((atom, *of_other)))


def _compete(owners: Sequence[Asked], one: int, other: int) -> bool:
    upper, lower = owners[min(one, other)], owners[max(one, other)]
    above = upper.rule.then
    if above.assign == lower.rule.then.assign or not upper.inboxes & lower.inboxes:
        return False
    return above.stop is None or (above.stop == "file" and upper.place[0] != lower.place[0])


def _witness(pair: _Pair, ways: list[frozenset[Atom]], prover: Prover) -> str:
    refs = {pair.upper.rule.ref, pair.lower.rule.ref}

    def shows(decision: Decision) -> bool:
        return refs <= matched(decision)

    terms = {atom.term for atom in pair.wanted if isinstance(atom, TextAtom)}

    def told(way: frozenset[Atom]) -> int:
        """How many of the terms that the two have in common."""
        return len(terms & {atom.term for atom in way if isinstance(atom, TextAtom)})

    telling = sorted(filter(told, ways), key=told, reverse=True)
    guessed = guess(And((pair.upper.formula, pair.lower.formula)), pair.wanted)
    return prover.show([*telling, guessed, *ways][:_TRIES], pair.upper.inboxes & pair.lower.inboxes, shows)
