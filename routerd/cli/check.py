"""`routerd check`: everything that is wrong with the config and the rules, each with its place."""

import json
import sys
from pathlib import Path

import click

from routerd.cli.options import (
    EXIT_FOUND_WRONG,
    EXIT_UNUSABLE,
    config_option,
    fit_to_print,
    locate_or_exit,
    print_problems,
)
from routerd.config.load import load_settings
from routerd.config.settings import Settings
from routerd.config.yaml_source import Problem
from routerd.ops.rules_folder import compile_folder
from routerd.rules.compile import Compiled


def compile_here(settings: Settings, folder: Path | None = None) -> Compiled:
    """The rules folder of `settings`, or another, compiled; places bear paths as the shell would find them."""
    return compile_folder(settings, folder=folder, label=shown_folder(folder or settings.rules))


def shown_folder(folder: Path) -> str:
    """Relative to where the command runs, where it lies below."""
    try:
        return str(folder.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(folder)


@click.command("check", short_help="Find what is wrong with config and rules.")
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    help="github: annotations for a workflow of GitHub Actions.",
)
def command(config: Path | None, form: str) -> None:
    """Check routerd.yaml and the rule files; print every problem with its place.

    Files below /run/credentials, which systemd hands to the running service alone, need not be there yet.
    """
    path = locate_or_exit(config)
    loaded = load_settings(path)
    if not loaded.is_readable:
        print_problems(loaded.problems)
        sys.exit(EXIT_UNUSABLE)
    if loaded.settings is None:
        _report(loaded.problems, form, "")
        sys.exit(EXIT_FOUND_WRONG)
    compiled = compile_here(loaded.settings)
    summary = ""
    if compiled.ruleset is not None:
        files = len(compiled.ruleset.files)
        summary = (
            f"{_count(compiled.ruleset.rules, 'rule')} in {_count(files, 'file')}, revision {compiled.ruleset.revision}"
        )
    _report(compiled.problems, form, summary)
    if compiled.problems:
        sys.exit(EXIT_FOUND_WRONG)


def _report(problems: tuple[Problem, ...], form: str, summary: str) -> None:
    if form == "json":
        click.echo(
            json.dumps(
                {"problems": [_as_json(problem) for problem in problems], "ok": not problems, "summary": summary}
            )
        )
        return
    for problem in problems:
        click.echo(fit_to_print(_as_annotation(problem) if form == "github" else str(problem)))
    if not problems:
        click.echo(f"ok: {summary}")
    elif form == "text":
        click.echo(_count(len(problems), "problem"), err=True)


def _as_json(problem: Problem) -> dict[str, str | int]:
    mark = problem.mark
    return {"file": mark.file, "line": mark.line, "column": mark.column, "message": problem.message}


def _as_annotation(problem: Problem) -> str:
    """A workflow command; its own separators are escaped as GitHub wants them."""
    mark = problem.mark
    message = problem.message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    file = mark.file.replace("%", "%25").replace(",", "%2C").replace(":", "%3A")
    place = f",line={mark.line},col={mark.column}" if mark.line else ""
    return f"::error file={file}{place}::{message}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
