"""`routerd trace`: one message's whole life, by any of its names."""

from itertools import islice
from pathlib import Path

import click

from routerd.cli.json_array import print_array
from routerd.cli.options import config_option, load_or_exit
from routerd.cli.queue_report import MAX_TEXT, fail, history_to_json
from routerd.cli.queue_selecting import where_listed
from routerd.cli.state import fail_by, reading_state
from routerd.cli.trace_report import print_life
from routerd.message.fold import display
from routerd.store.base import StoreError


@click.command("trace")
@config_option
@click.argument("id")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    metavar="N",
    help="At most the N oldest messages of that Message-ID.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON array of what `queue show --json` gives.")
def command(config: Path | None, id: str, limit: int, as_json: bool) -> None:
    """Tell what happened to a message, from its arrival to where it is now.

    ID: its queue id (as in logs, X-Routerd-Id and the reply "250 … accepted"), a copy's id (X-Routerd-Copy), or its
    Message-ID: of several messages that bear it all are told, the oldest first. Also those that were delivered, as
    long as `retain.events` keeps them.
    """
    settings = load_or_exit(config)
    try:
        with reading_state(settings.state) as view:
            found = view.histories(id, limit + 1)
            first = next(found, None)
            if first is None:
                fail(f"nothing is known of {display(id, MAX_TEXT)}")
            where = where_listed(settings)
            lives = islice((history for part in ((first,), found) for history in part), limit)
            if as_json:
                print_array(map(history_to_json, lives))
            else:
                for number, history in enumerate(lives):
                    if number:
                        click.echo()
                    print_life(history, where)
            if next(found, None) is not None:
                click.echo(f"… and more messages bear this Message-ID: --limit {limit * 10}", err=True)
    except StoreError as error:
        fail_by(error)
