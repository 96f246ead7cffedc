"""Forgetting, in small steps: each is one short transaction between the others.

Messages are numbered as they come, so what is old stands first: a step looks at the next few from where the last one
ended, and there is no need of an index by age. What came while the clock was ahead hides nothing that came later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from routerd.message.envelope import QueueId
from routerd.store.batch import Batch
from routerd.store.connection import select, select_one

STEP_MESSAGES = 100

_OLD_BODIES = """
SELECT b.message, m.queue_id, b.bytes IS NULL, m.received_at,
  (SELECT max(coalesce(c.finished_at, 9223372036854775807)) FROM copies AS c WHERE c.message = b.message)
FROM bodies AS b JOIN messages AS m ON m.number = b.message WHERE b.message > ? ORDER BY b.message LIMIT ?
"""
_OLD_MESSAGES = """
SELECT m.number, m.received_at, EXISTS (SELECT 1 FROM bodies AS b WHERE b.message = m.number),
  coalesce(
    (SELECT max(coalesce(c.finished_at, 9223372036854775807)) FROM copies AS c WHERE c.message = m.number),
    m.received_at
  )
FROM messages AS m WHERE m.number > ? AND m.number < (SELECT max(number) FROM messages) ORDER BY m.number LIMIT ?
"""
_OLD_CONVERSATIONS = """
SELECT number, began_at, last_at FROM conversations
WHERE number > ? AND number < (SELECT max(number) FROM conversations) ORDER BY number LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Age:
    """What is forgotten: all from before `before`. Microseconds, as is the clock's `now`."""

    before: int
    now: int

    def is_young(self, at: int) -> bool:
        """And so is all that came later. Of what is ahead of the clock that cannot be told."""
        return self.before <= at <= self.now


@dataclass(frozen=True, slots=True)
class Step:
    """Where to go on; None: done. `files`: large bodies that no row names any more."""

    after: int | None
    files: tuple[QueueId, ...] = ()


def forget_bodies(batch: Batch, after: int, age: Age) -> Step:
    """The bytes of messages whose copies were all finished before `age.before`."""
    rows = select(batch.db, _OLD_BODIES, (after, STEP_MESSAGES))
    files: list[QueueId] = []
    for number, queue_id, is_file, received_at, finished_at in rows:
        if age.is_young(received_at):
            return Step(None, tuple(files))
        if finished_at is None or finished_at < age.before:
            batch.db.execute("DELETE FROM bodies WHERE message = ?", (number,))
            if is_file:
                files.append(QueueId(queue_id))
    return Step(_next(rows), tuple(files))


def forget_messages(batch: Batch, after: int, age: Age) -> Step:
    """Messages without bytes, all of whose copies were finished before `age.before`, with copies and events.

    The last message stays, and so does the one with the last copy: numbers must not be given again, since the token
    in a return path may still name them.
    """
    keeper = select_one(batch.db, "SELECT message FROM copies ORDER BY number DESC LIMIT 1")
    rows = select(batch.db, _OLD_MESSAGES, (after, STEP_MESSAGES))
    for number, received_at, has_body, finished_at in rows:
        if age.is_young(received_at):
            return Step(None)
        if has_body or finished_at >= age.before or (keeper and keeper[0] == number):
            continue
        for table in ("events", "copies"):
            batch.db.execute(f"DELETE FROM {table} WHERE message = ?", (number,))  # noqa: S608 - constants
        batch.db.execute("DELETE FROM messages WHERE number = ?", (number,))
    return Step(_next(rows))


def forget_conversations(batch: Batch, after: int, age: Age) -> Step:
    """Conversations whose last message came before `age.before`. A message that is kept merely has none any more."""
    rows = select(batch.db, _OLD_CONVERSATIONS, (after, STEP_MESSAGES))
    for number, began_at, last_at in rows:
        if age.is_young(began_at):
            return Step(None)
        if last_at < age.before:
            batch.db.execute("DELETE FROM conversations WHERE number = ?", (number,))
    return Step(_next(rows))


def forget_loads(batch: Batch, before_minute: int) -> None:
    batch.db.execute("DELETE FROM loads WHERE minute < ?", (before_minute,))


def _next(rows: Sequence[tuple[Any, ...]]) -> int | None:
    return rows[-1][0] if len(rows) == STEP_MESSAGES else None
