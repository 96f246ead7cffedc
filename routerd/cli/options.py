"""What several commands share: the config option, settings or an exit, and how problems and commands are shown."""

import shlex
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from routerd.config.load import NoConfigError, find_config, load_settings
from routerd.config.settings import Settings
from routerd.config.yaml_source import Problem
from routerd.message.fold import display

EXIT_FOUND_WRONG = 1
EXIT_UNUSABLE = 2

_MAX_LINE = 10_000  # characters; a path may have 4,096 bytes

P = ParamSpec("P")
R = TypeVar("R")


def config_option(command: Callable[P, R]) -> Callable[P, R]:
    """Adds `-c/--config`, given to the command as `config: Path | None`; None means that the usual places are tried."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The config file [default: $ROUTERD_CONFIG, ./routerd.yaml, /etc/routerd/routerd.yaml].",
    )(command)


def load_or_exit(config: Path | None, *, in_service: bool | None = None, reads_secrets: bool = False) -> Settings:
    """The settings; prints every problem to stderr and exits with 2 where there is one.

    Only the daemon reads its certificate, keys and passwords: a slip in their files keeps nobody from the queue.
    """
    loaded = load_settings(locate_or_exit(config), in_service=in_service, reads_secrets=reads_secrets)
    if loaded.settings is None:
        print_problems(loaded.problems)
        sys.exit(EXIT_UNUSABLE)
    return loaded.settings


def locate_or_exit(config: Path | None) -> Path:
    """The config file's path; says where it looked and exits with 2 where there is none."""
    try:
        return find_config(config)
    except NoConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_UNUSABLE)


def print_problems(problems: Iterable[Problem]) -> None:
    """One `FILE:LINE:COL: message` a line, to stderr."""
    for problem in problems:
        click.echo(fit_to_print(str(problem)), err=True)


def fit_to_print(line: str) -> str:
    """`line` for a terminal: a file may be called anything, and its name must not steer the terminal."""
    return display(line, _MAX_LINE)


def why_not(error: OSError) -> str:
    """`FILE: Permission denied`."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def invoked_as() -> str:
    """How the user calls routerd from where he is: by name where the PATH leads to it, else by the path he gave."""
    given = sys.argv[0]
    if Path(given).name != "routerd":
        return f"{shlex.quote(sys.executable)} -m routerd.cli.main"
    found = shutil.which("routerd")
    return "routerd" if found and Path(found).resolve() == Path(given).resolve() else shlex.quote(given)
