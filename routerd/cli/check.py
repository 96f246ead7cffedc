"""`routerd check`: what is wrong with the config and the rules, and what is most likely not meant, with its place."""

import ipaddress
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from routerd.cli.live.ourselves import IpAddress
from routerd.cli.live.told import State, Told
from routerd.cli.options import (
    EXIT_FOUND_WRONG,
    EXIT_UNUSABLE,
    config_option,
    fit_to_print,
    locate_or_exit,
    print_problems,
)
from routerd.cli.rules_here import compile_here, shown_folder
from routerd.cli.settings_findings import settings_findings
from routerd.cli.test import place_by
from routerd.config.load import load_settings
from routerd.config.rule_files import names_of_lists, read_in_folder
from routerd.config.settings import Settings
from routerd.config.yaml_source import Mark, Problem
from routerd.desk.own_labels import OWN_LABELS
from routerd.rules.compile import Compiled
from routerd.rules.finding import Finding
from routerd.rules.lint.findings import Findings, find_all
from routerd.rules.trying.cases import CaseResult, run_case

_NOTHING = Findings(())


class _IpAddress(click.ParamType[IpAddress]):
    name = "ip"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> IpAddress:
        try:
            return ipaddress.ip_address(str(value))
        except ValueError:
            self.fail(f"{value!r} is not an IP address", param, ctx)


@click.command("check")
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    help="github: annotations for a workflow of GitHub Actions.",
)
@click.option(
    "--live", is_flag=True, help="Look outside, too: DNS, names, certificates, and whether bounces come back."
)
@click.option(
    "--address",
    "addresses",
    multiple=True,
    type=_IpAddress(),
    help="With --live: from which others see us (default: this machine's public ones, else those of hostname).",
)
@click.option(
    "--wait", type=click.IntRange(1, 600), default=60, help="With --live: seconds for what was sent to arrive."
)
@click.option("--strict", is_flag=True, help="Exit with 1 for findings too, and look for rules that no test shows.")
def command(
    config: Path | None, form: str, live: bool, addresses: tuple[IpAddress, ...], wait: int, strict: bool
) -> None:
    """Check routerd.yaml and the rule files; print every problem with its place.

    Where there is none, also print findings: rules that work, and most likely not as they were meant, with a message
    that shows it where there is one. `allow: [two-owners]` beside a rule's `when` says that this one is meant.

    Exits with 1 for problems, and with --strict for findings.

    With --live it also looks at the world outside: whether DNS has the keys of `dkim:`, lets us send (SPF), leads to us
    (MX) and names us, whether certificates fit, and, where the daemon runs, whether a message to a return path of each
    inbox reaches it by the way that a bounce would take. It exits with 1 for what is wrong there.

    Files below /run/credentials, which systemd hands to the running service alone, need not be there yet.
    """
    path = locate_or_exit(config)
    loaded = load_settings(path)
    if not loaded.is_readable:
        print_problems(loaded.problems)
        sys.exit(EXIT_UNUSABLE)
    if loaded.settings is None:
        _report(loaded.problems, _NOTHING, form, "", strict)
        sys.exit(EXIT_FOUND_WRONG)
    compiled = compile_here(loaded.settings)
    found = _findings(compiled, loaded.settings, strict)
    found = replace(found, listed=(*settings_findings(loaded.settings, path), *found.listed))
    told = _look_outside(loaded.settings, addresses, wait) if live and not compiled.problems else []
    _report(compiled.problems, found, form, _summary(compiled, found), strict, told)
    if compiled.problems or (strict and found.listed) or any(one.state is State.WRONG for one in told):
        sys.exit(EXIT_FOUND_WRONG)


def _look_outside(settings: Settings, addresses: tuple[IpAddress, ...], wait: int) -> list[Told]:
    from routerd.cli.live.look import look_outside  # noqa: PLC0415 - slow to import

    return look_outside(settings, addresses, float(wait))


def _findings(compiled: Compiled, settings: Settings, strict: bool) -> Findings:
    if compiled.ruleset is None:
        return _NOTHING
    return find_all(
        compiled,
        settings,
        folder_label=shown_folder(settings.rules),
        results=_run_tests(compiled, settings),
        beside=names_of_lists(settings.rules),
        own_labels=OWN_LABELS,
        strict=strict,
    )


def _run_tests(compiled: Compiled, settings: Settings) -> list[CaseResult]:
    if compiled.ruleset is None:
        return []
    place = place_by(settings)
    ruleset = compiled.ruleset
    return [run_case(case, ruleset, place, partial(read_in_folder, settings.rules)) for case in compiled.cases]


def _summary(compiled: Compiled, found: Findings) -> str:
    ruleset = compiled.ruleset
    if ruleset is None:
        return ""
    rules, files = _count(ruleset.rules, "rule"), _count(len(ruleset.files), "file")
    findings = f", {_count(found.count, 'finding')}" if found.count else ""
    return f"{rules} in {files}, revision {ruleset.revision}{findings}"


def _report(
    problems: tuple[Problem, ...], found: Findings, form: str, summary: str, strict: bool, told: Sequence[Told] = ()
) -> None:
    ok = not problems and not (strict and found.listed) and all(one.state is not State.WRONG for one in told)
    if form == "json":
        report = {
            "problems": [_problem_as_json(problem) for problem in problems],
            "findings": [_finding_as_json(finding) for finding in found.listed],
            "more": dict(found.more),
            "unseen": [{"kind": one.kind, "message": one.message} for one in found.unseen],
            "live": [{"kind": one.kind, "state": one.state, "message": one.text} for one in told],
            "ok": ok,
            "summary": summary,
        }
        click.echo(json.dumps(report))
        return
    lines = _annotations(problems, found) if form == "github" else _lines(problems, found)
    for line in lines:
        click.echo(fit_to_print(line))
    for one in told:
        if form == "text":
            click.echo(fit_to_print(str(one)))
        elif one.state is State.WRONG:
            click.echo(fit_to_print(f"::warning::{one.kind}: {one.text}"))
    if not problems:
        click.echo(f"{'ok' if ok else 'not ok'}: {summary}")
    elif form == "text":
        click.echo(_count(len(problems), "problem"), err=True)


def _lines(problems: Sequence[Problem], found: Findings) -> Iterator[str]:
    yield from map(str, problems)
    for finding in found.listed:
        yield str(finding)
        for line in finding.witness.splitlines():
            yield f"    {line}".rstrip()
    yield from _left_out(found)


def _left_out(found: Findings) -> Iterator[str]:
    for kind, more in found.more.items():
        yield f"{kind}: at least {more} more"
    for one in found.unseen:
        yield f"{one.kind}: {one.message}"


def _annotations(problems: Sequence[Problem], found: Findings) -> Iterator[str]:
    for problem in problems:
        yield _annotation("error", problem.mark, problem.message)
    for finding in found.listed:
        shown = f"\n{finding.witness}" if finding.witness else ""
        yield _annotation("warning", finding.mark, f"{finding.kind}: {finding.message}{shown}")
    for line in _left_out(found):
        yield f"::notice::{line}"


def _annotation(level: str, mark: Mark, text: str) -> str:
    """A workflow command; its own separators are escaped as GitHub wants them."""
    message = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    file = mark.file.replace("%", "%25").replace(",", "%2C").replace(":", "%3A")
    place = f",line={mark.line},col={mark.column}" if mark.line else ""
    return f"::{level} file={file}{place}::{message}"


def _problem_as_json(problem: Problem) -> dict[str, str | int]:
    return {**_place(problem.mark), "message": problem.message}


def _finding_as_json(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind,
        **_place(finding.mark),
        "message": finding.message,
        "rules": [str(rule) for rule in finding.rules],
        "witness": finding.witness or None,
    }


def _place(mark: Mark) -> dict[str, str | int]:
    return {"file": mark.file, "line": mark.line, "column": mark.column}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
