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

from routerd.delivery.aftermath.retry import conclude_for
from routerd.delivery.aftermath.schedule import longest_wait
from routerd.delivery.aftermath.scribe import Ended, Scribe
from routerd.delivery.attempt import Policy, Sender
from routerd.delivery.lanes.lane import FIRST_REST_SECONDS, Job, Lane
from routerd.delivery.lanes.lanes import Lanes
from routerd.delivery.lanes.lookout import Lookout
from routerd.delivery.lanes.turns import Turn, Turns
from routerd.delivery.outcome import Deferred, Delivered, Failed, Outcome, Stage
from routerd.delivery.report import Report
from routerd.delivery.transports.connection import Timeouts
from routerd.delivery.transports.maildir import MaildirStore
from routerd.delivery.transports.smtp import DEFAULT_TIMEOUTS, TlsContexts
from routerd.message.envelope import Raw
from routerd.ops.crash_points import reach
from routerd.ops.metrics import Metrics
from routerd.store.base import Copy, CopyState, RetryAt
from routerd.store.protocol import Store

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
        self._report = Report(metrics)
        self._sender = self._sender_for(policy)
        self._clock = clock
        self._jitter = jitter
        self._lanes = Lanes(lambda: min(FIRST_REST_SECONDS, self._policy.retry.first.total_seconds()))
        self._turns = Turns()
        self._lookout = Lookout(store, self._lanes, self, clock, lambda: longest_wait(self._policy.retry))
        self._tasks: set[asyncio.Task[None]] = set()
        self._scribe = Scribe(store, self._spawn, self._written, self._report.wrote)
        self._stopping = False

    def offer(self, copies: Sequence[Copy], raw: Raw | None = None) -> None:
        """Takes fresh copies without asking the store. Those that find no room wait there."""
        for copy in copies:
            if copy.state is not CopyState.QUEUED or self._lanes.has(copy.number) or self._stopping:
                continue
            lane = self._lanes.of(copy.destination)
            if not self._lanes.room_for(lane):
                lane.has_more_in_store = True
                if lane.is_hungry:
                    self._lookout.refill_soon()
                continue
            self._lanes.take(lane, copy, raw, is_fresh=True)
            if not self.put_off(lane, 1):
                self.begin(lane)

    async def run(self) -> None:
        """Brings copies from the store when their time has come, until `drain`."""
        await self._lookout.keep_looking()

    def adopt(self, policy: Policy) -> None:
        """From the next attempt on; those under way end with what they began with. After `store.readdress`."""
        before, self._sender, self._policy = self._sender, self._sender_for(policy), policy
        before.close()
        self._lanes.forget()
        self._lookout.look_now()

    def look_now(self) -> None:
        """Something changed in the store."""
        self._lookout.look_now()

    def retry_now(self, destinations: Collection[str] | None = None) -> None:
        """The postmaster made copies due: ends the rest of these destinations (None: of all) and looks at once."""
        for lane in self._lanes:
            if destinations is None or lane.destination in destinations:
                lane.end_rest()
        self._lookout.look_now()

    def forget(self, numbers: Collection[int]) -> None:
        """The postmaster held or dropped these copies: those not under way yet are not begun."""
        self._lanes.forget(numbers)

    async def drain(self, within: timedelta) -> None:
        """Begins nothing more, waits for what is under way, then cuts it off: such copies are tried again."""
        self._stopping = True
        self._lookout.stop()
        self._lanes.forget()
        with suppress(TimeoutError):
            async with asyncio.timeout(within.total_seconds()):
                while self._tasks:  # an attempt that ends has its conclusion written
                    await asyncio.wait(self._tasks)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._sender.close()
        await asyncio.to_thread(self._maildirs.close)

    # The hands: each makes one attempt after another for one destination.

    def begin(self, lane: Lane) -> None:
        """Sets as many hands to work as the lane and its turn allow."""
        if self._stopping or not (lane.may_start or self._turns.somebody_waits):
            return  # as after most attempts
        if not lane.trouble(self._now()):
            self._turns.ask(lane)
        for turn in self._turns.give():
            self._spawn(self._work(turn))

    def put_off(self, lane: Lane, most: int) -> int:
        """Where its destination rests: up to `most` of its copies are told so instead of an attempt; gives how many."""
        trouble = lane.trouble(self._now())
        if trouble is None:
            return 0
        told = min(most, lane.waiting)
        for _ in range(told):
            self._conclude_unattempted(lane, lane.next_job(), trouble)
        return told

    async def _work(self, turn: Turn) -> None:
        """Copy after copy, while there are any, the lane allows as many hands, and nobody else waits for a turn."""
        lane = turn.lane
        turn.begin()
        try:
            while self._may_go_on(turn):
                if not self._scribe.is_free:
                    await self._scribe.be_free()
                    continue
                await self._handle(lane, lane.next_job())
                if lane.is_hungry:
                    self._lookout.refill_soon()
                self.begin(lane)
                if self._turns.somebody_waits:
                    break
        finally:
            self._turns.give_back(turn)
            self.begin(lane)

    def _may_go_on(self, turn: Turn) -> bool:
        lane = turn.lane
        if not lane.waiting or lane.active > lane.limit or self._stopping:
            return False
        return turn.is_proven == lane.answers and not lane.trouble(self._now())

    async def _handle(self, lane: Lane, job: Job) -> None:
        copy, sender = job.copy, self._sender
        if copy.damage:
            self._conclude_unattempted(lane, job, Failed(copy.damage, Stage.PREPARE))
            return
        began = self._now()
        outcome = await sender.attempt(copy, job.raw, self._clock(), is_fresh=job.is_fresh)
        if isinstance(outcome, Delivered):
            reach("after-delivery")
        ended = self._now()
        if lane.is_crowded(outcome, ended) and not self._stopping:
            lane.thin()
            self._lanes.put_back(lane, job)
            log.info("destination_crowded", destination=lane.destination, reason=outcome.reason, at_once=lane.limit)
            return
        self._learn(lane, outcome, ended)
        self._report.attempted(sender.transport_for(copy), outcome, ended - began)
        self._conclude(lane, job, outcome)

    def _learn(self, lane: Lane, outcome: Outcome, now: float) -> None:
        if not isinstance(outcome, Deferred):  # nothing to tell, as of most
            lane.learn(outcome, now)
            return
        was_at_rest = lane.trouble(now) is not None
        lane.learn(outcome, now)
        if not was_at_rest and lane.trouble(now):
            seconds = round(lane.rest_seconds(now), 1)
            log.warning("destination_rests", destination=lane.destination, reason=outcome.reason, seconds=seconds)
            self._lookout.look_by(self._clock())  # the others are to be told

    # Step 9.

    def _conclude_unattempted(self, lane: Lane, job: Job, outcome: Outcome) -> None:
        self._report.concluded_without_attempt(self._sender.transport_for(job.copy), outcome)
        self._conclude(lane, job, outcome, was_attempted=False)

    def _conclude(self, lane: Lane, job: Job, outcome: Outcome, *, was_attempted: bool = True) -> None:
        now, policy = self._clock(), self._policy
        conclusion = conclude_for(
            job.copy,
            outcome,
            now,
            policy.retry,
            line=policy.next_in_line,
            jitter=self._jitter(),
            was_tried=was_attempted,
        )
        reach("before-conclude")
        self._scribe.write(Ended(lane, job, outcome, conclusion, now, was_attempted))

    def _written(self, ended: Ended, new: tuple[Copy, ...]) -> None:
        """Until it was written the copy stayed in hand, so that it is not delivered again."""
        job, conclusion = ended.job, ended.conclusion
        raw = job.raw
        try:
            self._report.concluded(job.copy, conclusion, ended.outcome, new)
        finally:
            self._lanes.let_go(ended.lane, job)
        if isinstance(conclusion, RetryAt):
            self._lookout.look_by(conclusion.at)
        self.offer(new, raw)

    # The tasks.

    def _sender_for(self, policy: Policy) -> Sender:
        return Sender(self._store, policy, self._maildirs, self._contexts, self._timeouts, self._report)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            log.error("delivery_task_failed", exc_info=task.exception())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
