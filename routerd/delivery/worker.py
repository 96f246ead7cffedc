"""Steps 8 and 9: takes each queued copy to its next hop, and writes what became of it.

One lane per destination, so that none waits for another. What is in memory is bounded; all else waits in the store.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from routerd.delivery.attempt import Policy, Sender
from routerd.delivery.clock_watch import ClockWatch
from routerd.delivery.connection import Timeouts
from routerd.delivery.lane import FIRST_REST_SECONDS, LOW_BACKLOG, Job, Lane
from routerd.delivery.maildir import MaildirStore
from routerd.delivery.outcome import Delivered, Failed, Outcome, Stage
from routerd.delivery.report import Report
from routerd.delivery.retry import conclude_for, longest_wait
from routerd.delivery.scribe import Ended, Scribe
from routerd.delivery.smtp import DEFAULT_TIMEOUTS, TlsContexts
from routerd.message.envelope import Raw
from routerd.ops.crash_points import reach
from routerd.ops.metrics import Metrics
from routerd.store.base import Copy, CopyState, RetryAt, Store, StoreError

MAX_CACHE_BYTES = 64_000_000  # of messages that wait in memory
REFILL = 200
SHORTEST_SLEEP = timedelta(seconds=1)
LONGEST_SLEEP = timedelta(seconds=60)
LOOK_AGAIN = timedelta(seconds=5)  # where the store could not be read
PULL_SLACK = timedelta(seconds=60)

log = structlog.get_logger()


def utc_now() -> datetime:
    return datetime.now(UTC)


class Worker:
    """`offer` fresh copies, `run` for those in the store, `drain` to stop. All on one event loop."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        metrics: Metrics,
        *,
        clock: Callable[[], datetime] = utc_now,
        jitter: Callable[[], float] = random.random,
        contexts: TlsContexts | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self._store = store
        self._policy = policy
        self._contexts = contexts or TlsContexts.of_system()
        self._timeouts = timeouts
        self._maildirs = MaildirStore()
        self._sender = self._sender_for(policy)
        self._report = Report(metrics)
        self._clock = clock
        self._jitter = jitter
        self._lanes: dict[str, Lane] = {}
        self._in_hand: set[int] = set()  # numbers of copies in a backlog, under way, or not written yet
        self._cached_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._scribe = Scribe(store, self._spawn, self._written)
        self._look_at: datetime | None = None  # None: now
        self._clock_watch = ClockWatch()
        self._clock_was_set = False  # and the store does not know yet
        self._pause = SHORTEST_SLEEP
        self._wake = asyncio.Event()
        self._stopping = False

    def offer(self, copies: Sequence[Copy], raw: Raw | None = None) -> None:
        """Takes fresh copies without asking the store. Those that find no room wait there."""
        for copy in copies:
            if copy.state is not CopyState.QUEUED or copy.number in self._in_hand or self._stopping:
                continue
            lane = self._lane(copy.destination)
            if lane.is_full:
                lane.has_more_in_store = True
                if lane.is_hungry:
                    self._wake.set()
                continue
            self._take(lane, Job(copy, self._cached(raw), is_fresh=True))

    async def run(self) -> None:
        """Brings copies from the store when their time has come, until `drain`."""
        while not self._stopping:
            self._wake.clear()
            try:
                self._watch_clock()
                if self._look_at is None or self._look_at <= self._clock():
                    await self._look()
                for lane in [lane for lane in self._lanes.values() if lane.is_hungry]:
                    await self._refill(lane)
            except Exception as error:
                self._look_at = self._clock() + LOOK_AGAIN
                _log_unread(error)
            pause = ((self._look_at or self._clock()) - self._clock()).total_seconds()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(max(pause, 0), LONGEST_SLEEP.total_seconds())):
                    await self._wake.wait()

    def adopt(self, policy: Policy) -> None:
        """From the next attempt on; those under way end with what they began with. After `store.readdress`."""
        before, self._sender, self._policy = self._sender, self._sender_for(policy), policy
        before.close()
        self._empty_backlogs()
        self.look_now()

    def look_now(self) -> None:
        """Something changed in the store."""
        self._look_at = None
        self._wake.set()

    def retry_now(self, destinations: Collection[str] | None = None) -> None:
        """The postmaster made copies due: ends the rest of these destinations (None: of all) and looks at once."""
        for lane in self._lanes.values():
            if destinations is None or lane.destination in destinations:
                lane.end_rest()
        self.look_now()

    def forget(self, numbers: Collection[int]) -> None:
        """The postmaster held or dropped these copies: those not under way yet are not begun."""
        for lane in self._lanes.values():
            for job in [job for job in lane.backlog if job.copy.number in numbers]:
                lane.backlog.remove(job)
                self._let_go(lane, job)

    async def drain(self, within: timedelta) -> None:
        """Begins nothing more, waits for what is under way, then cuts it off: such copies are tried again."""
        self._stopping = True
        self._wake.set()
        self._empty_backlogs()
        with suppress(TimeoutError):
            async with asyncio.timeout(within.total_seconds()):
                while self._tasks:  # an attempt that ends has its conclusion written
                    await asyncio.wait(self._tasks)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._sender.close()
        await asyncio.to_thread(self._maildirs.close)

    # The queue.

    def _empty_backlogs(self) -> None:
        """All of it is in the store."""
        for lane in self._lanes.values():
            while lane.backlog:
                self._let_go(lane, lane.backlog.pop())

    async def _look(self) -> None:
        """Asks the store what is due, and when to ask again.

        Of each destination only the earliest moment is known. Where that is past, it hides the next one: look again
        soon, and less and less often while it is only what is in hand already.
        """
        now = self._clock()
        if self._clock_was_set:
            await self._pull_forward(now)
        self._look_at = now + LONGEST_SLEEP
        is_due, found = False, 0
        for destination, at in (await self._store.waiting()).items():
            if at > now:
                self._look_by(at)
                continue
            is_due = True
            lane = self._lane(destination)
            if len(lane.backlog) < LOW_BACKLOG:
                found += await self._refill(lane)
            else:
                lane.has_more_in_store = True
        if is_due:
            self._pause = SHORTEST_SLEEP if found else min(self._pause * 2, LONGEST_SLEEP)
            self._look_by(now + self._pause)

    def _watch_clock(self) -> None:
        if self._clock_watch.was_set(self._clock().timestamp(), asyncio.get_running_loop().time()):
            self._clock_was_set = True
            self._look_at = None

    async def _pull_forward(self, now: datetime) -> None:
        """What waits for a moment that the clock would have had: no wait is longer than the longest of `retry`."""
        pulled = await self._store.pull_forward(now, now + longest_wait(self._policy.retry) + PULL_SLACK)
        self._clock_was_set = False
        if pulled:
            log.warning("copies_pulled_forward", copies=pulled, reason="due later than any retry: the clock was set")

    async def _refill(self, lane: Lane) -> int:
        """Fetches what is due; gives how many came. What cannot be fetched keeps no other lane waiting."""
        now = self._clock()
        lane.has_more_in_store = False
        lane.ended = set()
        try:
            skip = frozenset(self._in_hand)
            copies = await self._store.due(lane.destination, now, REFILL, skip)
            new = [copy for copy in copies if copy.number not in self._in_hand and copy.number not in lane.ended]
            for copy in new:
                self._take(lane, Job(copy, None))
            lane.has_more_in_store = lane.has_more_in_store or len(copies) >= REFILL
        except Exception as error:
            self._look_by(now + LOOK_AGAIN)
            _log_unread(error, lane.destination)
            return 0
        finally:
            lane.ended = None
        return len(new)

    def _look_by(self, at: datetime) -> None:
        if self._look_at is not None and at < self._look_at:
            self._look_at = at
            self._wake.set()

    def _lane(self, destination: str) -> Lane:
        lane = self._lanes.get(destination)
        if lane is None:
            first_rest = min(FIRST_REST_SECONDS, self._policy.retry.first.total_seconds())
            lane = self._lanes[destination] = Lane(destination, first_rest)
        return lane

    def _take(self, lane: Lane, job: Job) -> None:
        self._in_hand.add(job.copy.number)
        lane.backlog.append(job)
        self._start(lane)

    def _let_go(self, lane: Lane, job: Job) -> None:
        self._uncache(job)
        self._in_hand.discard(job.copy.number)
        if lane.ended is not None:
            lane.ended.add(job.copy.number)

    def _cached(self, raw: Raw | None) -> Raw | None:
        """`raw` where there is room to keep it, and only bytes: a mapped file is opened again when it is its turn."""
        if not isinstance(raw, bytes) or self._cached_bytes + len(raw) > MAX_CACHE_BYTES:
            return None
        self._cached_bytes += len(raw)
        return raw

    def _uncache(self, job: Job) -> None:
        if job.raw is not None:
            self._cached_bytes -= len(job.raw)
            job.raw = None

    # The work.

    def _start(self, lane: Lane) -> None:
        if lane.may_start and not self._stopping:
            lane.active += 1
            self._spawn(self._work(lane))

    def _sender_for(self, policy: Policy) -> Sender:
        return Sender(self._store, policy, self._maildirs, self._contexts, self._timeouts)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            log.error("delivery_task_failed", exc_info=task.exception())

    async def _work(self, lane: Lane) -> None:
        """One of the lane's hands: copy after copy, while there are any and the lane allows as many hands."""
        try:
            while lane.backlog and lane.active <= lane.limit and not self._stopping:
                if not self._scribe.is_free:
                    await self._scribe.be_free()
                    continue
                await self._handle(lane, lane.backlog.popleft())
                if lane.is_hungry:
                    self._wake.set()
                self._start(lane)
        finally:
            lane.active -= 1

    async def _handle(self, lane: Lane, job: Job) -> None:
        loop = asyncio.get_running_loop()
        copy, sender = job.copy, self._sender
        outcome: Outcome | None = Failed(copy.damage, Stage.PREPARE) if copy.damage else lane.trouble(loop.time())
        if outcome is not None:
            self._report.concluded_without_attempt(sender.transport_for(copy), outcome)
        else:
            began = loop.time()
            outcome = await sender.attempt(copy, job.raw, self._clock(), is_fresh=job.is_fresh)
            if isinstance(outcome, Delivered):
                reach("after-delivery")
            ended = loop.time()
            lane.learn(outcome, ended)
            self._report.attempted(sender.transport_for(copy), outcome, ended - began)
        now, policy = self._clock(), self._policy
        conclusion = conclude_for(copy, outcome, now, policy.retry, line=policy.next_in_line, jitter=self._jitter())
        reach("before-conclude")
        self._scribe.write(Ended(lane, job, outcome, conclusion, now))

    def _written(self, ended: Ended, new: tuple[Copy, ...]) -> None:
        """Until it was written the copy stayed in hand, so that it is not delivered again."""
        job, conclusion = ended.job, ended.conclusion
        raw = job.raw
        is_late = ended.at - job.copy.created_at >= self._policy.retry.warn
        try:
            self._report.concluded(job.copy, conclusion, ended.outcome, new, is_late)
        finally:
            self._let_go(ended.lane, job)
        if isinstance(conclusion, RetryAt):
            self._look_by(conclusion.at)
        self.offer(new, raw)


def _log_unread(error: Exception, destination: str = "") -> None:
    is_known = isinstance(error, StoreError)
    log.error(
        "queue_unread",
        destination=destination,
        reason=str(error) or type(error).__name__,
        exc_info=None if is_known else error,
    )
