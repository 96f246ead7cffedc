"""Step 4's look into the store, for a process that writes nothing there."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from routerd.store.base import Known, ThreadKeys
from routerd.store.connection import FILE_NAME, Place
from routerd.store.desk_state import recall
from routerd.store.health import Health
from routerd.store.readers import Readers


class Recollection:
    """`tell`: of damage that it meets. To be closed. Raises OSError where there is no state in `folder`."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._readers = Readers(Place.of(folder / FILE_NAME), Health(tell))

    async def recall(self, thread: ThreadKeys) -> Known:
        return await recalled(self._readers, thread)

    def free_bytes(self) -> int:
        """As `Store.free_bytes`."""
        return free_bytes(self._folder)

    def close(self) -> None:
        self._readers.close()


async def recalled(readers: Readers, thread: ThreadKeys) -> Known:
    """As `Store.recall`."""
    if not thread.references and thread.copy is None:
        return Known()  # it names nothing by which a conversation is known: the store need not be asked
    return await readers.read(partial(recall, thread=thread))


def free_bytes(folder: Path) -> int:
    """Raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
