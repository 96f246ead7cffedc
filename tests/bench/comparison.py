"""What is compared, and what was seen of it."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import product

from bench.letters import SIZES
from bench.runs import Run
from bench.syncs import Syncs
from bench.systems import ROUTERD

CONNECTIONS = ("new", "kept")
RULES = (10, 1_000, 10_000)
FIGURES = ("rate", "accept_rate", "cpu_ms", "memory_mb")  # of a run, that ratios are made of


@dataclass(frozen=True, slots=True)
class Case:
    size: str
    connections: str
    rules: int

    def __str__(self) -> str:
        return f"{self.size}/{self.connections}/{self.rules}"


@dataclass(frozen=True, slots=True)
class Spread:
    """Of one ratio over all rounds."""

    least: float
    median: float
    most: float


@dataclass(slots=True)
class Comparison:
    """What was seen of one case, round by round."""

    case: str
    limit: float  # messages a second of the load alone
    runs: dict[str, list[Run]] = field(default_factory=dict)
    syncs: dict[str, Syncs] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def median(self, system: str, figure: str) -> float:
        return float(statistics.median(getattr(run, figure) for run in self.runs[system]))

    def ratio(self, other: str, figure: str) -> Spread | None:
        """routerd's figure by the other's; None where a run went wrong: there is nothing to compare then."""
        if self.faults or not self.runs.get(other) or not self.runs.get(ROUTERD):
            return None
        pairs = zip(self.runs[ROUTERD], self.runs[other], strict=True)
        found = [getattr(ours, figure) / getattr(theirs, figure) for ours, theirs in pairs]
        return Spread(min(found), statistics.median(found), max(found))


def cases(patterns: Iterable[str]) -> list[Case]:
    """Those that any of the patterns fits, and what a pattern names beyond: `4KiB/new/100`. Raises ValueError."""
    every = [Case(*one) for one in product(SIZES, CONNECTIONS, RULES)]
    found: dict[Case, None] = {}
    for pattern in patterns:
        fitting = [case for case in every if fnmatch(str(case), pattern)]
        found.update(dict.fromkeys(fitting or [_case(pattern)]))
    return list(found)


def _case(text: str) -> Case:
    size, connections, rules = [*text.split("/"), "", ""][:3]
    if size not in SIZES or connections not in CONNECTIONS or not rules.isdecimal() or int(rules) < 1:
        raise ValueError(f"{text!r} is no case: SIZE/CONNECTIONS/RULES, as in 4KiB/new/1000, '100KiB/*/*'")
    return Case(size, connections, int(rules))
