"""The postmaster's hand where the disk is slow and who asked no longer waits."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from delivery_on_disk import policy_for, queue

from routerd.delivery.hand import QueueHand
from routerd.ops.metrics import Metrics
from routerd.store.base import CopyState
from routerd.store.sqlite import SqliteStore, open_store


class Told:
    """The worker, as far as it is told."""

    def __init__(self) -> None:
        self.forgotten: set[int] = set()

    def forget(self, numbers: Collection[int]) -> None:
        self.forgotten |= set(numbers)

    def retry_now(self, destinations: Collection[str]) -> None:
        raise AssertionError(destinations)


async def test_what_was_dropped_is_forgotten_though_nobody_waits_for_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is cut off when the drop is in the database: the worker hears of it all the same."""
    store: SqliteStore = open_store(tmp_path / "state")
    policy = policy_for({"domain": "m.test", "smtp": "127.0.0.1:9", "tls": "none"})
    await queue(store, policy, 1, "ewa@m.test", datetime.now(UTC))
    change, written, answered = store.change_copies, asyncio.Event(), asyncio.Event()

    async def slowly(*asked: Any) -> Any:
        changed = await change(*asked)
        written.set()
        await answered.wait()
        return changed

    monkeypatch.setattr(store, "change_copies", slowly)
    [copy] = await store.find_copies([f"01JQ{1:022d}"])
    worker: Any = Told()
    hand = QueueHand(store, worker, Metrics(), lambda: datetime.now(UTC), lambda _: None, lambda *_: None)
    asking = asyncio.create_task(hand.do({"do": "drop", "copies": [copy.id]}))
    await written.wait()
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    answered.set()
    async with asyncio.timeout(60):
        while not worker.forgotten:
            await asyncio.sleep(0)
    [dropped] = await store.find_copies([copy.id])
    assert (worker.forgotten, dropped.state) == ({copy.number}, CopyState.DROPPED)
    await store.close()
