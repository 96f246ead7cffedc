"""What sessions share: of all listeners (Reception) and of one (Gate)."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from routerd.config.settings import Settings
from routerd.intake.limits import Connections, Memory, TrustedNetworks, forged_return_paths, used_return_paths
from routerd.intake.queue_ids import QueueIds
from routerd.intake.recipients import Directory
from routerd.intake.terms import Terms
from routerd.message.envelope import Accepted, Envelope, Received, Verdict
from routerd.ops.metrics import Metrics

Accept = Callable[[Received], Awaitable[Sequence[Verdict]]]
"""Takes a message for good, or not: one verdict, for LMTP one per recipient."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds."""

    idle_seconds: float = 300.0  # RFC 5321 4.5.3.2.7: without a whole command, or without a byte of content
    least_bytes_per_second: float = 100.0  # of content, on average, once it has lasted longer than idle_seconds
    session_seconds: float = 3600.0  # then no further command; a message that is coming may end
    handshake_seconds: float = 60.0
    unread_seconds: float = 60.0  # for a client that does not read what we say
    check_seconds: float = 5.0  # how often they are looked at


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class World:
    """What intake does not decide by itself. `chance(n)` gives n random bytes, `now` aware UTC."""

    now: Callable[[], datetime] = _utc_now
    chance: Callable[[int], bytes] = os.urandom
    spool_folder: Path | None = None  # for messages above 1 MiB while they come; None: the system's
    timeouts: Timeouts = Timeouts()


class Guest(Protocol):
    """A session, as the reception sees it."""

    def check_time(self, now: float) -> None: ...

    def retire(self) -> None: ...

    def give_up(self) -> None: ...


class Reception:
    """The state that all sessions share. A reload replaces `directory`, `trusted` and the limits' numbers."""

    def __init__(
        self,
        settings: Settings,
        accept: Accept,
        metrics: Metrics,
        return_path_key: bytes,
        world: World,
    ) -> None:
        self.accept = accept
        self.metrics = metrics
        self.now = world.now
        self.spool_folder = world.spool_folder
        self.timeouts = world.timeouts
        self.queue_ids = QueueIds(world.chance)
        self.connections = Connections(settings.limits.connections, settings.limits.connections_per_client)
        self.memory = Memory(settings.limits.memory)
        self.forged_return_paths = forged_return_paths()
        self.used_return_paths = used_return_paths()
        self.sessions: set[Guest] = set()
        self.is_draining = False
        self._key = return_path_key
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._adopt_addresses(settings)

    def adopt(self, settings: Settings) -> None:
        self.connections.in_all = settings.limits.connections
        self.connections.per_client = settings.limits.connections_per_client
        self.memory.limit_bytes = settings.limits.memory
        self._adopt_addresses(settings)

    def _adopt_addresses(self, settings: Settings) -> None:
        self.directory = Directory(settings, self._key)
        self.trusted = TrustedNetworks(settings.trusted_networks)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` for as long as it takes, whatever becomes of the session that asked for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._notice()

    def leave(self, session: Guest) -> None:
        self.sessions.discard(session)
        self._notice()

    def _notice(self) -> None:
        if self.is_draining and not self._tasks and not self.sessions:
            self._empty.set()

    async def emptied(self) -> None:
        """Waits until no session and no commit is left; to be asked while draining."""
        self._notice()
        await self._empty.wait()

    @property
    def commits_running(self) -> int:
        return len(self._tasks)

    def count_return_paths(self, envelope: Envelope, verdicts: Sequence[Verdict], now_seconds: float) -> None:
        """Only of what was taken: whoever merely names a return path must not use it up."""
        if not any(isinstance(verdict, Accepted) for verdict in verdicts):
            return
        for number in {recipient.copy_number for recipient in envelope.recipients} - {None}:
            self.used_return_paths.count(str(number), now_seconds)

    def count_refusal(self, reason: str) -> None:
        self.metrics.rejections.labels(reason).inc()


class Gate:
    """One listener: its terms, its certificate, its metrics. A reload replaces `terms` and `tls`."""

    def __init__(
        self, reception: Reception, terms: Terms, tls: ssl.SSLContext | None, template: dict[str, Any]
    ) -> None:
        self.reception = reception
        self.name = terms.listener
        self.terms = terms
        self.tls = tls
        self.template = template  # of a session, see session_template
        metrics = reception.metrics
        self.connections = metrics.connections.labels(self.name)
        self.connections.set(0)
        self._results = {
            result: metrics.messages_received.labels(self.name, result)
            for result in ("accepted", "deferred", "rejected")
        }

    def count_verdicts(self, verdicts: Sequence[Verdict], size_bytes: int, seconds: float) -> None:
        """A message counts as accepted if it was for any recipient, else as deferred if any may come again."""
        metrics = self.reception.metrics
        metrics.accept_seconds.observe(seconds)
        codes = [0 if isinstance(verdict, Accepted) else verdict.code for verdict in verdicts]
        if 0 in codes:
            metrics.message_bytes.observe(size_bytes)
            self._results["accepted"].inc()
        elif any(code < 500 for code in codes):
            self._results["deferred"].inc()
        else:
            self._results["rejected"].inc()
