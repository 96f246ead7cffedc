"""What several commands share: the config option, and settings or an exit."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from routerd.config.load import NoConfigError, find_config, load_settings
from routerd.config.settings import Settings
from routerd.config.yaml_source import Problem

EXIT_FOUND_WRONG = 1
EXIT_UNUSABLE = 2

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


def load_or_exit(config: Path | None) -> Settings:
    """The settings; prints every problem to stderr and exits with 2 where there is one."""
    loaded = load_settings(locate_or_exit(config))
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
        click.echo(str(problem), err=True)
