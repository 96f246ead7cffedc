"""The files of large messages beside the writer: written before the transaction that names them, and swept after it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from routerd.message.envelope import QueueId, Raw
from routerd.store.base import StoreError
from routerd.store.batch import Batch
from routerd.store.bodies import BodyFiles
from routerd.store.connection import select_one
from routerd.store.health import Health
from routerd.store.opening import IS_NAMED
from routerd.store.writer import Job, Writer

_FILE_WRITERS = 4
_NAMES_AT_ONCE = 100

_T = TypeVar("_T")


class LargeBodies:
    """Its async methods belong to one loop. What they raise is a StoreError."""

    def __init__(self, files: BodyFiles, writer: Writer, health: Health, reach: Callable[[str], None]) -> None:
        self._files = files
        self._writer = writer
        self._health = health
        self._reach = reach
        self._arriving: set[QueueId] = set()  # messages whose file may be there before their row
        self._turn = asyncio.Lock()  # none begins to arrive while a sweep looks which files have no row
        self._threads = ThreadPoolExecutor(_FILE_WRITERS, thread_name_prefix="store-file")

    @asynccontextmanager
    async def arriving(self, queue_id: QueueId, raw: Raw) -> AsyncIterator[None]:
        """The file is durable inside, and no sweep takes it."""
        self._health.check()
        async with self._turn:
            self._arriving.add(queue_id)
        try:
            await self._in_thread(partial(self._files.write, queue_id, raw))
            yield
        finally:
            self._arriving.discard(queue_id)

    async def remove(self, queue_id: QueueId) -> None:
        await self._in_thread(partial(self._files.remove, queue_id))

    async def forget(self, queue_ids: Iterable[QueueId]) -> None:
        """Those whose rows are gone."""
        for queue_id in queue_ids:
            self._reach("before-forget-file")
            await self.remove(queue_id)

    async def forget_unnamed(self) -> None:
        """What a commit that failed has left. Also what was committed by a job that waits now is seen: the writer
        looks, after it."""
        names = await self._in_thread(self._files.names)
        for start in range(0, len(names), _NAMES_AT_ONCE):
            async with self._turn:
                settled = [name for name in names[start : start + _NAMES_AT_ONCE] if name not in self._arriving]
                for queue_id in await self._writer.do(Job(partial(_unnamed, queue_ids=settled))):
                    await self.remove(queue_id)

    def close(self) -> None:
        """Waits for what is being written."""
        self._threads.shutdown()

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except StoreError as error:
            self._health.note(error)
            raise


def _unnamed(batch: Batch, queue_ids: Sequence[QueueId]) -> list[QueueId]:
    batch.flush()
    return [queue_id for queue_id in queue_ids if not select_one(batch.db, IS_NAMED, (queue_id,))]
