"""`routerd test`: runs the `tests:` of the rule files, by the same code as real mail."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import click

from routerd.cli.options import EXIT_FOUND_WRONG, config_option, fit_to_print, load_or_exit, print_problems
from routerd.cli.rules_here import compile_here
from routerd.cli.strength import Covered, Mutated, Tested
from routerd.config.nearest import did_you_mean
from routerd.config.rule_files import read_in_folder
from routerd.config.settings import Settings
from routerd.config.values import Days
from routerd.desk.assign import assign
from routerd.desk.changes import Role
from routerd.desk.consider import conversation_of
from routerd.desk.plan import Conversation, Twin
from routerd.desk.roster import Roster
from routerd.rules.compile import Compiled
from routerd.rules.decision import Decision, Skipped
from routerd.rules.reading.cases import Case, Given
from routerd.rules.trying.cases import CaseResult, run_case
from routerd.rules.trying.expected import Placed


@dataclass(frozen=True, slots=True)
class QuietDesk:
    """The desk's state as a test gives it: rotations at their start, loads and conversation as given."""

    loads: dict[str, int] = field(default_factory=dict)
    conversation: Conversation | None = None
    twin: Twin | None = None

    def last_turn(self, team: str) -> str | None:
        del team
        return None

    def load(self, member: str) -> int:
        return self.loads.get(member, 0)

    def last_owner(self, customer: str) -> str | None:
        del customer
        return None


def place_by(settings: Settings) -> Callable[[tuple[Decision, ...], Given], Placed]:
    """How a test's decision gets its owner: `desk.assign`, with the test's absences in place of the config's."""

    def place(decisions: tuple[Decision, ...], given: Given) -> Placed:
        drawn: list[str] = []

        def choose(members: Sequence[str]) -> str:
            drawn.append(members[0])
            return members[0]

        roster = Roster(_with_absences(settings, given.away, given.at))
        known = given.conversation  # it lives where its message came
        conversation = conversation_of(known, decisions[0].inbox, given.at) if known else None
        desk = QuietDesk(dict(given.load), conversation)
        plan = assign(decisions, roster, desk, given.at, choose)
        watchers = tuple(copy.member for copy in plan.copies if copy.role is Role.WATCHER)
        return Placed(plan.inbox, plan.owner, bool(drawn), watchers)

    return place


def _with_absences(settings: Settings, away: tuple[str, ...], at: datetime) -> Settings:
    today = (Days(at.date(), at.date()),)
    members = {
        name: member.model_copy(update={"away": today if name in away else ()})
        for name, member in settings.members.items()
    }
    return settings.model_copy(update={"members": members})


@click.command("test")
@click.argument("files", metavar="[FILE]...", nargs=-1)
@config_option
@click.option("-k", "--name", "words", metavar="TEXT", help="Only the tests that have this text in their name.")
@click.option("--coverage", is_flag=True, help="List the rules, and their branches, that no test decides.")
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit with 1 where tests decide less; implies --coverage.",
)
@click.option("--mutate", is_flag=True, help="Spoil each rule in turn: some test must fail. Lists what none noticed.")
@click.option("--json", "as_json", is_flag=True, help="Print it all as JSON.")
def command(
    files: tuple[str, ...],
    config: Path | None,
    words: str | None,
    coverage: bool,
    fail_under: float | None,
    mutate: bool,
    as_json: bool,
) -> None:
    """Run the tests in the rule files, or in these FILEs; show what differed, with the trace and the place.

    The rules are always all of them. Exits with 1 where a test fails, where --mutate finds a change that no test
    notices, and below --fail-under.
    """
    settings = load_or_exit(config)
    compiled = compile_here(settings)
    if compiled.ruleset is None:
        print_problems(compiled.problems)
        sys.exit(EXIT_FOUND_WRONG)
    strength = coverage or fail_under is not None or mutate
    if strength and (files or words):
        raise click.UsageError("what tests hold is asked of all of them: leave out FILE and -k")
    place = place_by(settings)
    results = [
        run_case(case, compiled.ruleset, place, partial(read_in_folder, settings.rules))
        for case in _chosen(compiled, files, words)
    ]
    passed = all(result.passed for result in results)
    tested = Tested(settings, compiled.ruleset, compiled.files, results, place)
    reports: list[Covered | Mutated] = []
    if passed and (coverage or fail_under is not None):
        reports.append(Covered.by(tested, fail_under))
    if passed and mutate:
        reports.append(Mutated.by(tested))
    if as_json:
        found: dict[str, object] = {"passed": passed, "tests": [_as_json(result) for result in results]}
        for report in reports:
            found |= report.as_json()
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        for line in _lines(results, reports):
            click.echo(fit_to_print(line))
    if strength and not passed:
        click.echo("how much the tests hold was not looked at: that needs tests that pass", err=True)
    if not passed or not all(report.is_enough for report in reports):
        sys.exit(EXIT_FOUND_WRONG)


def _chosen(compiled: Compiled, files: Sequence[str], words: str | None) -> list[Case]:
    """The tests of these files (by name, or as the shell finds them) with `words` in their names. Raises UsageError."""
    names = {Path(file).name for file in files}
    unknown = sorted(name for name in names if name not in compiled.files)
    if unknown:
        raise click.UsageError(f"no rule file {unknown[0]!r}{did_you_mean(unknown[0], compiled.files)}")
    chosen = [case for case in compiled.cases if not names or case.file in names]
    if words is not None:
        chosen = [case for case in chosen if words.casefold() in case.name.casefold()]
    if not chosen and (files or words):
        raise click.UsageError("there is no such test")
    return chosen


def _lines(results: list[CaseResult], reports: Sequence[Covered | Mutated]) -> Iterator[str]:
    for result in results:
        yield from report_lines(result)
    yield summary_of(results)
    for report in reports:
        yield ""
        yield from report.lines()


def report_lines(result: CaseResult) -> list[str]:
    """What is to be said of one test: nothing where it passed."""
    case = result.case
    if result.passed:
        return []
    if case.todo:
        return [f"{case.mark}: {case.name!r} passes; remove its `todo: true`"]
    lines = [f"{case.mark}: {case.name!r} failed"]
    if result.error:
        lines.append(f"    {result.error}")
    lines += [f"    {difference.expectation.mark}: {difference}" for difference in result.differences]
    if result.decision is not None:
        trace = result.decision.trace
        for match in trace.matches:
            lines.append(f"    matched {match.rule}: {'; '.join(str(evidence) for evidence in match.evidence)}")
        if not trace.matches:
            lines.append("    no rule matched")
        lines += [f"    {kind} {skipped.rule}: {skipped.reason}" for kind, skipped in _skipped(result.decision)]
    return lines


def summary_of(results: list[CaseResult]) -> str:
    failed = sum(not result.passed for result in results)
    todo = sum(result.case.todo and result.passed for result in results)
    counted = "1 test" if len(results) == 1 else f"{len(results)} tests"
    gaps = f", {todo} known to fail" if todo else ""
    return f"ok: {counted}{gaps}" if not failed else f"{failed} of {counted} failed{gaps}"


def _skipped(decision: Decision) -> list[tuple[str, Skipped]]:
    trace = decision.trace
    return [("unknown", one) for one in trace.unknown] + [("failed", one) for one in trace.failed]


def _as_json(result: CaseResult) -> dict[str, object]:
    case = result.case
    return {
        "file": case.mark.file,
        "line": case.mark.line,
        "column": case.mark.column,
        "name": case.name,
        "passed": result.passed,
        "todo": case.todo,
        "error": result.error or None,
        "differences": [
            {"key": one.expectation.key, "expected": one.expected, "got": one.got, "line": one.expectation.mark.line}
            for one in result.differences
        ],
        "rules": [str(match.rule) for match in result.decision.trace.matches] if result.decision else [],
    }
