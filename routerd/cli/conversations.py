"""`routerd conversations`: which there are, and how they stand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from routerd.cli.conversation_report import listed_to_json, print_conversations
from routerd.cli.json_array import print_array
from routerd.cli.options import config_option, load_or_exit
from routerd.cli.queue_selecting import refuse_unknown
from routerd.cli.state import fail_by, reading_state
from routerd.config.settings import Settings
from routerd.desk.plan import ConversationState
from routerd.rules.names import names_of
from routerd.store.base import StoreError
from routerd.store.conversations import ListedConversation, Wanted

LISTED = 1_000


@click.command("conversations")
@config_option
@click.option("--open", "is_open", is_flag=True, help="Only those in which somebody waits; the same as --state open.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([str(state) for state in ConversationState]),
    help="Only conversations in this state; may be repeated.",
)
@click.option("--overdue", is_flag=True, help="Only those whose promised answer is late.")
@click.option("--held", is_flag=True, help="Only those in which an answer or a draft waits for #send.")
@click.option("--owner", metavar="NAME", help="Only this member's.")
@click.option("--label", metavar="LABEL", help="Only those that bear this label.")
@click.option("--inbox", metavar="ADDRESS", help="Only this inbox's.")
@click.option("--customer", metavar="ADDRESS", help="Only those with this customer.")
@click.option(
    "--search",
    metavar="WORDS",
    help='Only those with all of these words in one message; "in quotes" one behind the other, invoi* begins so.',
)
@click.option("--limit", type=click.IntRange(min=1), default=LISTED, metavar="N", help="At most N of them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def command(config: Path | None, limit: int, as_json: bool, **filters: Any) -> None:
    """List conversations, the one in which something happened last first: all, or those that fit all that is given."""
    settings = load_or_exit(config)
    every = Wanted(limit=limit + 1)
    wanted = _wanted(settings, every, filters)
    found = _found(settings, wanted)
    if not found:
        refuse_unknown("inbox", wanted.inbox, names_of(settings).inboxes)
        refuse_unknown("owner", wanted.owner, settings.members)
    if as_json:
        print_array(listed_to_json(one) for one in found[:limit])
    elif not found:
        click.echo("No conversations yet." if wanted == every else "No conversation fits.", err=True)
    else:
        print_conversations(found[:limit], datetime.now(UTC))
    if len(found) > limit:
        click.echo(f"… and more: say which, or --limit {limit * 10}", err=True)


def _wanted(settings: Settings, every: Wanted, filters: Mapping[str, Any]) -> Wanted:
    states = frozenset(map(ConversationState, filters["states"]))
    inbox, customer, search = filters["inbox"], filters["customer"], filters["search"]
    if search is not None and not search.strip():
        raise click.BadParameter("there is no word to look for", param_hint="--search")
    return replace(
        every,
        states=states | {ConversationState.OPEN} if filters["is_open"] else states or None,
        overdue=filters["overdue"],
        held=filters["held"],
        owner=filters["owner"],
        label=filters["label"],
        inbox=names_of(settings).inboxes.get(inbox.lower(), inbox) if inbox else None,
        customer=customer.lower() if customer else None,
        search=search or "",
    )


def _found(settings: Settings, wanted: Wanted) -> Sequence[ListedConversation]:
    try:
        with reading_state(settings.state) as view:
            return view.conversations(wanted)
    except StoreError as error:
        fail_by(error)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--search") from error
