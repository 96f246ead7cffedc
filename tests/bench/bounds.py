"""What routerd has to reach beside its peers, and whether it does: medians over the rounds of one run."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch

from bench.comparison import Comparison
from bench.systems import FEW, POSTFIX, ROUTERD, SIEVE

_UNITS = {"rate": "messages a second", "cpu_ms": "CPU a message", "memory_mb": "memory, MB"}


@dataclass(frozen=True, slots=True)
class Bound:
    """`other`: by whose figure routerd's is divided; None: its own stands alone."""

    cases: str  # a pattern
    figure: str
    other: str | None
    at_least: float = 0.0
    at_most: float = float("inf")

    def __str__(self) -> str:
        what = _UNITS[self.figure] + (f" / {self.other}'s" if self.other else "")
        return f"{what} {f'>= {self.at_least:g}' if self.at_least else f'<= {self.at_most:g}'}"

    def measured(self, found: Comparison) -> float | None:
        """None where there is nothing to compare."""
        if self.other is None:
            return found.median(ROUTERD, self.figure) if found.runs.get(ROUTERD) and not found.faults else None
        spread = found.ratio(self.other, self.figure)
        return None if spread is None else spread.median


BOUNDS = (
    Bound("4KiB/new/1000", "rate", POSTFIX, at_least=2.5),
    Bound("4KiB/new/1000", "rate", SIEVE, at_least=5.5),
    Bound("4KiB/new/10000", "rate", POSTFIX, at_least=2.3),
    Bound("4KiB/new/10000", "rate", SIEVE, at_least=13),
    Bound("4KiB/new/10000", "rate", FEW, at_least=0.85),
    Bound("4KiB/kept/1000", "rate", POSTFIX, at_least=3.5),
    Bound("100KiB/new/1000", "rate", POSTFIX, at_least=2),
    Bound("*", "cpu_ms", POSTFIX, at_most=0.35),
    Bound("*/10000", "memory_mb", None, at_most=250),
)


@dataclass(frozen=True, slots=True)
class Judged:
    case: str
    bound: str
    measured: float
    met: bool


def judge(found: Comparison) -> Iterator[Judged]:
    """By each bound of the case, for all of whose systems there are figures."""
    for bound in BOUNDS:
        if fnmatch(found.case, bound.cases) and (measured := bound.measured(found)) is not None:
            yield Judged(found.case, str(bound), measured, bound.at_least <= measured <= bound.at_most)


def needs_few(case: str) -> bool:
    """Whether the case is one in which routerd runs with few rules, too."""
    return any(bound.other == FEW and fnmatch(case, bound.cases) for bound in BOUNDS)


def table(judged: Iterable[Judged]) -> str:
    """For people."""
    lines = [f"{one.case:16}{one.bound:56}{one.measured:9.2f}  {'met' if one.met else 'NOT MET'}" for one in judged]
    return "\n".join([f"{'what has to be reached':72}{'median':>9}", *lines]) if lines else ""
