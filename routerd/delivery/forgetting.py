"""The running daemon forgets a person: the store does it, and what the worker had in hand of him is not sent."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Any, Protocol

import structlog

from routerd.store.base import StoreError
from routerd.store.by_hand import BadCommandError
from routerd.store.forgetting_by_hand import FORGET, Forgets, forget_by_hand

PATIENCE_SECONDS = 45.0  # of who asks; it goes on without him

log = structlog.get_logger()

Do = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class LetsGo(Protocol):
    def forget(self, numbers: Collection[int]) -> None:
        """These copies are not to be sent any more."""


class Forgetting:
    """Answers the control socket's command `forget`."""

    def __init__(self, store: Forgets, worker: LetsGo, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._worker = worker
        self._clock = clock
        self._under_way: dict[str, asyncio.Task[dict[str, Any]]] = {}

    def before(self, do: Do) -> Do:
        """`do` is asked for all but `forget`."""

        async def answer(command: dict[str, Any]) -> dict[str, Any]:
            return await self.forget(command) if command.get("do") == FORGET else await do(command)

        return answer

    async def forget(self, command: dict[str, Any]) -> dict[str, Any]:
        """What `forget_by_hand` gives, `{"error": why}`, or where that takes long `{"goes_on": True}`.

        Who asks again meanwhile waits for the same.
        """
        key = str(command.get("address", "")).lower()
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._forget(command))
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        try:
            return await asyncio.wait_for(asyncio.shield(task), PATIENCE_SECONDS)
        except TimeoutError:
            return {"goes_on": True}

    async def _forget(self, command: dict[str, Any]) -> dict[str, Any]:
        try:
            done = await forget_by_hand(self._store, command, self._clock())
        except StoreError as error:
            return {"error": f"{error}{error.mend}"}
        except BadCommandError as error:
            return {"error": str(error)}
        self._worker.forget(done["dropped"])
        log.info("person_forgotten", messages=done["messages"], dropped=len(done["dropped"]))
        return done
