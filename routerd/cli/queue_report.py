"""The queue as text for a terminal, and as JSON for programs."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from routerd.desk.plan import Role
from routerd.message.fold import display
from routerd.store.base import CopyState
from routerd.store.queue_view import MessageHistory, QueuedCopy

MAX_TEXT = 200

_HEADINGS = (
    "COPY",
    "STATE",
    "AGE",
    "INBOX",
    "FROM",
    "MEMBER",
    "MAILBOX",
    "DESTINATION",
    "TRIES",
    "NEXT ATTEMPT",
    "REASON",
)
_GAP = "  "
_FIRST_LEFT_OUT = ("FROM", "INBOX")  # where the terminal is too narrow for all columns


def print_copies(copies: Sequence[QueuedCopy]) -> None:
    """A table, as many columns as fit into the terminal's width; all of them where the output is no terminal."""
    if not copies:
        click.echo("Nothing waits.", err=True)
        return
    now = datetime.now(UTC)
    rows = [
        (
            copy.id,
            str(copy.state),
            _span(now - copy.created_at),
            display(copy.inbox, MAX_TEXT),
            display(copy.sender, MAX_TEXT) or "<>",
            display(copy.member, MAX_TEXT),
            display(copy.mailbox, MAX_TEXT),
            display(copy.destination, MAX_TEXT),
            str(copy.attempts),
            _time(copy.next_attempt_at),
            display(copy.reason, MAX_TEXT) or "-",
        )
        for copy in copies
    ]
    columns = dict(zip(_HEADINGS, zip(*rows, strict=True), strict=True))
    most = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for name in _FIRST_LEFT_OUT:
        if most is not None and sum(_widths(columns)) + len(_GAP) * (len(columns) - 1) > most:
            del columns[name]
    widths = _widths(columns)
    for row in (tuple(columns), *zip(*columns.values(), strict=True)):
        click.echo(_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _widths(columns: Mapping[str, Sequence[str]]) -> list[int]:
    return [max(map(len, (name, *cells))) for name, cells in columns.items()]


def owner_now(history: MessageHistory) -> str:
    """Who has the message, after all that became of the planned owner's copy."""
    owned = [copy for copy in history.copies if copy.role is Role.OWNER]
    planned = [copy for copy in owned if copy.member == history.plan.owner]
    if not planned or planned[0].state is not CopyState.REROUTED:
        return history.plan.owner
    return next((copy.member for copy in reversed(owned) if copy.state is not CopyState.REROUTED), owned[-1].member)


def print_history(history: MessageHistory) -> None:
    """All that is known of a message: where it came from, what was decided, its copies, its events."""
    plan, envelope = history.plan, history.envelope
    owner = plan.owner if owner_now(history) == plan.owner else f"{plan.owner}, rerouted to {owner_now(history)}"
    facts = (
        ("id", history.queue_id),
        ("received", _time(history.received_at)),
        ("from", f"<{history.sender}>"),
        ("to", ", ".join(envelope.recipients)),
        ("client", f"{envelope.client or 'unix socket'} ({envelope.helo}) {envelope.protocol} on {envelope.listener}"),
        ("message-id", f"<{history.message_id}>" if history.message_id else "-"),
        ("size", f"{history.size_bytes} bytes" + ("" if history.has_bytes else ", no longer kept")),
        ("inbox", plan.inbox),
        ("owner", owner + f" ({plan.why})"),
        ("labels", ", ".join(plan.labels) or "-"),
        ("respond by", plan.respond_by or ""),
        ("why", history.annotation.why or "-"),
        ("joins", history.twin_of or ""),
        ("see also", ", ".join(history.namesakes)),
    )
    for name, value in facts:
        if value:
            click.echo(f"{name + ':':<12} {display(value, 2000)}")
    for decision in history.decisions:
        click.echo(f"{'decided:':<12} for {display(decision.inbox, MAX_TEXT)}, rules {decision.revision or '-'}")
        for match in decision.trace.matches:
            reasons = "; ".join(map(str, match.evidence)) or "always"
            click.echo(f"{'':<12}   {display(str(match.rule), MAX_TEXT)}: {display(reasons, 1000)}")
        for trial in decision.trace.trials:
            click.echo(f"{'':<12}   {display(str(trial.rule), MAX_TEXT)}: on trial, would {display(trial.would, 1000)}")
    click.echo()
    print_copies(history.copies)
    click.echo()
    for event in history.events:
        told = ", ".join(f"{key}={value}" for key, value in event.data.items() if value is not None)
        click.echo(f"{_time(event.at)}  {event.kind}  {display(told, 1000)}".rstrip())


def copy_to_json(copy: QueuedCopy) -> dict[str, Any]:
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


def history_to_json(history: MessageHistory) -> dict[str, Any]:
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
        "owner_now": owner_now(history),
        "team": plan.team,
        "owner_why": plan.why,
        "labels": list(plan.labels),
        "priority": plan.priority,
        "respond_by": plan.respond_by,
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
                "trials": [{"rule": str(trial.rule), "would": trial.would} for trial in decision.trace.trials],
            }
            for decision in history.decisions
        ],
        "copies": [copy_to_json(copy) for copy in history.copies],
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
