"""The daemon's part where several processes take mail in: their seats, and what they want of the store."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from routerd.committing import Committer
from routerd.config.settings import Settings
from routerd.credentials import Credentials
from routerd.intake.certificate_watch import CertificateWatch
from routerd.intake.listening import Listening, addresses_of, open_listeners
from routerd.intake.server import Unserved
from routerd.ops.metric_increments import Sums
from routerd.ops.metrics import Metrics
from routerd.settling import Live
from routerd.store.base import StaleError
from routerd.store.marks import InHand
from routerd.store.signing_keys import RingInForce
from routerd.workers.nursery import Ended, Forked, Nursery, Unforked
from routerd.workers.seat import Seat, why_unfit
from routerd.workers.turns import TurnsOfAll
from routerd.workers.words import (
    IN_HAND,
    AwaitsProbes,
    Begin,
    CameBack,
    Cleared,
    Commit,
    Count,
    Counted,
    Drain,
    EndTurn,
    Hear,
    LiveLeft,
    NewLive,
    NewRing,
    SendBack,
    StoreTrouble,
    Suspects,
    TakeTurn,
)

CHANGE_SECONDS = 120.0  # in which a worker begins, or takes over new rules
LOOK_EVERY_SECONDS = 15.0
HANGS_SECONDS = 10.0  # beyond the deadline of a drain
SILENT_SECONDS = 45.0  # a worker that answers nothing for so long hangs
COUNTING_SECONDS = 0.4  # less than a scrape gives all of them together

log = structlog.get_logger()

Do = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Means:
    """What of the daemon the workers need. `files`: of the rules in force; `fail` is told why it cannot go on."""

    state: Path
    counter: Committer
    rings: Mapping[str, RingInForce]
    hands: InHand
    metrics: Metrics
    files: Callable[[], Mapping[str, bytes]]
    note_trouble: Callable[[str], None]
    fail: Callable[[str], None]


class Hub:
    """A `Front`. To be made within a running loop. `passed`: the sockets that systemd has opened, by name."""

    def __init__(self, nursery: Nursery, live: Live, credentials: Credentials, passed: Listening, means: Means) -> None:
        self._nursery = nursery
        self._means = means
        self._passed = passed
        self._listeners = live.settings.listen
        self._listening: Listening = {}
        self._live = live
        self._lives = {0: live}  # that some worker may still use
        self._number = 0
        self._turns = TurnsOfAll()
        self._sums = Sums(means.metrics)
        self._has_told_of_probes = False
        self._is_ending = False
        self._workers: dict[int, int] = {}  # by process, the numbers of their seats
        self._look: asyncio.Task[None] | None = None
        self._certificate = CertificateWatch(means.metrics, lambda: datetime.now(UTC))
        self._tls = credentials.tls
        self._certificate.adopt(credentials.tls)
        self._seats = [
            Seat(number, nursery, answer=self._answer, hear=self._hear, begin=self._begin, vacated=self._vacated)
            for number in range(nursery.seats)
        ]
        for purpose, ring in means.rings.items():
            ring.follow(lambda new, purpose=purpose: self._tell_all(NewRing(purpose, new)))  # type: ignore[misc]

    # As a Front

    async def start(self) -> None:
        """Raises ListenError, and what keeps a worker from beginning."""
        self._listening = await open_listeners(self._listeners, self._passed)
        self._nursery.listen(self._hear_nursery, self._nursery_ended)
        self._nursery.give_listeners(self._listening)
        try:
            await asyncio.gather(*[seat.open() for seat in self._seats])
        except BaseException:
            self._close()
            raise
        self._look = asyncio.get_running_loop().create_task(self._look_after_all())

    def addresses(self) -> dict[str, list[tuple[str, int]]]:
        return {name: addresses_of(sockets) for name, sockets in self._listening.items()}

    async def take_over(self, live: Live) -> None:
        """Returns when all have it. A worker that cannot take it over gives way to one that begins with it."""
        self._number += 1
        self._lives[self._number] = live
        is_config, self._live = live.settings is not self._live.settings, live
        new = NewLive(self._number, live.settings, self._means.files(), is_config)
        await asyncio.gather(*[self._bring(seat, new) for seat in self._seats if seat.link is not None])
        self._forget_lives()

    def adopt(self, settings: Settings, credentials: Credentials) -> Unserved:
        self._tls = credentials.tls
        self._certificate.adopt(credentials.tls)
        given = {listener.name: listener for listener in settings.listen}
        names, open_now = given.keys(), {listener.name for listener in self._listeners}
        self._listeners = tuple(given.get(listener.name, listener) for listener in self._listeners)
        return Unserved(tuple(sorted(names - open_now)), tuple(sorted(open_now - names)))

    async def drain(self, deadline_seconds: float) -> int:
        """Then there are no workers any more, nor the nursery."""
        self._is_ending = True
        try:
            self._stop_listening()
            links = [seat.link for seat in self._seats if seat.link is not None and seat.is_serving]
            async with asyncio.timeout(deadline_seconds + HANGS_SECONDS):  # one that hangs holds up nobody
                asked = [link.ask(Drain(deadline_seconds)) for link in links]
                left = await asyncio.gather(*asked, return_exceptions=True)
            return sum(one for one in left if isinstance(one, int))
        except TimeoutError:
            log.error("workers_undrained", reason="they say nothing")
            return 0
        finally:
            self._close()

    def announcing(self, do: Do) -> Do:
        """`do`, after which all workers know whether probes are under way."""

        async def answer(command: dict[str, Any]) -> dict[str, Any]:
            said = await do(command)
            if self._tell_of_probes():
                await asyncio.gather(*[self._ask(seat, Hear()) for seat in self._seats if seat.is_serving])
            return said

        return answer

    def takes_mail(self) -> bool:
        return any(seat.is_serving for seat in self._seats)

    async def count(self) -> None:
        """The metrics hold what every worker has counted. Raises TimeoutError where some are silent."""
        serving = [seat for seat in self._seats if seat.is_serving]
        asked = [ask_within(COUNTING_SECONDS, seat, Count()) for seat in serving]
        said = await asyncio.gather(*asked, return_exceptions=True)
        silent = [str(seat.number) for seat, one in zip(serving, said, strict=True) if isinstance(one, TimeoutError)]
        if silent:
            raise TimeoutError(f"not told by worker {', '.join(silent)}")

    # Workers

    async def _begin(self, seat: Seat) -> None:
        if seat.link is None:
            raise ChildProcessError("it ended before it began")
        means = self._means
        number, live = self._number, self._live
        seat.lives.add(number)
        is_first = number == 0 and live.ruleset is self._nursery.heritage.compiled.ruleset
        new = NewLive(number, live.settings, None if is_first else means.files(), is_config=True)
        rings = {purpose: ring.ring for purpose, ring in means.rings.items()}
        suspects = frozenset(means.hands.suspects)
        tls = self._tls.pem if self._tls is not None else None
        begin = Begin(new, tls, self._listeners, means.state, rings, means.counter.awaits_probes, suspects)
        await ask_within(CHANGE_SECONDS, seat, begin)
        means.metrics.workers.set(1 + sum(one.is_serving for one in self._seats))  # this one is about to

    async def _bring(self, seat: Seat, new: NewLive) -> None:
        seat.lives.add(new.number)
        await self._ask(seat, new, CHANGE_SECONDS)

    async def _ask(self, seat: Seat, words: object, seconds: float = SILENT_SECONDS) -> None:
        """One that cannot do as it is told is replaced."""
        link = seat.link
        if link is None:
            return
        try:
            await ask_within(seconds, seat, words)
        except Exception as error:
            if seat.link is link and not self._is_ending:
                log.error("worker_unfit", worker=seat.number, pid=seat.pid, reason=why_unfit(error))
                seat.dismiss()

    async def _look_after_all(self) -> None:
        while True:
            self._certificate.look()
            await asyncio.gather(*[self._ask(seat, Hear()) for seat in self._seats if seat.is_serving])
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _vacated(self, seat: Seat) -> None:
        self._turns.end_all(seat)
        self._nursery.heritage.counts.clear(seat.number)
        self._sums.forget(seat.number)
        if suspects := self._means.hands.take_over(self._means.state / IN_HAND.format(seat.number)):
            self._tell_all(Suspects(suspects))
        self._means.metrics.workers.set(sum(one.is_serving for one in self._seats))
        self._forget_lives()

    def _hear_nursery(self, words: Forked | Ended | Unforked) -> None:
        match words:
            case Forked(number, pid):
                self._seats[number].pid = pid
                self._workers[pid] = number
            case Unforked(number, reason):
                log.error("worker_unforked", worker=number, reason=reason)
            case Ended(pid, status) if not self._is_ending:
                self._means.metrics.worker_ends.inc()
                number = self._workers.pop(pid)
                waits = self._seats[number].waits_after(pid)
                again = {"again_in": f"{waits:g} s"} if waits else {}
                log.error("worker_ended", worker=number, pid=pid, **end_of(status), **again)

    def _nursery_ended(self) -> None:
        if not self._is_ending:
            self._means.fail("the process that workers are forked from has died")

    def _stop_listening(self) -> None:
        self._nursery.no_more()
        for sockets in self._listening.values():
            for one in sockets:
                one.close()

    def _close(self) -> None:
        self._is_ending = True
        if self._look is not None:
            self._look.cancel()
        for seat in self._seats:
            seat.close()
        self._stop_listening()
        self._nursery.close()

    # What they say

    async def _answer(self, seat: Seat, words: object) -> object:
        counter = self._means.counter
        match words:
            case Commit(number, proposal):
                known = proposal.known.conversation
                if known is not None and self._turns.is_others(seat, known.id):
                    raise StaleError("another worker moves the conversation")
                return await counter.commit(proposal, self._lives[number])
            case TakeTurn(conversation):
                await self._turns.take(seat, conversation)
                return None
            case CameBack(received):
                came_back = await counter.came_back(received)
                self._tell_of_probes()
                return came_back
            case SendBack(received):
                return await counter.send_back(received)
            case _:
                raise TypeError(f"a worker asks {type(words).__name__}")

    def _hear(self, seat: Seat, words: object) -> None:
        match words:
            case EndTurn(conversation):
                self._turns.end(seat, conversation)
            case LiveLeft(number):
                seat.lives.discard(number)
                self._forget_lives()
            case Cleared(digest) if self._means.hands.is_suspect(digest):
                self._means.hands.clear(digest)
                self._tell_all(words)
            case Counted(growth):
                self._sums.add(seat.number, growth)
            case StoreTrouble(text):
                self._means.note_trouble(text)

    def _tell_of_probes(self) -> bool:
        """Whether there was anything to tell."""
        awaits = self._means.counter.awaits_probes
        if awaits == self._has_told_of_probes:
            return False
        self._has_told_of_probes = awaits
        self._tell_all(AwaitsProbes(awaits))
        return True

    def _tell_all(self, words: object) -> None:
        for seat in self._seats:
            if seat.link is not None:
                seat.link.tell(words)

    def _forget_lives(self) -> None:
        used = {self._number}.union(*(seat.lives for seat in self._seats))
        for number in self._lives.keys() - used:
            del self._lives[number]


async def ask_within(seconds: float, seat: Seat, words: object) -> None:
    if seat.link is None:
        raise ChildProcessError("it has ended")
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await seat.link.ask(words)
    except TimeoutError:
        if limit.expired():
            raise TimeoutError(f"silent for {seconds:g} s") from None
        raise


def end_of(status: int) -> dict[str, str | int]:
    """For the log. `status`: as `os.waitstatus_to_exitcode` gives it."""
    if status >= 0:
        return {"status": status}
    try:
        return {"signal": signal.Signals(-status).name}
    except ValueError:  # most of the real-time ones have no name
        return {"signal": -status}
