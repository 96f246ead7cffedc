"""What folded text a regex requires: literals of which one stands in every text that it fits."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from routerd.rules.matching.letter_folds import folded_letter, is_telling, weight

_MAX_EXACT = 16  # texts that a stretch of a pattern is spelled out to
_MAX_LETTERS = 64  # in one of them
_MAX_LITERALS = 32  # that one pattern is looked for by


@dataclass(frozen=True, slots=True)
class Required:
    """About a stretch of a pattern."""

    exact: frozenset[str] | None  # all folded texts that it can fit; None where they are not to be listed
    literals: frozenset[str] = frozenset()  # folded: one of them stands in whatever it fits; empty: not known

    @property
    def best(self) -> frozenset[str]:
        """The most telling literals that are known; empty where there are none."""
        best = self.literals if self.exact is None else _better(self.literals, _telling(self.exact))
        return frozenset(one for one in best if not any(other in one and other != one for other in best))


NOTHING = Required(frozenset([""]))  # an empty stretch, such as ^
ANYTHING = Required(None)


@lru_cache(maxsize=4_096)
def letter(character: str) -> Required:
    """One character, in whatever case."""
    folded = folded_letter(character)
    return ANYTHING if folded is None else Required(frozenset([folded]))


def any_of(parts: Iterable[Required]) -> Required:
    """One of the parts, of which there is at least one."""
    parts = tuple(parts)
    exact: frozenset[str] | None = frozenset()
    literals: frozenset[str] = frozenset()
    lacks_literals = False
    for part in parts:
        exact = None if exact is None or part.exact is None else _within_bounds(exact | part.exact)
        best = part.best
        lacks_literals = lacks_literals or not best
        literals |= best
    if lacks_literals or len(literals) > _MAX_LITERALS:
        literals = frozenset()
    return Required(exact, literals)


def in_a_row(parts: Iterable[Required]) -> Required:
    """The parts one after the other."""
    best: frozenset[str] = frozenset()
    run: frozenset[str] = NOTHING.exact or frozenset()  # what the parts since the last unknown one fit
    is_whole = True
    for part in parts:
        joined = None if part.exact is None else _joined(run, part.exact)
        if joined is None:
            is_whole = False
            best = _better(_better(best, _telling(run)), part.best)
            run = frozenset([""]) if part.exact is None else part.exact
        else:
            best = _better(best, part.literals)
            run = joined
    return Required(run, best) if is_whole else Required(None, _better(best, _telling(run)))


def repeated(part: Required, least: int, most: int | None) -> Required:
    """`most` None: without end."""
    if part.exact is not None and _joined(part.exact, part.exact) == part.exact:  # white space, or nothing
        return part if least else Required(part.exact | {""})
    if least == 0:
        one_at_most = most == 1 and part.exact is not None
        return Required(_within_bounds((part.exact or frozenset()) | {""})) if one_at_most else ANYTHING
    row = in_a_row([part] * min(least, _MAX_LETTERS))
    return row if least == most and least <= _MAX_LETTERS else Required(None, row.best)


def _joined(ones: frozenset[str], others: frozenset[str]) -> frozenset[str] | None:
    if len(ones) == len(others) == 1:
        (one,), (other,) = ones, others
        return _within_bounds(frozenset([(one + other).replace("  ", " ")]))
    if len(ones) * len(others) > _MAX_EXACT * _MAX_EXACT:
        return None
    return _within_bounds(frozenset((one + other).replace("  ", " ") for one in ones for other in others))


def _within_bounds(exact: frozenset[str]) -> frozenset[str] | None:
    return exact if len(exact) <= _MAX_EXACT and max(map(len, exact), default=0) <= _MAX_LETTERS else None


def _telling(exact: frozenset[str]) -> frozenset[str]:
    """The ends of a text bear no space when it is folded, so neither do literals."""
    if "" in exact:
        return frozenset()
    literals = frozenset(text.strip(" ") for text in exact)
    return literals if all(map(is_telling, literals)) else frozenset()


def _better(ones: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    """Of equals `others`: the patterns of a rule file mostly have their beginnings in common."""
    if not (ones and others):
        return ones or others
    return max(others, ones, key=_worth)


def _worth(literals: frozenset[str]) -> tuple[float, int]:
    return min(map(weight, literals), default=0), -len(literals)
