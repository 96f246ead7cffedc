"""`routerd queue`: what waits and why, and the postmaster's hand on it."""

import json
import sys
from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from routerd.cli import queue_export, queue_hand
from routerd.cli.json_array import print_array
from routerd.cli.options import EXIT_FOUND_WRONG, config_option, load_or_exit
from routerd.cli.queue_report import MAX_TEXT, copy_to_json, fail, history_to_json, print_copies, print_history
from routerd.cli.queue_selecting import Chosen, Given, selecting, where_listed
from routerd.cli.state import fail_by, reading_state
from routerd.desk.roster import Roster
from routerd.message.fold import display
from routerd.store.base import StoreError

LISTED_COPIES = 1_000  # for people; a program gets all


@click.group("queue")
def command() -> None:
    """Look at the queue, and act on it."""


@command.command("list", short_help="List the copies that wait.")
@config_option
@selecting
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def list_copies(config: Path | None, given: Given, as_json: bool) -> None:
    """List the copies that wait, oldest first: all of them, or those that fit ids and filters.

    ID: a copy's, a message's for all of its copies, or a Message-ID. Without --limit at most 1,000 are listed, with
    --json all.
    """
    settings = load_or_exit(config)
    try:
        with reading_state(settings.state) as view:
            chosen = Chosen(settings, given, view)
            copies = chosen.copies(given.limit)
            first = next(copies, None)
            if first is None and not chosen.unknown:
                chosen.refuse_unknown_names()
            found = copies if first is None else chain((first,), copies)
            if as_json:
                print_array(copy_to_json(copy) for copy in found)
            else:
                none = "" if chosen.unknown else given.none_of_these
                left = print_copies(found, chosen.where, given.limit or LISTED_COPIES, none=none)
                if left:
                    click.echo(f"… and {left:,} more: say which, or --limit {LISTED_COPIES + left}", err=True)
    except StoreError as error:
        fail_by(error)
    for one in chosen.unknown:
        click.echo(f"{display(one, MAX_TEXT)}: no such copy or message", err=True)
    if chosen.unknown:
        sys.exit(EXIT_FOUND_WRONG)


@command.command("show", short_help="Show one message's history.")
@config_option
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(config: Path | None, id: str, as_json: bool) -> None:
    """Show one message's history: ID is its queue id, a copy's id, or its Message-ID."""
    settings = load_or_exit(config)
    try:
        with reading_state(settings.state) as view:
            history = view.show(id)
    except StoreError as error:
        fail_by(error)
    if history is None:
        fail(f"nothing is known of {display(id, MAX_TEXT)}")
    if as_json:
        click.echo(json.dumps(history_to_json(history), indent=2))
    else:
        hours = Roster(settings).working_hours(history.plan.owner, history.plan.team)
        print_history(history, where_listed(settings), hours.zone if hours else ZoneInfo("UTC"))


queue_hand.add_to(command)
command.add_command(queue_export.command)
