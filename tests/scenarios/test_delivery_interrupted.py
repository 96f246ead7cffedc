"""The worker when it is interrupted: a drain, the postmaster's hand, a reload."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from delivery_in_memory import policy_for, running, to
from queue_in_memory import RAW, MemoryQueue
from scripted_next_hop import NextHop

from routerd.delivery.transports.connection import Timeouts
from routerd.delivery.worker import Worker
from routerd.ops.metrics import Metrics


@pytest.fixture
async def hop():
    hop = await NextHop().start()
    yield hop
    hop.stop()


async def test_a_drain_ends_what_is_under_way_and_begins_nothing(hop):
    """The message whose final dot is out is waited for; the rest stays queued."""
    queue = MemoryQueue()
    hop.hold = asyncio.Event()
    policy = policy_for(to(hop))
    for _ in range(50):
        queue.add(policy.routes.destination("ewa@example.com"))
    worker = Worker(queue, policy, Metrics(), timeouts=Timeouts())
    task = asyncio.create_task(worker.run())
    while sum(command == "DATA" for command in hop.commands) < 5:
        await asyncio.sleep(0)
    drained = asyncio.create_task(worker.drain(timedelta(seconds=10)))
    await asyncio.sleep(0)
    hop.hold.set()
    await drained
    await task
    assert len(hop.taken) == len(queue.conclusions) == 5


async def test_what_the_postmaster_dropped_is_not_begun(hop):
    """`forget` takes waiting copies out of the memory."""
    queue = MemoryQueue()
    hop.hold = asyncio.Event()
    policy = policy_for(to(hop))
    copies = [queue.add(policy.routes.destination("ewa@example.com")) for _ in range(20)]
    async with running(queue, policy) as worker:
        worker.offer(copies, RAW)
        for copy in copies[10:]:
            del queue.copies[copy.number]
        worker.forget([copy.number for copy in copies[10:]])
        hop.hold.set()
        await queue.concluded(10)
    assert len(hop.taken) == 10


async def test_what_the_postmaster_dropped_while_it_was_fetched_is_not_begun(hop):
    """The store was asked before the drop and answers after it: the copy that it gives is out of date."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    dropped, other = (queue.add(policy.routes.destination("ewa@example.com")) for _ in range(2))
    worker = Worker(queue, policy, Metrics())
    due = queue.due

    async def dropping_meanwhile(*asked):
        found = await due(*asked)
        if queue.copies.pop(dropped.number, None):
            worker.forget({dropped.number})
        return found

    queue.due = dropping_meanwhile
    task = asyncio.create_task(worker.run())
    await queue.concluded(1)
    await worker.drain(timedelta(seconds=5))
    await task
    assert len(hop.taken) == 1
    assert [number for number, _ in queue.conclusions] == [other.number]


async def test_a_reload_while_copies_are_fetched_has_them_fetched_anew(hop):
    """What the store gave before the reload may still be addressed as the config was then."""
    gone = await NextHop().start()
    old, new = policy_for(to(gone)), policy_for(to(hop))
    queue = MemoryQueue()
    copy = queue.add(old.routes.destination("ewa@example.com"))
    worker = Worker(queue, old, Metrics())
    due = queue.due

    async def reloading_meanwhile(*asked):
        found = await due(*asked)
        if queue.copies[copy.number] is copy:
            queue.copies[copy.number] = replace(
                copy, mailbox="jan@example.com", destination=new.routes.destination("jan@example.com")
            )
            worker.adopt(new)
        return found

    queue.due = reloading_meanwhile
    task = asyncio.create_task(worker.run())
    await queue.concluded(1)
    await worker.drain(timedelta(seconds=5))
    await task
    assert [mail.recipients for mail in hop.taken] == [["jan@example.com"]]
    assert not gone.taken
    gone.stop()


async def test_a_reload_changes_the_way_of_what_waits(hop):
    """After `adopt` copies go where the new routes lead."""
    gone = await NextHop(answer=lambda at, connection: "421 busy" if at == "greeting" else None).start()
    old, new = policy_for(to(gone)), policy_for(to(hop))
    queue = MemoryQueue()
    copy = queue.add(old.routes.destination("ewa@example.com"))
    async with running(queue, old) as worker:
        await queue.concluded(1)
        del queue.copies[copy.number]
        queue.add(new.routes.destination("ewa@example.com"))
        worker.adopt(new)
        await hop.took(1)
    gone.stop()
