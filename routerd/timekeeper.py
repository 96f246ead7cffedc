"""What comes by itself: looks now and then which timers of the desk are due, and fires each once.

A timer is gone with the transaction that writes what follows on it: after a crash it has either fired, or is due still.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from routerd.config.settings import Settings
from routerd.delivery.lanes.clock_watch import ClockWatch
from routerd.desk.absence import gone_as_planned, planned_handover
from routerd.desk.changes import Absence
from routerd.desk.digest import digest_timers
from routerd.desk.firing import fire
from routerd.desk.matter import House
from routerd.desk.plan import ConversationState, FullDeskState, Plan
from routerd.message.token import TRACE
from routerd.ops.metrics import Metrics
from routerd.settling import Live, settled
from routerd.store.base import Copy, Deed, DueTimer, PlanFailedError, Settled, StoreError
from routerd.store.protocol import Store

AT_ONCE = 100  # timers a look
TRY_AGAIN = timedelta(hours=1)  # one that failed

COUNT_EVERY = 60.0  # seconds

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    look_every: timedelta = timedelta(seconds=5)
    rest: timedelta = timedelta(minutes=1)  # a clock that was set may soon be set back, and what has fired has fired


class Timekeeper:
    """`live` and `house` give what is in force; `hand_over` takes what was committed to delivery."""

    def __init__(
        self,
        store: Store,
        live: Callable[[], Live],
        house: Callable[[Live], House],
        hand_over: Callable[[Sequence[Copy], None], None],
        metrics: Metrics,
        clock: Callable[[], datetime],
        pace: Pace = Pace(),
    ) -> None:
        self._store = store
        self._live = live
        self._house = house
        self._hand_over = hand_over
        self._metrics = metrics
        self._clock = clock
        self._pace = pace
        self._trace_keys = store.keys(TRACE)
        self._clock_watch = ClockWatch()
        self._started = False
        self._digests_by: Settings | None = None  # their timers are those of this config
        self._rests_until = 0.0  # by the loop's clock
        self._gone: frozenset[str] = frozenset()  # whose planned absence was seen
        self.absences: tuple[Absence, ...] = ()  # those of the store, as of the last look
        self._failed: dict[int, float] = {}  # timers, and when they are tried again by the loop's clock
        self._counts_at = 0.0  # likewise

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.look()
                pause = await self._until_next()
            except StoreError as error:
                log.error("timers_unfired", reason=str(error))
                pause = self._pace.look_every
            await asyncio.sleep(pause.total_seconds())

    async def look(self) -> None:
        """Raises StoreError."""
        if self._rests():
            return
        await self.fire_due()
        await self._set_digests()
        await self._hand_over_planned()
        await self._see_who_is_away()
        await self._count()

    async def fire_due(self) -> None:
        """Raises StoreError: what is due by then is due still."""
        while True:
            now, failed = self._clock(), self._still_failed()
            due = await self._store.due_timers(now, AT_ONCE + len(failed))
            todo = [one for one in due if one.number not in failed]
            if not todo:
                return
            for one in todo:
                await self._fire_safely(one)

    async def _set_digests(self) -> None:
        """Anew where the config or the clock was changed; what was due by now has fired before."""
        live = self._live()
        if self._digests_by is live.settings:
            return
        timers = digest_timers(live.settings, live.roster, self._clock())
        if timers:
            inbox, owner = next(iter(live.settings.inboxes)), timers[0].data
            plan = Plan(inbox, owner, None, "daily summaries", timers=timers)
            await self._store.act(Deed(None, self._clock(), lambda state: settled(plan, state, live, self._trace_keys)))
        self._digests_by = live.settings

    async def _hand_over_planned(self) -> None:
        """Of members whose days of absence have begun; after a restart once more, of what is theirs by then."""
        live, now = self._live(), self._clock()
        gone = gone_as_planned(live.roster, now)
        if gone - self._gone:
            plan = planned_handover(gone - self._gone, next(iter(live.settings.inboxes)))
            await self._store.act(Deed(None, now, lambda state: settled(plan, state, live, self._trace_keys)))
        self._gone = gone

    async def _see_who_is_away(self) -> None:
        """At each look: they are few."""
        self.absences = await self._store.absences()
        roster, now = self._live().roster.with_absences(self.absences), self._clock()
        self._metrics.away_members.set(sum(roster.is_away(member, now) for member in roster.members))

    async def _count(self) -> None:
        """Now and then, for the gauge: it takes a walk through all of them."""
        loop_time = _loop_time()
        if loop_time < self._counts_at:
            return
        self._counts_at = loop_time + COUNT_EVERY
        counts, gauge = await self._store.conversation_counts(), self._metrics.conversations
        for inbox in self._live().settings.inboxes:
            for state in ConversationState:
                gauge.labels(inbox, str(state)).set(counts.get((inbox, state), 0))

    def _rests(self) -> bool:
        loop_time = _loop_time()
        if self._clock_watch.was_set(self._clock().timestamp(), loop_time) and self._started:
            seconds = self._pace.rest.total_seconds()
            log.warning("timers_rest", seconds=seconds, reason="the clock was set")
            self._rests_until = loop_time + seconds
            self._digests_by = None
        self._started = True
        return loop_time < self._rests_until

    def _still_failed(self) -> frozenset[int]:
        loop_time = _loop_time()
        self._failed = {number: until for number, until in self._failed.items() if until > loop_time}
        return frozenset(self._failed)

    async def _until_next(self) -> timedelta:
        """A timer that is set meanwhile is found at the next look."""
        at = await self._store.next_timer()
        until = self._pace.look_every if at is None else min(at - self._clock(), self._pace.look_every)
        return until if until > timedelta(0) else self._pace.look_every

    async def _fire_safely(self, due: DueTimer) -> None:
        """One that fails keeps no other waiting."""
        try:
            await self._fire(due)
        except PlanFailedError:
            log.exception("timer_failed", timer=str(due.timer.kind), conversation=due.conversation)
            self._failed[due.number] = _loop_time() + TRY_AGAIN.total_seconds()

    async def _fire(self, due: DueTimer) -> None:
        live, now = self._live(), self._clock()
        house, made = self._house(live), _Made()

        def settle(state: FullDeskState) -> Settled | None:
            made.plan = fire(due.timer, state, house, now)
            return None if made.plan is None else settled(made.plan, state, live, self._trace_keys)

        copies = await self._store.act(Deed(due.conversation, now, settle, due))
        if copies:
            self._hand_over(copies, None)
        if made.plan is not None:
            self._tell(due, made.plan)

    def _tell(self, due: DueTimer, plan: Plan) -> None:
        for event in plan.events:
            if event.kind == "conversation_overdue":
                self._metrics.overdue.inc()
            if event.kind == "owner_changed":
                self._metrics.assigned(plan.inbox, plan.owner)
        log.info(
            "timer_fired",
            timer=str(due.timer.kind),
            conversation=due.conversation,
            due_at=due.timer.at.isoformat(),
            events=[event.kind for event in plan.events],
        )


class _Made:
    """What the last run of `settle` made: it may run again."""

    plan: Plan | None = None


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
