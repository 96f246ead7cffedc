"""The rows that one transaction will write, gathered first: each table takes one statement for many messages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from routerd.desk.changes import Absence
from routerd.message.envelope import Raw
from routerd.store.base import CopyState
from routerd.store.connection import Connection, Value, select
from routerd.store.rows import Row, RowWriter, copy_state, storable, to_minute
from routerd.store.standing_row import STANDING_COLUMNS
from routerd.store.stored_json import data_to_json, texts_to_json

_MESSAGES = RowWriter.inserting(
    "messages",
    (
        "number",
        "queue_id",
        "received_at",
        "sender",
        "to_return_path",
        "envelope_json",
        "size_bytes",
        "message_id",
        "content_hash",
        "twin_of",
        "conversation",
        "decisions_json",
        "plan_json",
        "annotation_json",
        "part",
        "member",
        "shows",
    ),
)
_BODIES = RowWriter.inserting("bodies", ("message", "bytes"))
_CONVERSATIONS = RowWriter.inserting(
    "conversations",
    (
        "number",
        "inbox",
        "owner",
        "team",
        "version",
        "participants_json",
        "began_at",
        "last_at",
        "customer",
        *STANDING_COLUMNS,
        "rules_json",
    ),
)
_COPIES = RowWriter.inserting(
    "copies",
    (
        "number",
        "message",
        "suffix",
        "member",
        "mailbox",
        "destination",
        "role",
        "team",
        "state",
        "attempts",
        "created_at",
        "next_attempt_at",
        "finished_at",
        "reason",
        "annotation_json",
    ),
)
_COUNTED = RowWriter.inserting(
    "counted", ("at", "message", "kind", "conversation", "member", "inbox", "team"), "ON CONFLICT DO NOTHING"
)
_EVENTS = RowWriter.inserting("events", ("message", "number", "at", "kind", "data_json"))
_CHANGES = RowWriter(
    """
UPDATE copies SET state = v.column2, attempts = v.column3, next_attempt_at = v.column4, finished_at = v.column5,
reason = v.column6 FROM (VALUES ROWS) AS v WHERE copies.number = v.column1
""",
    6,
)
_TROUBLE_COLUMNS = ("copy", "kind", "about", "reason", "taken_by", "at", "status")
_TROUBLES = RowWriter(
    f"INSERT OR REPLACE INTO troubles ({','.join(_TROUBLE_COLUMNS)}) VALUES ROWS",  # noqa: S608 - constants
    len(_TROUBLE_COLUMNS),
)
_FIRST_TROUBLES = RowWriter.inserting("troubles", _TROUBLE_COLUMNS, "ON CONFLICT (copy, kind) DO NOTHING")
_TURNS = RowWriter.inserting("turns", ("team", "member"), "ON CONFLICT (team) DO UPDATE SET member = excluded.member")
_LOADS = RowWriter.inserting(
    "loads", ("member", "minute", "messages"), "ON CONFLICT DO UPDATE SET messages = messages + excluded.messages"
)
_COPIES_NOW = """
SELECT c.number, c.state, c.attempts, c.next_attempt_at, c.finished_at, c.reason, c.message,
  coalesce((SELECT max(e.number) FROM events AS e WHERE e.message = c.message), 0)
FROM copies AS c WHERE c.number IN (SELECT value FROM json_each(?))
"""
# All that jobs want to have read, by one statement: after each the interpreter's lock must be won back.
_READ_ALL = f"""
SELECT data_version, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM pragma_data_version
UNION ALL SELECT NULL, value, NULL, NULL, NULL, NULL, NULL, NULL FROM json_each(?) AS wanted
WHERE EXISTS (SELECT 1 FROM messages WHERE message_id = wanted.value)
UNION ALL SELECT * FROM ({_COPIES_NOW})
"""  # noqa: S608 - constants
_LAST_NUMBERS = """
SELECT coalesce((SELECT max(number) FROM messages), 0), coalesce((SELECT max(number) FROM copies), 0),
  coalesce((SELECT max(number) FROM conversations), 0)
"""
_LAST_EVENT = "SELECT coalesce(max(number), 0) FROM events WHERE message = ?"


class Wanted(Protocol):
    """What a job will read, as far as it is known beforehand: read for all jobs at once."""

    @property
    def message_key(self) -> str | None: ...

    @property
    def copies(self) -> Sequence[int]: ...


@dataclass(slots=True)
class Numbers:
    """The last ones given. They only go up, also when a transaction fails: a gap hurts nobody."""

    message: int
    copy: int
    conversation: int

    @classmethod
    def read(cls, db: Connection) -> "Numbers":
        return cls(*select(db, _LAST_NUMBERS)[0])


@dataclass(slots=True)
class Remembered:
    """What every message asks for and hardly anything changes, from one transaction to the next: as long as nobody else
    has written meanwhile, whichever process. Not after a transaction that was undone, which may have changed it."""

    version: int | None = None  # SQLite's data_version: it moves with the commits of other connections
    absences: tuple[Absence, ...] | None = None  # None: to be read
    turns: dict[str, str | None] = field(default_factory=dict)  # by team, as far as somebody asked


@dataclass(frozen=True, slots=True)
class CopyNow:
    """What changes in a copy's row."""

    state: CopyState
    attempts: int
    next_attempt_at: int | None
    finished_at: int | None
    reason: str


class Batch:
    """Lives as long as one transaction. Jobs read through it and add to it; `flush` writes what was added."""

    def __init__(self, db: Connection, numbers: Numbers, remembered: Remembered) -> None:
        self.db = db
        self.numbers = numbers
        self.remembered = remembered
        self._turns: dict[str, str] = {}  # that were taken
        self.loads: dict[tuple[str, int], int] = {}
        self.customers: dict[
            str, str
        ] = {}  # and the owner of their latest conversation, where one began in this transaction
        self._messages: list[Sequence[Value]] = []
        self._bodies: list[tuple[int, Raw | None]] = []
        self._conversations: list[Sequence[Value]] = []
        self._copies: list[Sequence[Value]] = []
        self._events: list[Sequence[Value]] = []
        self._counted: list[Sequence[Value]] = []
        self._troubles: list[Sequence[Value]] = []
        self._first_troubles: list[Sequence[Value]] = []
        self._changes: dict[int, CopyNow] = {}
        self._read_copies: dict[int, CopyNow] = {}
        self._last_events: dict[int, int] = {}
        self._known_keys: set[str] = set()
        self._looked_up: set[str] = set()
        self._pending_keys: set[str] = set()

    def prepare(self, jobs: Iterable[Wanted]) -> None:
        """Reads in one go what the jobs say they want."""
        keys = {job.message_key for job in jobs if job.message_key is not None}
        copies = ",".join(str(number) for job in jobs for number in job.copies)
        version, *found = select(self.db, _READ_ALL, (texts_to_json(keys), f"[{copies}]"))
        if version[0] != self.remembered.version:
            self.remembered.version, self.remembered.absences = version[0], None
            self.remembered.turns.clear()
        self._looked_up = keys
        self._known_keys = {row[1] for row in found if row[1] is not None and row[0] is None}
        self._note_copies(row for row in found if row[0] is not None)

    def may_know(self, key: str) -> bool:
        """Whether a message with this key is stored, or will be by this transaction (it is written first, then)."""
        if key in self._pending_keys:
            self.flush()
            return True
        return key in self._known_keys or key not in self._looked_up

    def settle_keys(self, keys: Iterable[str]) -> None:
        """After this a SELECT sees every message with one of these keys."""
        if not self._pending_keys.isdisjoint(keys):
            self.flush()

    def add_message(self, key: str | None, row: Sequence[Value]) -> None:
        self._messages.append(row)
        if key is not None:
            self._pending_keys.add(key)

    def add_body(self, message: int, raw: Raw | None) -> None:
        self._bodies.append((message, raw))

    def add_conversation(self, row: Sequence[Value]) -> None:
        self._conversations.append(row)

    def add_copy(self, row: Sequence[Value]) -> None:
        self._copies.append(row)

    def begin_events(self, message: int) -> None:
        """A new message has none yet; nothing need be read."""
        self._last_events[message] = 0

    def add_event(self, message: int, at: int, kind: str, data: Mapping[str, object]) -> None:
        """`at` in microseconds."""
        last = self._last_events.get(message)
        if last is None:
            last = select(self.db, _LAST_EVENT, (message,))[0][0]
        self._last_events[message] = last + 1
        self._events.append((message, last + 1, at, kind, data_to_json(data)))

    def count(self, row: Sequence[Value]) -> None:
        """For the figures. `row`: as the table `counted` has it."""
        self._counted.append(row)

    def add_trouble(self, row: Sequence[Value], *, once: bool) -> None:
        """`row`: as _TROUBLE_COLUMNS. `once`: not where this was noted of the copy before."""
        (self._first_troubles if once else self._troubles).append(row)

    def copy_now(self, number: int) -> CopyNow | None:
        """The copy as this transaction has it so far; None: there is no such copy."""
        changed = self._changes.get(number)
        if changed is not None:
            return changed
        if number not in self._read_copies:
            self.flush()
            self._read_now([number])
        return self._read_copies.get(number)

    def change_copy(self, number: int, now: CopyNow) -> None:
        self._changes[number] = now
        self._read_copies[number] = now

    def take_turn(self, team: str, member: str) -> None:
        self._turns[team] = self.remembered.turns[team] = member

    def add_load(self, member: str, at: datetime) -> None:
        minute = to_minute(at)
        self.loads[member, minute] = self.loads.get((member, minute), 0) + 1

    def flush(self) -> None:
        """Writes all rows gathered so far, so that a SELECT sees them."""
        db = self.db
        _MESSAGES.write(db, self._messages)
        _BODIES.write(db, self._bodies)  # type: ignore[arg-type]  # a map is bound as a blob like bytes
        _CONVERSATIONS.write(db, self._conversations)
        _COPIES.write(db, self._copies)
        _EVENTS.write(db, self._events)
        _COUNTED.write(db, self._counted)
        _TROUBLES.write(db, self._troubles)
        _FIRST_TROUBLES.write(db, self._first_troubles)
        for rows in (
            self._messages,
            self._bodies,
            self._conversations,
            self._copies,
            self._events,
            self._counted,
            self._troubles,
            self._first_troubles,
        ):
            rows.clear()
        self._known_keys |= self._pending_keys
        self._pending_keys.clear()
        self._write_changes()

    def finish(self) -> None:
        """Writes what is left. The transaction can be committed then."""
        self.flush()
        _TURNS.write(self.db, list(self._turns.items()))
        _LOADS.write(self.db, [(member, minute, messages) for (member, minute), messages in self.loads.items()])

    def _write_changes(self) -> None:
        rows = [
            (number, str(now.state), now.attempts, now.next_attempt_at, now.finished_at, now.reason)
            for number, now in self._changes.items()
        ]
        _CHANGES.write(self.db, rows)
        self._changes.clear()

    def _read_now(self, numbers: Sequence[int]) -> None:
        self._note_copies(select(self.db, _COPIES_NOW, (f"[{','.join(map(str, numbers))}]",)))

    def _note_copies(self, rows: Iterable[Row]) -> None:
        for number, state, attempts, next_at, finished_at, reason, message, last in rows:
            self._read_copies[number] = CopyNow(copy_state(state), attempts, next_at, finished_at, storable(reason))
            self._last_events.setdefault(message, last)
