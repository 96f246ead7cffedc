"""How much the tests of rule files hold: what `routerd test` says with --coverage and --mutate."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from routerd.config.settings import Settings
from routerd.rules.decision import RuleRef
from routerd.rules.ruleset import Ruleset
from routerd.rules.trying.cases import AssignCase, CaseResult
from routerd.rules.trying.coverage import Branch, coverage_of, percent_of
from routerd.rules.trying.mutation import Mutant, mutants_of, surviving
from routerd.rules.trying.variants import VariantReader


@dataclass(frozen=True, slots=True)
class Tested:
    """A ruleset, the bytes of all its files, and what its tests came to."""

    settings: Settings
    ruleset: Ruleset
    files: Mapping[str, bytes]
    results: Sequence[CaseResult]
    place: AssignCase

    @property
    def reader(self) -> VariantReader:
        return VariantReader(self.files, self.settings)


@dataclass(frozen=True, slots=True)
class Covered:
    """What the tests decide."""

    branches: tuple[Branch, ...]
    fail_under: float | None

    @classmethod
    def by(cls, tested: Tested, fail_under: float | None) -> "Covered":
        return cls(coverage_of(tested.ruleset, tested.results, tested.reader), fail_under)

    @property
    def is_enough(self) -> bool:
        return self.fail_under is None or percent_of(self.branches) >= self.fail_under

    def lines(self) -> Iterator[str]:
        """What is undecided, a line each; then a line for each file, and one for all."""
        yield from (str(branch) for branch in self.branches if not branch.decided)
        if not all(branch.decided for branch in self.branches):
            yield ""
        by_file = self._by_file()
        width = max((len(file) for file in by_file), default=0)
        for file, branches in by_file.items():
            yield f"{file:{width}}  {_summed(branches)}"
        yield f"{'all':{width}}  {_summed(self.branches)}"
        if not self.is_enough:
            yield f"less than the {self.fail_under:g} % that are asked for"

    def _by_file(self) -> dict[str, list[Branch]]:
        by_file: dict[str, list[Branch]] = {}
        for branch in self.branches:
            by_file.setdefault(branch.mark.file, []).append(branch)
        return by_file

    def as_json(self) -> dict[str, object]:
        return {
            "coverage": {
                "percent": round(percent_of(self.branches), 1),
                "enough": self.is_enough,
                "files": [
                    {
                        "file": file,
                        "percent": round(percent_of(branches), 1),
                        "decided": sum(branch.decided for branch in branches),
                        "in_all": len(branches),
                    }
                    for file, branches in self._by_file().items()
                ],
                "undecided": [
                    {
                        "file": branch.mark.file,
                        "line": branch.mark.line,
                        "column": branch.mark.column,
                        "rule": str(branch.rule),
                        "branch": branch.said or None,
                    }
                    for branch in self.branches
                    if not branch.decided
                ],
            }
        }


def _summed(branches: Sequence[Branch]) -> str:
    rules = [branch for branch in branches if not branch.said]
    parts = [branch for branch in branches if branch.said]
    return (
        f"{percent_of(branches):5.1f} %  {sum(rule.decided for rule in rules)} of {_counted(len(rules), 'rule')}, "
        f"{sum(part.decided for part in parts)} of {_counted(len(parts), 'branch', 'branches')}"
    )


@dataclass(frozen=True, slots=True)
class Mutated:
    """Changes that were made on purpose, and those that no test noticed."""

    made: tuple[Mutant, ...]
    survivors: tuple[Mutant, ...]

    @classmethod
    def by(cls, tested: Tested) -> "Mutated":
        """Shows how far it is where stderr is a terminal."""
        mutants = mutants_of(tested.ruleset, tested.reader)
        with _progress(len(tested.results)) as advance:
            survivors = surviving(tested.ruleset, mutants, tested.results, tested.place, advance)
        return cls(tuple(mutants), survivors)

    @property
    def is_enough(self) -> bool:
        return not self.survivors

    def lines(self) -> Iterator[str]:
        """A line for each change that no test noticed; one for all of a rule of which no test notices any."""
        made_of = Counter(mutant.rule.ref for mutant in self.made)
        left_of = Counter(mutant.rule.ref for mutant in self.survivors)
        told: set[RuleRef] = set()
        for mutant in self.survivors:
            rule = mutant.rule
            if left_of[rule.ref] == 1 or left_of[rule.ref] < made_of[rule.ref]:
                yield str(mutant)
            elif rule.ref not in told:
                told.add(rule.ref)
                changes = f"none of its {left_of[rule.ref]} changes makes a test fail"
                yield f"{rule.mark}: {rule.ref.name}: untested: {changes}"
        made = _counted(len(self.made), "change")
        if self.survivors:
            yield f"{len(self.survivors)} of {made} made no test fail"
        else:
            yield f"ok: each of {made} made a test fail"

    def as_json(self) -> dict[str, object]:
        return {
            "mutants": {
                "made": len(self.made),
                "survivors": [
                    {
                        "file": mutant.mark.file,
                        "line": mutant.mark.line,
                        "column": mutant.mark.column,
                        "rule": str(mutant.rule.ref),
                        "change": mutant.said,
                    }
                    for mutant in self.survivors
                ],
            }
        }


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], object]]:
    """What is to be called after each of `total` tests."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (TextColumn("mutating"), BarColumn(), MofNCompleteColumn(), TextColumn("tests"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("mutating", total=total)
        yield lambda: progress.advance(task)


def _counted(number: int, noun: str, many: str = "") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {many or noun + 's'}"
