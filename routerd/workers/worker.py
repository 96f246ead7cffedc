"""One worker: takes mail in, decides, and proposes to the hub what is to be committed. It obeys nobody but the hub."""

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from weakref import finalize

import structlog

from routerd.auth.signers import NO_SIGNERS
from routerd.credentials import Credentials, load_credentials
from routerd.delivery.routes import Routes
from routerd.desk.roster import Roster
from routerd.front import Equipment, OwnFront
from routerd.intake.keeping.spool import spool_folder
from routerd.intake.limits.pressure import StoreSigns
from routerd.intake.listening import Listening
from routerd.intake.tls import context_of
from routerd.ops.dns import Resolver
from routerd.ops.metric_increments import Increments
from routerd.ops.metrics import Metrics
from routerd.ops.process import allow_connections, run_in_new_loop, spare_collector
from routerd.ops.rules_folder import compile_saved
from routerd.rules.ruleset import Ruleset
from routerd.settling import Live
from routerd.store.marks import InHandOfWorker
from routerd.store.recollection import Recollection
from routerd.store.signing_keys import RingInForce
from routerd.workers.counter import RemoteCounter
from routerd.workers.link import Link
from routerd.workers.nursery import Heritage, exit_at_once
from routerd.workers.words import (
    IN_HAND,
    AwaitsProbes,
    Begin,
    Cleared,
    Count,
    Counted,
    Drain,
    Hear,
    LiveLeft,
    NewLive,
    NewRing,
    StoreTrouble,
    Suspects,
)

TELLING_SECONDS = 1.0  # what was counted since is lost with a worker that dies

log = structlog.get_logger()


def work(seat: int, link: socket.socket, listening: Listening, heritage: Heritage) -> None:
    """From the fork to the end of the hub, or of the link to it."""

    async def until_the_end() -> None:
        await _Worker(seat, link, listening, heritage).work()

    run_in_new_loop(until_the_end)


class _Worker:
    """To be made within a running loop."""

    def __init__(self, seat: int, link: socket.socket, listening: Listening, heritage: Heritage) -> None:
        self._seat = seat
        self._listening = listening
        self._heritage = heritage
        self._metrics = Metrics()
        self._increments = Increments(self._metrics)
        self._early: list[object] | None = []  # news that come before all is made that hears them; None: it is
        self._changing = asyncio.Lock()  # what begins and what is new come one after the other
        # At once: what waits here was not answered, and whether it was committed nobody here can say.
        self._link = Link(link, answer=self._answer, hear=self._hear, end=lambda: exit_at_once(0))

    # Made by _begin, in this order.
    _rings: Mapping[str, RingInForce]
    _live: Live
    _hands: "_Hands"
    _counter: RemoteCounter
    _resolver: Resolver
    _front: OwnFront

    async def work(self) -> None:
        """Never returns: the process ends with the link."""
        await asyncio.Event().wait()

    async def _answer(self, words: object) -> object:
        match words:
            case Begin():
                async with self._changing:
                    await self._begin(words)
            case NewLive():
                async with self._changing:
                    await self._take_over(words)
            case Drain(seconds):
                left = await self._front.drain(seconds)
                self._link.tell(Counted(self._increments.take()))
                return left
            case Count():
                self._link.tell(Counted(self._increments.take()))
            case Hear():
                pass
            case _:
                raise TypeError(f"the hub asks {type(words).__name__}")
        return None

    def _hear(self, words: object) -> None:
        if self._early is not None:
            self._early.append(words)
            return
        match words:
            case NewRing(purpose, ring):
                self._rings[purpose].adopt(ring)
            case AwaitsProbes(yes):
                self._counter.awaits_probes = yes
            case Suspects(digests):
                self._hands.add_suspects(digests)
            case Cleared(digest):
                self._hands.clear(digest)

    async def _begin(self, begin: Begin) -> None:
        state = begin.state
        self._rings = {purpose: RingInForce(ring) for purpose, ring in begin.rings.items()}
        tls, files = begin.tls, begin.live.settings.tls
        context = context_of(tls, files.certificate) if tls is not None and files is not None else None
        credentials = Credentials(context, NO_SIGNERS)
        self._live = await self._read(begin.live)
        self._hands = _Hands(state, self._seat, self._link)
        self._hands.add_suspects(begin.suspects)
        memory = Recollection(state, lambda text: self._link.tell(StoreTrouble(text)))
        self._counter = RemoteCounter(self._link, memory.recall, spool_folder(state))
        self._counter.awaits_probes = begin.awaits_probes
        early, self._early = self._early or [], None
        for words in early:
            self._hear(words)
        self._resolver = Resolver(begin.live.settings.dns, self._metrics)
        equipment = Equipment(
            self._counter,
            self._rings.__getitem__,
            self._hands,
            self._metrics,
            self._resolver,
            state,
            StoreSigns(memory.free_bytes, self._counter.oldest_commit_seconds),
            self._heritage.counts.of(self._seat),
        )
        self._front = OwnFront(self._live, credentials, self._listening, equipment, begin.listeners)
        allow_connections(begin.live.settings.limits.connections)
        spare_collector()
        await self._front.start()
        self._tell_counted()

    def _tell_counted(self) -> None:
        self._link.tell(Counted(self._increments.take()))
        asyncio.get_running_loop().call_later(TELLING_SECONDS, self._tell_counted)

    async def _take_over(self, new: NewLive) -> None:
        credentials = await asyncio.to_thread(load_credentials, new.settings) if new.is_config else None
        self._live = await self._read(new)
        await self._front.take_over(self._live)
        if credentials is not None:
            self._resolver.adopt(new.settings.dns)
            self._front.adopt(new.settings, credentials)
            allow_connections(new.settings.limits.connections)

    async def _read(self, new: NewLive) -> Live:
        """Raises what a file that was changed since the hub has read it brings."""
        settings, number = new.settings, new.number
        ruleset = await asyncio.to_thread(self._compile, new)
        live = Live(settings, Roster(settings), ruleset, Routes(settings), number)
        loop = asyncio.get_running_loop()  # the last to see it may be a thread
        finalize(live, loop.call_soon_threadsafe, self._link.tell, LiveLeft(number))
        return live

    def _compile(self, new: NewLive) -> Ruleset:
        if new.files is None:
            ruleset = self._heritage.compiled.ruleset
        else:
            ruleset = compile_saved(new.settings, new.files, str(new.settings.rules)).ruleset
        if ruleset is None:
            raise ValueError("rules that the hub has compiled cannot be compiled here")
        return ruleset


class _Hands(InHandOfWorker):
    """This worker's own marks; what it clears the hub hears."""

    def __init__(self, state: Path, seat: int, link: Link) -> None:
        super().__init__(state / IN_HAND.format(seat))
        self._link = link

    def clear(self, digest: bytes) -> None:
        if self.is_suspect(digest):
            self._link.tell(Cleared(digest))
        super().clear(digest)
