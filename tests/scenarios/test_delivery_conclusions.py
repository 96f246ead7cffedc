"""What became of attempts is written down in groups, whatever befalls one of them."""

import asyncio
from datetime import UTC, datetime, timedelta

from queue_in_memory import MemoryQueue

from routerd.delivery.aftermath.scribe import MAX_UNWRITTEN, Ended, Scribe
from routerd.delivery.lanes.lane import Job, Lane
from routerd.delivery.outcome import Delivered, Stage
from routerd.store.base import Conclusion, Copy, CopyState, Done, StoreError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Queue(MemoryQueue):
    """Counts groups; one that holds the copy `refused` is refused whole, as is the copy alone as often as told."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[int] = []
        self.refused = 0
        self.may_write = asyncio.Event()
        self.may_write.set()

    async def conclude_all(self, attempts: list[tuple[Copy, Conclusion, datetime]]) -> None:
        await self.may_write.wait()
        self.groups.append(len(attempts))
        if any(copy.number == self.refused for copy, _, _ in attempts):
            raise StoreError("no such row")
        await super().conclude_all(attempts)


class Desk:
    """A scribe with its tasks."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.tasks: set[asyncio.Task[None]] = set()
        self.told: list[int] = []
        self.seconds: list[float] = []  # of groups that were written
        self.scribe = Scribe(
            queue, self._spawn, lambda ended, _: self.told.append(ended.job.copy.number), self.seconds.append
        )

    def write(self, count: int) -> None:
        for _ in range(count):
            copy = self.queue.add("smtp:mail.test:25")
            outcome = Delivered("taken", Stage.CONTENT, "250 ok")
            self.scribe.write(Ended(Lane("smtp:mail.test:25"), Job(copy, None), outcome, Done("250 ok"), NOW))

    async def settled(self) -> None:
        while self.tasks:
            await asyncio.wait(self.tasks)

    def _spawn(self, work) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def test_what_ends_while_a_group_is_written_makes_the_next_group():
    """However many attempts end meanwhile, they wait for one commit only."""
    desk = Desk(Queue())
    desk.queue.may_write.clear()
    desk.write(1)
    await asyncio.sleep(0)
    desk.write(7)
    desk.queue.may_write.set()
    await desk.settled()
    assert desk.queue.groups == [1, 7]
    assert desk.told == list(range(1, 9))
    assert len(desk.seconds) == 2


async def test_one_conclusion_that_cannot_be_written_stops_no_other():
    """A group that fails is written one by one, and nothing is told before it is durable."""
    desk = Desk(Queue())
    desk.queue.refused = 2
    desk.queue.fail_conclude = 1
    desk.write(3)
    await desk.settled()
    assert sorted(desk.told) == [1, 2, 3]
    assert set(desk.queue.states().values()) == {CopyState.DELIVERED}


async def test_nothing_is_begun_while_too_much_is_unwritten():
    """Behind a store that stands still attempts stop, and go on when it does."""
    desk = Desk(Queue())
    desk.queue.may_write.clear()
    desk.write(MAX_UNWRITTEN)
    assert not desk.scribe.is_free
    desk.queue.may_write.set()
    await asyncio.wait_for(desk.scribe.be_free(), timedelta(seconds=10).total_seconds())
    await desk.settled()
    assert desk.scribe.is_free
