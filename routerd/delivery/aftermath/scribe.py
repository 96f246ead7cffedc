"""Step 9: what became of attempts is written down, many at a time."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat
from time import perf_counter
from typing import Any

import structlog

from routerd.delivery.lanes.lane import Job, Lane
from routerd.delivery.outcome import Outcome
from routerd.ops.crash_points import reach
from routerd.store.base import Conclusion, Copy, Hold, Reroute, StoreError
from routerd.store.protocol import Store

MAX_UNWRITTEN = 64
WRITE_AGAIN_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30)

log = structlog.get_logger()


@dataclass(slots=True)
class Ended:
    """An attempt, and what is to be written of it."""

    lane: Lane
    job: Job
    outcome: Outcome
    conclusion: Conclusion
    at: datetime
    was_attempted: bool = True


class Scribe:
    """Writes one group at a time; what ends meanwhile makes the next. So a conclusion waits for one commit at most
    before its own: by so much the time is longer in which a crash has a delivered copy delivered again.

    `spawn` runs a task to its end; `written` is told of each attempt once it is durable, with the copies that took its
    place. `wrote` is told how many seconds a group took.
    """

    def __init__(
        self,
        store: Store,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        written: Callable[[Ended, tuple[Copy, ...]], None],
        wrote: Callable[[float], None],
    ) -> None:
        self._store = store
        self._spawn = spawn
        self._tell = written
        self._wrote = wrote
        self._waiting: list[Ended] = []
        self._unwritten = 0
        self._is_writing = False
        self._is_free = asyncio.Event()  # there is room, and the store takes what is written
        self._is_free.set()

    @property
    def is_free(self) -> bool:
        """What cannot be written down is not begun."""
        return self._is_free.is_set()

    async def be_free(self) -> None:
        await self._is_free.wait()

    def write(self, ended: Ended) -> None:
        """Returns at once; `written` follows, however long it takes."""
        if ended.was_attempted:
            self._unwritten += 1
            if self._unwritten >= MAX_UNWRITTEN:
                self._is_free.clear()
        if isinstance(ended.conclusion, Reroute):
            self._spawn(self._write_alone(ended))
            return
        self._waiting.append(ended)
        if not self._is_writing:
            self._is_writing = True
            self._spawn(self._write_groups())

    async def _write_groups(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._write_group(group)
        finally:
            self._is_writing = False

    async def _write_group(self, group: list[Ended]) -> None:
        """A group that cannot be written falls apart, so that one bad conclusion stops no other."""
        began = perf_counter()
        try:
            await self._store.conclude_all([(ended.job.copy, ended.conclusion, ended.at) for ended in group])
        except Exception as error:
            log.warning("conclusions_ungrouped", copies=len(group), reason=str(error) or type(error).__name__)
            for ended in group:
                self._spawn(self._write_alone(ended))
            return
        self._wrote(perf_counter() - began)
        for ended in group:
            try:
                self._end(ended, ())
            except Exception:  # one that cannot be told of must not keep the others in hand
                log.exception("conclusion_untold", copy=ended.job.copy.id)

    async def _write_alone(self, ended: Ended) -> None:
        """Until it is written, however long that takes: given up, a delivered copy would be delivered again."""
        copy = ended.job.copy
        for pause in chain(WRITE_AGAIN_SECONDS, repeat(WRITE_AGAIN_SECONDS[-1])):
            try:
                new = await self._conclude(ended)
            except Exception as error:
                self._note_store(works=False)
                log.error(
                    "conclusion_unwritten",
                    id=copy.queue_id,
                    copy=copy.id,
                    reason=str(error) or type(error).__name__,
                    exc_info=not isinstance(error, StoreError),
                )
                if isinstance(ended.conclusion, Reroute) and not isinstance(error, StoreError):
                    ended.conclusion = _held_instead(ended.conclusion)
                await asyncio.sleep(pause)
            else:
                self._end(ended, new)
                return

    async def _conclude(self, ended: Ended) -> tuple[Copy, ...]:
        if not isinstance(ended.conclusion, Reroute):
            return await self._store.conclude(ended.job.copy, ended.conclusion, ended.at)
        reach("before-reroute")
        new = await self._store.conclude(ended.job.copy, ended.conclusion, ended.at)
        reach("after-reroute")
        return new

    def _end(self, ended: Ended, new: tuple[Copy, ...]) -> None:
        self._unwritten -= ended.was_attempted
        self._note_store(works=True)
        self._tell(ended, new)

    def _note_store(self, *, works: bool) -> None:
        if works and self._unwritten < MAX_UNWRITTEN:
            self._is_free.set()
        else:
            self._is_free.clear()


def _held_instead(reroute: Reroute) -> Hold:
    why = f"{reroute.reason}; the next in line could not be found"
    return Hold(why, host=reroute.host, status=reroute.status)
