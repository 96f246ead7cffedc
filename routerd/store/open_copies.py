"""The copies that are queued or held, as delivery and the daemon ask for them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from routerd.message.envelope import QueueId
from routerd.store.base import Copy, CopyState, QueueCounts
from routerd.store.batch import Batch
from routerd.store.connection import Connection, select, select_one
from routerd.store.deeds import pull_timers_forward
from routerd.store.rows import (
    COPIES,
    COPY_COLUMNS,
    bindable,
    copy_state,
    from_micros,
    read_copies,
    storable,
    to_micros,
)
from routerd.store.stored_json import texts_to_json

_DUE = f"""
SELECT {COPY_COLUMNS} FROM {COPIES}
WHERE c.finished_at IS NULL AND c.state = 'queued' AND c.destination = CAST(? AS TEXT)
AND c.next_attempt_at <= ? ORDER BY c.next_attempt_at, c.number LIMIT ?
"""  # noqa: S608 - constants
# From one destination to the next by the index, so that it takes no longer for many copies than for few.
_WAITING = """
WITH RECURSIVE destinations(name) AS (
  SELECT min(destination) FROM copies WHERE finished_at IS NULL AND state = 'queued'
  UNION ALL
  SELECT (SELECT min(destination) FROM copies WHERE finished_at IS NULL AND state = 'queued' AND destination > name)
  FROM destinations WHERE name IS NOT NULL
)
SELECT name, (
  SELECT min(next_attempt_at) FROM copies WHERE finished_at IS NULL AND state = 'queued' AND destination = name
) FROM destinations WHERE name IS NOT NULL
"""
_PULL_FORWARD = """
UPDATE copies SET next_attempt_at = ?1
WHERE finished_at IS NULL AND state = 'queued' AND (next_attempt_at > ?2 OR next_attempt_at IS NULL)
"""
_COME_BY_NOW = """
UPDATE copies INDEXED BY copies_by_age SET created_at = ?1 WHERE finished_at IS NULL AND created_at > ?1
"""
_COUNTS = "SELECT state, count(*) FROM copies INDEXED BY copies_open WHERE finished_at IS NULL GROUP BY state"
_OLDEST = "SELECT min(created_at) FROM copies INDEXED BY copies_by_age WHERE finished_at IS NULL"
_BY_NUMBER = f"SELECT {COPY_COLUMNS} FROM {COPIES} WHERE c.number = ?"  # noqa: S608 - constants
_BY_ID = f"""
SELECT {COPY_COLUMNS} FROM {COPIES} WHERE m.queue_id IN (SELECT value FROM json_each(?)) ORDER BY c.number
"""  # noqa: S608 - constants
_ADDRESSED = "SELECT DISTINCT member, mailbox, destination FROM copies WHERE finished_at IS NULL"
_READDRESS = """
UPDATE copies SET mailbox = ?1, destination = ?2
WHERE finished_at IS NULL AND member = CAST(?3 AS TEXT) AND (mailbox <> ?1 OR destination <> ?2)
"""


def due_copies(db: Connection, destination: str, now: datetime, limit: int, skip: frozenset[int]) -> list[Copy]:
    rows = select(db, _DUE, (bindable(destination), to_micros(now), limit + len(skip)))
    wanted = [row for row in rows if row[0] not in skip]
    return list(read_copies(wanted[:limit]))


def waiting_destinations(db: Connection) -> dict[str, datetime]:
    return {destination: from_micros(at) for destination, at in select(db, _WAITING) if at is not None}


def pull_forward(batch: Batch, now: datetime, latest: datetime) -> int:
    batch.flush()
    pull_timers_forward(batch, now)
    batch.db.execute(_COME_BY_NOW, (to_micros(now),))
    batch.db.execute(_PULL_FORWARD, (to_micros(now), to_micros(latest)))
    return batch.db.changes()


def readdress(batch: Batch, mailboxes: Mapping[str, tuple[str, str]]) -> None:
    batch.flush()
    known = select(batch.db, _ADDRESSED)
    for member in {member for member, *way in known if tuple(way) != mailboxes.get(member, tuple(way))}:
        mailbox, destination = mailboxes[member]
        batch.db.execute(_READDRESS, (storable(mailbox), storable(destination), bindable(member)))


def count_open(db: Connection) -> QueueCounts:
    copies: dict[CopyState, int] = {}
    for text, count in select(db, _COUNTS):
        state = copy_state(text)
        copies[state] = copies.get(state, 0) + count
    row = select_one(db, _OLDEST)
    oldest = row[0] if row else None
    return QueueCounts(copies, None if oldest is None else from_micros(oldest))


def copy_by_number(db: Connection, number: int) -> Copy | None:
    return next(read_copies(select(db, _BY_NUMBER, (number,))), None)


def find_copies(db: Connection, ids: Sequence[str]) -> tuple[Copy, ...]:
    wanted = frozenset(ids)
    queue_ids = texts_to_json({QueueId(one.partition("-")[0]) for one in wanted})
    found = read_copies(select(db, _BY_ID, (queue_ids,)))
    return tuple(copy for copy in found if copy.id in wanted or copy.queue_id in wanted)
