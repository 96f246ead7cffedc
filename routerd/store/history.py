"""One message's history, as it is kept: what came, what was decided, its copies and its events."""

from dataclasses import dataclass
from datetime import datetime

from routerd.desk.changes import Role
from routerd.message.annotation import Annotation
from routerd.message.envelope import CopyId, QueueId
from routerd.rules.decision import Decision
from routerd.store.base import CopyState
from routerd.store.connection import Connection, select, select_one
from routerd.store.rows import ROLES, Row, bindable, copy_id, copy_state, from_micros, message_key, storable
from routerd.store.selection import INBOX
from routerd.store.stored_json import (
    StoredEnvelope,
    StoredPlan,
    annotation_from_json,
    data_from_json,
    decisions_from_json,
    envelope_from_json,
    plan_from_json,
    read_or_none,
)

QUEUED_COPIES = f"""
SELECT c.number, m.queue_id, c.suffix, c.state, c.role, c.member, c.mailbox, c.destination,
  {INBOX}, m.sender, m.size_bytes, c.attempts + c.attempts_before, c.created_at, c.next_attempt_at,
  c.finished_at, c.reason
FROM copies AS c JOIN messages AS m ON m.number = c.message
"""  # noqa: S608 - constants
_MESSAGE = """
SELECT number, queue_id, received_at, sender, size_bytes, message_id, envelope_json, plan_json, annotation_json,
  decisions_json, (SELECT t.queue_id FROM messages AS t WHERE t.number = messages.twin_of),
  EXISTS (SELECT 1 FROM bodies WHERE message = messages.number), member
FROM messages
"""
_NAMESAKES = "SELECT queue_id FROM messages WHERE message_id = ? AND number <> ? ORDER BY number LIMIT 20"
_BY_MESSAGE_ID = "SELECT number FROM messages WHERE message_id = ? ORDER BY number LIMIT ?"


@dataclass(frozen=True, slots=True)
class QueuedCopy:
    """One copy in a listing."""

    number: int
    id: CopyId
    queue_id: QueueId
    state: CopyState
    role: Role
    member: str
    mailbox: str
    destination: str
    inbox: str
    sender: str
    size_bytes: int
    attempts: int  # in all, also before it was released
    created_at: datetime
    next_attempt_at: datetime | None
    finished_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class PastEvent:
    at: datetime
    kind: str
    data: dict[str, object]


@dataclass(frozen=True, slots=True)
class MessageHistory:
    """All that is known of one message. What of it is stored damaged stands here empty, and among the events."""

    queue_id: QueueId
    received_at: datetime
    sender: str
    size_bytes: int
    message_id: str | None
    envelope: StoredEnvelope
    plan: StoredPlan
    annotation: Annotation
    decisions: tuple[Decision, ...]
    twin_of: QueueId | None  # the message that it joined
    namesakes: tuple[QueueId, ...]  # other messages of the same Message-ID
    has_bytes: bool
    copies: tuple[QueuedCopy, ...]
    events: tuple[PastEvent, ...]
    member: str = ""  # who is proven to have written it


def numbers_of(db: Connection, name: str, limit: int) -> list[int]:
    """The messages that `name` stands for, oldest first: a queue id's or a copy's one, or all of a Message-ID."""
    row = select_one(db, "SELECT number FROM messages WHERE queue_id = ?", (name.partition("-")[0].upper(),))
    if row is not None:
        return [row[0]]
    key = message_key(name.removeprefix("<").removesuffix(">"))
    return [found[0] for found in select(db, _BY_MESSAGE_ID, (key, limit))]


def read_history(db: Connection, number: int) -> MessageHistory | None:
    """None: it was forgotten."""
    row = select_one(db, f"{_MESSAGE} WHERE number = ?", (number,))
    if row is None:
        return None
    copies = select(db, f"{QUEUED_COPIES} WHERE c.message = ? ORDER BY c.suffix", (row[0],))
    events = select(db, "SELECT at, kind, data_json FROM events WHERE message = ? ORDER BY number", (row[0],))
    namesakes = select(db, _NAMESAKES, (bindable(row[5]), row[0])) if row[5] else []
    envelope = read_or_none(envelope_from_json, row[6])
    plan = read_or_none(plan_from_json, row[7])
    annotation = read_or_none(annotation_from_json, row[8])
    decisions = read_or_none(decisions_from_json, row[9])
    parts = {"envelope": envelope, "plan": plan, "annotation": annotation, "decisions": decisions}
    received_at = from_micros(row[2])
    damaged = [PastEvent(received_at, "damaged", {"part": name}) for name, part in parts.items() if part is None]
    return MessageHistory(
        queue_id=QueueId(storable(row[1])),
        received_at=received_at,
        sender=storable(row[3]),
        size_bytes=row[4],
        message_id=storable(row[5]) if row[5] else None,
        envelope=envelope or StoredEnvelope((), (), "", "", "", ""),
        plan=plan or StoredPlan("", "", None, "", (), None, ()),
        annotation=annotation or Annotation(storable(row[1]), "", "", ""),
        decisions=decisions or (),
        twin_of=QueueId(storable(row[10])) if row[10] else None,
        namesakes=tuple(QueueId(storable(found[0])) for found in namesakes),
        has_bytes=bool(row[11]),
        copies=tuple(queued_copy(found) for found in copies),
        events=(
            *(PastEvent(from_micros(at), storable(kind), data_from_json(storable(data))) for at, kind, data in events),
            *damaged,
        ),
        member=storable(str(row[12] or "")),
    )


def queued_copy(row: Row) -> QueuedCopy:
    return QueuedCopy(
        number=row[0],
        id=copy_id(storable(row[1]), row[2]),
        queue_id=QueueId(storable(row[1])),
        state=copy_state(row[3]),
        role=Role(row[4]) if row[4] in ROLES else Role.OWNER,
        member=storable(row[5]),
        mailbox=storable(row[6]),
        destination=storable(row[7]),
        inbox=storable(str(row[8] or "")),
        sender=storable(row[9]),
        size_bytes=row[10],
        attempts=row[11],
        created_at=from_micros(row[12]),
        next_attempt_at=_moment(row[13]),
        finished_at=_moment(row[14]),
        reason=storable(row[15]),
    )


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
