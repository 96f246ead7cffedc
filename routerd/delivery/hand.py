"""The postmaster's hand on the queue: what `routerd queue retry|hold|release|drop` asks the running daemon to do."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from routerd.delivery.worker import Worker
from routerd.store.base import CopyState, Store

WANTED = {
    "retry": CopyState.QUEUED,
    "release": CopyState.QUEUED,
    "hold": CopyState.HELD,
    "drop": CopyState.DROPPED,
}
MAX_COPIES = 10_000

log = structlog.get_logger()


class QueueHand:
    """Answers commands of the control socket."""

    def __init__(self, store: Store, worker: Worker, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._worker = worker
        self._clock = clock

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """`{"do": "retry|hold|release|drop", "copies": [ID, …], "reason": …}` → `{"changed": [ID, …], "unknown": …}`.

        An id is a copy's, or a message's for all its copies. What a copy's state does not allow is left as it is.
        """
        wanted = WANTED.get(str(command.get("do")))
        ids = command.get("copies")
        if wanted is None or not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            return {"error": f"a command is one of {', '.join(WANTED)}, with a list of copies"}
        if len(ids) > MAX_COPIES:
            return {"error": f"at most {MAX_COPIES} copies at once"}
        verb, reason = str(command["do"]), str(command.get("reason") or f"{command['do']} by the postmaster")
        copies = await self._store.find_copies(ids)
        if verb == "release":
            copies = tuple(copy for copy in copies if copy.state is CopyState.HELD)
        elif verb == "retry":
            copies = tuple(copy for copy in copies if copy.state is CopyState.QUEUED)
        numbers = [copy.number for copy in copies]
        changed = await self._store.change_copies(numbers, wanted, reason, self._clock())
        if wanted is CopyState.QUEUED:
            self._worker.retry_now({copy.destination for copy in changed})
        else:
            self._worker.forget({copy.number for copy in changed})
        for copy in changed:
            log.info("copy_changed_by_hand", id=copy.queue_id, copy=copy.id, command=verb, reason=reason)
        known = {name for copy in copies for name in (copy.id, copy.queue_id)}
        return {"changed": [copy.id for copy in changed], "unknown": [one for one in ids if one not in known]}
