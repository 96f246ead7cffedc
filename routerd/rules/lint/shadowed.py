"""`shadowed`: rules above decide first, whatever message comes: one of them alone, or several together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from routerd.rules.actions import AssignTo
from routerd.rules.decision import Decision
from routerd.rules.facts import Facts
from routerd.rules.finding import Finding
from routerd.rules.lint.alone import Alone
from routerd.rules.lint.asking import Asked, Place
from routerd.rules.lint.atoms import JOINED_FIELDS, NumberAtom, TextAtom, ThereAtom
from routerd.rules.lint.effort import Effort, SpentError, Unseen
from routerd.rules.lint.formula import And, Formula, Not, Or, is_true_of_nothing
from routerd.rules.lint.parts import parts_of, plainly_wherever
from routerd.rules.lint.related import Bearing, Filed
from routerd.rules.lint.verdict import holds_wherever, may_be_split, ways_of
from routerd.rules.lint.witness import Prover, guess, matched

_MOST_ABOVE = 12  # rules that one rule is compared with
_MOST_WALLS = 4  # sets of rules that together match everything
_WAYS = 6
_STEPS_OF_WAYS = 100_000  # in which messages are looked for


@dataclass(frozen=True, slots=True)
class Shadow:
    """`lower` is of no effect (`whole`), or gives no owner, because of the `uppers` together."""

    uppers: tuple[Asked, ...]
    lower: Asked
    whole: bool


def find_shadows(
    asked: Sequence[Asked], alone: Alone, bearing: Bearing, effort: Effort, unseen: list[Unseen]
) -> Mapping[Place, Shadow]:
    """By the place of the lower rule; rules that can never match at all are left out."""
    effective = [one for one in asked if not one.rule.trial]
    search = _Search(effective, alone, bearing, effort)
    shadows: dict[Place, Shadow] = {}
    for done, lower in enumerate(effective):
        try:
            shadow = search.next(lower)
        except SpentError:
            told = f"only the first {done:,} of {len(effective):,} rules were compared with those above them"
            unseen.append(Unseen("shadowed", told))
            break
        if shadow is not None and lower.place not in alone.never:
            shadows[lower.place] = shadow
    if search.cut_short:
        told = f"{search.cut_short:,} rules were compared with the first {_MOST_ABOVE} above that ask for the same"
        unseen.append(Unseen("shadowed", f"{told}, not with all"))
    return shadows


class _Search:
    """Rule by rule, from top to bottom."""

    def __init__(self, effective: Sequence[Asked], alone: Alone, bearing: Bearing, effort: Effort) -> None:
        self._uppers = [one for one in effective if one.rule.then.assign is not None or one.rule.then.stop is not None]
        places = {one.place for one in self._uppers}
        for_all = frozenset(number for number, one in enumerate(self._uppers) if one.place in alone.always)
        self._places = places
        self._filed = Filed(self._uppers, for_all, bearing)
        self._stops = _stops_by_file(effective)
        self._effort = effort
        self._before = 0  # uppers that were passed
        self._walls: list[tuple[Asked, ...]] = []
        self.cut_short = 0  # rules that were not compared with all that may decide before them

    def next(self, lower: Asked) -> Shadow | None:
        related = self._filed.related_to(lower, self._before, _MOST_ABOVE, self._effort)
        above = [self._uppers[number] for number in related[:_MOST_ABOVE]]
        shadow = self._by_one(lower, above) or self._by_wall(lower) or self._by_several(lower, above)
        self.cut_short += shadow is None and len(related) > _MOST_ABOVE
        if lower.place in self._places:
            self._before += 1
            if shadow is None:
                self._build_wall(lower, above)
        return shadow

    def _by_one(self, lower: Asked, above: Sequence[Asked]) -> Shadow | None:
        for upper in above:
            whole = _ends(upper, lower)
            if (whole or _decides(upper, lower)) and self._hides(upper, lower):
                return Shadow((upper,), lower, whole)
        return None

    def _hides(self, upper: Asked, lower: Asked) -> bool:
        reached = self._reached(upper, lower)
        parts = upper.parts if reached is upper.formula else parts_of(reached)
        if plainly_wherever(parts, lower.parts, self._effort):
            return True
        return upper.is_small and lower.is_small and holds_wherever(reached, lower.formula, self._effort)

    def _by_wall(self, lower: Asked) -> Shadow | None:
        for wall in self._walls:
            fits = lower.inboxes <= wall[0].inboxes and all(
                self._reached(upper, lower) is upper.formula for upper in wall
            )
            if fits and all(_ends(upper, lower) or _decides(upper, lower) for upper in wall):
                return Shadow(wall, lower, all(_ends(upper, lower) for upper in wall))
        return None

    def _by_several(self, lower: Asked, above: Sequence[Asked]) -> Shadow | None:
        ending = [upper for upper in above if _ends(upper, lower)]
        deciding = [upper for upper in above if _ends(upper, lower) or _decides(upper, lower)]
        for uppers in (ending, deciding) if len(deciding) > len(ending) else (ending,):
            if len(uppers) > 1 and all(one.is_small for one in (lower, *uppers)) and _can_be_shared_out(lower, uppers):
                needed = self._needed(uppers, lower)
                if needed:
                    return Shadow(needed, lower, uppers is ending)
        return None

    def _needed(self, uppers: Sequence[Asked], lower: Asked) -> tuple[Asked, ...]:
        """Those without which the others do not match wherever the lower one does; none where they do not anyway."""
        if not self._hide(uppers, lower):
            return ()
        needed = list(uppers)
        for upper in uppers:
            others = [one for one in needed if one is not upper]
            if others and self._hide(others, lower):
                needed = others
        return tuple(needed)

    def _hide(self, uppers: Sequence[Asked], lower: Asked) -> bool:
        together = Or(tuple(self._reached(upper, lower) for upper in uppers))
        return holds_wherever(together, lower.formula, self._effort)

    def _build_wall(self, upper: Asked, above: Sequence[Asked]) -> None:
        """Where this rule and some above it match all mail that their file reads."""
        pieces = [one for one in above if one.inboxes == upper.inboxes] + [upper]
        if len(self._walls) == _MOST_WALLS or len(pieces) == 1 or not any(map(_is_broad, pieces)):
            return
        for one in pieces[:-1]:
            if holds_wherever(Or((one.formula, upper.formula)), upper.scope, self._effort):
                self._walls.append((one, upper))
                return

    def _reached(self, upper: Asked, lower: Asked) -> Formula:
        """When the upper rule matches and is asked: in another file than the lower one, one above may end its file."""
        if upper.place[0] == lower.place[0]:
            return upper.formula
        above = [one for one in self._stops.get(upper.place[0], ()) if one.place < upper.place]
        self._effort.take(len(above) // 8)
        if not above:
            return upper.formula
        return And((upper.formula, *(Not(one.formula) for one in above)))


def _stops_by_file(effective: Sequence[Asked]) -> Mapping[int, list[Asked]]:
    stops: dict[int, list[Asked]] = {}
    for one in effective:
        if one.rule.then.stop == "file":
            stops.setdefault(one.place[0], []).append(one)
    return stops


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


def _can_be_shared_out(lower: Asked, uppers: Sequence[Asked]) -> bool:
    """Of one list of alternatives, or by a condition and its opposite."""
    has_alternatives = any(part.alternatives is None or len(part.alternatives) > 1 for part in lower.parts)
    is_joined = any(isinstance(atom, TextAtom | ThereAtom) and atom.field in JOINED_FIELDS for atom in lower.atoms)
    return has_alternatives or is_joined or any(may_be_split(one.formula) for one in (lower, *uppers))


def _is_broad(one: Asked) -> bool:
    """It may match a message that has nothing of what rules look for."""
    return is_true_of_nothing(one.formula) or any(isinstance(atom, NumberAtom) for atom in one.atoms)


def findings_of(shadows: Mapping[Place, Shadow], prover: Prover) -> Iterator[Finding]:
    effort = Effort(_STEPS_OF_WAYS)
    for shadow in shadows.values():
        lower = shadow.lower.rule
        if "shadowed" in lower.allow:
            continue
        what = "is never asked" if shadow.whole else "never gives the owner"
        yield Finding(
            "shadowed",
            lower.mark,
            f"{lower.ref.name!r} {what}: {_why(shadow)}",
            (lower.ref,),
            _witness(shadow, prover, effort),
        )


def _why(shadow: Shadow) -> str:
    named = [f"{upper.rule.ref.name!r} ({upper.rule.mark})" for upper in shadow.uppers]
    if len(named) == 1:
        return f"{named[0]} above it {'stops' if shadow.whole else 'assigns'}, and matches whenever this one does"
    does = "stop" if shadow.whole else "decide first"
    return f"{', '.join(named[:-1])} and {named[-1]} above it {does}, and one of them matches whenever this one does"


def _witness(shadow: Shadow, prover: Prover, effort: Effort) -> str:
    uppers, lower = {upper.rule.ref for upper in shadow.uppers}, shadow.lower
    together = And((lower.formula, Or(tuple(upper.formula for upper in shadow.uppers))))
    try:
        ways = ways_of(together, _WAYS, effort) or []
    except SpentError:
        ways = []

    def shows(decision: Decision, facts: Facts) -> bool:
        """The message meets the lower rule, and one of the upper ones matched instead."""
        gives_owner = decision.assign is not None and decision.assign.rule == lower.rule.ref
        matches = matched(decision)
        return bool(uppers & matches) and not gives_owner and prover.meets(lower, decision, facts)

    inboxes = lower.inboxes.intersection(*(upper.inboxes for upper in shadow.uppers))
    return prover.show("shadowed", [guess(lower.formula), *ways], inboxes or lower.inboxes, shows)
