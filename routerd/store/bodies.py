"""Large messages as files: STATE/bodies/xx/QUEUEID, durable before the transaction that names them."""

import mmap
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from routerd.message.envelope import QueueId, Raw
from routerd.store.base import StoreError
from routerd.store.connection import is_of_no_room, store_error, unsynced

MAX_ROW_BYTES = 256_000  # what is larger becomes a file
_CHUNK_BYTES = 1 << 20


class BodyFiles:
    """The files of one state folder. What it raises is a StoreError."""

    def __init__(self, folder: Path, reach: Callable[[str], None] = lambda _: None) -> None:
        self._folder = folder / "bodies"
        self._reach = reach
        self._lock = threading.Lock()
        self._synced: set[Path] = set()

    def path(self, queue_id: QueueId) -> Path:
        """Spread by the id's last characters, which are random; its first ones are the time."""
        if not queue_id.isalnum() or not queue_id.isascii():
            raise StoreError(f"not a queue id: {queue_id!r}")
        return self._folder / queue_id[-2:].lower() / queue_id

    def write(self, queue_id: QueueId, raw: Raw) -> None:
        """Durable on return, with the names of its folders. Copies: where a map's own file is, nobody can tell."""
        path = self.path(queue_id)
        self._reach("before-body-file")
        try:
            self._make_folder(self._folder)
            self._make_folder(path.parent)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                self._reach("within-body-file")
                with memoryview(raw) as whole:
                    for start in range(0, len(whole), _CHUNK_BYTES):
                        _write_all(descriptor, whole[start : start + _CHUNK_BYTES])
                _sync(descriptor)
            finally:
                os.close(descriptor)
            sync_folder(path.parent)
        except (OSError, StoreError) as error:
            with suppress(OSError):
                path.unlink()
            raise store_error(error) from error
        self._reach("after-body-file")

    def open(self, queue_id: QueueId) -> mmap.mmap:
        """A read-only map of the file."""
        try:
            with self.path(queue_id).open("rb") as file:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise StoreError(f"the bytes of {queue_id} are gone: {why}") from error

    def remove(self, queue_id: QueueId) -> None:
        with suppress(OSError, StoreError):
            self.path(queue_id).unlink()

    def sweep(self, is_named: Callable[[QueueId], bool]) -> int:
        """Removes the files that no message names: left by a crash between file and commit. Gives how many."""
        removed = 0
        for path in self._files():
            if not is_named(QueueId(path.name)):
                with suppress(OSError):
                    path.unlink()
                    removed += 1
        return removed

    def names(self) -> list[QueueId]:
        """Of all files there are. Raises StoreError."""
        try:
            return [QueueId(path.name) for path in self._files()]
        except OSError as error:
            raise store_error(error) from error

    def _make_folder(self, path: Path) -> None:
        """Also a folder that is there is synced once: its maker may have died before it could."""
        with self._lock:
            if path not in self._synced:
                path.mkdir(mode=0o700, exist_ok=True)
                sync_folder(path.parent)
                self._synced.add(path)

    def _files(self) -> Iterator[Path]:
        if self._folder.is_dir():
            for folder in self._folder.iterdir():
                if folder.is_dir() and not folder.is_symlink():
                    yield from folder.iterdir()


def sync_folder(path: Path) -> None:
    """Makes the names in it durable. Raises OSError, StoreUnsyncedError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if is_of_no_room(error):
            raise
        raise unsynced(os.strerror(error.errno or 0)) from error


def _write_all(descriptor: int, chunk: memoryview) -> None:
    while chunk:
        chunk = chunk[os.write(descriptor, chunk) :]
