"""`routerd replay PATH…`: old mail through the rules, or through two sets of them: what would change."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import click

from routerd.cli.options import (
    EXIT_FOUND_WRONG,
    EXIT_UNUSABLE,
    config_option,
    fit_to_print,
    load_or_exit,
    print_problems,
    why_not,
)
from routerd.cli.replay_work import Job, replay
from routerd.cli.rules_here import compile_here, shown_folder
from routerd.config.settings import Settings
from routerd.desk.roster import Roster
from routerd.ops.old_mail import Place, find_mail
from routerd.rules.compile import Compiled
from routerd.rules.trying.replay_diff import Tally

FEW = 1000  # messages: fewer are done before another process has started
_COUNTED_AT_A_TIME = 1000


@click.command("replay")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@config_option
@click.option(
    "--against",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Other rules: what would change if they took the place of the config's.",
)
@click.option(
    "--rcpt",
    multiple=True,
    metavar="ADDRESS",
    help="RCPT TO of every message; may be repeated [default: inboxes in To, Cc, Delivered-To and X-Original-To].",
)
@click.option(
    "--examples", type=click.IntRange(0, 100), default=1, show_default=True, help="Messages that show each change."
)
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes [default: one for each core].")
@click.option("--json", "as_json", is_flag=True, help="Print it all as JSON.")
def command(
    paths: tuple[Path, ...],
    config: Path | None,
    against: Path | None,
    rcpt: tuple[str, ...],
    examples: int,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Put old mail through the rules: Maildirs, mbox files, .eml files, and folders of them.

    Says who gets how much, and which rules met nothing; with --against what would change, by the rule that changes it.
    Nothing is sent, stored or moved. A message's own Received or Date is its clock. Each is taken as the first of its
    conversation, and nobody is away.
    """
    settings = load_or_exit(config)
    _refuse_wrong_recipients(rcpt, settings)
    before = _compiled_or_exit(settings, None)
    after = None if against is None else _compiled_or_exit(settings, against)
    job = Job(settings, dict(before.files), None if after is None else dict(after.files), rcpt, examples)
    tally = _tally_or_exit(job, paths, jobs)
    from routerd.cli.replay_report import Report  # noqa: PLC0415 - rich is slow to import, and not for the processes

    report = Report(tally, before, after, shown_folder(settings.rules), shown_folder(against) if against else "")
    if as_json:
        click.echo(report.as_json())
    else:
        report.print()


def _refuse_wrong_recipients(rcpt: tuple[str, ...], settings: Settings) -> None:
    roster = Roster(settings)
    for address in rcpt:
        if roster.inbox_of(address.strip().lower()) is None:
            raise click.BadParameter(f"{address!r} is no inbox of ours", param_hint="--rcpt")


def _compiled_or_exit(settings: Settings, folder: Path | None) -> Compiled:
    compiled = compile_here(settings, folder)
    if compiled.ruleset is None:
        print_problems(compiled.problems)
        sys.exit(EXIT_FOUND_WRONG)
    return compiled


def _tally_or_exit(job: Job, paths: tuple[Path, ...], jobs: int | None) -> Tally:
    whole = Tally(job.max_examples)
    try:
        with _progress(paths) as (advance, total):
            processes = jobs or (1 if total is not None and total <= FEW else len(os.sched_getaffinity(0)))
            work = replay(job, _places(paths), processes)
            try:
                for messages, tally in work:
                    whole.merge(tally)
                    advance(messages)
            finally:
                work.close()
    except KeyboardInterrupt:
        click.echo(f"\nstopped after {whole.messages} messages", err=True)
        raise click.Abort from None
    except OSError as error:
        click.echo(fit_to_print(f"routerd replay: {why_not(error)}"), err=True)
        sys.exit(EXIT_UNUSABLE)
    except BrokenProcessPool:
        click.echo("routerd replay: a process was ended from outside, most likely for want of memory", err=True)
        sys.exit(EXIT_FOUND_WRONG)
    return whole


def _places(paths: tuple[Path, ...]) -> Iterator[Place]:
    return chain.from_iterable(map(find_mail, paths))


@contextmanager
def _progress(paths: tuple[Path, ...]) -> Iterator[tuple[Callable[[int], object], int]]:
    """What tells of each piece that is done, and how many messages there are. Drawn where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield (lambda _messages: None), _at_most(paths, FEW + 1)
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("finding mail", total=None)
        total = 0
        for total, _place in enumerate(_places(paths), 1):
            if total % _COUNTED_AT_A_TIME == 0:
                progress.update(task, completed=total)
        progress.update(task, description="replaying", completed=0, total=total)
        yield (lambda messages: progress.advance(task, messages)), total


def _at_most(paths: tuple[Path, ...], most: int) -> int:
    """How many messages there are, counted up to `most`."""
    return sum(1 for _, _place in zip(range(most), _places(paths), strict=False))
