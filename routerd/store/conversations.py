"""Conversations as people look at them: lists of them, and one with all that happened in it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from routerd.desk.changes import Held, HeldEnd, HeldId, HeldKind, Part, Timer, TimerKind
from routerd.desk.plan import Conversation, ConversationId, ConversationState
from routerd.message.envelope import QueueId
from routerd.store.connection import Connection, Value, select, select_one
from routerd.store.conversation_rows import CONVERSATION_COLUMNS, PARTICIPANTS, read_conversation
from routerd.store.history import QUEUED_COPIES, PastEvent, QueuedCopy, numbers_of, queued_copy
from routerd.store.rows import bindable, from_micros, storable
from routerd.store.search import search_query
from routerd.store.stored_json import StoredPlan, data_from_json, plan_from_json, read_or_none, texts_from_json

_WAITING = "FROM held WHERE held.conversation = conversations.number AND held.end IS NULL"
_EXTRA_COLUMNS = f"began_at, last_at, closed_at, customer, rules_json, (SELECT count(*) {_WAITING})"
_COLUMNS = f"{CONVERSATION_COLUMNS}, {_EXTRA_COLUMNS}"
_EXTRA_AT = CONVERSATION_COLUMNS.count(",") + 1
_FOUND = """
number IN (SELECT s.conversation FROM words JOIN searched AS s ON s.message = words.rowid WHERE words MATCH ?)
"""
_MESSAGES = """
SELECT number, queue_id, received_at, part, member, sender, message_id, size_bytes, sent_at, twin_of, plan_json,
  EXISTS (SELECT 1 FROM bodies WHERE message = messages.number)
FROM messages WHERE conversation = ? ORDER BY number
"""
_EVENTS = """
SELECT m.queue_id, e.at, e.kind, e.data_json FROM messages AS m JOIN events AS e ON e.message = m.number
WHERE m.conversation = ? ORDER BY e.message, e.number
"""
_DEEDS = "SELECT at, kind, data_json FROM conversation_events WHERE conversation = ? ORDER BY number"
_HELD = """
SELECT number, kind, member, message, at, release_json, end, ended_at FROM held WHERE conversation = ? ORDER BY number
"""
_TIMERS = "SELECT kind, due_at, data FROM timers WHERE conversation = ? ORDER BY due_at, number"
_COUNTS = "SELECT inbox, state, count(*) FROM conversations INDEXED BY conversations_by_state GROUP BY state, inbox"
_STATES, _PARTS, _KINDS = frozenset(ConversationState), frozenset(Part), frozenset(TimerKind)
_HELD_KINDS, _HELD_ENDS = frozenset(HeldKind), frozenset(HeldEnd)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The conversations that fit all that is given; None is whatever there is."""

    states: Collection[ConversationState] | None = None
    overdue: bool = False  # only those
    held: bool = False  # only those in which an answer or a draft waits for #send
    owner: str | None = None  # member
    label: str | None = None
    inbox: str | None = None
    customer: str | None = None  # an address in lower case
    search: str = ""  # words, folded or not: all of them in one of its messages; "several words" one behind the other
    limit: int = 1_000

    def where(self) -> tuple[str, list[Value]]:
        clauses: list[str] = []
        bindings: list[Value] = []
        if self.states is not None:
            clauses.append(f"state IN ({','.join('?' * len(self.states))})")
            bindings.extend(map(str, self.states))
        if self.overdue:
            clauses.append("overdue = 1")
        if self.held:
            clauses.append(f"EXISTS (SELECT 1 {_WAITING})")
        for column, value in (("owner", self.owner), ("inbox", self.inbox), ("customer", self.customer)):
            if value is not None:
                clauses.append(f"{column} = CAST(? AS TEXT)")
                bindings.append(bindable(value))
        if self.label is not None:
            clauses.append(
                "EXISTS (SELECT 1 FROM json_each(iif(json_valid(labels_json), labels_json, '[]')) WHERE value = ?)"
            )
            bindings.append(self.label)
        if self.search:
            clauses.append(_FOUND)
            bindings.append(search_query(self.search))
        return " AND ".join(clauses) or "1", bindings


@dataclass(frozen=True, slots=True)
class ListedConversation:
    """One of a list. How it stands is `conversation.standing`."""

    conversation: Conversation
    began_at: datetime
    last_at: datetime  # of its latest message, whoever's
    closed_at: datetime | None
    customer: str | None
    rules: tuple[str, ...]  # that matched its first message: FILE/NAME
    held: int  # answers and drafts that wait for #send


@dataclass(frozen=True, slots=True)
class PastMessage:
    """One message of a conversation."""

    at: datetime
    queue_id: QueueId
    part: Part
    member: str | None  # who wrote it, of ours
    sender: str  # MAIL FROM
    message_id: str | None
    size_bytes: int
    sent_at: datetime | None  # of an answer: when it went out
    is_twin: bool  # of an earlier one, which it joined
    has_bytes: bool
    plan: StoredPlan | None  # None: it is stored damaged
    copies: tuple[QueuedCopy, ...]
    events: tuple[PastEvent, ...]


@dataclass(frozen=True, slots=True)
class PastHeld:
    """An answer or draft that waits for #send, or did."""

    held: Held
    queue_id: QueueId | None  # the message; None: it is forgotten
    end: HeldEnd | None  # None: it waits
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class WholeConversation:
    """All that is kept of it, oldest first."""

    listed: ListedConversation
    participants: tuple[str, ...]  # addresses
    messages: tuple[PastMessage, ...]
    events: tuple[PastEvent, ...]  # that no message caused; theirs stand with them
    held: tuple[PastHeld, ...]
    timers: tuple[Timer, ...]


def list_conversations(db: Connection, wanted: Wanted) -> tuple[ListedConversation, ...]:
    """The one in which something happened last comes first. Raises ValueError for a search without a word."""
    where, bindings = wanted.where()
    question = f"SELECT {_COLUMNS} FROM conversations WHERE {where} ORDER BY last_at DESC, number DESC LIMIT ?"  # noqa: S608
    return tuple(_listed(row) for row in select(db, question, (*bindings, wanted.limit)))


def count_conversations(db: Connection) -> Mapping[tuple[str, ConversationState], int]:
    """How many there are of each inbox and state."""
    counts: dict[tuple[str, ConversationState], int] = {}
    for inbox, state, count in select(db, _COUNTS):
        key = (storable(inbox), ConversationState(state) if state in _STATES else ConversationState.OPEN)
        counts[key] = counts.get(key, 0) + count
    return counts


def find_conversation(db: Connection, name: str) -> ConversationId | None:
    """By its own number, or by a queue id, copy id or Message-ID of a message in it."""
    if name.isascii() and name.isdecimal() and len(name) < 16:
        row = select_one(db, "SELECT number FROM conversations WHERE number = ?", (int(name),))
        if row is not None:
            return ConversationId(row[0])
    for number in numbers_of(db, name, 1):
        row = select_one(db, "SELECT conversation FROM messages WHERE number = ?", (number,))
        if row is not None and row[0]:
            return ConversationId(row[0])
    return None


def whole_conversation(db: Connection, number: ConversationId) -> WholeConversation | None:
    """None: there is none, or it was forgotten."""
    row = select_one(db, f"SELECT {_COLUMNS} FROM conversations WHERE number = ?", (number,))  # noqa: S608
    if row is None:
        return None
    messages = select(db, _MESSAGES, (number,))
    copies: dict[QueueId, list[QueuedCopy]] = {}
    for found in select(db, f"{QUEUED_COPIES} WHERE m.conversation = ? ORDER BY c.number", (number,)):
        copy = queued_copy(found)
        copies.setdefault(copy.queue_id, []).append(copy)
    events: dict[QueueId, list[PastEvent]] = {}
    for queue_id, *event in select(db, _EVENTS, (number,)):
        events.setdefault(QueueId(storable(queue_id)), []).append(_event(event))
    queue_ids = {found[0]: QueueId(storable(found[1])) for found in messages}
    return WholeConversation(
        listed=_listed(row),
        participants=texts_from_json(row[PARTICIPANTS]),
        messages=tuple(_message(found, copies, events) for found in messages),
        events=tuple(_event(found) for found in select(db, _DEEDS, (number,))),
        held=tuple(_held(found, queue_ids) for found in select(db, _HELD, (number,))),
        timers=tuple(_timers(select(db, _TIMERS, (number,)))),
    )


def _listed(row: Sequence[Any]) -> ListedConversation:
    extra = row[_EXTRA_AT:]
    return ListedConversation(
        conversation=read_conversation(row),
        began_at=from_micros(extra[0]),
        last_at=from_micros(extra[1]),
        closed_at=_moment(extra[2]),
        customer=None if extra[3] is None else storable(extra[3]),
        rules=texts_from_json(extra[4]),
        held=extra[5],
    )


def _message(
    row: Sequence[Any], copies: Mapping[QueueId, list[QueuedCopy]], events: Mapping[QueueId, list[PastEvent]]
) -> PastMessage:
    queue_id = QueueId(storable(row[1]))
    return PastMessage(
        at=from_micros(row[2]),
        queue_id=queue_id,
        part=Part(row[3]) if row[3] in _PARTS else Part.ASIDE,
        member=None if row[4] is None else storable(row[4]),
        sender=storable(row[5]),
        message_id=None if row[6] is None else storable(row[6]),
        size_bytes=row[7],
        sent_at=_moment(row[8]),
        is_twin=row[9] is not None,
        has_bytes=bool(row[11]),
        plan=read_or_none(plan_from_json, row[10]),
        copies=tuple(copies.get(queue_id, ())),
        events=tuple(events.get(queue_id, ())),
    )


def _event(row: Sequence[Any]) -> PastEvent:
    at, kind, data = row
    return PastEvent(from_micros(at), storable(kind), data_from_json(storable(data)))


def _held(row: Sequence[Any], queue_ids: Mapping[int, QueueId]) -> PastHeld:
    number, kind, member, message, at, release, end, ended_at = row
    held = Held(
        HeldId(number),
        HeldKind(kind) if kind in _HELD_KINDS else HeldKind.CONFLICT,
        storable(member),
        message,
        from_micros(at),
        texts_from_json(release),
    )
    ended = None if end is None else HeldEnd(end) if end in _HELD_ENDS else HeldEnd.DROPPED
    return PastHeld(held, queue_ids.get(message), ended, _moment(ended_at))


def _timers(rows: Iterable[Sequence[Any]]) -> Iterable[Timer]:
    return (Timer(TimerKind(kind), from_micros(at), storable(data)) for kind, at, data in rows if kind in _KINDS)


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
