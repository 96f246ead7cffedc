"""`routerd run`: the daemon, in the foreground."""

import sys
from pathlib import Path
from typing import get_args

import click

from routerd.cli.options import EXIT_FOUND_WRONG, config_option, fit_to_print, load_or_exit, locate_or_exit
from routerd.ops.logs import LogFormat, LogLevel, configure_logs


@click.command("run")
@config_option
@click.option(
    "--log-format",
    type=click.Choice(get_args(LogFormat)),
    default="json",
    show_default=True,
    help="json for programs, console for people.",
)
@click.option(
    "--log-level",
    type=click.Choice(get_args(LogLevel)),
    default="info",
    show_default=True,
    help="The least that is logged.",
)
def command(config: Path | None, log_format: LogFormat, log_level: LogLevel) -> None:
    """Run the daemon in the foreground.

    Rules are read anew when their folder changes, config and rules at SIGHUP; SIGTERM drains.
    """
    path = locate_or_exit(config)
    settings = load_or_exit(path, in_service=True, reads_secrets=True)

    def configure() -> None:
        configure_logs(log_format, log_level, is_shared=settings.workers != 1)

    configure()
    from routerd.daemon import Daemon, StartError  # noqa: PLC0415 - slow to import
    from routerd.ops.process import name_process, run_until_signalled  # noqa: PLC0415
    from routerd.workers.nursery import begin_nursery  # noqa: PLC0415
    from routerd.workers.worker import work  # noqa: PLC0415

    name_process("routerd")
    nursery = begin_nursery(settings, work, configure)
    try:
        run_until_signalled(lambda: Daemon(path, settings, nursery=nursery))
    except StartError as error:
        for line in str(error).splitlines():
            click.echo(fit_to_print(line), err=True)
        sys.exit(EXIT_FOUND_WRONG)
