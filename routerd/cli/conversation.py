"""`routerd conversation`: one of them, with all that happened in it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from routerd.cli.conversation_report import print_conversation, whole_to_json
from routerd.cli.options import config_option, load_or_exit
from routerd.cli.queue_report import MAX_TEXT, fail
from routerd.cli.state import fail_by, reading_state
from routerd.message.fold import display
from routerd.store.base import StoreError


@click.command("conversation")
@config_option
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(config: Path | None, id: str, as_json: bool) -> None:
    """Show how a conversation stands, and all that happened in it: who, what, when and why.

    ID: its number, as 'routerd conversations' lists it; or the queue id, a copy's id or the Message-ID of any message
    in it.
    """
    settings = load_or_exit(config)
    try:
        with reading_state(settings.state) as view:
            whole = view.conversation(id)
    except StoreError as error:
        fail_by(error)
    if whole is None:
        fail(f"no conversation is known by {display(id, MAX_TEXT)}")
    if as_json:
        click.echo(json.dumps(whole_to_json(whole), indent=2))
    else:
        print_conversation(whole, datetime.now(UTC))
