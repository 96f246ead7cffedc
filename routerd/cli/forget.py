"""`routerd forget`: a person's mail goes out of the state, and what is left of its history names nobody."""

import json
from pathlib import Path
from typing import Any

import click

from routerd.cli.asking import ask_or_fail
from routerd.cli.options import config_option, load_or_exit
from routerd.cli.queue_hand import hand_on
from routerd.cli.queue_report import MAX_TEXT, fail
from routerd.cli.state import fail_by, reading_state
from routerd.config.settings import Settings
from routerd.desk.roster import Roster
from routerd.message.address import Address, parse_address
from routerd.message.fold import display
from routerd.store.base import StoreError
from routerd.store.conversations import Wanted

_MANY = 10_000
_NAMED = 20
_ELSEWHERE = (
    "Members' mailboxes keep their copies, your servers' logs their lines, and backups of the state what was in it:"
    " that is yours to delete."
)


@click.command("forget")
@config_option
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(config: Path | None, address: str, yes: bool, as_json: bool) -> None:
    """Forget the person who writes from ADDRESS, for good: mail of him and to him, and its words in the search, are
    deleted and overwritten in the state; in its history a pseudonym stands for him. What waits to be sent of it is
    dropped, but for what others wrote that waits for others: that is left, and named.

    Counts and times stay, so that reports do not change. It can be done again, and finishes what was broken off.
    """
    settings = load_or_exit(config)
    person = _stranger(address, settings)
    if not yes:
        _ask(person, settings)
    done = _forget(person, settings)
    if as_json:
        click.echo(json.dumps({**done, "dropped": len(done.get("dropped", ()))}, indent=2))
    elif not done.get("goes_on"):
        click.echo(_told(done))
        click.echo(_ELSEWHERE)
    if done.get("goes_on"):
        fail("the daemon goes on with it: say the same again in a while, to hear what became of it")
    if done.get("waiting"):
        fail(_left(done["waiting"]))


def _stranger(text: str, settings: Settings) -> Address:
    """Raises BadParameter for what is no address, and for one of ours."""
    try:
        address = parse_address(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="ADDRESS") from error
    roster = Roster(settings)
    member, inbox = roster.member_with(address.key), roster.inbox_of(address.key)
    if member is not None:
        raise click.BadParameter(f"it is {member}'s, a member: take him out of the config first", param_hint="ADDRESS")
    if inbox is not None:
        raise click.BadParameter(f"it is the inbox {inbox}", param_hint="ADDRESS")
    return address


def _ask(person: Address, settings: Settings) -> None:
    try:
        with reading_state(settings.state) as view:
            count = len(view.conversations(Wanted(customer=person.key, limit=_MANY)))
    except StoreError as error:
        fail_by(error)
    known = "No conversation" if not count else "1 conversation" if count == 1 else f"{count:,} conversations"
    click.echo(f"{known} with {display(str(person), MAX_TEXT)}; he may have a part in others.", err=True)
    ask_or_fail("Forget this person for good?", "nothing was forgotten (--yes forgets without a question)")


def _forget(person: Address, settings: Settings) -> dict[str, Any]:
    with hand_on(settings) as hand:
        return hand.forget(str(person))


def _told(done: dict[str, Any]) -> str:
    dropped = len(done["dropped"])
    waited = f" {_count(dropped, 'copy', 'copies')} that waited for delivery went, too." if dropped else ""
    of = _count(done["conversations"], "conversation", "conversations")
    return f"Forgotten: {_count(done['messages'], 'message', 'messages')} in {of}.{waited}"


def _left(waiting: list[str]) -> str:
    """What is not done yet, and when it can be."""
    named = ", ".join(display(one, MAX_TEXT) for one in waiting[:_NAMED])
    more = f" and {len(waiting) - _NAMED:,} more" if len(waiting) > _NAMED else ""
    return (
        f"{_count(len(waiting), 'message that somebody else wrote was', 'messages that others wrote were')} left, for"
        f" others wait for a copy: {named}{more}. Say the same again when 'routerd queue list' shows none of them."
    )


def _count(number: int, one: str, more: str) -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {more}"
