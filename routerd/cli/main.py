"""`routerd COMMAND`: finds the command's file and runs it. Commands are imported only when they are called."""

import errno
import importlib
import os
import sys
from typing import NoReturn

import click

from routerd import __version__
from routerd.config.nearest import did_you_mean, quoted

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
SHOW_TRACEBACK = "ROUTERD_TRACEBACK"
_OF_A_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

_COMMANDS = {
    "demo": "routerd.cli.demo",
    "init": "routerd.cli.init",
    "run": "routerd.cli.run",
    "check": "routerd.cli.check",
    "test": "routerd.cli.test",
    "explain": "routerd.cli.explain",
    "replay": "routerd.cli.replay",
    "queue": "routerd.cli.queue",
    "trace": "routerd.cli.trace",
    "conversations": "routerd.cli.conversations",
    "conversation": "routerd.cli.conversation",
    "report": "routerd.cli.report",
    "forget": "routerd.cli.forget",
    "password": "routerd.cli.password",
    "dkim": "routerd.cli.dkim",
    "schema": "routerd.cli.schema_command",
}


class _LazyGroup(click.Group):
    """Knows its commands by name; the order is that of a first day with routerd."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = importlib.import_module(module).command
        assert isinstance(command, click.Command)  # noqa: S101 - each command's file has one
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in _COMMANDS:
            raise click.UsageError(f"no command {quoted(args[0])}{did_you_mean(args[0], _COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="routerd")
def routerd() -> None:
    """Turns plain mailboxes into a shared inbox: assigns, labels and delivers mail by YAML rules."""


def main() -> None:
    """The console script. Exit codes: 0 fine, 1 it found something wrong, 2 wrong usage or unreadable config."""
    try:
        status = routerd(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has seen enough
        sys.exit(0)
    except OSError as error:
        if error.filename is not None or error.errno not in _OF_A_DISK:
            _tell_fault(error)
        click.echo(f"routerd: stopped, as its output could not be written: {error.strerror}", err=True)
        sys.exit(1)
    except Exception as error:
        _tell_fault(error)
    sys.exit(status if isinstance(status, int) else 0)


def _tell_fault(error: Exception) -> NoReturn:
    if os.environ.get(SHOW_TRACEBACK):
        raise error
    click.echo(f"routerd: a fault of its own: {type(error).__name__}: {error}", err=True)
    click.echo(f"Please report it, with what {SHOW_TRACEBACK}=1 prints.", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
