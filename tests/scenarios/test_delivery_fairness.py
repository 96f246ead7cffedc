"""Many destinations and many copies: who is served when, how many at once, and when what failed is tried again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from delivery_in_memory import policy_for, to
from queue_in_memory import RAW, MemoryQueue
from scripted_next_hop import NextHop
from worker_at_work import at_work

from routerd.delivery.lanes.lookout import PUT_OFF, REFILL
from routerd.delivery.lanes.turns import MAX_AT_ONCE
from routerd.delivery.transports.connection import Timeouts
from routerd.delivery.worker import Worker
from routerd.ops.metrics import Metrics
from routerd.store.base import CopyState, Done, Hold, RetryAt

BEGAN = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def working(queue, policy, **keys) -> AsyncIterator[Worker]:
    worker = Worker(queue, policy, Metrics(), **{"timeouts": Timeouts(), **keys})
    async with at_work(worker, timedelta()):
        yield worker


async def test_a_next_hop_that_takes_few_connections_delays_no_copy():
    """It turns the fourth away, as many do: fewer are opened, and none of the copies waits for a retry."""
    hop = await NextHop().start()
    hop.answer = lambda at, connection: "421 4.7.0 too many" if at == "greeting" and hop.open_now > 3 else None
    policy = policy_for(to(hop))
    queue = MemoryQueue()
    for _ in range(120):
        queue.add(policy.routes.destination("ewa@example.com"))
    async with working(queue, policy):
        await queue.concluded(120)
    hop.stop()
    assert {type(conclusion) for _, conclusion in queue.conclusions} == {Done}
    assert len(hop.taken) == 120


async def test_fresh_mail_is_not_behind_a_backlog_of_retries():
    """A destination that was away for long has it in turn with what waited, and what waited is not starved either."""
    hop = await NextHop().start()
    policy = policy_for(to(hop))
    queue = MemoryQueue()
    destination = policy.routes.destination("ewa@example.com")
    for _ in range(900):
        queue.add(destination, attempts=3)
    async with working(queue, policy) as worker:
        await hop.took(20)
        fresh = [queue.add(destination, mailbox="fresh@example.com") for _ in range(60)]
        worker.offer(fresh, RAW)
        await queue.concluded(960)
    hop.stop()
    places = [place for place, taken in enumerate(hop.taken) if taken.recipients == ["fresh@example.com"]]
    assert len(hop.taken) == 960
    assert places[-1] < 400
    assert places[-1] - places[0] > 100


async def test_however_many_destinations_are_silent_the_others_are_served():
    """Together they have more copies than may be tried at once; one that is new finds room all the same."""
    silent = [await NextHop(answer=lambda at, connection: "(silence)").start() for _ in range(MAX_AT_ONCE // 4)]
    well = await NextHop().start()
    routes = [{"domain": f"d{n}.test", "smtp": f"127.0.0.1:{hop.port}"} for n, hop in enumerate(silent)]
    policy = policy_for(*routes, to(well))
    queue = MemoryQueue()
    for number in range(len(silent)):
        for _ in range(10):
            queue.add(policy.routes.destination(f"x@d{number}.test"), mailbox=f"x@d{number}.test")
    async with working(queue, policy) as worker:
        while sum(hop.open_now for hop in silent) < MAX_AT_ONCE // 2:
            await asyncio.sleep(0)
        for _ in range(30):
            worker.offer([queue.add(policy.routes.destination("b@well.test"), mailbox="b@well.test")], RAW)
        await well.took(30)
        assert sum(hop.open_now for hop in silent) <= MAX_AT_ONCE * 3 // 4
    for hop in (*silent, well):
        hop.stop()


async def test_a_dead_destination_is_probed_by_one_copy():
    """After its rest one copy tries; the others are told, and wait on."""
    hop = await NextHop(answer=lambda at, connection: "421 4.3.2 away" if at == "greeting" else None).start()
    policy = policy_for(to(hop))
    queue = MemoryQueue()
    for _ in range(50):
        queue.add(policy.routes.destination("ewa@example.com"))
    async with working(queue, policy) as worker:
        await queue.concluded(50)
        for told in (100, 150):
            before = hop.connections
            queue.make_due()
            worker.retry_now()
            await queue.concluded(told)
            assert hop.connections == before + 1
        hop.answer = lambda at, connection: None
        queue.make_due()
        worker.retry_now()
        await hop.took(50)
    hop.stop()
    assert all("421 4.3.2 away" in conclusion.reason for _, conclusion in queue.conclusions[:150])


async def test_many_copies_of_a_dead_destination_are_told_a_few_at_a_time():
    """However many are due at once, after a restart as well: the others' mail is not behind all that writing."""
    clock = Clock()
    hop = await NextHop(answer=lambda at, connection: "421 4.3.2 away" if at == "greeting" else None).start()
    well = await NextHop().start()
    policy = policy_for({"domain": "gone.test", "smtp": f"127.0.0.1:{hop.port}"}, to(well))
    queue = MemoryQueue()
    for _ in range(1000):
        queue.add(policy.routes.destination("x@gone.test"), mailbox="x@gone.test", next_attempt_at=BEGAN)
    async with working(queue, policy, clock=clock) as worker:
        for looks in range(1, 4):
            await queue.concluded(1 + looks * PUT_OFF)
            copy = queue.add(policy.routes.destination("b@well.test"), mailbox="b@well.test", next_attempt_at=BEGAN)
            worker.offer([copy], RAW)
            await well.took(looks)
            assert len(queue.conclusions) <= 1 + looks * PUT_OFF + looks
            assert sum(len(lane.numbers) for lane in worker._lanes) <= 2 * REFILL
            worker.look_now()
    hop.stop()
    well.stop()
    assert hop.connections <= 5


async def test_a_greylisted_copy_gets_through_soon():
    """The next hop takes it from 5 minutes after the first attempt on: so it does, less than a minute later."""
    clock = Clock()
    hop = await NextHop().start()
    hop.answer = lambda at, connection: (
        "451 4.7.1 greylisted" if at == "rcpt" and clock.now < BEGAN + timedelta(minutes=5) else None
    )
    policy = policy_for(to(hop))
    queue = MemoryQueue()
    queue.add(policy.routes.destination("ewa@example.com"), created_at=BEGAN, next_attempt_at=BEGAN)
    async with working(queue, policy, clock=clock, jitter=lambda: 0.5) as worker:
        for attempt in range(1, 10):
            await queue.concluded(attempt)
            conclusion = queue.conclusions[-1][1]
            if isinstance(conclusion, Done):
                break
            clock.now = conclusion.at
            worker.look_now()
    hop.stop()
    assert queue.states() == {1: CopyState.DELIVERED}
    assert clock.now - BEGAN < timedelta(minutes=7)


async def test_the_clock_may_jump_by_years_and_no_copy_is_given_up():
    """Forward while copies wait that were tried twice: they are tried, told why, and wait as long as ever."""
    clock = Clock()
    hop = await NextHop(answer=lambda at, connection: "421 4.3.2 away" if at == "greeting" else None).start()
    policy = policy_for(to(hop))
    queue = MemoryQueue()
    for attempts in (0, 1, 2, 3, 4):
        for _ in range(10):
            queue.add(
                policy.routes.destination("ewa@example.com"),
                attempts=attempts,
                created_at=BEGAN - timedelta(hours=1),
                next_attempt_at=BEGAN + timedelta(hours=3),
            )
    async with working(queue, policy, clock=clock) as worker:
        clock.now += timedelta(days=3650)
        worker.look_now()
        await queue.concluded(50)
    hop.stop()
    assert hop.connections <= 5
    assert {type(conclusion) for _, conclusion in queue.conclusions} == {RetryAt}
    moments = {conclusion.at for _, conclusion in queue.conclusions}
    assert len(moments) == 50
    assert max(moments) - min(moments) > timedelta(minutes=2)


async def test_a_copy_is_held_when_its_days_are_over():
    """Five days of attempts, each at its moment: no sooner, and not a day later."""
    clock = Clock()
    hop = await NextHop(answer=lambda at, connection: "421 4.3.2 away" if at == "greeting" else None).start()
    policy = policy_for(to(hop))
    queue = MemoryQueue()
    queue.add(policy.routes.destination("ewa@example.com"), created_at=BEGAN, next_attempt_at=BEGAN)
    async with working(queue, policy, clock=clock) as worker:
        for attempts in range(1, 100):
            await queue.concluded(attempts)
            conclusion = queue.conclusions[-1][1]
            if not isinstance(conclusion, RetryAt):
                break
            clock.now = conclusion.at
            worker.retry_now()
    hop.stop()
    assert isinstance(conclusion, Hold)
    assert timedelta(days=5) <= clock.now - BEGAN < timedelta(days=5, hours=5)
    assert hop.connections == attempts


async def test_what_is_in_memory_is_bounded_over_all_destinations(monkeypatch):
    """More copies than may be in hand, for many destinations: each is served, none twice, and the bound holds."""
    monkeypatch.setattr("routerd.delivery.lanes.lanes.MAX_IN_HAND", 100)
    hops = [await NextHop().start() for _ in range(20)]
    routes = [{"domain": f"d{n}.test", "smtp": f"127.0.0.1:{hop.port}"} for n, hop in enumerate(hops)]
    policy = policy_for(*routes)
    queue = MemoryQueue()
    for number in range(20):
        for _ in range(40):
            queue.add(policy.routes.destination(f"x@d{number}.test"), mailbox=f"x@d{number}.test")
    most = 0
    async with working(queue, policy) as worker:
        while len(queue.conclusions) < 800:
            most = max(most, sum(len(lane.numbers) for lane in worker._lanes))
            await asyncio.sleep(0)
    for hop in hops:
        hop.stop()
    assert most <= 100 + 2 * 20, most
    assert sorted(number for number, _ in queue.conclusions) == list(range(1, 801))
