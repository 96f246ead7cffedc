"""A worker that works as long as somebody looks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from routerd.delivery.worker import Worker


@asynccontextmanager
async def at_work(worker: Worker, grace: timedelta = timedelta(seconds=5)) -> AsyncIterator[Worker]:
    """`grace`: how long attempts under way may take at the end."""
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.drain(grace)
        await task
