"""Work that goes on as long as the daemon does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

RESTART_SECONDS = 1.0

log = structlog.get_logger()


class LastingTasks:
    """A fault in one is logged, and it starts again."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """To be called within a running loop. Work that returns is done."""

        async def forever() -> None:
            while True:
                try:
                    await work()
                except Exception:
                    log.exception("task_failed", task=name)
                    await asyncio.sleep(RESTART_SECONDS)
                else:
                    return

        self._tasks.append(asyncio.get_running_loop().create_task(forever(), name=name))

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
