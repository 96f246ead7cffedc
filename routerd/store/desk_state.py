"""The state that decisions and plans depend on, read from the store: by the writer inside its transaction, by `explain`
beside it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from routerd.desk.changes import Absence, AbsenceSource, Held, HeldId, HeldKind, Part
from routerd.desk.plan import Conversation, Happened, Past, Seen, Sent, Twin, Went
from routerd.message.annotation import Annotation
from routerd.message.envelope import QueueId, Raw, Received
from routerd.store.base import Known, StoreError, ThreadKeys
from routerd.store.batch import Remembered
from routerd.store.connection import Connection, Value, select, select_one
from routerd.store.conversation_rows import CONVERSATION_COLUMNS, read_conversation
from routerd.store.figures import how_it_went
from routerd.store.rows import from_micros, message_key, storable, to_micros, to_minute, with_any_detail
from routerd.store.stored_json import (
    annotation_from_json,
    data_from_json,
    read_or_none,
    texts_from_json,
    texts_to_json,
)
from routerd.store.twins import find_namesakes, find_same_bytes

_MAX_REFERENCES = 50
_PARTS, _SOURCES = frozenset(Part), frozenset(AbsenceSource)
_HELD_KINDS = frozenset(HeldKind)
_LOAD_WINDOW = timedelta(hours=24)

# The subselects look up one row each, however many messages claim the same Message-ID; the first one keeps it.
_FIND_BY_REFERENCES = """
SELECT (
  SELECT nullif(conversation, 0) FROM messages WHERE message_id = named.value ORDER BY number LIMIT 1
) AS found
FROM json_each(?) AS named WHERE found IS NOT NULL ORDER BY named.key LIMIT 1
"""
_CONVERSATION = f"SELECT {CONVERSATION_COLUMNS} FROM conversations WHERE number = ?"  # noqa: S608 - constants
_OPEN_CONVERSATIONS = f"""
SELECT {CONVERSATION_COLUMNS} FROM conversations
WHERE state = 'open' AND (?1 IS NULL OR owner = ?1) AND (?2 IS NULL OR inbox = ?2)
ORDER BY waiting_since IS NULL, waiting_since, number LIMIT ?3
"""  # noqa: S608 - constants
_BY_COPY = "SELECT m.conversation FROM copies AS c JOIN messages AS m ON m.number = c.message WHERE c.number = ?"
_SEEN_BY_COPY = """
SELECT m.number, c.member, m.received_at, m.shows FROM copies AS c JOIN messages AS m ON m.number = c.message
WHERE c.number = ?
"""
_SEEN_BY_REFERENCE = """
SELECT m.number, '', m.received_at, m.shows FROM json_each(?) AS named
JOIN messages AS m ON m.message_id = named.value AND m.conversation = ? ORDER BY named.key LIMIT 1
"""
_SENT = """
SELECT number, member, sent_at, sent_after FROM messages
WHERE conversation = ? AND sent_at IS NOT NULL ORDER BY sent_after DESC, number DESC LIMIT 100
"""
_HELD = "SELECT number, kind, member, message, at, release_json FROM held WHERE conversation = ? AND end IS NULL"
_ALL_HELD = f"""
SELECT {", ".join(f"c.{column.strip()}" for column in CONVERSATION_COLUMNS.split(","))},
  h.number, h.kind, h.member, h.message, h.at, h.release_json
FROM held AS h JOIN conversations AS c ON c.number = h.conversation WHERE h.end IS NULL ORDER BY h.number LIMIT ?
"""  # noqa: S608 - constants
_HAPPENED = """
SELECT at, kind, data_json FROM (
  SELECT e.at, e.kind, e.data_json, e.message, e.number
  FROM messages AS m JOIN events AS e ON e.message = m.number WHERE m.conversation = ?1
  UNION ALL SELECT at, kind, data_json, 0, number FROM conversation_events WHERE conversation = ?1
) ORDER BY at DESC, message DESC, number DESC LIMIT ?2
"""
_PAST = """
SELECT number, queue_id, part, member, received_at, message_id, EXISTS (SELECT 1 FROM bodies WHERE message = m.number),
  (SELECT json_group_array(member) FROM copies WHERE message = m.number AND state IN ('queued', 'delivered'))
FROM messages AS m WHERE conversation = ? AND twin_of IS NULL ORDER BY number DESC LIMIT ?
"""
_CONTENT = "SELECT m.queue_id, b.bytes FROM messages AS m JOIN bodies AS b ON b.message = m.number WHERE m.number = ?"
_ANNOTATION = "SELECT annotation_json FROM messages WHERE number = ?"
_ABSENCES = "SELECT member, source, since, until, deputy FROM absences"
# Each of these with an index of its own: `x IS NULL OR …` would take none.
_REPLIES = "SELECT count(*) FROM auto_replies WHERE {wanted}"
_LAST_OWNER = "SELECT owner FROM conversations WHERE customer = ? ORDER BY last_at DESC LIMIT 1"
_LAST_TURN = "SELECT member FROM turns WHERE team = ?"
_LOAD = "SELECT coalesce(sum(messages), 0) FROM loads WHERE member = ? AND minute > ? AND minute <= ?"


def recall(db: Connection, thread: ThreadKeys) -> Known:
    """The conversation of the newest reference that is known.

    A suspect where the author has no part in it, and is no member who is proven to be one.
    """
    if not thread.references and thread.copy is None:
        return Known()
    found = select_one(db, _BY_COPY, (thread.copy,)) if thread.copy is not None else None
    if found is None:
        found = select_one(db, _FIND_BY_REFERENCES, (texts_to_json(_newest_first(thread)),))
    row = select_one(db, _CONVERSATION, (found[0],)) if found else None
    if row is None:
        return Known()
    if not thread.vouched and (thread.author is None or thread.author not in texts_from_json(row[5])):
        return Known(suspect=True)
    return Known(read_conversation(row))


def _newest_first(thread: ThreadKeys) -> list[str]:
    return [message_key(reference) for reference in reversed(thread.references[-_MAX_REFERENCES:])]


def conversation_by_number(db: Connection, number: int) -> Conversation | None:
    row = select_one(db, _CONVERSATION, (number,))
    return read_conversation(row) if row else None


def read_absences(db: Connection) -> tuple[Absence, ...]:
    """Those that are not in the config, over or not."""
    return tuple(
        Absence(
            storable(member),
            AbsenceSource(source) if source in _SOURCES else AbsenceSource.NOTICED,
            from_micros(since),
            None if until is None else from_micros(until),
            None if deputy is None else storable(deputy),
        )
        for member, source, since, until, deputy in select(db, _ABSENCES)
    )


def _read_held(row: Sequence[Any]) -> Held:
    number, kind, member, message, at, release = row
    return Held(
        HeldId(number),
        HeldKind(kind) if kind in _HELD_KINDS else HeldKind.CONFLICT,
        storable(member),
        message,
        from_micros(at),
        texts_from_json(release),
    )


class Given(Protocol):
    """What the same transaction gave out already, not yet in the tables; and what it need not read."""

    @property
    def remembered(self) -> Remembered: ...

    @property
    def loads(self) -> Mapping[tuple[str, int], int]: ...

    @property
    def customers(self) -> Mapping[str, str]: ...


class StoredDeskState:
    """A FullDeskState.

    `may_have_twin` False: nothing of this Message-ID is stored, so there is no need to look. `open_file` reads what is
    kept in a file; it raises StoreError.
    """

    def __init__(
        self,
        db: Connection,
        thread: ThreadKeys,
        known: Known,
        at: datetime,
        *,
        given: "Given | None" = None,
        may_have_twin: bool = True,
        open_file: Callable[[QueueId], Raw | None] = lambda _: None,
    ) -> None:
        self._db = db
        self._thread = thread
        self._at = at
        self._remembered = given.remembered if given else Remembered()
        self._loads = given.loads if given else {}
        self._customers = given.customers if given else {}
        self._open = open_file
        self._twin: Twin | None = None
        self._conversation = known.conversation
        if may_have_twin and thread.message_id and thread.content_hash:
            self._join(find_namesakes(db, thread.message_id, thread.content_hash, at))

    @property
    def conversation(self) -> Conversation | None:
        """The recalled one; a twin without one is in its elder's."""
        return self._conversation

    @property
    def twin(self) -> Twin | None:
        return self._twin

    def last_turn(self, team: str) -> str | None:
        turns = self._remembered.turns
        if team not in turns:
            row = select_one(self._db, _LAST_TURN, (team,))
            turns[team] = row[0] if row else None
        return turns[team]

    def load(self, member: str) -> int:
        """To the minute."""
        last = to_minute(self._at)
        first = to_minute(self._at - _LOAD_WINDOW)
        stored: int = select(self._db, _LOAD, (member, first, last))[0][0]
        pending = sum(
            messages for (name, minute), messages in self._loads.items() if name == member and first < minute <= last
        )
        return stored + pending

    def last_owner(self, customer: str) -> str | None:
        customer = storable(customer)
        given = self._customers.get(customer)
        if given is not None:
            return given
        row = select_one(self._db, _LAST_OWNER, (customer,))
        return row[0] if row else None

    def look_for_bytes(self, received: Received, open_body: Callable[[QueueId], Raw]) -> None:
        """A message of the same bytes from the same sender to the same recipients is its twin, whatever they hold.

        `open_body` reads those that are kept in files.
        """
        self._join(find_same_bytes(self._db, received, self._at, open_body))

    @property
    def seen(self) -> Seen | None:
        """Without a token, the newest of the references that is of this conversation."""
        row = None
        if self._thread.copy is not None:
            row = select_one(self._db, _SEEN_BY_COPY, (self._thread.copy,))
        if row is None and self._thread.references and self._conversation is not None:
            keys = texts_to_json(_newest_first(self._thread))
            row = select_one(self._db, _SEEN_BY_REFERENCE, (keys, self._conversation.id))
        if row is None:
            return None
        return Seen(row[0], storable(row[1]), from_micros(row[2]), None if row[3] is None else HeldId(row[3]))

    def sent(self) -> tuple[Sent, ...]:
        if self._conversation is None:
            return ()
        rows = select(self._db, _SENT, (self._conversation.id,))
        return tuple(Sent(row[0], storable(row[1] or ""), from_micros(row[2]), row[3]) for row in reversed(rows))

    def held(self) -> tuple[Held, ...]:
        if self._conversation is None:
            return ()
        return tuple(map(_read_held, select(self._db, _HELD, (self._conversation.id,))))

    def past(self, limit: int) -> tuple[Past, ...]:
        if self._conversation is None:
            return ()
        rows = select(self._db, _PAST, (self._conversation.id, limit))
        return tuple(
            Past(
                number,
                QueueId(storable(queue_id)),
                Part(part) if part in _PARTS else Part.ASIDE,
                None if member is None else storable(member),
                from_micros(at),
                None if message_id is None else storable(message_id),
                bool(has_bytes),
                texts_from_json(members),
            )
            for number, queue_id, part, member, at, message_id, has_bytes, members in reversed(rows)
        )

    def happened(self, limit: int) -> tuple[Happened, ...]:
        if self._conversation is None:
            return ()
        rows = select(self._db, _HAPPENED, (self._conversation.id, limit))
        return tuple(
            Happened(from_micros(at), storable(kind), data_from_json(storable(data)))
            for at, kind, data in reversed(rows)
        )

    def content(self, message: int) -> Raw | None:
        row = select_one(self._db, _CONTENT, (message,))
        if row is None:
            return None
        content: bytes | None = row[1]
        if content is not None:
            return content
        try:
            return self._open(QueueId(storable(row[0])))
        except StoreError:
            return None

    def annotation(self, message: int) -> Annotation | None:
        row = select_one(self._db, _ANNOTATION, (message,))
        return read_or_none(annotation_from_json, row[0]) if row else None

    def absences(self) -> tuple[Absence, ...]:
        """Not read anew for each message: every one asks for them."""
        if self._remembered.absences is None:
            self._remembered.absences = read_absences(self._db)
        return self._remembered.absences

    def open_conversations(
        self, *, owner: str | None = None, inbox: str | None = None, limit: int = 200
    ) -> tuple[Conversation, ...]:
        rows = select(self._db, _OPEN_CONVERSATIONS, (owner, inbox, limit))
        return tuple(read_conversation(row) for row in rows)

    def waiting_for_a_word(self, limit: int = 1_000) -> tuple[tuple[Conversation, Held], ...]:
        rows = select(self._db, _ALL_HELD, (limit,))
        return tuple((read_conversation(row), _read_held(row[-6:])) for row in rows)

    def went(self, since: datetime, until: datetime, *, team: str | None = None, member: str | None = None) -> Went:
        return how_it_went(self._db, since, until, team=team, member=member)

    def replies(
        self, since: datetime, *, address: str | None = None, template: str | None = None, inbox: str | None = None
    ) -> int:
        given: list[tuple[str, tuple[Value, ...]]] = [("at > ?", (to_micros(since),))]
        if address:
            given.append(with_any_detail(storable(address)))
        else:
            given.append(("address <> ?" if address is None else "address = ?", ("",)))
        given += [
            (f"{name} = ?", (one,)) for name, one in (("template", template), ("inbox", inbox)) if one is not None
        ]
        question = _REPLIES.format(wanted=" AND ".join(clause for clause, _ in given))
        return int(select(self._db, question, [value for _, values in given for value in values])[0][0])

    def _join(self, found: tuple[Twin, int] | None) -> None:
        if found is None:
            return
        self._twin, conversation = found
        if self._conversation is None:
            self._conversation = conversation_by_number(self._db, conversation)
