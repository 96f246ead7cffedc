"""Takes out what need not be kept any longer, between the mail."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from routerd.message.envelope import QueueId
from routerd.store.base import Retention
from routerd.store.batch import Batch
from routerd.store.large_bodies import LargeBodies
from routerd.store.readers import Readers
from routerd.store.rows import to_micros, to_minute
from routerd.store.sweeping import (
    BODIES,
    CONVERSATIONS,
    MESSAGES,
    QUIET,
    Age,
    Sweep,
    forget_counted,
    forget_loads,
)
from routerd.store.troubles import forget_told
from routerd.store.writer import Job, Writer

_LOADS_KEPT = timedelta(hours=25)


class Sweeper:
    def __init__(self, readers: Readers, writer: Writer, large: LargeBodies) -> None:
        self._readers = readers
        self._writer = writer
        self._large = large

    async def sweep(self, now: datetime, retention: Retention) -> None:
        """Raises StoreError."""
        bodies_kept = max(retention.bounce_window, retention.bodies)
        quiet_before = to_micros(now - max(bodies_kept, QUIET))
        bodies = Age(to_micros(now - bodies_kept), to_micros(now), quiet_before)
        events = Age(to_micros(now - retention.events), to_micros(now))
        await self._in_steps(BODIES, bodies)
        await self._in_steps(MESSAGES, events)
        await self._in_steps(CONVERSATIONS, events)
        await self._writer.do(Job(partial(forget_told, now=now)))
        await self._writer.do(Job(partial(forget_loads, before_minute=to_minute(now - _LOADS_KEPT))))
        await self._writer.do(Job(partial(forget_counted, before=events.before)))
        await self._large.forget_unnamed()

    async def _in_steps(self, sweep: Sweep, age: Age) -> None:
        after: int | None = 0
        while after is not None:
            looked = await self._readers.read(partial(sweep.look, after=after, age=age))
            if looked.numbers:
                files = await self._writer.do(Job(partial(_forget, sweep, looked.numbers, age)))
                await self._large.forget(files)
            after = looked.after


def _forget(sweep: Sweep, numbers: Sequence[int], age: Age, batch: Batch) -> tuple[QueueId, ...]:
    return sweep.forget(batch, numbers, age)
