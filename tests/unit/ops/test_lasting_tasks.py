"""Work that must not end."""

import asyncio

import pytest

from routerd.ops import lasting_tasks
from routerd.ops.lasting_tasks import LastingTasks


async def test_a_fault_begins_the_work_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has failed goes on; what has returned is done; the end ends what goes on."""
    monkeypatch.setattr(lasting_tasks, "RESTART_SECONDS", 0.0)
    begun, goes_on = [], asyncio.Event()

    async def work() -> None:
        begun.append(1)
        if len(begun) < 3:
            raise RuntimeError("a fault")
        goes_on.set()
        await asyncio.Event().wait()

    async def done() -> None:
        begun.append(0)

    tasks = LastingTasks()
    tasks.start("done", done)
    tasks.start("work", work)
    await asyncio.wait_for(goes_on.wait(), 60)
    await tasks.end()
    assert begun.count(0) == 1
    assert len(asyncio.all_tasks()) == 1
