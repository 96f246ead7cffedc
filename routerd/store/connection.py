"""The only door to SQLite: how its files are opened, and what its errors mean to the rest."""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw

from routerd.store.base import StoreDamagedError, StoreError, StoreFullError, StoreUnsyncedError

FILE_NAME = "routerd.db"
APPLICATION_ID = 0x726F7464  # "rotd" in the file's header, by which file(1) and we know it

_PAGE_BYTES = 8192  # a usual message takes one or two; against 4096 a third less system time
_WRITER_CACHE_KIB = 32_768
_READER_CACHE_KIB = 4_096
_ONLOOKER_CACHE_KIB = 65_536  # a report goes all over the file
_CHECKPOINT_PAGES = 4_000  # about 32 MB of WAL; SQLite's 1,000 has the writer pause three times as often
_FORCED = 4  # times as long: where nobody brings the log into the file between transactions, a commit does
_WAL_HEADER_BYTES = 32
_WAL_KEPT_BYTES = 64_000_000
_BUSY_MS = 10_000
_STATEMENTS_KEPT = 300  # prepared; the writer's for all sizes of a group (rows.RowWriter)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_SYNCS = (apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC)

Connection = apsw.Connection
Value = None | int | float | bytes | str
Error = apsw.Error


@dataclass(frozen=True, slots=True)
class Place:
    """A file, and that it is still found by its name."""

    path: Path
    inode: tuple[int, int]

    @classmethod
    def of(cls, path: Path) -> "Place":
        found = path.stat()
        return cls(path, (found.st_dev, found.st_ino))

    def check(self) -> None:
        """Raises StoreError where the file was moved or removed: what is written to it nobody would find again."""
        try:
            is_there = Place.of(self.path) == self
        except OSError:
            is_there = False
        if not is_there:
            raise StoreError(f"{self.path} was moved or removed while it is in use: put it back, or restart")


class WritingConnection(apsw.Connection):
    """Knows how long the log is."""

    log_pages = 0  # after the latest commit

    def carry_over(self, note: Callable[[StoreError], None], times: int = 1) -> None:
        """Brings the log into the file where it has grown long, `times` as long as usual. Never raises: `note` is told
        why it could not be done, which otherwise nobody hears of: the commit before stands."""
        if self.log_pages < _CHECKPOINT_PAGES * times:
            return
        self.log_pages = 0  # so that what fails is tried again after the next commit, not without one
        try:
            self.wal_checkpoint()
        except Error as error:
            note(store_error(error, self))


def open_writer(path: Path, note: Callable[[StoreError], None] = lambda _: None) -> WritingConnection:
    """The one connection that writes. Makes the file if there is none. Raises StoreError.

    What it has committed outlives a loss of power: WAL with `synchronous=FULL` syncs the log at each commit. Whoever
    commits often has it `carry_over` between transactions, when nobody waits.
    """

    def measure(_db: Connection, _name: str, pages: int) -> int:
        db.log_pages = pages
        db.carry_over(note, _FORCED)
        return apsw.SQLITE_OK

    try:
        db = WritingConnection(str(path), statementcachesize=_STATEMENTS_KEPT)
        db.execute(f"PRAGMA page_size={_PAGE_BYTES}")  # has a meaning only before the first table
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA foreign_keys=ON")
        db.execute("PRAGMA secure_delete=ON")  # what is forgotten is overwritten
        db.execute(f"PRAGMA cache_size=-{_WRITER_CACHE_KIB}")
        db.set_wal_hook(measure)  # instead of wal_autocheckpoint, which keeps its failures to itself
        db.execute(f"PRAGMA journal_size_limit={_WAL_KEPT_BYTES}")
        db.execute("PRAGMA temp_store=MEMORY")
        db.set_busy_timeout(_BUSY_MS)
    except Error as error:
        raise store_error(error) from error
    return db


def open_reader(path: Path) -> Connection:
    """A connection beside the writer's, in the same process. Raises StoreError."""
    try:
        db = Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        db.execute("PRAGMA query_only=ON")
        leave_as_it_is(db)
        db.execute(f"PRAGMA cache_size=-{_READER_CACHE_KIB}")
        db.execute("PRAGMA temp_store=MEMORY")
        db.set_busy_timeout(_BUSY_MS)
    except Error as error:
        raise store_error(error) from error
    return db


def leave_as_it_is(db: Connection) -> None:
    """The last connection to close would bring the log into the file: this one will not."""
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)


def open_onlooker(path: Path, *, at_rest: bool) -> Connection:
    """A connection of another process, which changes nothing and makes no file. Raises StoreError.

    `at_rest`: there is no log beside the file, so the file alone is the whole truth, and it is read as unchanging
    (without that, SQLite would have to make the log's index to read a WAL database). Otherwise the log and its index
    are there and are opened for reading only.
    """
    mode = "mode=ro&immutable=1" if at_rest else "mode=ro&readonly_shm=1"
    try:
        db = Connection(
            f"file:{quote(str(path.absolute()))}?{mode}", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
        db.set_busy_timeout(_BUSY_MS)
        db.execute(f"PRAGMA cache_size=-{_ONLOOKER_CACHE_KIB}")
        db.execute("PRAGMA temp_store=MEMORY")
    except Error as error:
        raise store_error(error) from error
    return db


def has_frames(path: Path) -> bool:
    """Whether the log beside the file holds anything: all of a commit, or a part of one."""
    return _log_bytes(path) > _WAL_HEADER_BYTES


def has_header_alone(path: Path) -> bool:
    """Whether the log beside the file is one that a disk without room left behind: the file is the whole truth then.

    An onlooker can make no index of it: SQLite counts it as none, and looks for one for ten seconds at each statement.
    """
    return _log_bytes(path) == _WAL_HEADER_BYTES


def _log_bytes(path: Path) -> int:
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size
    except FileNotFoundError:
        return 0


def select(db: Connection, statement: str, bindings: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
    """All rows. Their columns' types are the statement's affair.

    Text that is not UTF-8, as nobody stored it, comes with its odd bytes as lone surrogates (PEP 383).
    """
    try:
        return db.execute(statement, bindings).fetchall()
    except UnicodeDecodeError:
        return _select_damaged(db, statement, bindings)


def select_one(db: Connection, statement: str, bindings: Sequence[Value] = ()) -> tuple[Any, ...] | None:
    """The first row, if there is one; text as in `select`."""
    try:
        row: tuple[Any, ...] | None = db.execute(statement, bindings).fetchone()
    except UnicodeDecodeError:
        return next(iter(_select_damaged(db, statement, bindings)), None)
    return row


def _select_damaged(db: Connection, statement: str, bindings: Sequence[Value]) -> list[tuple[Any, ...]]:
    """The same rows with all text fetched as bytes, and decoded here."""
    names = [f"c{number}" for number in range(len(db.execute(statement, bindings).get_description()))]
    columns = ",".join(f"typeof({c}) = 'text', iif(typeof({c}) = 'text', CAST({c} AS BLOB), {c})" for c in names)
    whole = f"WITH damaged({','.join(names)}) AS ({statement}) SELECT {columns} FROM damaged"  # noqa: S608 - ours
    return [
        tuple(
            value.decode("utf-8", "surrogateescape") if is_text else value
            for is_text, value in zip(row[::2], row[1::2], strict=True)
        )
        for row in db.execute(whole, bindings)
    ]


def store_error(error: BaseException, db: Connection | None = None) -> StoreError:
    """What `error` means to a caller. `db`: the connection it came from, which knows the system's own error."""
    if isinstance(error, StoreError):
        return error
    system_errno = db.system_errno if db is not None and isinstance(error, apsw.IOError) else 0
    if isinstance(error, apsw.FullError) or system_errno in _NO_ROOM:
        return StoreFullError("no room left where the state lives")
    if isinstance(error, OSError):
        kind = StoreFullError if error.errno in _NO_ROOM else StoreError
        return kind(f"{error.filename or 'the state'}: {error.strerror}")
    if isinstance(error, apsw.IOError) and getattr(error, "extendedresult", 0) in _SYNCS:
        return unsynced(os.strerror(system_errno) if system_errno else str(error))
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return StoreDamagedError(f"the database is damaged ({error})")
    return StoreError(f"{type(error).__name__}: {error}")


def unsynced(why: str) -> StoreUnsyncedError:
    """What a failed fsync means to a caller."""
    return StoreUnsyncedError(f"the disk could not keep what was written ({why}): nothing is taken until a restart")


def is_of_no_room(error: OSError) -> bool:
    return error.errno in _NO_ROOM


def is_of_the_disk(error: BaseException) -> bool:
    """No room, or a failed read or write: trying the same again at once is of no use."""
    return isinstance(error, apsw.FullError | apsw.IOError | apsw.CorruptError | apsw.ReadOnlyError | OSError)
