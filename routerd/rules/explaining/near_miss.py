"""How little a rule that did not match lacked."""

from collections.abc import Iterable
from dataclasses import dataclass

from routerd.rules.conditions.truth import All, Always, AnyOf, Condition, NoneOf, Truth
from routerd.rules.facts import Seen


@dataclass(frozen=True, slots=True)
class _Lack:
    """The fewest conditions that would have to be otherwise, and how many others hold.

    What is not there where it must not be is no sign of nearness: a `not` counts where it fails, never where it holds.
    """

    missing: tuple[str, ...] = ()
    held: int = 0


def near_miss(condition: Condition, seen: Seen) -> str:
    """Where something held and one thing kept it from matching: that thing; else ""."""
    lack = _lack(condition, seen)
    return lack.missing[0] if len(lack.missing) == 1 and lack.held else ""


def _lack(condition: Condition, seen: Seen) -> _Lack:
    if isinstance(condition, All):
        return _sum(_lack(part, seen) for part in condition.parts)
    if isinstance(condition, AnyOf):
        return _of_the_nearest(condition, seen)
    if isinstance(condition, NoneOf):
        held = (part for part in condition.parts if part.truth(seen) is not Truth.NO)
        return _Lack(tuple(NoneOf((part,)).describe() for part in held))
    if condition.truth(seen) is Truth.YES:
        return _Lack(held=not isinstance(condition, Always))
    return _Lack((condition.describe(),))


def _sum(lacks: Iterable[_Lack]) -> _Lack:
    missing: tuple[str, ...] = ()
    held = 0
    for lack in lacks:
        missing += lack.missing
        held += lack.held
    return _Lack(missing, held)


def _of_the_nearest(condition: AnyOf, seen: Seen) -> _Lack:
    """One of them would do: that which lacks least; the whole where none is nearer than the others."""
    lacks = [_lack(part, seen) for part in condition.parts]
    nearest = min(lacks, key=lambda lack: (len(lack.missing), -lack.held))
    if not nearest.missing or nearest.held or len(lacks) == 1:
        return nearest
    return _Lack((condition.describe(),))
