"""The postmaster's hand on the queue of the running daemon: the store is told, and the worker acts on it at once."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from routerd.delivery.worker import Worker
from routerd.ops.metrics import Metrics
from routerd.store.base import CopyState, Line, PlanFailedError, StandIn, StoreError
from routerd.store.by_hand import BOUNCE, BadCommandError, do_by_hand
from routerd.store.protocol import Store

log = structlog.get_logger()


class QueueHand:
    """Answers the commands of the control socket."""

    def __init__(
        self,
        store: Store,
        worker: Worker,
        metrics: Metrics,
        clock: Callable[[], datetime],
        stand_in: StandIn,
        line: Line,
    ) -> None:
        self._metrics = metrics
        self._store = store
        self._line = line
        self._stand_in = stand_in
        self._worker = worker
        self._clock = clock

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """What `do_by_hand` gives, or `{"error": why}`. It goes on where the asker no longer waits: what is written of
        copies must reach the worker, or it would deliver those that were dropped, or rerouted.
        """
        return await asyncio.shield(self._do(command))

    async def _do(self, command: dict[str, Any]) -> dict[str, Any]:
        try:
            done = await do_by_hand(self._store, command, self._clock(), self._stand_in, self._line)
        except StoreError as error:
            return {"error": f"{error}{error.mend}"}
        except (BadCommandError, PlanFailedError) as error:
            return {"error": str(error)}
        queued = [copy for copy in done["changed"] if copy["state"] == CopyState.QUEUED]
        self._worker.forget({copy["number"] for copy in done["changed"]} - {copy["number"] for copy in queued})
        if queued:
            self._worker.retry_now({copy["destination"] for copy in queued})
        for copy in done["changed"]:
            if command.get("do") == BOUNCE and copy["state"] == CopyState.REROUTED:
                self._metrics.reroutes.labels("by_hand").inc()
            log.info("copy_changed_by_hand", copy=copy["copy"], command=command.get("do"), state=copy["state"])
        return done
