"""`routerd queue`: what waits and why, and the postmaster's hand on it."""

import asyncio
import json
import sys
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import click

from routerd.cli.options import EXIT_FOUND_WRONG, config_option, load_or_exit
from routerd.cli.queue_report import MAX_TEXT, copy_to_json, history_to_json, print_copies, print_history
from routerd.cli.state import naming_state, reading_state
from routerd.config.nearest import quoted
from routerd.config.settings import Settings
from routerd.delivery.maildir import maildir_path
from routerd.delivery.routes import MAILDIR, Routes
from routerd.delivery.succession import stand_in_for, take_over
from routerd.desk.roster import Roster
from routerd.message.fold import display
from routerd.rules.names import names_of, suggestion
from routerd.store.base import CopyState, StoreError, StoreLockedError
from routerd.store.by_hand import do_by_hand
from routerd.store.history import QueuedCopy
from routerd.store.life import OPEN
from routerd.store.queue_view import as_owner
from routerd.store.selection import Selection
from routerd.store.sqlite import open_store
from routerd.web.control import ControlRefusedError, ControlUnavailableError, send_command

_DONE = {"retry": "will be tried now", "release": "will be tried now", "hold": "held", "drop": "dropped"}


@click.group("queue", short_help="Look at the queue, and act on it.")
def command() -> None:
    """Look at the queue, and act on it."""


@command.command("list", short_help="List the copies that wait.")
@config_option
@click.option("--destination", metavar="KEY", help="Only copies that go there: as listed, or HOST:PORT.")
@click.option("--inbox", metavar="ADDRESS", help="Only copies of this inbox's mail.")
@click.option("--member", metavar="NAME", help="Only copies for this member.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([str(state) for state in CopyState]),
    help="Only copies in this state; may be repeated [default: queued and held].",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def list_copies(
    config: Path | None,
    destination: str | None,
    inbox: str | None,
    member: str | None,
    states: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the copies that wait, oldest first."""
    settings = load_or_exit(config)
    inboxes = names_of(settings).inboxes
    wanted = frozenset(map(CopyState, states)) or OPEN
    where = _where(settings)
    lives_in = inboxes.get(inbox.lower(), inbox) if inbox else inbox
    try:
        with reading_state(settings.state) as view:
            found = [
                copy
                for key in _destinations(destination)
                for copy in view.list(
                    Selection(destinations=key and (key,), inbox=lives_in, member=member, states=wanted)
                )
                if key != MAILDIR or destination in (MAILDIR, where(copy))
            ]
    except StoreError as error:
        _fail(str(error))
    if not found:  # copies of a member who has left may still be there
        _refuse_unknown("inbox", lives_in, inboxes)
        _refuse_unknown("member", member, settings.members)
    copies = sorted(found, key=lambda copy: copy.number)
    if as_json:
        click.echo(json.dumps([copy_to_json(copy) for copy in copies], indent=2))
    else:
        print_copies(copies, where)


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
        _fail(str(error))
    if history is None:
        _fail(f"nothing is known of {display(id, MAX_TEXT)}")
    if as_json:
        click.echo(json.dumps(history_to_json(history), indent=2))
    else:
        hours = Roster(settings).working_hours(history.plan.owner, history.plan.team)
        print_history(history, _where(settings), hours.zone if hours else ZoneInfo("UTC"))


def _destinations(given: str | None) -> tuple[str | None, ...]:
    """The keys of destinations that `given` may mean."""
    if given is None:
        return (None,)
    return (MAILDIR,) if given.startswith(f"{MAILDIR}:") else (given, f"smtp:{given}", f"lmtp:{given}")


def _where(settings: Settings) -> Callable[[QueuedCopy], str]:
    """How a copy's destination is listed: its key, and of a Maildir by which path it goes now."""
    routes, here = Routes(settings), Path.cwd()

    def where(copy: QueuedCopy) -> str:
        route = routes.route_for(copy.mailbox) if copy.destination == MAILDIR else None
        if route is None or route.maildir is None:
            return copy.destination
        try:
            path = maildir_path(route, copy.mailbox)
        except ValueError:  # an address that is no folder's name: its copy says so
            return copy.destination
        return f"{MAILDIR}:{path.relative_to(here) if path.is_relative_to(here) else path}"

    return where


def _refuse_unknown(what: str, name: str | None, known: Collection[str]) -> None:
    if name is not None and name not in known:
        raise click.BadParameter(f"no {what} {quoted(name)}{suggestion(name, known)}", param_hint=f"--{what}")


def _hand_command(name: str, text: str) -> None:
    @command.command(name, help=text)
    @config_option
    @click.argument("ids", nargs=-1, required=True, metavar="ID...")
    @click.option("--reason", default="", metavar="TEXT", help="Kept in the history, and shown in the list.")
    @click.option("--json", "as_json", is_flag=True, help="One JSON object.")
    def change(config: Path | None, ids: tuple[str, ...], reason: str, as_json: bool) -> None:
        settings = load_or_exit(config)
        try:
            reply = _ask(settings, {"do": name, "copies": list(ids), "reason": reason})
        except (StoreError, ValueError, ControlRefusedError, OSError) as error:
            _fail(str(error))
        if as_json:
            click.echo(json.dumps(reply, indent=2))
        else:
            _print_reply(name, ids, reply)
        if not reply.get("changed") or reply.get("unchanged") or reply.get("unknown"):
            sys.exit(EXIT_FOUND_WRONG)


_hand_command("retry", "Try queued copies now. ID: a copy's, or a message's for all of its copies.")
_hand_command("hold", "Keep copies in the queue until they are released.")
_hand_command("release", "Let held copies go, now.")
_hand_command("drop", "Give copies up for good. They stay in the history.")


def _ask(settings: Settings, request: dict[str, Any]) -> dict[str, Any]:
    """By the daemon; without one, by the state's lock. Raises StoreError, ValueError, ControlRefusedError, OSError."""
    state = settings.state
    try:
        return send_command(state, request)
    except ControlUnavailableError as unavailable:
        with reading_state(state):  # there is a state: nothing is begun here
            pass
        try:
            return asyncio.run(_without_daemon(settings, request))
        except StoreLockedError as error:
            raise StoreError(f"{error}, which does not answer: {unavailable}") from error
        except StoreError as error:
            raise StoreError(naming_state(error, state)) from error


async def _without_daemon(settings: Settings, request: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC)
    roster, routes = Roster(settings), Routes(settings)
    with as_owner(settings.state):
        store = open_store(settings.state)
        try:
            return await do_by_hand(
                store,
                request,
                now,
                lambda copy: stand_in_for(copy, now, roster, routes),
                lambda copy, reason, tried: take_over(copy, reason, tried, now, roster, routes),
            )
        finally:
            await store.close()


def _print_reply(name: str, ids: Iterable[str], reply: dict[str, Any]) -> None:
    typed = {one.upper(): one for one in ids}
    for copy in reply.get("changed", ()):
        done = "its owner is away; another copy takes its place" if copy.get("state") == "rerouted" else _DONE[name]
        click.echo(f"{_shown(copy.get('copy'))}: {done}")
    for copy in reply.get("unchanged", ()):
        click.echo(f"{_shown(copy.get('copy'))}: is {_shown(copy.get('state'))}, left as it is", err=True)
    for one in reply.get("unknown", ()):
        click.echo(f"{_shown(typed.get(one, one))}: no such copy or message", err=True)


def _shown(value: object) -> str:
    return display(str(value), MAX_TEXT)


def _fail(reason: str) -> NoReturn:
    click.echo(display(reason, 1000), err=True)
    sys.exit(EXIT_FOUND_WRONG)
