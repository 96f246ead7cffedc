"""What the sessions of all listeners share."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog

from routerd.config.settings import Settings
from routerd.intake.clients.findings import ClientLookUp
from routerd.intake.clients.logins import Logins
from routerd.intake.clients.networks import TrustedNetworks
from routerd.intake.limits.counts import Counts, OwnCounts
from routerd.intake.limits.patience import Timeouts, hurried, timeouts_of
from routerd.intake.limits.pressure import Pressure, StoreSigns
from routerd.intake.limits.refusal_log import RefusalLog
from routerd.intake.limits.return_paths import ReturnPathUse
from routerd.intake.protocol.events import Declined
from routerd.intake.queue_ids import QueueIds
from routerd.intake.recipients import Directory
from routerd.message.address import Address
from routerd.message.envelope import Received, Recipient, Verdict
from routerd.message.key_ring import Keys
from routerd.ops.metrics import Metrics
from routerd.ops.rejections import bounded

log = structlog.get_logger()

T = TypeVar("T")

COMPLAIN_SECONDS = 600.0  # how often the log says that strangers get no more in

Accept = Callable[[Received], Awaitable[Sequence[Verdict]]]
"""Takes a message for good, or not: one verdict, for LMTP one per recipient."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class World:
    """What intake does not decide by itself. `chance(n)` gives n random bytes, `now` aware UTC."""

    now: Callable[[], datetime] = _utc_now
    chance: Callable[[int], bytes] = os.urandom
    spool_folder: Path | None = None  # for messages above 1 MiB while they come; None: the system's
    timeouts: Timeouts | None = None  # for every client; None: as the config says
    signs: StoreSigns = field(default_factory=StoreSigns)  # of the store's health
    look_up: ClientLookUp | None = None  # None: nothing is asked about clients
    counts: Counts | None = None  # that hold over all processes which take mail in; None: there is this one only
    watches_certificate: bool = True  # says in time that it ends; else somebody else does


class Guest(Protocol):
    """A session, as the reception sees it."""

    def check_time(self, now: float) -> None: ...

    def retire(self) -> None: ...

    def give_up(self) -> None: ...


class Reception:
    """One daemon's. A reload replaces what is made of the config."""

    def __init__(
        self,
        settings: Settings,
        accept: Accept,
        metrics: Metrics,
        keys: Keys,
        world: World,
    ) -> None:
        self.accept = accept
        self.metrics = metrics
        self.loop = asyncio.get_running_loop()
        self.now = world.now
        self.seconds = self.loop.time  # a clock that does not jump
        self.spool_folder = world.spool_folder
        self.look_up = world.look_up
        self.queue_ids = QueueIds(world.chance)
        counts = world.counts or OwnCounts(world.chance)
        self.connections = counts.connections()
        self.memory = counts.memory()
        self.pressure = Pressure(settings.limits, self.memory, world.signs, self.seconds)
        metrics.memory_in_flight_bytes.set_function(lambda: self.memory.used_bytes)
        metrics.pressure.set_function(self.pressure.strain)
        self.logins = Logins(settings, counts)
        self.refusal_log = RefusalLog(counts)
        self.return_paths = ReturnPathUse(counts)
        self.sessions: set[Guest] = set()
        self.is_draining = False
        self._complains_from = 0.0  # by the loop's clock
        self._keys = keys
        self._own_timeouts = world.timeouts
        self._commits: set[asyncio.Task[Any]] = set()
        self._companions: set[asyncio.Task[Any]] = set()
        self._empty = asyncio.Event()
        self._adopt(settings)

    def adopt(self, settings: Settings) -> None:
        self.logins.adopt(settings)
        if self.look_up is not None:
            self.look_up.adopt(settings)
        self._adopt(settings)

    def _adopt(self, settings: Settings) -> None:
        limits, has_trusted = settings.limits, bool(settings.trusted_networks)
        self.connections.adopt(limits, has_trusted=has_trusted)
        self.memory.adopt(limits, has_trusted=has_trusted)
        self.pressure.adopt(limits)
        self._directory = Directory(settings, self._keys)
        self.trusted = TrustedNetworks(settings.trusted_networks)
        self._proxies = TrustedNetworks(settings.proxies) if settings.proxies else ()
        self._timeouts = {
            trusted: self._own_timeouts or timeouts_of(limits, trusted=trusted) for trusted in (False, True)
        }
        self._hurried_timeouts = hurried(self._timeouts[False])

    def timeouts(self, *, trusted: bool) -> Timeouts:
        """Of now: strangers have less time where few places are left."""
        return self._timeouts[trusted] if trusted or not self.connections.is_crowded else self._hurried_timeouts

    @property
    def check_seconds(self) -> float:
        return self._timeouts[False].check_seconds

    def is_proxy(self, address: str) -> bool:
        """`address`: "" is a unix socket, behind which there is none."""
        return bool(address) and address in self._proxies

    def check_times(self, now_seconds: float) -> None:
        """Called now and then, by the loop's clock."""
        for session in tuple(self.sessions):
            session.check_time(now_seconds)
        if left_out := self.refusal_log.left_out(now_seconds):
            log.info("refusals_not_logged", count=left_out)
        if now_seconds >= self._complains_from and (shortage := self.pressure.shortage()) is not None:
            self._complains_from = now_seconds + COMPLAIN_SECONDS
            log.warning("pressure_high", reason=shortage)

    # Recipients

    def recipient_of(self, address: Address | None, client: str | None, now_seconds: float) -> Recipient | Declined:
        """Whose `address` is (None: `<Postmaster>`). `client`: by its key; None: a hop of ours."""
        found = self._directory.inbox_of(address)
        if found is not None:  # most are: nothing about them depends on a clock, or is counted
            return found
        return self.return_paths.judge(self._directory.look_up(address, self.now()), client, now_seconds)

    # What is under way

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` for as long as it takes, whatever becomes of the session that asked for it."""
        self._run(work, self._commits)

    def accompany(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Runs what only helps a session; nobody waits for it at the end."""
        return self._run(work, self._companions)

    def _run(self, work: Coroutine[Any, Any, T], among: "set[asyncio.Task[Any]]") -> "asyncio.Task[T]":
        task = self.loop.create_task(work)
        among.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: "asyncio.Task[Any]") -> None:
        self._commits.discard(task)
        self._companions.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("session_task_failed", exc_info=fault)
        self._notice()

    def leave(self, session: Guest) -> None:
        self.sessions.discard(session)
        self._notice()

    def _notice(self) -> None:
        if self.is_draining and not self._commits and not self.sessions:
            self._empty.set()

    async def emptied(self) -> None:
        """Waits until no session and no commit is left; to be asked while draining."""
        self._notice()
        await self._empty.wait()

    async def close(self) -> int:
        """The end of a drain: gives up all but commits; gives the number of those that still run."""
        self.logins.close()
        companions = tuple(self._companions)
        for task in companions:
            task.cancel()
        await asyncio.gather(*companions, return_exceptions=True)
        return len(self._commits)

    def count_refusal(self, reason: str) -> None:
        self.metrics.rejections.labels(bounded(reason)).inc()
