"""Whether the state can be relied on: a sync that failed, a database that is damaged, and the look for damage.

A sync that failed is not tried again: the kernel may have forgotten what it could not write, and call the next one a
success. A database that is damaged is not written to: that could spoil what can still be read. Both end with a restart,
which writes the log anew, and looks for damage if the end before was not a clean one.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import apsw

from routerd.store.base import StoreDamagedError, StoreError, StoreUnsyncedError
from routerd.store.connection import Connection, Error, is_of_no_room, leave_as_it_is, open_reader, store_error

MOST_FINDINGS = 5
_STEPS_BETWEEN_LOOKS = 10_000  # of SQLite's machine: some tenths of a millisecond
_CHUNK_BYTES = 1 << 20
_USED = ("bodies", "in-hand")  # what a state has only once its database was made


class Health:
    """What became of one state; told and asked from any thread. `tell` hears of each trouble once, in words."""

    def __init__(self, tell: Callable[[str], None] = lambda _: None) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._trouble: StoreError | None = None
        self.can_sync = True

    @property
    def trouble(self) -> str:
        """Why nothing is written any more, and what to do; "" where all is well."""
        return f"{self._trouble}{self._trouble.mend}" if self._trouble else ""

    def note(self, error: BaseException) -> None:
        """Of all that went wrong it keeps what a restart, or the postmaster, must mend."""
        if not isinstance(error, StoreDamagedError | StoreUnsyncedError):
            return
        with self._lock:
            self.can_sync = self.can_sync and not isinstance(error, StoreUnsyncedError)
            is_first, self._trouble = self._trouble is None, self._trouble or error
        if is_first:
            self._tell(f"{error}{error.mend}")

    def check(self) -> None:
        """Raises StoreError where nothing may be written."""
        if self._trouble is not None:
            raise type(self._trouble)(*self._trouble.args)


def refuse_a_lost_database(path: Path) -> None:
    """Raises StoreDamagedError where a state that was in use has no database any more, or an empty one.

    A new one in its place would be a queue without a single copy, and nobody would ask where they went.
    """
    if path.exists() and path.stat().st_size > 0:
        return
    if any((path.parent / name).exists() for name in _USED):
        found = "is empty" if path.exists() else "is gone"
        raise StoreDamagedError(
            f"{path} {found}, though this state was in use: put it back, or move the whole folder aside to begin anew"
        )


def was_left_open(path: Path) -> bool:
    """Whether the last to write ended without closing: killed, or its machine lost power."""
    return any(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-shm"))


def renew_log(path: Path) -> None:
    """Writes the bytes of the log once more, and syncs them. Raises StoreError.

    After a sync that failed the log may read as if it were whole while parts of it are on no disk. What would be
    appended and synced then, and answered 250, could not be found again behind them after a loss of power.
    """
    try:
        descriptor = os.open(path.with_name(path.name + "-wal"), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError as error:
        raise store_error(error) from error
    try:
        at = 0
        while chunk := os.pread(descriptor, _CHUNK_BYTES, at):
            at += os.pwrite(descriptor, chunk, at)
        os.fsync(descriptor)
    except OSError as error:
        if not is_of_no_room(error):  # where writing in place takes room, the queue must be able to drain all the same
            raise store_error(error) from error
    finally:
        os.close(descriptor)


def look_at_once(db: Connection, seconds: float) -> bool:
    """Looks through the whole database. Raises StoreDamagedError for what it finds; False: it had not the time."""
    by = monotonic() + seconds
    db.set_progress_handler(lambda: monotonic() > by, _STEPS_BETWEEN_LOOKS)
    try:
        _refuse(db, f"PRAGMA quick_check({MOST_FINDINGS})")
    except apsw.InterruptError:
        return False
    except StoreDamagedError:
        leave_as_it_is(db)
        raise
    finally:
        db.set_progress_handler(None)
    return True


class Look:
    """The same beside the mail, in a thread of its own, table by table: none keeps the log from starting over long."""

    def __init__(self, path: Path, health: Health) -> None:
        self._path = path
        self._health = health
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-look", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Gives up what is left of it. Blocks for a moment."""
        self._is_closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def wait(self) -> None:
        """Until it has seen everything."""
        self._thread.join()

    def _run(self) -> None:
        try:
            db = open_reader(self._path)
        except StoreError as error:
            self._health.note(error)
            return
        try:
            db.set_progress_handler(self._is_closing.is_set, _STEPS_BETWEEN_LOOKS)
            for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                _refuse(db, f"PRAGMA quick_check({table})")
        except apsw.InterruptError:
            pass
        except (StoreError, Error) as error:
            self._health.note(store_error(error, db))
        finally:
            db.close()


def _refuse(db: Connection, look: str) -> None:
    try:
        found = [str(row[0]) for row in db.execute(look)]
    except apsw.CorruptError as error:
        raise store_error(error, db) from error
    if found != ["ok"]:
        raise StoreDamagedError(f"the database is damaged ({'; '.join(found)})")
