"""The store as commands see it: read-only, beside a running daemon or without one, and without making any file."""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from routerd.desk.plan import DeskState, Role
from routerd.message.annotate import Annotation
from routerd.message.envelope import CopyId, QueueId
from routerd.rules.decision import Decision
from routerd.store.base import CopyState, Known, SavedRuleset, StoreError, StoreMissingError, ThreadKeys
from routerd.store.connection import (
    FILE_NAME,
    Connection,
    Error,
    Value,
    open_onlooker,
    select,
    select_one,
    store_error,
)
from routerd.store.desk_state import StoredDeskState, recall
from routerd.store.life import OPEN
from routerd.store.migration import check_version, newest_version
from routerd.store.rows import ROLES, Row, bindable, copy_id, copy_state, from_micros, message_key, storable
from routerd.store.stored_json import (
    StoredEnvelope,
    StoredPlan,
    annotation_from_json,
    data_from_json,
    decisions_from_json,
    envelope_from_json,
    files_from_json,
    plan_from_json,
    read_or_none,
)

_INBOX = "iif(json_valid(m.plan_json), json_extract(m.plan_json, '$.inbox'), '')"
_COPY = f"""
SELECT c.number, m.queue_id, c.suffix, c.state, c.role, c.member, c.mailbox, c.destination,
  {_INBOX}, m.sender, m.size_bytes, c.attempts, c.created_at, c.next_attempt_at,
  c.finished_at, c.reason
FROM copies AS c JOIN messages AS m ON m.number = c.message
"""  # noqa: S608 - constants
_MESSAGE = """
SELECT number, queue_id, received_at, sender, size_bytes, message_id, envelope_json, plan_json, annotation_json,
  decisions_json, (SELECT t.queue_id FROM messages AS t WHERE t.number = messages.twin_of),
  EXISTS (SELECT 1 FROM bodies WHERE message = messages.number)
FROM messages
"""
_STATES = ",".join(f"'{state}'" for state in CopyState)
_NAMESAKES = "SELECT queue_id FROM messages WHERE message_id = ? AND number <> ? ORDER BY number LIMIT 20"

T = TypeVar("T")


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
    attempts: int
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


class QueueView:
    """Opened by `open`; a context manager. What it raises is a StoreError. Damaged rows are shown as far as they go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE_NAME
        self._db, self._at_rest = self._open()

    @classmethod
    def open(cls, folder: Path) -> "QueueView":
        """Raises StoreMissingError where there is no state, StoreVersionError for one from the future, StoreError."""
        try:
            with as_owner(folder):
                if not (folder / FILE_NAME).is_file():
                    raise StoreMissingError(f"there is no state in {folder}")
                return cls(folder)
        except OSError as error:
            raise store_error(error) from error

    def __enter__(self) -> "QueueView":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def list(
        self,
        *,
        destination: str | None = None,
        inbox: str | None = None,
        member: str | None = None,
        states: Collection[CopyState] = OPEN,
    ) -> "list[QueuedCopy]":
        """The copies that fit all that is given, oldest first."""
        is_wanted = f"c.state IN ({','.join('?' * len(states))})"
        clauses = [f"({is_wanted} OR c.state NOT IN ({_STATES}))" if CopyState.HELD in states else is_wanted]
        bindings: list[Value] = [str(state) for state in states]
        for column, value in (
            ("c.destination", destination),
            (_INBOX, inbox),
            ("c.member", member),
        ):
            if value is not None:
                clauses.append(f"{column} = ?")
                bindings.append(value)
        if OPEN.issuperset(states):
            clauses.append("c.finished_at IS NULL")  # what the index of the open copies asks for
        where = f"{_COPY} WHERE {' AND '.join(clauses)} ORDER BY +c.number"  # + has the index found by state
        return self._read(lambda db: [_queued_copy(row) for row in select(db, where, bindings)])

    def show(self, name: str) -> MessageHistory | None:
        """By queue id, copy id, or Message-ID (with or without its brackets; of several the eldest)."""
        return self._read(lambda db: _history(db, name))

    def recall(self, thread: ThreadKeys) -> Known:
        """What the daemon would recall."""
        return self._read(lambda db: recall(db, thread))

    def desk_state(self, thread: ThreadKeys, at: datetime) -> DeskState:
        """The state that a message would meet at `at`. To be used before the view is closed."""
        return self._read(lambda db: StoredDeskState(db, thread, recall(db, thread), at))

    def last_ruleset(self) -> SavedRuleset | None:
        """The last good one, as the daemon keeps it."""

        def read(db: Connection) -> SavedRuleset | None:
            row = select_one(db, "SELECT revision, files_json, saved_at FROM rulesets")
            return SavedRuleset(row[0], files_from_json(row[1]), from_micros(row[2])) if row else None

        return self._read(read)

    def _read(self, work: Callable[[Connection], T]) -> T:
        """A file at rest is read as if it could not change. If a daemon has started meanwhile, it is read again."""
        try:
            result = work(self._db)
            if not self._at_rest or not _has_log(self._path):
                return result
        except (Error, ValueError) as error:  # ValueError: stored text or JSON that is damaged
            if not self._at_rest or not _has_log(self._path):
                raise store_error(error, self._db) from error
        try:
            with as_owner(self._folder):
                self._db.close()
                self._db, self._at_rest = self._open()
            return work(self._db)
        except (Error, ValueError) as error:
            raise store_error(error, self._db) from error

    def _open(self) -> tuple[Connection, bool]:
        """A connection whose files are all open, and whether it takes the state to be at rest.

        A daemon that comes or goes between the look and the opening is met by a second look.
        """
        try:
            return self._try_open()
        except StoreError as error:
            if isinstance(error, StoreMissingError):
                raise
            return self._try_open()

    def _try_open(self) -> tuple[Connection, bool]:
        at_rest = not _has_log(self._path)
        if not at_rest and not _beside(self._path, "-shm").exists():
            raise StoreError(f"{self._path} has a log but no index of it: start the daemon once to mend that")
        db = open_onlooker(self._path, at_rest=at_rest)
        try:
            if check_version(db) < newest_version():
                raise StoreError(
                    "the state was written by an older routerd: start the daemon once to bring it up to date"
                )
        except BaseException:
            db.close()
            raise
        return db, at_rest


@contextmanager
def as_owner(folder: Path) -> Iterator[None]:
    """Root acts as the folder's owner meanwhile: what is made is the owner's, and no trap of the owner's catches root.

    Raises OSError where there is no such folder.
    """
    owner = folder.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    group = os.getegid()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


def _has_log(path: Path) -> bool:
    """Whether something is, or was when it died, at work on the file: a clean end leaves no log behind."""
    log = _beside(path, "-wal")
    return _beside(path, "-shm").exists() or (log.exists() and log.stat().st_size > 0)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _history(db: Connection, name: str) -> MessageHistory | None:
    row = select_one(db, f"{_MESSAGE} WHERE queue_id = ?", (name.partition("-")[0].upper(),))
    if row is None:
        key = message_key(name.removeprefix("<").removesuffix(">"))
        row = select_one(db, f"{_MESSAGE} WHERE message_id = ? ORDER BY number LIMIT 1", (key,))
    if row is None:
        return None
    copies = select(db, f"{_COPY} WHERE c.message = ? ORDER BY c.suffix", (row[0],))
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
        copies=tuple(_queued_copy(found) for found in copies),
        events=(
            *(PastEvent(from_micros(at), storable(kind), data_from_json(storable(data))) for at, kind, data in events),
            *damaged,
        ),
    )


def _queued_copy(row: Row) -> QueuedCopy:
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
