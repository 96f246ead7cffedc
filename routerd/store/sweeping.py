"""Forgetting, in small steps: a reader looks for what is old, and a short transaction between the others takes it.

Messages are numbered as they come, so what is old stands first: a step looks at the next few from where the last one
ended, and there is no need of an index by age. What came while the clock was ahead hides nothing that came later.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from routerd.message.envelope import QueueId
from routerd.store.batch import Batch
from routerd.store.connection import Connection
from routerd.store.selection import numbers_to_json
from routerd.store.word_index import forget_words, leave_head

STEP_ROWS = 100
QUIET = timedelta(days=90)  # as long as nothing happens in a conversation that nobody closes, its bytes are kept

_NEVER = 9_223_372_036_854_775_807
_FINISHED = f"(SELECT max(coalesce(c.finished_at, {_NEVER})) FROM copies AS c WHERE c.message = m.number)"  # noqa: S608
_OLD_BODY = f"""
  coalesce({_FINISHED}, 0) < :before
  AND NOT EXISTS (SELECT 1 FROM held AS h WHERE h.message = m.number AND h.end IS NULL)
  AND NOT EXISTS (
    SELECT 1 FROM conversations AS v
    WHERE v.number = m.conversation AND coalesce(v.closed_at, {_NEVER}) >= :before
    AND v.last_at BETWEEN :quiet_before AND :now
  )
"""  # noqa: S608 - constants
_LOOK_FOR_BODIES = f"""
SELECT m.number, m.received_at, {_OLD_BODY} FROM bodies AS b JOIN messages AS m ON m.number = b.message
WHERE b.message > :after ORDER BY b.message LIMIT :limit
"""  # noqa: S608 - constants
_OLD_BODIES = f"""
SELECT m.number, m.queue_id, b.bytes IS NULL FROM bodies AS b JOIN messages AS m ON m.number = b.message
WHERE b.message IN (SELECT value FROM json_each(:numbers)) AND {_OLD_BODY}
"""  # noqa: S608 - constants
# The last message stays, and so does the one with the last copy: numbers must not be given again, since the token in a
# return path may still name them.
_OLD_MESSAGE = f"""
  coalesce({_FINISHED}, m.received_at) < :before
  AND NOT EXISTS (SELECT 1 FROM bodies AS b WHERE b.message = m.number)
  AND m.number < (SELECT max(number) FROM messages)
  AND m.number IS NOT (SELECT message FROM copies ORDER BY number DESC LIMIT 1)
"""  # noqa: S608 - constants
_LOOK_FOR_MESSAGES = f"""
SELECT m.number, m.received_at, {_OLD_MESSAGE} FROM messages AS m WHERE m.number > :after ORDER BY m.number LIMIT :limit
"""  # noqa: S608 - constants
_OLD_MESSAGES = f"""
SELECT m.number FROM messages AS m WHERE m.number IN (SELECT value FROM json_each(:numbers)) AND {_OLD_MESSAGE}
"""  # noqa: S608 - constants
_OF_MESSAGE = ("events", "copies", "answers", "auto_replies", "held")
_OLD_CONVERSATION = "v.last_at < :before AND v.number < (SELECT max(number) FROM conversations)"
_LOOK_FOR_CONVERSATIONS = f"""
SELECT v.number, v.began_at, {_OLD_CONVERSATION} FROM conversations AS v WHERE v.number > :after ORDER BY v.number
LIMIT :limit
"""  # noqa: S608 - constants
_OLD_CONVERSATIONS = f"""
SELECT v.number FROM conversations AS v
WHERE v.number IN (SELECT value FROM json_each(:numbers)) AND {_OLD_CONVERSATION}
"""  # noqa: S608 - constants
_OF_CONVERSATION = ("timers", "held", "conversation_events")


@dataclass(frozen=True, slots=True)
class Age:
    """What is forgotten: all from before `before`. Microseconds, as is the clock's `now`.

    `quiet_before`: where a conversation that is not closed had its last message before that, it counts as closed.
    """

    before: int
    now: int
    quiet_before: int = 0

    def is_young(self, at: int) -> bool:
        """And so is all that came later. Of what is ahead of the clock that cannot be told."""
        return self.before <= at <= self.now


@dataclass(frozen=True, slots=True)
class Looked:
    """The numbers of what may go, and where to go on looking; None: done."""

    numbers: tuple[int, ...]
    after: int | None


@dataclass(frozen=True, slots=True)
class Sweep:
    """One kind of thing. `forget` looks again at what it takes, and gives the large bodies that no row names now."""

    look_for: str
    forget: Callable[[Batch, Sequence[int], Age], tuple[QueueId, ...]]

    def look(self, db: Connection, after: int, age: Age) -> Looked:
        bindings = {**_bindings(age), "after": after, "limit": STEP_ROWS}
        rows: list[tuple[Any, ...]] = db.execute(self.look_for, bindings).fetchall()
        numbers: list[int] = []
        for number, at, is_old in rows:
            if age.is_young(at):
                return Looked(tuple(numbers), None)
            if is_old:
                numbers.append(number)
        return Looked(tuple(numbers), rows[-1][0] if len(rows) == STEP_ROWS else None)


def forget_bodies(batch: Batch, numbers: Sequence[int], age: Age) -> tuple[QueueId, ...]:
    """The bytes of messages whose copies were all finished before `age.before`, and their conversation closed; never
    those of an answer or draft that waits for #send."""
    files: list[QueueId] = []
    for number, queue_id, is_file in _still_old(batch, _OLD_BODIES, numbers, age):
        batch.db.execute("DELETE FROM bodies WHERE message = ?", (number,))
        leave_head(batch.db, number)
        if is_file:
            files.append(QueueId(queue_id))
    return tuple(files)


def forget_messages(batch: Batch, numbers: Sequence[int], age: Age) -> tuple[QueueId, ...]:
    """Messages without bytes, all of whose copies were finished before `age.before`, with all that is kept of them."""
    for (number,) in _still_old(batch, _OLD_MESSAGES, numbers, age):
        for table in _OF_MESSAGE:
            batch.db.execute(f"DELETE FROM {table} WHERE message = ?", (number,))  # noqa: S608 - constants
        forget_words(batch.db, number)
        batch.db.execute("DELETE FROM messages WHERE number = ?", (number,))
    return ()


def forget_conversations(batch: Batch, numbers: Sequence[int], age: Age) -> tuple[QueueId, ...]:
    """Conversations whose last message came before `age.before`. A message that is kept merely has none any more."""
    for (number,) in _still_old(batch, _OLD_CONVERSATIONS, numbers, age):
        for table in _OF_CONVERSATION:
            batch.db.execute(f"DELETE FROM {table} WHERE conversation = ?", (number,))  # noqa: S608 - constants
        batch.db.execute("DELETE FROM conversations WHERE number = ?", (number,))
    return ()


BODIES = Sweep(_LOOK_FOR_BODIES, forget_bodies)
MESSAGES = Sweep(_LOOK_FOR_MESSAGES, forget_messages)
CONVERSATIONS = Sweep(_LOOK_FOR_CONVERSATIONS, forget_conversations)


def forget_loads(batch: Batch, before_minute: int) -> None:
    batch.db.execute("DELETE FROM loads WHERE minute < ?", (before_minute,))


def forget_counted(batch: Batch, before: int) -> None:
    batch.flush()
    batch.db.execute("DELETE FROM counted WHERE at < ?", (before,))


def _still_old(batch: Batch, question: str, numbers: Sequence[int], age: Age) -> list[tuple[Any, ...]]:
    batch.flush()
    return batch.db.execute(question, {**_bindings(age), "numbers": numbers_to_json(numbers)}).fetchall()


def _bindings(age: Age) -> dict[str, int]:
    return {"before": age.before, "quiet_before": age.quiet_before, "now": age.now}
