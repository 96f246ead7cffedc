"""The same message again: by its Message-ID and content, or byte for byte."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from routerd.desk.changes import Part
from routerd.desk.plan import Twin
from routerd.message.envelope import QueueId, Raw, Received
from routerd.store.base import StoreError
from routerd.store.connection import Connection, select
from routerd.store.rows import message_key, storable, to_micros
from routerd.store.stored_json import envelope_from_json, read_or_none

_MAX_NAMESAKES = 50  # messages of one Message-ID that are looked at: whoever sends more of them has no say
_MAX_LATEST = 20_000  # messages
_MAX_SAME_SIZE = 20
_COMPARED_BYTES = 1 << 20  # at once
_WINDOW = timedelta(days=5)  # as long as mail servers try (RFC 5321 4.5.4.1); what comes later is meant
_PARTS = frozenset(Part)

# Only what goes out or went out is a reason to let its repetition rest: what is held or was dropped helps nobody. But
# what was said to the desk was heard, whatever came of it, and is not said again by who sends it on at any later time.
_NAMESAKES = """
SELECT number, queue_id, content_hash, envelope_json, twin_of, conversation, part FROM messages AS m
WHERE message_id = ? AND (
  part IN ('answer', 'note', 'draft', 'away', 'calendar')
  OR received_at > ?
  AND EXISTS (SELECT 1 FROM copies AS c WHERE c.message = m.number AND c.state IN ('queued', 'delivered'))
  AND NOT EXISTS (SELECT 1 FROM copies AS c WHERE c.message = m.number AND c.state IN ('held', 'dropped'))
)
ORDER BY number LIMIT ?
"""
# For the few that could not be looked into: among the latest messages, as far back as takes a moment to read.
_SAME_SIZE = """
SELECT m.number, m.queue_id, m.content_hash, m.envelope_json, m.twin_of, m.conversation, m.part, b.bytes
FROM messages AS m JOIN bodies AS b ON b.message = m.number
WHERE m.number > (SELECT max(number) FROM messages) - ? AND m.received_at > ? AND m.size_bytes = ? AND m.sender = ?
AND EXISTS (SELECT 1 FROM copies AS c WHERE c.message = m.number AND c.state IN ('queued', 'delivered'))
AND NOT EXISTS (SELECT 1 FROM copies AS c WHERE c.message = m.number AND c.state IN ('held', 'dropped'))
ORDER BY m.number LIMIT ?
"""
_MEMBERS = """
SELECT member FROM copies WHERE message IN (SELECT value FROM json_each(?))
AND state IN ('queued', 'delivered') GROUP BY member ORDER BY min(number)
"""

Found = tuple[Twin, int] | None
"""The twin, and the number of the conversation that it is in; 0: in none."""


def find_namesakes(db: Connection, message_id: str, content_hash: bytes, at: datetime) -> Found:
    wanted = (message_key(message_id), to_micros(at - _WINDOW), _MAX_NAMESAKES)
    return _twin_of(db, [row for row in select(db, _NAMESAKES, wanted) if row[2] == content_hash])


def find_same_bytes(db: Connection, received: Received, at: datetime, open_body: Callable[[QueueId], Raw]) -> Found:
    """From the same sender to the same recipients. `open_body` reads those that are kept in files; it raises OSError or
    StoreError."""
    since = to_micros(at - _WINDOW)
    wanted = (_MAX_LATEST, since, len(received.raw), storable(received.envelope.sender), _MAX_SAME_SIZE)
    recipients = tuple(str(recipient.address) for recipient in received.envelope.recipients)
    rows = []
    for row in select(db, _SAME_SIZE, wanted):
        envelope = read_or_none(envelope_from_json, row[3])
        if envelope is None or envelope.recipients != recipients:
            continue
        try:
            raw = open_body(QueueId(row[1])) if row[7] is None else row[7]
        except (OSError, StoreError):
            continue
        if _is_same(raw, received.raw):
            rows.append(row)
    return _twin_of(db, rows)


def _twin_of(db: Connection, rows: Sequence[Any]) -> Found:
    """The messages of these rows, the eldest first, are the same one."""
    if not rows:
        return None
    eldest = rows[0]
    envelopes = [read_or_none(envelope_from_json, row[3]) for row in rows]
    inboxes = dict.fromkeys(inbox for envelope in envelopes if envelope for inbox in envelope.inboxes)
    numbers = f"[{','.join(str(row[0]) for row in rows)}]"
    members = tuple(row[0] for row in select(db, _MEMBERS, (numbers,)))
    twin = Twin(
        message=eldest[4] or eldest[0],
        queue_id=eldest[1],
        inboxes=tuple(inboxes),
        members=members,
        parts=frozenset(Part(row[6]) for row in rows if row[6] in _PARTS),
        rows=frozenset(row[0] for row in rows),
    )
    return twin, eldest[5]


def _is_same(one: Raw, other: Raw) -> bool:
    if len(one) != len(other):
        return False
    starts = range(0, len(one), _COMPARED_BYTES)
    return all(one[start : start + _COMPARED_BYTES] == other[start : start + _COMPARED_BYTES] for start in starts)
