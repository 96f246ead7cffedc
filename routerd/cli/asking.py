"""A question before what cannot be undone."""

import click

from routerd.cli.queue_report import fail


def ask_or_fail(question: str, otherwise: str) -> None:
    """Without a yes it says `otherwise`, on stderr like the question, and ends the command with 1."""
    try:
        is_agreed = click.confirm(question, err=True)
    except click.Abort:  # nobody is there to answer
        click.echo(err=True)
        is_agreed = False
    if not is_agreed:
        fail(otherwise)
