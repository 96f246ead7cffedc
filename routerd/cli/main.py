"""`routerd COMMAND`: finds the command's file and runs it. Commands are imported only when they are called."""

import importlib
import sys

import click

from routerd import __version__

_COMMANDS = {
    "demo": "routerd.cli.demo",
    "init": "routerd.cli.init",
    "run": "routerd.cli.run",
    "check": "routerd.cli.check",
    "test": "routerd.cli.test",
    "explain": "routerd.cli.explain",
    "queue": "routerd.cli.queue",
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


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="routerd")
def routerd() -> None:
    """Turns plain mailboxes into a shared inbox: assigns, labels and delivers mail by YAML rules."""


def main() -> None:
    """The console script. Exit codes: 0 fine, 1 it found something wrong, 2 wrong usage or unreadable config."""
    try:
        routerd(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
