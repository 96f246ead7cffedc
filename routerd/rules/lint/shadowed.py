"""`shadowed`: a rule above decides first, whatever message comes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from routerd.rules.actions import AssignTo
from routerd.rules.finding import Finding
from routerd.rules.lint.asking import Asked, Place
from routerd.rules.lint.atoms import InboxAtom
from routerd.rules.lint.formula import And, Formula, Not, atoms_in
from routerd.rules.lint.related import Filed
from routerd.rules.lint.verdict import is_always, is_never, matches_wherever, ways_together
from routerd.rules.lint.witness import Prover, guess, matched
from routerd.rules.matching.literals import Literals

_MOST_ABOVE = 12  # rules that one rule is compared with
_WAYS = 6


@dataclass(frozen=True, slots=True)
class Shadow:
    """`lower` is of no effect (`whole`), or gives no owner, because of `upper`."""

    upper: Asked
    lower: Asked
    whole: bool


def find_shadows(asked: Sequence[Asked], literals: Literals) -> Mapping[Place, Shadow]:
    """By the place of the lower rule; rules that can never match at all are left out."""
    effective = [one for one in asked if not one.rule.trial]
    uppers = [one for one in effective if one.rule.then.assign is not None or one.rule.then.stop is not None]
    numbers = {one.place: number for number, one in enumerate(uppers)}
    for_all = (number for number, one in enumerate(uppers) if _is_for_its_inboxes(one) or is_always(one.formula))
    filed = Filed(uppers, frozenset(for_all), literals)
    stops = _stops_by_file(effective)
    shadows: dict[Place, Shadow] = {}
    before = 0
    for lower in effective:
        for number in filed.related_to(lower.formula, before, _MOST_ABOVE):
            shadow = _shadow(uppers[number], lower, stops)
            if shadow is not None:
                shadows.setdefault(lower.place, shadow)
                break
        before += lower.place in numbers
    return {place: shadow for place, shadow in shadows.items() if not is_never(shadow.lower.formula)}


def _is_for_its_inboxes(one: Asked) -> bool:
    """It matches all mail that its file reads."""
    return all(isinstance(atom, InboxAtom) for atom in atoms_in(one.formula))


def _stops_by_file(effective: Sequence[Asked]) -> Mapping[int, list[Asked]]:
    stops: dict[int, list[Asked]] = {}
    for one in effective:
        if one.rule.then.stop == "file":
            stops.setdefault(one.place[0], []).append(one)
    return stops


def _shadow(upper: Asked, lower: Asked, stops: Mapping[int, list[Asked]]) -> Shadow | None:
    whole = _ends(upper, lower)
    if not whole and not _decides(upper, lower):
        return None
    if matches_wherever(_reached(upper, lower, stops), lower.formula):
        return Shadow(upper, lower, whole)
    return None


def _ends(upper: Asked, lower: Asked) -> bool:
    """Where the upper one matches, the lower one is not asked."""
    stop = upper.rule.then.stop
    return stop == "all" or (stop == "file" and upper.place[0] == lower.place[0])


def _decides(upper: Asked, lower: Asked) -> bool:
    """Where the upper one matches, the lower one gives no owner, and that is what it is there for."""
    above, below = upper.rule.then, lower.rule.then
    if not isinstance(above.assign, AssignTo) or below.assign is None or (below.reassign and not above.reassign):
        return False
    return above.assign != below.assign or not (below.labels or below.watch or below.priority or below.respond_within)


def _reached(upper: Asked, lower: Asked, stops: Mapping[int, list[Asked]]) -> Formula:
    """When the upper rule matches and is asked: in another file than the lower one, one above it may end its file."""
    if upper.place[0] == lower.place[0]:
        return upper.formula
    above = [one for one in stops.get(upper.place[0], ()) if one.place < upper.place]
    if not above:
        return upper.formula
    return And((upper.formula, *(Not(one.formula) for one in above)))


def findings_of(shadows: Mapping[Place, Shadow], prover: Prover) -> Iterator[Finding]:
    for shadow in shadows.values():
        upper, lower = shadow.upper.rule, shadow.lower.rule
        what = "is never asked" if shadow.whole else "never gives the owner"
        does = "stops" if shadow.whole else "assigns"
        yield Finding(
            "shadowed",
            lower.mark,
            f"{lower.ref.name!r} {what}: {upper.ref.name!r} ({upper.mark}) above it {does}, and matches whenever this "
            "one does",
            (lower.ref,),
            _witness(shadow, prover),
        )


def _witness(shadow: Shadow, prover: Prover) -> str:
    upper, lower = shadow.upper.rule.ref, shadow.lower.rule.ref
    together = ways_together(shadow.upper, shadow.lower, _WAYS) or []
    ways = [guess(shadow.lower.formula), *together]
    inboxes = shadow.upper.inboxes & shadow.lower.inboxes

    if shadow.whole:
        return prover.show(ways, inboxes, lambda decision: upper in matched(decision))
    return prover.show(
        ways,
        inboxes,
        lambda decision: (
            {upper, lower} <= matched(decision) and decision.assign is not None and decision.assign.rule != lower
        ),
    )
