"""`routerd queue`: what waits and why, and the postmaster's hand on it."""

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import click

from routerd.cli.options import EXIT_FOUND_WRONG, config_option, load_or_exit
from routerd.message.fold import display
from routerd.store.base import CopyState, StoreError, StoreLockedError
from routerd.store.by_hand import do_by_hand
from routerd.store.life import OPEN
from routerd.store.queue_view import MessageHistory, QueuedCopy, QueueView, as_owner
from routerd.store.sqlite import open_store
from routerd.web.control import ControlRefusedError, ControlUnavailableError, send_command

_MAX_TEXT = 200
_HEADINGS = ("COPY", "STATE", "AGE", "MEMBER", "MAILBOX", "DESTINATION", "TRIES", "NEXT ATTEMPT", "REASON")


@click.group("queue")
def command() -> None:
    """Look at the queue, and act on it."""


@command.command("list")
@config_option
@click.option("--destination", metavar="KEY", help="Only copies that go there, as the list names it.")
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
    wanted = frozenset(map(CopyState, states)) or OPEN
    try:
        with QueueView.open(settings.state) as view:
            copies = view.list(destination=destination, inbox=inbox, member=member, states=wanted)
    except StoreError as error:
        _fail(str(error))
    if as_json:
        click.echo(json.dumps([_copy_to_json(copy) for copy in copies], indent=2))
    else:
        _print_copies(copies)


@command.command("show")
@config_option
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(config: Path | None, id: str, as_json: bool) -> None:
    """Show one message's history: ID is its queue id, a copy's id, or its Message-ID."""
    settings = load_or_exit(config)
    try:
        with QueueView.open(settings.state) as view:
            history = view.show(id)
    except StoreError as error:
        _fail(str(error))
    if history is None:
        _fail(f"nothing is known of {display(id, _MAX_TEXT)}")
    if as_json:
        click.echo(json.dumps(_history_to_json(history), indent=2))
    else:
        _print_history(history)


def _hand_command(name: str, text: str) -> None:
    @command.command(name, help=text)
    @config_option
    @click.argument("ids", nargs=-1, required=True, metavar="ID...")
    @click.option("--reason", default="", metavar="TEXT", help="Kept in the history, and shown in the list.")
    @click.option("--json", "as_json", is_flag=True, help="One JSON object.")
    def change(config: Path | None, ids: tuple[str, ...], reason: str, as_json: bool) -> None:
        settings = load_or_exit(config)
        try:
            reply = _ask(settings.state, {"do": name, "copies": list(ids), "reason": reason})
        except (StoreError, ValueError, ControlRefusedError, OSError) as error:
            _fail(str(error))
        if as_json:
            click.echo(json.dumps(reply, indent=2))
        else:
            _print_reply(reply)
        if not reply.get("changed") or reply.get("unchanged") or reply.get("unknown"):
            sys.exit(EXIT_FOUND_WRONG)


_hand_command("retry", "Try queued copies now. ID: a copy's, or a message's for all of its copies.")
_hand_command("hold", "Keep copies in the queue until they are released.")
_hand_command("release", "Let held copies go, now.")
_hand_command("drop", "Give copies up for good. They stay in the history.")


def _ask(state: Path, request: dict[str, Any]) -> dict[str, Any]:
    """By the daemon; without one, by the state's lock. Raises StoreError, ValueError, ControlRefusedError, OSError."""
    try:
        return send_command(state, request)
    except ControlUnavailableError as unavailable:
        with QueueView.open(state):  # there is a state: nothing is begun here
            pass
        try:
            return asyncio.run(_without_daemon(state, request))
        except StoreLockedError as error:
            raise StoreError(f"{error}, which does not answer: {unavailable}") from error


async def _without_daemon(state: Path, request: dict[str, Any]) -> dict[str, Any]:
    with as_owner(state):
        store = open_store(state)
        try:
            return await do_by_hand(store, request, datetime.now(UTC))
        finally:
            await store.close()


def _print_copies(copies: Sequence[QueuedCopy]) -> None:
    if not copies:
        click.echo("Nothing waits.", err=True)
        return
    now = datetime.now(UTC)
    rows = [
        (
            copy.id,
            str(copy.state),
            _span(now - copy.created_at),
            display(copy.member, _MAX_TEXT),
            display(copy.mailbox, _MAX_TEXT),
            display(copy.destination, _MAX_TEXT),
            str(copy.attempts),
            _time(copy.next_attempt_at),
            display(copy.reason, _MAX_TEXT) or "-",
        )
        for copy in copies
    ]
    _print_table([_HEADINGS, *rows])


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_history(history: MessageHistory) -> None:
    plan, envelope = history.plan, history.envelope
    facts = (
        ("id", history.queue_id),
        ("received", _time(history.received_at)),
        ("from", f"<{history.sender}>"),
        ("to", ", ".join(envelope.recipients)),
        ("client", f"{envelope.client or 'unix socket'} ({envelope.helo}) {envelope.protocol} on {envelope.listener}"),
        ("message-id", f"<{history.message_id}>" if history.message_id else "-"),
        ("size", f"{history.size_bytes} bytes" + ("" if history.has_bytes else ", no longer kept")),
        ("inbox", plan.inbox),
        ("owner", f"{plan.owner} ({plan.why})"),
        ("labels", ", ".join(plan.labels) or "-"),
        ("why", history.annotation.why or "-"),
        ("joins", history.twin_of or ""),
        ("see also", ", ".join(history.namesakes)),
    )
    for name, value in facts:
        if value:
            click.echo(f"{name + ':':<12} {display(value, 2000)}")
    for decision in history.decisions:
        click.echo(f"{'decided:':<12} for {display(decision.inbox, _MAX_TEXT)}, rules {decision.revision or '-'}")
        for match in decision.trace.matches:
            reasons = "; ".join(map(str, match.evidence)) or "always"
            click.echo(f"{'':<12}   {display(str(match.rule), _MAX_TEXT)}: {display(reasons, 1000)}")
    click.echo()
    _print_copies(history.copies)
    click.echo()
    for event in history.events:
        told = ", ".join(f"{key}={value}" for key, value in event.data.items() if value is not None)
        click.echo(f"{_time(event.at)}  {event.kind}  {display(told, 1000)}".rstrip())


def _print_reply(reply: dict[str, Any]) -> None:
    for copy in reply.get("changed", ()):
        click.echo(f"{_shown(copy.get('id'))}: {_shown(copy.get('state'))}")
    for copy in reply.get("unchanged", ()):
        click.echo(f"{_shown(copy.get('id'))}: is {_shown(copy.get('state'))}, left as it is", err=True)
    for one in reply.get("unknown", ()):
        click.echo(f"{_shown(one)}: unknown", err=True)


def _copy_to_json(copy: QueuedCopy) -> dict[str, Any]:
    return {
        "id": copy.id,
        "queue_id": copy.queue_id,
        "state": str(copy.state),
        "role": str(copy.role),
        "member": copy.member,
        "mailbox": copy.mailbox,
        "destination": copy.destination,
        "inbox": copy.inbox,
        "sender": copy.sender,
        "size_bytes": copy.size_bytes,
        "attempts": copy.attempts,
        "created_at": copy.created_at.isoformat(),
        "next_attempt_at": _iso(copy.next_attempt_at),
        "finished_at": _iso(copy.finished_at),
        "reason": copy.reason,
    }


def _history_to_json(history: MessageHistory) -> dict[str, Any]:
    plan, envelope = history.plan, history.envelope
    return {
        "queue_id": history.queue_id,
        "received_at": history.received_at.isoformat(),
        "sender": history.sender,
        "recipients": list(envelope.recipients),
        "client": {
            "address": envelope.client,
            "helo": envelope.helo,
            "protocol": envelope.protocol,
            "listener": envelope.listener,
        },
        "message_id": history.message_id,
        "size_bytes": history.size_bytes,
        "has_bytes": history.has_bytes,
        "inbox": plan.inbox,
        "owner": plan.owner,
        "team": plan.team,
        "owner_why": plan.why,
        "labels": list(plan.labels),
        "priority": plan.priority,
        "why": history.annotation.why,
        "twin_of": history.twin_of,
        "namesakes": list(history.namesakes),
        "decisions": [
            {
                "inbox": decision.inbox,
                "revision": decision.revision,
                "assign": decision.assign.target if decision.assign else None,
                "labels": list(decision.labels),
                "matches": [
                    {"rule": str(match.rule), "evidence": list(map(str, match.evidence))}
                    for match in decision.trace.matches
                ],
            }
            for decision in history.decisions
        ],
        "copies": [_copy_to_json(copy) for copy in history.copies],
        "events": [{"at": event.at.isoformat(), "kind": event.kind, "data": event.data} for event in history.events],
    }


def _span(span: timedelta) -> str:
    """The two largest units: `3d4h`, `12m5s`."""
    seconds = max(int(span.total_seconds()), 0)
    parts = _units(seconds)
    return "".join(f"{count}{unit}" for count, unit in parts[:2]) or "0s"


def _units(seconds: int) -> list[tuple[int, str]]:
    counted: list[tuple[int, str]] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count or counted:
            counted.append((count, unit))
    return counted


def _time(at: datetime | None) -> str:
    return "-" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _shown(value: object) -> str:
    return display(str(value), _MAX_TEXT)


def _fail(reason: str) -> NoReturn:
    click.echo(display(reason, 1000), err=True)
    sys.exit(EXIT_FOUND_WRONG)
