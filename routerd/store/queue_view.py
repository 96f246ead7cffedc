"""The store as commands see it: read-only, beside a running daemon or without one, and without making any file."""

import os
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from routerd.desk.plan import FullDeskState
from routerd.message.envelope import QueueId, Raw
from routerd.message.key_ring import KeyRing
from routerd.store.base import (
    Copy,
    Known,
    SavedRuleset,
    StoreDamagedError,
    StoreError,
    StoreMissingError,
    ThreadKeys,
)
from routerd.store.bodies import BodyFiles
from routerd.store.connection import (
    FILE_NAME,
    Connection,
    Error,
    Value,
    has_frames,
    has_header_alone,
    open_onlooker,
    select,
    select_one,
    store_error,
)
from routerd.store.conversations import (
    ListedConversation,
    Wanted,
    WholeConversation,
    find_conversation,
    list_conversations,
    whole_conversation,
)
from routerd.store.desk_state import StoredDeskState, recall
from routerd.store.figures import By, Report, Working, report
from routerd.store.health import refuse_a_lost_database
from routerd.store.history import QUEUED_COPIES, MessageHistory, QueuedCopy, numbers_of, queued_copy, read_history
from routerd.store.migration import check_version, newest_version
from routerd.store.rows import COPIES, COPY_COLUMNS, from_micros, read_copies
from routerd.store.search import search_query
from routerd.store.selection import Named, Selection, named, numbers_to_json
from routerd.store.signing_keys import read_ring
from routerd.store.stored_json import files_from_json

PAGE_COPIES = 500  # read at once

_FULL_COPIES = f"""
SELECT {COPY_COLUMNS} FROM {COPIES} WHERE c.number IN (SELECT value FROM json_each(?)) ORDER BY c.number
"""  # noqa: S608 - constants
_BODY = "SELECT b.bytes FROM messages AS m JOIN bodies AS b ON b.message = m.number WHERE m.queue_id = ?"

EVERY_OPEN = Selection()

T = TypeVar("T")


class QueueView:
    """Opened by `open`; a context manager. What it raises is a StoreError. Damaged rows are shown as far as they go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE_NAME
        self._db, self._at_rest = self._open()

    @classmethod
    def open(cls, folder: Path) -> "QueueView":
        """Raises StoreMissingError where there is no state, StoreDamagedError where it has lost its database,
        StoreVersionError for one from the future, StoreError."""
        try:
            with as_owner(folder):
                if not (folder / FILE_NAME).is_file():
                    refuse_a_lost_database(folder / FILE_NAME)
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

    def named(self, ids: Sequence[str]) -> Named:
        """Which copies these ids stand for."""
        return self._read(lambda db: named(db, ids))

    def copies(self, selection: Selection = EVERY_OPEN) -> Iterator[QueuedCopy]:
        """Those that are selected, oldest first, read a page at a time as they are asked for.

        What comes later is not among them; one that no longer fits when it is its turn is left out.
        """
        where, bindings = selection.where()
        question = f"SELECT c.number FROM {COPIES} WHERE {where} ORDER BY +c.number"  # noqa: S608 - + spares the index
        numbers = self._read(lambda db: array("q", (row[0] for row in db.execute(question, bindings))))
        for start in range(0, len(numbers), PAGE_COPIES):
            page, again = replace(selection, numbers=numbers[start : start + PAGE_COPIES]).where()
            yield from self._read(partial(_page, where=page, bindings=again))

    def list(self, selection: Selection = EVERY_OPEN) -> "list[QueuedCopy]":
        """`copies`, all at once."""
        return list(self.copies(selection))

    def full_copies(self, numbers: Collection[int]) -> tuple[Copy, ...]:
        """As delivery has them."""
        return self._read(lambda db: tuple(read_copies(select(db, _FULL_COPIES, (numbers_to_json(numbers),)))))

    def keys(self, purpose: str) -> KeyRing | None:
        """What signs for that purpose; None where nothing was made yet."""
        return self._read(partial(read_ring, purpose=purpose))

    def content(self, queue_id: QueueId) -> Raw | None:
        """The message as received: a read-only map where it is large; None where it is no longer kept."""

        def read(db: Connection) -> Raw | None:
            row = select_one(db, _BODY, (queue_id,))
            if row is None:
                return None
            content: bytes | None = row[0]
            return BodyFiles(self._folder).open(queue_id) if content is None else content

        return self._read(read)

    def show(self, name: str) -> MessageHistory | None:
        """By queue id, copy id, or Message-ID (with or without its brackets; of several the eldest)."""
        return next(self.histories(name, 1), None)

    def histories(self, name: str, limit: int) -> Iterator[MessageHistory]:
        """The same for all messages of that Message-ID, oldest first, at most `limit`."""
        for number in self._read(lambda db: numbers_of(db, name, limit)):
            history = self._read(partial(read_history, number=number))
            if history is not None:
                yield history

    def recall(self, thread: ThreadKeys) -> Known:
        """What the daemon would recall."""
        return self._read(lambda db: recall(db, thread))

    def desk_state(self, thread: ThreadKeys, at: datetime) -> FullDeskState:
        """The state that a message would meet at `at`. To be used before the view is closed."""
        return self._read(lambda db: StoredDeskState(db, thread, recall(db, thread), at))

    def conversations(self, wanted: Wanted) -> tuple[ListedConversation, ...]:
        """The one in which something happened last comes first. Raises ValueError for a search without a word."""
        search_query(wanted.search or "any")
        return self._read(partial(list_conversations, wanted=wanted))

    def conversation(self, name: str) -> WholeConversation | None:
        """By its number, or by a queue id, copy id or Message-ID of a message in it."""

        def read(db: Connection) -> WholeConversation | None:
            number = find_conversation(db, name)
            return None if number is None else whole_conversation(db, number)

        return self._read(read)

    def report(
        self, by: By, since: datetime, until: datetime, *, zone: tzinfo, working: Working | None = None
    ) -> Report:
        """`zone`: whose days are counted. `working` measures how long what was closed took in working hours."""
        return self._read(partial(report, by=by, since=since, until=until, zone=zone, working=working))

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
            return self._try_open(at_rest=not _has_log(self._path) or has_header_alone(self._path))
        except StoreError as error:
            if isinstance(error, StoreMissingError):
                raise
            return self._try_open(at_rest=not (_has_log(self._path) and has_frames(self._path)))

    def _try_open(self, *, at_rest: bool) -> tuple[Connection, bool]:
        if not at_rest and not _beside(self._path, "-shm").exists():
            raise StoreError(f"{self._path} has a log but no index of it: start the daemon once to mend that")
        db = open_onlooker(self._path, at_rest=at_rest)
        try:
            version = check_version(db)
            if version == 0:
                raise StoreDamagedError(f"{self._path} is empty")
            if version < newest_version():
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


def _page(db: Connection, where: str, bindings: Sequence[Value]) -> list[QueuedCopy]:
    question = f"{QUEUED_COPIES} WHERE {where} ORDER BY c.number"
    return [queued_copy(row) for row in select(db, question, bindings)]
