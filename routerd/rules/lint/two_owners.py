"""`two-owners`: two rules look for the same and assign differently."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from routerd.config.nearest import quoted, visible
from routerd.rules.actions import AssignTo
from routerd.rules.decision import Decision
from routerd.rules.facts import Facts
from routerd.rules.finding import Finding
from routerd.rules.lint.alone import Alone
from routerd.rules.lint.asking import Asked, Place
from routerd.rules.lint.atoms import AddressAtom, Atom, TextAtom, ToldAtom
from routerd.rules.lint.effort import Effort, SpentError, Unseen
from routerd.rules.lint.formula import And, atoms_in
from routerd.rules.lint.related import Bearing, Trait, trait
from routerd.rules.lint.shadowed import Shadow
from routerd.rules.lint.verdict import ways_of
from routerd.rules.lint.witness import Prover, guess, matched
from routerd.rules.trying.cases import CaseResult

_SHARED = frozenset(("term", "regex", "form", "glob", "opaque"))
_MOST_PARTNERS = 8  # of one rule
_MOST_TOLD = 400  # pairs; who has more mends these first
_MOST_FILED = 40  # rules under one term that are looked at
_WAYS = 24
_TRIES = 10  # messages that are made of one pair


@dataclass(frozen=True, slots=True)
class Known:
    """What was found of the rules before, and the steps that are left for their pairs."""

    alone: Alone
    shadows: Mapping[Place, Shadow]
    bearing: Bearing
    effort: Effort


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
    known: Known,
    prover: Prover,
    results: Sequence[CaseResult],
    unseen: list[Unseen],
) -> Iterator[Finding]:
    """Each pair once: those of which a test shows both, then those that share what they look for."""
    owners = [one for one in asked if isinstance(one.rule.then.assign, AssignTo) and not one.rule.trial]
    told: set[tuple[Place, Place]] = set()
    for upper, lower, result in _of_tests(owners, results):
        if (upper.place, lower.place) not in told and lower.place not in known.alone.always:
            told.add((upper.place, lower.place))
            yield _finding(upper, lower, f"the test {result.case.name!r} ({result.case.mark}) meets both")
    search = _Search(owners, known)
    try:
        for pair in search.pairs():
            if pair.places in told or any(place in known.shadows for place in pair.places):
                continue
            told.add(pair.places)
            ways = None
            if pair.upper.is_small and pair.lower.is_small:
                ways = ways_of(And((pair.upper.formula, pair.lower.formula)), _WAYS, known.effort)
            if ways == []:
                continue
            witness = _witness(pair, ways or [], prover)
            both = "one message can meet both" if witness else "one message may meet both"
            yield _finding(pair.upper, pair.lower, f"{pair.shared}, and {both}", witness)
            if len(told) >= _MOST_TOLD:
                raise SpentError
    except SpentError:
        message = f"only the first {search.done:,} of {len(owners):,} rules that assign were compared with others"
        unseen.append(Unseen("two-owners", message))
    if search.cut_short:
        message = f"{search.cut_short:,} rules were compared with the first {_MOST_PARTNERS} that look for the same"
        unseen.append(Unseen("two-owners", f"{message}, not with all"))


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


class _Search:
    """Pairs that bear on each other by what they look for, in the order of their rules."""

    def __init__(self, owners: Sequence[Asked], known: Known) -> None:
        self._owners = owners
        self._known = known
        self._wanted = [tuple(dict.fromkeys(atoms_in(one.formula, only_wanted=True))) for one in owners]
        self._filed: dict[Trait, list[int]] = {}
        for number, atoms in enumerate(self._wanted):
            for one in {known.bearing.of(atom)[0] for atom in atoms}:
                if one[0] in _SHARED:
                    self._filed.setdefault(one, []).append(number)
        self.done = 0  # rules that were compared with others
        self.cut_short = 0  # those of them that were not compared with all that share something

    def pairs(self) -> Iterator[_Pair]:
        """Raises SpentError."""
        for number in range(len(self._owners)):
            partners = self._partners(number)
            for other in sorted(partners)[:_MOST_PARTNERS]:
                upper, lower = sorted((number, other))
                atom, one = partners[other]
                of_other = (its for its in self._wanted[other] if trait(its) == one)
                shared = frozenset((atom, *of_other))
                yield _Pair(self._owners[upper], self._owners[lower], _shared(atom, one), shared)
            self.done += 1
            self.cut_short += len(partners) > _MOST_PARTNERS

    def _partners(self, number: int) -> dict[int, tuple[Atom, Trait]]:
        """One more than are looked at says that there are more."""
        partners: dict[int, tuple[Atom, Trait]] = {}
        for atom in self._wanted[number]:
            for one in self._known.bearing.of(atom) if not isinstance(atom, ToldAtom) else ():
                filed = self._filed.get(one, ()) if one[0] in _SHARED else ()
                if len(filed) > 1 or (filed and filed[0] != number):
                    competing = (other for other in filed[:_MOST_FILED] if _compete(self._owners, number, other))
                    found = list(islice(competing, _MOST_PARTNERS + 1))
                    self._known.effort.take(1 + min(len(filed), _MOST_FILED) // 4)
                    for other in found:
                        partners.setdefault(other, (atom, one))
        return partners


def _compete(owners: Sequence[Asked], one: int, other: int) -> bool:
    upper, lower = owners[min(one, other)], owners[max(one, other)]
    above = upper.rule.then
    if one == other or above.assign == lower.rule.then.assign or not upper.inboxes & lower.inboxes:
        return False
    if "two-owners" in upper.rule.allow or "two-owners" in lower.rule.allow:
        return False
    return above.stop is None or (above.stop == "file" and upper.place[0] != lower.place[0])


def _witness(pair: _Pair, ways: list[frozenset[Atom]], prover: Prover) -> str:
    refs = {pair.upper.rule.ref, pair.lower.rule.ref}

    def shows(decision: Decision, _: Facts) -> bool:
        return refs <= matched(decision)

    terms = {atom.term for atom in pair.wanted if isinstance(atom, TextAtom)}

    def told(way: frozenset[Atom]) -> int:
        """How many of the terms that the two have in common."""
        return len(terms & {atom.term for atom in way if isinstance(atom, TextAtom)})

    telling = sorted(filter(told, ways), key=told, reverse=True)
    guessed = guess(And((pair.upper.formula, pair.lower.formula)), pair.wanted)
    return prover.show(
        "two-owners", [*telling, guessed, *ways][:_TRIES], pair.upper.inboxes & pair.lower.inboxes, shows
    )
