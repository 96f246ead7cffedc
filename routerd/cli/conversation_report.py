"""Conversations as text for a terminal, and as JSON for programs."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import click

from routerd.cli.conversation_timeline import coming, timeline
from routerd.cli.moments import iso_or_none, shown_span, shown_time
from routerd.cli.paragraphs import folded, terminal_width
from routerd.cli.queue_report import MAX_TEXT, copy_to_json
from routerd.cli.table import print_table
from routerd.desk.plan import ConversationState
from routerd.message.fold import display
from routerd.store.conversations import ListedConversation, PastMessage, WholeConversation
from routerd.store.history import PastEvent

_MAX_WORDS = 2_000
_TIME = 22  # columns
_LABEL = 14
_NOTHING = "-"


def print_conversations(found: Sequence[ListedConversation], now: datetime) -> None:
    """A table, the first first. How many answers and drafts wait for #send is a column where any does."""
    is_any_held = any(one.held for one in found)
    rows = [_row(one, now, is_any_held) for one in found]
    print_table(
        rows, right=("ID", "MAILS", "WAITS", "HELD"), left_out=("INBOX", "MAILS", "LABELS", "LAST", "CUSTOMER", "TEAM")
    )


def _row(listed: ListedConversation, now: datetime, with_held: bool) -> dict[str, str]:
    conversation, standing = listed.conversation, listed.conversation.standing
    waits = "" if standing.waiting_since is None else shown_span(now - standing.waiting_since)
    return {
        "ID": str(conversation.id),
        "STATE": "overdue" if standing.overdue else str(standing.state),
        "WAITS": waits or _NOTHING,
        **({"HELD": str(listed.held or _NOTHING)} if with_held else {}),
        "OWNER": display(conversation.owner, MAX_TEXT),
        "TEAM": display(conversation.team or "", MAX_TEXT) or _NOTHING,
        "INBOX": display(conversation.inbox, MAX_TEXT),
        "CUSTOMER": display(listed.customer or "", MAX_TEXT) or _NOTHING,
        "MAILS": str(standing.messages),
        "LAST": shown_time(listed.last_at)[:16],
        "LABELS": display(",".join(standing.labels), MAX_TEXT) or _NOTHING,
        "SUBJECT": display(standing.subject, MAX_TEXT) or _NOTHING,
    }


def print_conversation(whole: WholeConversation, now: datetime) -> None:
    """How it stands, and all that happened in it, in order. Times are in UTC, as in the logs."""
    width = terminal_width()
    for label, text in _facts(whole, now):
        for line in folded(display(text, _MAX_WORDS), width, f"{f'{label}:':<{_LABEL}}", " " * _LABEL):
            click.echo(line)
    click.echo()
    for at, sentence in timeline(whole):
        for line in folded(display(sentence, _MAX_WORDS), width, f"{shown_time(at)}  ", " " * _TIME):
            click.echo(line.rstrip())
    ahead = [f"at {shown_time(timer.at)}: {coming(timer)}" for timer in whole.timers]
    for number, text in enumerate(ahead):
        for line in folded(text, width, f"{'' if number else 'to come':<{_TIME}}", " " * _TIME):
            click.echo(line)


def _facts(whole: WholeConversation, now: datetime) -> Iterator[tuple[str, str]]:
    listed = whole.listed
    conversation, standing = listed.conversation, listed.conversation.standing
    yield "conversation", f"{conversation.id}, {standing.subject or 'without a subject'}"
    yield "inbox", conversation.inbox
    yield "state", _state(listed)
    yield "owner", conversation.owner + (f", of {conversation.team}" if conversation.team else "")
    facts = {
        "watched by": ", ".join((*standing.watchers, *(f"{member} ({inbox})" for inbox, member in standing.also))),
        "customer": listed.customer or "",
        "answers go": ", ".join(address for _, address in standing.outside),
        "waits": _waits(listed, now),
        "respond by": shown_time(standing.respond_by) + (" (overdue)" if standing.overdue else "")
        if standing.respond_by
        else "",
        "labels": ", ".join(standing.labels),
        "rules": ", ".join(listed.rules),
        "approval": f"an answer needs the #send of {', '.join(standing.approve)}" if standing.approve else "",
    }
    yield from ((label, text) for label, text in facts.items() if text)


def _state(listed: ListedConversation) -> str:
    standing = listed.conversation.standing
    match standing.state:
        case ConversationState.SNOOZED if standing.snoozed_until:
            return f"snoozed until {shown_time(standing.snoozed_until)} or the customer's next message"
        case ConversationState.CLOSED if listed.closed_at:
            return f"closed at {shown_time(listed.closed_at)}"
        case _:
            return str(standing.state)


def _waits(listed: ListedConversation, now: datetime) -> str:
    since = listed.conversation.standing.waiting_since
    return f"for {shown_span(now - since)}, since {shown_time(since)}" if since else ""


def listed_to_json(listed: ListedConversation) -> dict[str, Any]:
    conversation, standing = listed.conversation, listed.conversation.standing
    return {
        "id": conversation.id,
        "inbox": conversation.inbox,
        "state": str(standing.state),
        "owner": conversation.owner,
        "team": conversation.team,
        "customer": listed.customer,
        "subject": standing.subject,
        "labels": list(standing.labels),
        "messages": standing.messages,
        "answers": standing.answers,
        "waiting_since": iso_or_none(standing.waiting_since),
        "respond_by": iso_or_none(standing.respond_by),
        "overdue": standing.overdue,
        "snoozed_until": iso_or_none(standing.snoozed_until),
        "answered_at": iso_or_none(standing.answered_at),
        "began_at": listed.began_at.isoformat(),
        "last_at": listed.last_at.isoformat(),
        "closed_at": iso_or_none(listed.closed_at),
        "watchers": list(standing.watchers),
        "also": dict(standing.also),
        "answers_go_to": [address for _, address in standing.outside],
        "approve": list(standing.approve),
        "rules": list(listed.rules),
        "held": listed.held,
    }


def whole_to_json(whole: WholeConversation) -> dict[str, Any]:
    return {
        **listed_to_json(whole.listed),
        "participants": list(whole.participants),
        "timeline": [{"at": at.isoformat(), "text": text.strip()} for at, text in timeline(whole)],
        "mails": [_message_to_json(message) for message in whole.messages],
        "events": [_event_to_json(event) for event in whole.events],
        "waiting_for_send": [
            {
                "queue_id": one.queue_id,
                "kind": str(one.held.kind),
                "member": one.held.member,
                "at": one.held.at.isoformat(),
                "release": list(one.held.release),
                "end": str(one.end) if one.end else None,
                "ended_at": iso_or_none(one.ended_at),
            }
            for one in whole.held
        ],
        "timers": [
            {"kind": str(timer.kind), "at": timer.at.isoformat(), "data": timer.data or None} for timer in whole.timers
        ],
    }


def _message_to_json(message: PastMessage) -> dict[str, Any]:
    return {
        "queue_id": message.queue_id,
        "at": message.at.isoformat(),
        "part": str(message.part),
        "member": message.member,
        "sender": message.sender,
        "message_id": message.message_id,
        "size_bytes": message.size_bytes,
        "has_bytes": message.has_bytes,
        "sent_at": iso_or_none(message.sent_at),
        "is_twin": message.is_twin,
        "labels": list(message.plan.labels) if message.plan else [],
        "why": message.plan.why if message.plan else None,
        "copies": [copy_to_json(copy) for copy in message.copies],
        "events": [_event_to_json(event) for event in message.events],
    }


def _event_to_json(event: PastEvent) -> dict[str, Any]:
    return {"at": event.at.isoformat(), "kind": event.kind, "data": event.data}
