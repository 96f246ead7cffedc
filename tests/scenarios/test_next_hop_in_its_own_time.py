"""A next hop that answers after nine minutes, or after eleven, with time simulated."""

import asyncio
from datetime import timedelta

import pytest
from delivery_on_disk import policy_for, to
from queue_in_memory import MemoryQueue
from scripted_next_hop import LATE, LATELY, NextHop
from simulated_time import run

from routerd.delivery.worker import Worker
from routerd.ops.metrics import Metrics
from routerd.store.base import CopyState, RetryAt

COPIES = 5


async def deliver(answers: dict[str, str]) -> tuple[NextHop, MemoryQueue, float]:
    """Each of some copies once, with the time-outs of a real daemon; gives what came of it and after how long."""
    hop = await NextHop(answer=lambda step, connection: answers.get(step)).start()
    queue = MemoryQueue()
    policy = policy_for(to(hop, "*"))
    for _ in range(COPIES):
        queue.add(policy.routes.destination("ewa@example.com"))
    worker = Worker(queue, policy, Metrics())  # type: ignore[arg-type]
    loop = asyncio.get_running_loop()
    began = loop.time()
    running = asyncio.create_task(worker.run())
    while len(queue.conclusions) < COPIES:
        await asyncio.sleep(15)
    took = loop.time() - began
    await worker.drain(timedelta(seconds=5))
    await running
    hop.stop()
    return hop, queue, took


def test_nine_minutes_after_the_dot_are_waited_for() -> None:
    """RFC 5321 4.5.3.2.6 grants ten: the copy is delivered, and not sent again meanwhile."""

    async def check() -> None:
        hop, queue, took = await deliver({"content": LATELY})
        assert set(queue.states().values()) == {CopyState.DELIVERED}
        assert len(hop.taken) == COPIES
        assert took >= LATE

    run(check())


@pytest.mark.parametrize("step", ["greeting", "ehlo", "mail", "rcpt", "data"])
def test_nine_minutes_before_are_not(step: str) -> None:
    """Elsewhere five are granted, and two for the reply to DATA: the copy waits, and was not sent."""

    async def check() -> None:
        hop, queue, took = await deliver({step: LATELY})
        assert all(isinstance(conclusion, RetryAt) for _, conclusion in queue.conclusions)
        assert "in time" in queue.conclusions[0][1].reason  # type: ignore[union-attr]
        assert hop.taken == []
        assert took < LATE

    run(check())
