"""A few threads that read, each with a connection of its own: a slow read blocks neither the loop nor the writer."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from routerd.store.base import StoreError
from routerd.store.connection import Connection, Error, Place, open_reader, store_error
from routerd.store.health import Health

_READERS = 2

T = TypeVar("T")


class Readers:
    """`health` is told of what goes wrong."""

    def __init__(self, place: Place, health: Health) -> None:
        self._place = place
        self._health = health
        self._own = threading.local()
        self._lock = threading.Lock()
        self._all: list[Connection] = []
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="store-reader")

    async def read(self, work: Callable[[Connection], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, work)
        except RuntimeError as error:
            raise StoreError("the store is closed") from error

    def close(self) -> None:
        self._threads.shutdown()
        for db in self._all:
            db.close()

    def _read(self, work: Callable[[Connection], T]) -> T:
        db: Connection | None = getattr(self._own, "db", None)
        try:
            if db is None:
                self._place.check()  # not another file of this name
                db = self._own.db = open_reader(self._place.path)
                with self._lock:
                    self._all.append(db)
            return work(db)
        except (Error, OSError, ValueError) as error:  # ValueError: stored text or JSON that is damaged
            failure = store_error(error, db)
            self._health.note(failure)
            raise failure from error
