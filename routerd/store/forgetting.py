"""A person is forgotten: mail of and with him goes, and what is left of its history names a pseudonym.

What is deleted is overwritten in the database's file (`secure_delete`) and in the index of words; the log is emptied.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any

import apsw

from routerd.desk.changes import HeldEnd
from routerd.desk.plan import Event
from routerd.desk.standing import Act, after_act
from routerd.desk.timers import unchanged
from routerd.message.annotation import Annotation
from routerd.message.envelope import QueueId, Raw
from routerd.message.view import MessageView
from routerd.store.base import CopyState, Settled, StoreError
from routerd.store.batch import Batch
from routerd.store.connection import Connection, Value, select, select_one
from routerd.store.deeds import write_plan
from routerd.store.desk_state import conversation_by_number
from routerd.store.rows import copy_id, to_micros
from routerd.store.selection import numbers_to_json
from routerd.store.stored_json import texts_from_json, texts_to_json
from routerd.store.word_index import forget_words, leave_head

AT_ONCE = 50  # messages
REASON = "forgotten"
EMPTY = "who wrote it was forgotten, and nothing is left of it"

_DOMAIN = "forgotten.invalid"
# What of an event may stay: it names members, copies and states, never what somebody wrote.
_KEPT_IN_EVENTS = (
    "member", "team", "copy", "state", "by", "kind", "inboxes", "twin", "part", "template", "until", "deputy", "notice",
    "owner", "watch", "steps", "respond_by",
)  # fmt: skip
_KEPT_OF = {"owner_changed": ("from", "to")}  # which are addresses elsewhere
_CONVERSATIONS = """
SELECT number, customer = :address FROM conversations
WHERE customer = :address OR instr(lower(participants_json), :quoted) OR instr(lower(outside_json), :quoted)
"""
_WITH_HIM = """
SELECT number FROM messages WHERE conversation IN (SELECT value FROM json_each(?)) OR lower(sender) = ?
"""
# In what was his the customer has a pseudonym from the first time on; what was left then is taken when it has gone out.
_LEFT = """
SELECT m.number FROM conversations AS v JOIN messages AS m ON m.conversation = v.number WHERE v.customer = ?
AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.message = m.number AND e.kind = 'person_forgotten')
"""
_AMONG_OTHERS = """
SELECT m.number, m.queue_id, b.bytes FROM messages AS m JOIN bodies AS b ON b.message = m.number
WHERE m.conversation IN (SELECT value FROM json_each(?))
"""
_TO_HIM = """
SELECT DISTINCT message FROM copies WHERE role = 'answer' AND lower(mailbox) = ?1
UNION SELECT message FROM auto_replies WHERE lower(address) = ?1
"""
_WAITING = """
SELECT m.number, m.queue_id, lower(m.sender) = ?2, b.bytes
FROM messages AS m LEFT JOIN bodies AS b ON b.message = m.number
WHERE m.number IN (SELECT value FROM json_each(?1))
AND EXISTS (SELECT 1 FROM copies AS c WHERE c.message = m.number AND c.finished_at IS NULL)
"""
_FOR_OTHERS = """
SELECT m.queue_id FROM messages AS m WHERE m.number = ?1 AND m.part NOT IN ('told', 'replied') AND EXISTS (
  SELECT 1 FROM copies AS c WHERE c.message = m.number AND c.finished_at IS NULL AND lower(c.mailbox) <> ?2
)
"""
_FOR_HIM = "SELECT number, suffix FROM copies WHERE message = ? AND finished_at IS NULL AND lower(mailbox) = ?"
_END_COPY = "UPDATE copies SET state = ?, finished_at = ?, next_attempt_at = NULL, reason = ? WHERE number = ?"
_END_HELD = "UPDATE held SET end = ?, ended_at = ? WHERE message = ? AND end IS NULL"
_KEPT = "SELECT queue_id, sender, envelope_json, plan_json, annotation_json FROM messages WHERE number = ?"
_STRIP = """
UPDATE messages SET sender = ?, envelope_json = ?, message_id = NULL, content_hash = x'', decisions_json = '[]',
  annotation_json = ?, plan_json = ? WHERE number = ?
"""
_OPEN_COPIES = "SELECT number FROM copies WHERE message = ? AND finished_at IS NULL"
_END_COPIES = """
UPDATE copies SET state = ?, finished_at = ?, next_attempt_at = NULL WHERE message = ? AND finished_at IS NULL
"""
_STRIP_COPIES = """
UPDATE copies SET reason = ?1, annotation_json = NULL,
  mailbox = iif(lower(mailbox) = ?2, ?3, mailbox), member = iif(lower(member) = ?2, ?3, member) WHERE message = ?4
"""
_STRIP_CONVERSATION = """
UPDATE conversations SET customer = iif(customer = ?1, ?2, customer), participants_json = ?3, outside_json = ?4,
  subject = iif(customer = ?1, '', subject), version = version + 1 WHERE number = ?5
"""
_EMPTY = """
SELECT number FROM conversations AS v WHERE customer = ? AND state <> 'closed' AND NOT EXISTS (
  SELECT 1 FROM messages AS m JOIN bodies AS b ON b.message = m.number WHERE m.conversation = v.number
)
"""
_NAMED_ELSEWHERE = (
    "UPDATE auto_replies SET address = ? WHERE lower(address) = ?",
    "UPDATE troubles SET about = ? WHERE lower(about) = ?",
    "UPDATE OR REPLACE notices SET about = ? WHERE lower(about) = ?",
)
_OVERWRITE_WORDS = "INSERT INTO words (words, rank) VALUES ('secure-delete', ?)"  # it costs too much for every sweep
_HEADS = """
SELECT s.message FROM searched AS s WHERE s.conversation = ? AND NOT EXISTS (
  SELECT 1 FROM bodies AS b WHERE b.message = s.message
)
"""
_FILL = "CREATE TABLE filler (bytes BLOB); INSERT INTO filler VALUES (zeroblob({size})); DROP TABLE filler"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much of him there was."""

    messages: int
    conversations: int
    dropped: tuple[int, ...]  # the numbers of the copies that waited
    waiting: tuple[QueueId, ...] = ()  # what others wrote, and waits for others: left until it has gone out


@dataclass(frozen=True, slots=True)
class Person:
    address: str  # in lower case
    pseudonym: str

    @classmethod
    def of(cls, address: str, key: bytes) -> "Person":
        """The same one each time, so that what is interrupted can be done again."""
        address = address.lower()
        digest = blake2b(address.encode("utf-8", "surrogatepass"), key=key, digest_size=6).hexdigest()
        return cls(address, f"{digest}@{_DOMAIN}")

    def hide(self, text: str) -> str:
        return re.sub(re.escape(self.address), self.pseudonym, text, flags=re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Traces:
    """Where he is found."""

    messages: tuple[int, ...]
    conversations: tuple[int, ...]
    his: frozenset[int] = frozenset()  # of those that wait: what he wrote himself


def find_traces(db: Connection, person: Person, open_body: Callable[[QueueId], Raw]) -> Traces:
    """All mail of conversations with him as the customer; of others what he wrote, and what went to him."""
    quoted = texts_to_json((person.address,))[1:-1]
    bindings = {"address": person.address, "quoted": quoted}
    rows: list[tuple[Any, ...]] = db.execute(_CONVERSATIONS, bindings).fetchall()
    own = [number for number, is_his in rows if is_his]
    others = numbers_to_json([number for number, is_his in rows if not is_his])
    found: set[int] = {number for (number,) in select(db, _WITH_HIM, (numbers_to_json(own), person.address))}
    found |= {number for (number,) in select(db, _TO_HIM, (person.address,))}
    found |= {number for (number,) in select(db, _LEFT, (person.pseudonym,))}
    his = set()
    for number, queue_id, raw in db.execute(_AMONG_OTHERS, (others,)):
        if number not in found and _is_by(person, raw, queue_id, open_body):
            found.add(number)
            his.add(number)
    for number, queue_id, is_sender, raw in db.execute(_WAITING, (numbers_to_json(sorted(found)), person.address)):
        if is_sender or number in his or _is_by(person, raw, queue_id, open_body):
            his.add(number)
    return Traces(tuple(sorted(found)), tuple(number for number, _ in rows), frozenset(his))


@dataclass(frozen=True, slots=True)
class Step:
    """What became of some messages."""

    dropped: tuple[int, ...]  # the numbers of the copies that waited
    left: tuple[QueueId, ...]
    files: tuple[QueueId, ...]  # large bodies that no row names any more


def forget_messages_of(batch: Batch, person: Person, traces: Traces, numbers: Sequence[int], at: datetime) -> Step:
    """Some of the messages in `traces`. What others wrote and still waits for others is left until it has gone out."""
    batch.flush()
    batch.db.execute(_OVERWRITE_WORDS, (1,))
    for_him, left = _drop_his_copies(batch, person, traces.his, numbers, at)
    dropped, files = _forget_messages(batch, person, [number for number in numbers if number not in left], at)
    batch.db.execute(_OVERWRITE_WORDS, (0,))
    return Step((*for_him, *dropped), tuple(left.values()), files)


def _drop_his_copies(
    batch: Batch, person: Person, his: frozenset[int], numbers: Sequence[int], at: datetime
) -> tuple[list[int], dict[int, QueueId]]:
    """Of what others wrote, and waits for others, only what was to go to him: the numbers of those copies, and the
    messages, for which it is too early."""
    dropped: list[int] = []
    left: dict[int, QueueId] = {}
    for number in numbers:
        row = None if number in his else select_one(batch.db, _FOR_OTHERS, (number, person.address))
        if row is None:
            continue
        queue_id = left[number] = QueueId(row[0])
        for copy, suffix in select(batch.db, _FOR_HIM, (number, person.address)):
            batch.db.execute(_END_COPY, (str(CopyState.DROPPED), to_micros(at), REASON, copy))
            told = {"copy": copy_id(queue_id, suffix), "reason": REASON}
            batch.add_event(number, to_micros(at), "copy_dropped", told)
            dropped.append(copy)
        batch.db.execute(_END_HELD, (str(HeldEnd.DROPPED), to_micros(at), number))
    return dropped, left


def _forget_messages(
    batch: Batch, person: Person, numbers: Sequence[int], at: datetime
) -> tuple[list[int], tuple[QueueId, ...]]:
    """The numbers of the copies that were dropped, and the large bodies."""
    batch.flush()
    db = batch.db
    files: list[QueueId] = []
    dropped: list[int] = []
    for number in numbers:
        row = select_one(db, _KEPT, (number,))
        if row is None:
            continue
        queue_id, sender, envelope, plan, annotation = row
        body = select_one(db, "SELECT bytes IS NULL FROM bodies WHERE message = ?", (number,))
        if body is not None and body[0]:
            files.append(QueueId(queue_id))
        db.execute("DELETE FROM bodies WHERE message = ?", (number,))
        forget_words(db, number)
        kept = _only(plan, ("inbox", "owner", "team", "labels", "priority", "respond_by"))
        stamp = _only(annotation, ("queue_id", "inbox", "assigned_to", "assigned_name"))
        bindings: tuple[Value, ...] = (person.hide(sender), person.hide(_only(envelope, ("recipients", "inboxes"))))
        db.execute(_STRIP, (*bindings, person.hide(stamp), kept, number))
        dropped += (copy for (copy,) in select(db, _OPEN_COPIES, (number,)))
        db.execute(_END_COPIES, (str(CopyState.DROPPED), to_micros(at), number))
        db.execute(_STRIP_COPIES, (REASON, person.address, person.pseudonym, number))
        db.execute(_END_HELD, (str(HeldEnd.DROPPED), to_micros(at), number))
        _strip_events(db, person, "events", "message", number)
        batch.add_event(number, to_micros(at), "person_forgotten", {})
    return dropped, tuple(files)


def forget_person(batch: Batch, person: Person, conversations: Sequence[int], at: datetime) -> None:
    """What is left when the messages are done: of his own conversations nothing that anybody could answer."""
    batch.flush()
    db = batch.db
    db.execute(_OVERWRITE_WORDS, (1,))
    for number in conversations:
        row = select_one(db, "SELECT participants_json, outside_json FROM conversations WHERE number = ?", (number,))
        if row is None:
            continue
        participants = [one for one in texts_from_json(row[0]) if one.lower() != person.address]
        outside = [pair for pair in _pairs(row[1]) if pair[-1].lower() != person.address]
        bindings = (person.address, person.pseudonym, texts_to_json(participants), json.dumps(outside), number)
        db.execute(_STRIP_CONVERSATION, bindings)
        _strip_events(db, person, "conversation_events", "conversation", number)
        for (message,) in select(db, _HEADS, (number,)):
            leave_head(db, message)
    for question in _NAMED_ELSEWHERE:
        db.execute(question, (person.pseudonym, person.address))
    db.execute("UPDATE troubles SET reason = ? WHERE instr(lower(reason), ?)", (REASON, person.address))
    db.execute(_OVERWRITE_WORDS, (0,))
    for (number,) in select(db, _EMPTY, (person.pseudonym,)):
        _close(batch, number, at)


def _close(batch: Batch, number: int, at: datetime) -> None:
    """Nobody waits in it any more, so nothing is due."""
    conversation = conversation_by_number(batch.db, number)
    if conversation is not None:
        closed = replace(conversation, standing=after_act(conversation.standing, Act.CLOSE, at))
        plan = unchanged(closed, Event("conversation_closed", {"why": EMPTY}), timers=())
        write_plan(batch, Settled(plan, Annotation("", conversation.inbox, "", ""), ()), conversation.id, at)
        batch.flush()


def overwrite_free_pages(batch: Batch) -> None:
    """Of times before what is deleted was overwritten at once."""
    batch.flush()
    free, page = (int(batch.db.pragma(name)) for name in ("freelist_count", "page_size"))
    if free:
        batch.db.execute(_FILL.format(size=min(free * page, 900_000_000)))


def empty_log(db: Connection) -> None:
    """Raises StoreError where somebody reads in it for too long."""
    try:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError as error:
        raise StoreError("the log could not be emptied while somebody reads in it: do it again") from error


def _is_by(person: Person, raw: Raw | None, queue_id: str, open_body: Callable[[QueueId], Raw]) -> bool:
    try:
        view = MessageView(raw if raw is not None else open_body(QueueId(queue_id)))
        return any(one.address == person.address for name in ("from", "reply-to") for one in view.addresses(name))
    except Exception:  # what cannot be read is not known to be by others
        return True


def _only(text: str, names: Sequence[str]) -> str:
    try:
        kept = json.loads(text)
    except (ValueError, RecursionError):
        return "{}"
    return json.dumps({name: kept[name] for name in names if name in kept}) if isinstance(kept, dict) else "{}"


def _pairs(text: str) -> list[list[str]]:
    try:
        return [pair for pair in json.loads(text) if isinstance(pair, list) and pair]
    except (ValueError, TypeError, RecursionError):
        return []


def _strip_events(db: Connection, person: Person, table: str, column: str, number: int) -> None:
    wanted = f"SELECT number, kind, data_json FROM {table} WHERE {column} = ?"  # noqa: S608 - constants
    for event, kind, data in select(db, wanted, (number,)):
        stripped = person.hide(_only(data, (*_KEPT_IN_EVENTS, *_KEPT_OF.get(kind, ()))))
        question = f"UPDATE {table} SET data_json = ? WHERE {column} = ? AND number = ?"  # noqa: S608 - constants
        db.execute(question, (stripped, number, event))
