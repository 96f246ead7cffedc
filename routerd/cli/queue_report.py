"""The queue as text for a terminal, and as JSON for programs."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import click

from routerd.cli.message_events import print_told, went_on
from routerd.cli.moments import iso_or_none, shown_span, shown_time
from routerd.cli.options import EXIT_FOUND_WRONG
from routerd.cli.paragraphs import columns_of, folded, terminal_width
from routerd.config.calendar_values import shown_moment
from routerd.desk.changes import Role
from routerd.message.fold import display
from routerd.store.base import CopyState
from routerd.store.history import MessageHistory, QueuedCopy

MAX_TEXT = 200
PAGE_COPIES = 500  # of a table in memory
_NOTHING = "-"
_DUE = "due"  # tried as soon as its destination takes more, if it is not at this moment
_LABEL = 13  # columns of what a line of a history tells of

_REASON = "REASON"
_GAP = "  "
_INDENT = " " * 4
_FIRST_LEFT_OUT = ("FROM", "INBOX", "MAILBOX")  # where the terminal is too narrow for all columns
_THEN_LEFT_OUT = ("DESTINATION", "TRIES")  # where it is so without the reasons, too

Where = Callable[[QueuedCopy], str]


def print_copies(
    copies: Iterable[QueuedCopy], where: Where, limit: int | None = None, *, none: str = "", err: bool = False
) -> int:
    """A table, as many columns as fit into the terminal's width; all of them where the output is no terminal.

    Where it is narrow, each copy's reason stands below it. `where`: how a copy's destination is listed. `none`: said on
    stderr where there is no copy. Gives how many there are beyond `limit`. In memory are `PAGE_COPIES` at a time, by
    which the columns' widths are found.
    """
    waiting = iter(copies)
    shown = islice(waiting, limit)
    table = _Table(where, err)
    while page := list(islice(shown, PAGE_COPIES)):
        table.print(page)
    if table.is_empty and none:
        click.echo(none, err=True)
    return sum(1 for _ in waiting)


class _Table:
    """Printed page by page; columns may grow from one page to the next, and only the first has a heading."""

    def __init__(self, where: Where, err: bool) -> None:
        self.is_empty = True
        self._where = where
        self._err = err
        self._now = datetime.now(UTC)
        self._width = terminal_width()
        self._names: tuple[str, ...] = ()
        self._below = False  # the reasons
        self._widths: dict[str, int] = {}

    def print(self, copies: Sequence[QueuedCopy]) -> None:
        rows = [_row(copy, self._now, self._where) for copy in copies]
        widths = {name: max(map(columns_of, (name, *(row[name] for row in rows)))) for name in rows[0]}
        if self.is_empty:
            self._choose_columns(widths)
        self._widths = {name: max(widths[name], self._widths.get(name, 0)) for name in self._names}
        if self.is_empty:
            self._print_row(dict(zip(self._names, self._names, strict=True)))
        self.is_empty = False
        for row in rows:
            self._print_row(row)
            if self._below and row[_REASON] not in ("", _NOTHING):
                for line in folded(row[_REASON], self._width, _INDENT, _INDENT):
                    click.echo(line, err=self._err)

    def _choose_columns(self, widths: Mapping[str, int]) -> None:
        names = list(widths)
        for name in (*_FIRST_LEFT_OUT, _REASON, *_THEN_LEFT_OUT):
            width = sum(widths[kept] for kept in names) + len(_GAP) * (len(names) - 1)
            if self._width is not None and width > self._width:
                names.remove(name)
                self._below = self._below or name == _REASON
        self._names = tuple(names)

    def _print_row(self, row: Mapping[str, str]) -> None:
        padded = (row[name] + " " * (self._widths[name] - columns_of(row[name])) for name in self._names)
        click.echo(_GAP.join(padded).rstrip(), err=self._err)


def _row(copy: QueuedCopy, now: datetime, where: Where) -> dict[str, str]:
    return {
        "COPY": display(copy.id, MAX_TEXT),
        "STATE": str(copy.state),
        "AGE": shown_span(now - copy.created_at),
        "INBOX": display(copy.inbox, MAX_TEXT),
        "FROM": display(copy.sender, MAX_TEXT) or "<>",
        "MEMBER": display(copy.member, MAX_TEXT),
        "MAILBOX": display(copy.mailbox, MAX_TEXT),
        "DESTINATION": display(where(copy), MAX_TEXT),
        "TRIES": str(copy.attempts),
        "NEXT ATTEMPT": _DUE
        if copy.next_attempt_at and copy.next_attempt_at <= now
        else shown_time(copy.next_attempt_at),
        _REASON: display(copy.reason, MAX_TEXT) or _NOTHING,
    }


def owner_now(history: MessageHistory) -> str:
    """Who has the message, after all that became of the planned owner's copy."""
    owned = [copy for copy in history.copies if copy.role is Role.OWNER]
    planned = [copy for copy in owned if copy.member == history.plan.owner]
    if not planned or planned[0].state is not CopyState.REROUTED:
        return history.plan.owner
    return next((copy.member for copy in reversed(owned) if copy.state is not CopyState.REROUTED), owned[-1].member)


def print_history(history: MessageHistory, where: Where, zone: ZoneInfo) -> None:
    """All that is known of a message: where it came from, what was decided, its copies, what happened since.

    `zone`: of the calendar by which its owner works; what happened is told in UTC, as in the logs.
    """
    for label, text in (*_facts(history, zone), *_decided(history)):
        for line in folded(text, terminal_width(), f"{label:<{_LABEL}}", " " * _LABEL):
            click.echo(line)
    click.echo()
    if history.copies:
        print_copies(history.copies, where)
    else:
        click.echo("Nobody was sent a copy of it.")
    told = tuple(went_on(history))
    if told:
        click.echo()
        print_told(told)


def _facts(history: MessageHistory, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    plan, envelope = history.plan, history.envelope
    owner = plan.owner if owner_now(history) == plan.owner else f"{plan.owner}, rerouted to {owner_now(history)}"
    size = "1 byte" if history.size_bytes == 1 else f"{history.size_bytes:,} bytes"
    facts = (
        ("id", history.queue_id),
        ("received", shown_time(history.received_at)),
        ("from", f"<{history.sender}>"),
        ("to", ", ".join(envelope.recipients)),
        ("client", f"{envelope.client or 'unix socket'} ({envelope.helo}) {envelope.protocol} on {envelope.listener}"),
        ("message-id", f"<{history.message_id}>" if history.message_id else _NOTHING),
        ("size", size + ("" if history.has_bytes else ", no longer kept")),
        ("inbox", plan.inbox),
        ("owner", owner + f" ({plan.why})"),
        ("labels", ", ".join(plan.labels) or _NOTHING),
        ("respond by", shown_moment(datetime.fromisoformat(plan.respond_by), zone) if plan.respond_by else ""),
        ("why", history.annotation.why or _NOTHING),
        ("joins", history.twin_of or ""),
        ("see also", ", ".join(history.namesakes)),
    )
    return ((f"{name}:", display(value, 2000)) for name, value in facts if value)


def _decided(history: MessageHistory) -> Iterator[tuple[str, str]]:
    for decision in history.decisions:
        yield "decided:", f"for {display(decision.inbox, MAX_TEXT)}, rules {decision.revision or _NOTHING}"
        for match in decision.trace.matches:
            reasons = "; ".join(map(str, match.evidence)) or "always"
            yield "", f"{display(str(match.rule), MAX_TEXT)}: {display(reasons, 1000)}"
        for trial in decision.trace.trials:
            yield "", f"{display(str(trial.rule), MAX_TEXT)}: on trial, would {display(trial.would, 1000)}"


def copy_to_json(copy: QueuedCopy) -> dict[str, Any]:
    return {
        "copy": copy.id,
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
        "next_attempt_at": iso_or_none(copy.next_attempt_at),
        "finished_at": iso_or_none(copy.finished_at),
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
            "login": envelope.login or None,
            "name": envelope.name or None,
            "listed_in": list(envelope.listed_in),
        },
        "auth_results": history.annotation.auth_results,
        "member": history.member or None,
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
                "skipped": [
                    {"rule": str(one.rule), "reason": one.reason}
                    for one in (*decision.trace.unknown, *decision.trace.failed)
                ],
                "stopped_by": str(decision.trace.stopped_by) if decision.trace.stopped_by else None,
                "notes": list(decision.trace.notes),
            }
            for decision in history.decisions
        ],
        "copies": [copy_to_json(copy) for copy in history.copies],
        "events": [{"at": event.at.isoformat(), "kind": event.kind, "data": event.data} for event in history.events],
    }


def fail(reason: str) -> NoReturn:
    """Says why on stderr, and ends the command with 1."""
    click.echo(display(reason, 1000), err=True)
    sys.exit(EXIT_FOUND_WRONG)
