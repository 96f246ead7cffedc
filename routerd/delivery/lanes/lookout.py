"""Brings from the store what is due, destination by destination, and wakes when the next is."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from routerd.delivery.lanes.clock_watch import ClockWatch
from routerd.delivery.lanes.lane import LOW_BACKLOG, Lane
from routerd.delivery.lanes.lanes import Lanes
from routerd.store.base import StoreError
from routerd.store.protocol import Store

REFILL = 200
FIRST_REFILL = 20  # while it is not known whether the destination answers
PUT_OFF = 100  # copies a look that are told that their destination rests
SHORTEST_SLEEP = timedelta(seconds=1)
LONGEST_SLEEP = timedelta(seconds=60)
LOOK_AGAIN = timedelta(seconds=5)  # where the store could not be read
PULL_SLACK = timedelta(seconds=60)

log = structlog.get_logger()


class Hands(Protocol):
    """Who does something with what was brought."""

    def begin(self, lane: Lane) -> None:
        """Some of its copies may go."""

    def put_off(self, lane: Lane, most: int) -> int:
        """Its destination rests: up to `most` of its copies are told so, and wait; gives how many."""


class Lookout:
    """`keep_looking` until `stop`. On the loop's thread only."""

    def __init__(
        self,
        store: Store,
        lanes: Lanes,
        hands: Hands,
        clock: Callable[[], datetime],
        longest_wait: Callable[[], timedelta],
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._hands = hands
        self._clock = clock
        self._longest_wait = longest_wait
        self._look_at: datetime | None = None  # None: now
        self._clock_watch = ClockWatch()
        self._clock_was_set = False  # and the store does not know yet
        self._pause = SHORTEST_SLEEP
        self._wake = asyncio.Event()
        self._stopping = False

    async def keep_looking(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                self._watch_clock()
                if self._look_at is None or self._look_at <= self._clock():
                    await self._look()
                now = _loop_time()
                for lane in self._lanes:
                    if lane.is_hungry and not lane.trouble(now):
                        await self._refill(lane)
                        self._hands.begin(lane)
            except Exception as error:
                self._look_at = self._clock() + LOOK_AGAIN
                _log_unread(error)
            pause = ((self._look_at or self._clock()) - self._clock()).total_seconds()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(max(pause, 0), LONGEST_SLEEP.total_seconds())):
                    await self._wake.wait()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def look_now(self) -> None:
        """Something changed in the store."""
        self._look_at = None
        self._wake.set()

    def look_by(self, at: datetime) -> None:
        """Something is due then."""
        if self._look_at is not None and at < self._look_at:
            self._look_at = at
            self._wake.set()

    def refill_soon(self) -> None:
        """A lane has become hungry."""
        self._wake.set()

    async def _look(self) -> None:
        """Asks the store what is due, and when to ask again.

        Of each destination only the earliest moment is known. Where that is past, it hides the next one: look again
        soon, and less and less often while it is only what is in hand already.
        """
        now = self._clock()
        if self._clock_was_set:
            await self._pull_forward(now)
        self._look_at = now + LONGEST_SLEEP
        is_due, found, resting = False, 0, []
        waiting = await self._store.waiting()
        for destination, at in waiting.items():
            if at > now:
                self.look_by(at)
                continue
            is_due = True
            lane = self._lanes.of(destination)
            if lane.trouble(_loop_time()):
                resting.append(lane)
                continue
            if lane.waiting < LOW_BACKLOG:
                found += await self._refill(lane)
            else:
                lane.has_more_in_store = True
            self._hands.begin(lane)
        found += await self._put_off(resting)
        self._lanes.forget_idle(waiting.keys(), _loop_time())
        if is_due:
            self._pause = SHORTEST_SLEEP if found else min(self._pause * 2, LONGEST_SLEEP)
            self.look_by(now + self._pause)

    async def _put_off(self, resting: list[Lane]) -> int:
        """What is due at destinations that rest is told so, a few copies at a look and an equal share of each, so that
        however many there are they cost the others nothing to speak of; and each tries again when its rest is over.
        """
        told, share = 0, max(PUT_OFF // max(len(resting), 1), 1)
        for lane in resting:
            self.look_by(self._clock() + timedelta(seconds=lane.rest_seconds(_loop_time())))
            if told >= PUT_OFF:
                continue
            if lane.waiting < share:
                await self._refill(lane, share - lane.waiting)
            told += self._hands.put_off(lane, share)
        return told

    def _watch_clock(self) -> None:
        if self._clock_watch.was_set(self._clock().timestamp(), _loop_time()):
            self._clock_was_set = True
            self._look_at = None

    async def _pull_forward(self, now: datetime) -> None:
        """What waits for a moment that the clock would have had: no wait is longer than the longest of `retry`."""
        pulled = await self._store.pull_forward(now, now + self._longest_wait() + PULL_SLACK)
        self._clock_was_set = False
        if pulled:
            log.warning("copies_pulled_forward", copies=pulled, reason="due later than any retry: the clock was set")

    async def _refill(self, lane: Lane, wanted: int | None = None) -> int:
        """Fetches what is due; gives how many came. What cannot be fetched keeps no other lane waiting."""
        now = self._clock()
        wanted = min(wanted or (REFILL if lane.answers else FIRST_REFILL), self._lanes.room_for(lane))
        if wanted <= 0:
            lane.has_more_in_store = True
            return 0
        lane.has_more_in_store = False
        lane.ended = set()
        try:
            copies = await self._store.due(lane.destination, now, wanted, frozenset(lane.numbers))
            ended = lane.ended
            if ended is None:  # all was forgotten meanwhile: what came may be out of date
                lane.has_more_in_store = True
                return 0
            new = [copy for copy in copies if not self._lanes.has(copy.number) and copy.number not in ended]
            for copy in new:
                self._lanes.take(lane, copy)
            lane.has_more_in_store = lane.has_more_in_store or len(copies) >= wanted
        except Exception as error:
            self.look_by(now + LOOK_AGAIN)
            _log_unread(error, lane.destination)
            return 0
        finally:
            lane.ended = None
        return len(new)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _log_unread(error: Exception, destination: str = "") -> None:
    is_known = isinstance(error, StoreError)
    log.error(
        "queue_unread",
        destination=destination,
        reason=str(error) or type(error).__name__,
        exc_info=None if is_known else error,
    )
