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
    "demo": ("routerd.cli.demo", "See it work on sample mail."),
    "init": ("routerd.cli.init", "Write a config and rules to start from."),
    "run": ("routerd.cli.run", "Run the daemon in the foreground."),
    "check": ("routerd.cli.check", "Find what is wrong with config and rules."),
    "test": ("routerd.cli.test", "Run the tests in the rule files."),
    "explain": ("routerd.cli.explain", "Show what would happen to a message, and why."),
    "replay": ("routerd.cli.replay", "Show what rules make of old mail, or what a change of rules would change."),
    "queue": ("routerd.cli.queue", "Look at the queue, and act on it."),
    "trace": ("routerd.cli.trace", "Tell one message's whole life."),
    "conversations": ("routerd.cli.conversations", "List conversations, and search them."),
    "conversation": ("routerd.cli.conversation", "Show one conversation: who, what, when, why."),
    "report": ("routerd.cli.report", "Tell how it went: answers, times, what waits."),
    "forget": ("routerd.cli.forget", "Forget a person: his mail, and his name in the history."),
    "keys": ("routerd.cli.keys", "Show what signs routerd's own addresses, and make new keys."),
    "password": ("routerd.cli.password", "Set a member's password."),
    "dkim": ("routerd.cli.dkim", "Make keys that sign, and show their DNS records."),
    "schema": ("routerd.cli.schema_command", "Print a JSON Schema for editors."),
}  # where each is, and what the list of them says of it


class _LazyGroup(click.Group):
    """Knows its commands by name; the order is that of a first day with routerd."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)  # noqa: S101 - each command's file has one
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

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
