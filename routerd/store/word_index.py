"""The words by which conversations are found: SQLite's full text search (FTS5), of what `message.fold` makes of a text.

It is filled beside the mail (routerd.store.indexing), so the latest messages may not be in it for a moment.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from routerd.message.envelope import QueueId, Raw
from routerd.message.fold import fold
from routerd.store.base import StoreError
from routerd.store.batch import Batch
from routerd.store.connection import Connection, select, select_one
from routerd.store.rows import RowWriter, storable
from routerd.store.stored_json import texts_from_json

_UNINDEXED = """
SELECT m.number, m.queue_id, CASE WHEN m.twin_of IS NULL THEN m.conversation ELSE 0 END, b.message, b.bytes
FROM messages AS m LEFT JOIN bodies AS b ON b.message = m.number
WHERE m.number > (SELECT up_to FROM search_state) ORDER BY m.number LIMIT ?
"""
_HAVE_BODIES = "SELECT message FROM bodies WHERE message IN (SELECT value FROM json_each(?))"
_HEAD = """
SELECT v.number, v.subject, v.participants_json FROM messages AS m JOIN conversations AS v ON v.number = m.conversation
WHERE m.number = ?
"""
_WORDS = RowWriter("INSERT OR REPLACE INTO words (rowid, head, text) VALUES ROWS", 3)
_SEARCHED = RowWriter("INSERT OR REPLACE INTO searched VALUES ROWS", 2)


@dataclass(frozen=True, slots=True)
class Unindexed:
    """A message whose words are not in yet."""

    number: int  # the store's row
    conversation: int  # 0: it needs no words
    raw: Raw | None  # None: it is not kept any more


@dataclass(frozen=True, slots=True)
class Words:
    """Of one message, folded. `head` "": those of its conversation are taken."""

    number: int
    conversation: int
    head: str = ""
    text: str = ""


def unindexed(db: Connection, limit: int, open_body: Callable[[QueueId], Raw]) -> tuple[Unindexed, ...]:
    """The eldest of them. `open_body` reads what is kept in a file."""
    found = []
    for number, queue_id, conversation, body, raw in select(db, _UNINDEXED, (limit,)):
        if body is not None and raw is None and conversation:
            with suppress(StoreError):
                raw = open_body(QueueId(storable(queue_id)))  # noqa: PLW2901
        found.append(Unindexed(number, conversation, raw))
    return tuple(found)


def index_words(batch: Batch, found: Sequence[Words], up_to: int) -> None:
    """All up to that message are in then. What was forgotten meanwhile stays so."""
    batch.flush()
    db = batch.db
    numbers = f"[{','.join(str(one.number) for one in found)}]"
    whole = {number for (number,) in select(db, _HAVE_BODIES, (numbers,))}.intersection(
        one.number for one in found if one.head
    )
    # A statement for all of them: mail waits for the end of this transaction, and for the lock after each statement.
    _WORDS.write(db, [(one.number, storable(one.head), storable(one.text)) for one in found if one.number in whole])
    _SEARCHED.write(db, [(one.number, one.conversation) for one in found if one.number in whole])
    for one in found:
        if one.number not in whole:
            leave_head(db, one.number, is_new=True)
    db.execute("UPDATE search_state SET up_to = max(up_to, ?)", (up_to,))


def leave_head(db: Connection, message: int, *, is_new: bool = False) -> None:
    """Of a message without bytes: it is found by its conversation's subject and participants alone.

    `is_new`: also where it was not in before.
    """
    if not is_new and not select_one(db, "SELECT 1 FROM searched WHERE message = ?", (message,)):
        return
    row = select_one(db, _HEAD, (message,))
    if row is None:
        forget_words(db, message)
        return
    conversation, subject, participants = row
    head = fold(" ".join((storable(subject), *texts_from_json(participants))))
    _WORDS.write(db, [(message, head, "")])
    _SEARCHED.write(db, [(message, conversation)])


def forget_words(db: Connection, message: int) -> None:
    db.execute("DELETE FROM words WHERE rowid = ?", (message,))
    db.execute("DELETE FROM searched WHERE message = ?", (message,))
