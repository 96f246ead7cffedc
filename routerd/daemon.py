"""The composition root: builds the rooms, starts them, reloads, drains, stops."""

import asyncio
import contextlib
import random
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from routerd.auth.arc_sealing import sealer_of
from routerd.committing import Chance, Committer
from routerd.config.load import load_settings
from routerd.config.settings import Settings
from routerd.config.yaml_source import Problem
from routerd.credentials import Credentials, CredentialsError, load_credentials
from routerd.delivery.aftermath.bounces import Bounces
from routerd.delivery.aftermath.notifier import LOOK_EVERY, Bureau, Notifier
from routerd.delivery.aftermath.probes import Probes
from routerd.delivery.aftermath.sending_back import SendingBack
from routerd.delivery.aftermath.succession import stand_in_for, take_over
from routerd.delivery.attempt import Policy
from routerd.delivery.desk_addresses import DeskAddresses
from routerd.delivery.forgetting import Forgetting
from routerd.delivery.hand import QueueHand
from routerd.delivery.hosts.mail_exchanges import MailExchanges
from routerd.delivery.letter import ReturnPaths
from routerd.delivery.renewing import renewing
from routerd.delivery.routes import Routes
from routerd.delivery.worker import Worker
from routerd.desk.matter import House
from routerd.desk.roster import Roster
from routerd.front import Equipment, Front, OwnFront
from routerd.intake.limits.pressure import StoreSigns
from routerd.intake.listening import Listening
from routerd.intake.queue_ids import QueueIds
from routerd.message.fold import fold
from routerd.message.token import BOUNCE
from routerd.ops import rehearsal, systemd
from routerd.ops.crash_points import reach
from routerd.ops.dns import Resolver
from routerd.ops.lasting_tasks import LastingTasks
from routerd.ops.metrics import Metrics
from routerd.ops.process import allow_connections, spare_collector
from routerd.ops.watching import Seen, look
from routerd.reloads import Reloads, Reread
from routerd.rules_in_force import NoRulesError, RulesInForce
from routerd.settling import Live
from routerd.start_words import tell_start, warn_of_restart
from routerd.store.base import Copy, NewCopy, Retention, StoreError
from routerd.store.indexing import Indexing
from routerd.store.marks import InHand
from routerd.store.signing_keys import RINGS
from routerd.store.sqlite import SqliteStore, open_store
from routerd.timekeeper import Pace, Timekeeper
from routerd.undelivered import UndeliveredAnswers
from routerd.web.control import ControlServer, control_path
from routerd.web.server import HttpServer, Phase
from routerd.workers.hub import Hub, Means
from routerd.workers.nursery import Nursery

INTAKE_DRAIN_SECONDS = 30.0
DELIVERY_DRAIN = timedelta(seconds=15)
SWEEP_EVERY = timedelta(hours=1)

log = structlog.get_logger()


class StartError(Exception):
    """The daemon cannot start, or cannot go on; each line of the message is one reason."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Daemon:
    """One running routerd. `serve` returns when it has drained; `on_ready` is called once it takes mail.

    `reread`: gives the config anew at a reload; by default the file at `config_path`. `nursery`: where workers come
    from; None: this process does all.
    """

    def __init__(
        self,
        config_path: Path,
        settings: Settings,
        *,
        reread: Reread | None = None,
        on_ready: Callable[["Daemon"], None] = lambda _: None,
        nursery: Nursery | None = None,
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self._config_path = config_path
        self._on_ready = on_ready
        self._nursery = nursery
        self._failure = ""  # why it cannot go on
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._reloads = Reloads(self, reread or self._read_settings)
        self._lasting = LastingTasks()

    # Built by _build, in this order.
    _credentials: Credentials
    store: SqliteStore
    rules: RulesInForce
    live: Live
    _seen: Seen
    intake: Front
    http: HttpServer

    async def serve(self, sockets: Listening | None = None) -> None:
        """Builds, starts, serves until `stop`, drains. Raises StartError where it cannot start."""
        try:
            await self._build(sockets or {})
            await self._start()
        except StartError as error:
            log.error("daemon_failed", reason=str(error))
            raise
        try:
            tell_start(self._config_path, self.live, self.intake.addresses(), self.http.address)
            systemd.notify_ready(self.status())
            self._on_ready(self)
            await self._stop.wait()
        finally:
            await self._end()
        if self._failure:
            raise StartError(self._failure)

    def stop(self) -> None:
        """Begins the drain; a second call cuts it short."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def reload(self) -> None:
        """Asks for config and rules to be read anew; what is bad does not take effect."""
        self._reloads.ask_for(self._reloads.reload)

    # Start.

    async def _build(self, sockets: Listening) -> None:
        settings = self.settings
        try:
            self._credentials = await asyncio.to_thread(load_credentials, settings)
            self.store = await asyncio.to_thread(
                open_store, settings.state, metrics=self.metrics, reach=reach, tell=_tell_trouble
            )
        except CredentialsError as error:
            raise StartError(str(error)) from error
        except (OSError, StoreError) as error:
            raise StartError(_naming(settings.state, error)) from error
        try:
            self.rules = RulesInForce(self.store, self.metrics, utc_now)
            first = self._nursery.heritage if self._nursery is not None else None
            self._seen = first.seen if first is not None else await asyncio.to_thread(look, settings.rules)
            ruleset = await self.rules.begin(settings, first.compiled if first is not None else None)
            self.live = Live(settings, Roster(settings), ruleset, Routes(settings))
            self._hands = InHand(settings.state / "in-hand")
            self._resolver = Resolver(settings.dns, self.metrics)
            self._exchanges = MailExchanges(
                self._resolver.look_up, settings.hostname, self._endpoints, reaches_loopback=rehearsal.REACHES_LOOPBACK
            )
            self._worker = Worker(self.store, self._policy(), self.metrics)
            self._ids_of_desk = QueueIds(secrets.token_bytes)  # for the store's writing thread alone
            probes = Probes(lambda: self.live.settings, self.store.keys(BOUNCE), secrets.token_bytes, utc_now)
            counter = Committer(
                self.store,
                self._hands,
                self._worker.offer,
                Bounces(self.store, self._next_in_line, self.metrics, self._worker, probes),
                SendingBack(self.store, self._bureau, self._worker.offer, self.metrics),
                self.metrics,
                Chance(random.SystemRandom().choice, self._ids_of_desk.make),
            )
            self._timekeeper = Timekeeper(
                self.store,
                lambda: self.live,
                self._house,
                self._worker.offer,
                self.metrics,
                utc_now,
                Pace() if (every := rehearsal.timers_every()) is None else Pace(every, timedelta(0)),
            )
            self._notifier = Notifier(
                self.store,
                self._bureau,
                QueueIds(secrets.token_bytes).make,
                self._worker.offer,
                self.metrics,
                utc_now,
                UndeliveredAnswers(self.store, lambda: self.live, self._house, self._worker.offer).tell,
                rehearsal.notices_every(LOOK_EVERY),
            )
            self.intake = self._front(counter, sockets)
            workers = (self.intake.count, self.intake.takes_mail) if isinstance(self.intake, Hub) else ()
            self.http = HttpServer(settings.http, self.metrics, self.store, self.store.is_alive, *workers)
            hand = QueueHand(self.store, self._worker, self.metrics, utc_now, self._stand_in, self._next_in_line)
            forgetting = Forgetting(self.store, self._worker, utc_now)
            answer = probes.before(forgetting.before(renewing(self.store, utc_now, hand.do)))
            if isinstance(self.intake, Hub):
                answer = self.intake.announcing(answer)
            self._control = ControlServer(control_path(settings.state), settings.state, answer)
        except NoRulesError as error:
            await self.store.close()
            raise StartError(str(error)) from error
        except (OSError, StoreError) as error:
            await self.store.close()
            raise StartError(_naming(settings.state, error)) from error
        except BaseException:
            await self.store.close()
            raise

    def _front(self, counter: Committer, sockets: Listening) -> Front:
        keys, state = self.store.keys, self.settings.state
        seats = self._nursery.seats if self._nursery is not None else 1
        self.metrics.workers_wanted.set(seats)
        if self._nursery is None:
            self.metrics.workers.set(seats)
            signs = StoreSigns(self.store.free_bytes, self.store.oldest_commit_seconds)
            equipment = Equipment(counter, keys, self._hands, self.metrics, self._resolver, state, signs)
            return OwnFront(self.live, self._credentials, sockets, equipment)
        means = Means(
            state,
            counter,
            {purpose: keys(purpose) for purpose in RINGS},
            self._hands,
            self.metrics,
            lambda: self.rules.files,
            self.store.note_trouble,
            self._fail,
        )
        return Hub(self._nursery, self.live, self._credentials, sockets, means)

    def _fail(self, reason: str) -> None:
        log.critical("daemon_failed", reason=reason)
        self._failure = reason
        self.stop()

    async def _start(self) -> None:
        fold("ł")  # makes the tables, which take longer than a message may wait
        try:
            await self._readdress(self.live)
            await self._start_http()
            await self._control.start()
            await self.intake.start()
        except BaseException as error:
            await self.intake.drain(0.0)  # one listener may have been open for a moment
            await self._close()
            if isinstance(error, Exception):
                raise StartError(str(error)) from error
            raise
        self._lasting.start("delivery", self._worker.run)
        self._lasting.start("notices", self._notifier.run)
        self._lasting.start("timers", self._timekeeper.run)
        self._lasting.start("reload", self._reloads.run)
        self._lasting.start("watch", lambda: self._reloads.watch_rules(self._seen))
        self._lasting.start("sweep", self._sweep)
        self._lasting.start("words", Indexing(self.store, self._hands).run)
        interval = systemd.watchdog_interval()
        if interval is not None:
            self._lasting.start("watchdog", lambda: self._feed_watchdog(interval.total_seconds()))
        allow_connections(self.settings.limits.connections)
        spare_collector()
        self.http.phase = Phase.SERVING

    async def _start_http(self) -> None:
        try:
            await self.http.start()
        except OSError as error:
            raise StartError(f"http.address {self.settings.http.address}: {error.strerror or error}") from error

    # What a reload does.

    async def take_over(self, live: Live) -> None:
        await self._readdress(live)
        self.live = live
        await self.intake.take_over(live)

    def adopt(self, settings: Settings, credentials: Credentials) -> None:
        log.info("config_reloaded", config=self._config_path)
        self._resolver.adopt(settings.dns)
        self._credentials = credentials
        warn_of_restart(self.settings, settings, self.intake.adopt(settings, credentials))
        self._worker.adopt(self._policy())
        allow_connections(settings.limits.connections)

    def status(self) -> str:
        return f"{self.live.ruleset.rules} rules, revision {self.live.ruleset.revision}"

    def _read_settings(self) -> tuple[Settings | None, tuple[Problem, ...]]:
        loaded = load_settings(self._config_path, in_service=True)
        return loaded.settings, loaded.problems

    async def _readdress(self, live: Live) -> None:
        ways = {name: str(member.mailbox) for name, member in live.settings.members.items()}
        ways |= {address: address for address in live.ruleset.forwards}
        await self.store.readdress({name: (box, live.routes.destination(box)) for name, box in ways.items()})

    # While it runs.

    def _policy(self) -> Policy:
        settings = self.live.settings
        keys = self.store.keys(BOUNCE)
        paths, desk = ReturnPaths(settings.return_path, settings.addresses, keys), DeskAddresses(settings, keys)
        hosts_of, line = self._exchanges.hosts_of, self._next_in_line
        domain, signers = settings.arc_seal, self._credentials.signers
        sealer = sealer_of(domain, signers.of(domain)) if domain is not None else None
        routes, retry = self.live.routes, settings.retry
        return Policy(settings.hostname, routes, retry, paths, line, hosts_of, sealer, signers, desk)

    def _endpoints(self) -> list[tuple[str, int]]:
        """Where we listen: mail that leads there by MX would come back."""
        return [endpoint for bound in self.intake.addresses().values() for endpoint in bound]

    def _bureau(self) -> Bureau:
        return Bureau(self.live.settings, self.live.roster, self.live.routes, self._credentials.signers)

    def _house(self, live: Live) -> House:
        return House(live.settings, live.roster, random.SystemRandom().choice, self._ids_of_desk.make)

    def _next_in_line(self, copy: Copy, reason: str, tried: frozenset[str]) -> NewCopy | None:
        """Who takes over a copy; asked inside the store's transaction."""
        return take_over(copy, reason, tried, utc_now(), self._present(), self.live.routes)

    def _stand_in(self, copy: Copy) -> NewCopy | None:
        """Who gets a released copy whose owner is away; asked likewise."""
        return stand_in_for(copy, utc_now(), self._present(), self.live.routes)

    def _present(self) -> Roster:
        return self.live.roster.with_absences(self._timekeeper.absences)

    async def _sweep(self) -> None:
        while True:
            settings = self.live.settings
            retention = Retention(settings.bounce_window, settings.retain.events, settings.retain.bodies)
            await self.store.sweep(utc_now(), retention)
            await asyncio.sleep(rehearsal.sweeps_every(SWEEP_EVERY).total_seconds())

    async def _feed_watchdog(self, seconds: float) -> None:
        while True:
            if self.store.is_alive():
                systemd.notify_watchdog()
            await asyncio.sleep(seconds)

    # The end.

    async def _end(self) -> None:
        """No new mail, an answer for what is coming, deliveries under way finished, the store closed."""
        systemd.notify_stopping("draining")
        log.info("daemon_draining")
        self.http.phase = Phase.DRAINING
        drain = asyncio.ensure_future(self._drain())
        hurry = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait({drain, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not drain.done():
            log.warning("drain_cut_short")
            drain.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await drain
        await self._close()
        log.info("daemon_stopped")

    async def _close(self) -> None:
        await self._lasting.end()
        await self._control.stop()
        await self.http.stop()
        await self._resolver.close()
        await self.store.close()
        self._hands.close()

    async def _drain(self) -> None:
        left = await self.intake.drain(INTAKE_DRAIN_SECONDS)
        if left:
            log.warning("commits_unfinished", messages=left)
        await self._worker.drain(DELIVERY_DRAIN)


def _tell_trouble(reason: str) -> None:
    log.critical("store_trouble", reason=reason)


def _naming(state: Path, error: Exception) -> str:
    """What is wrong with the state, which few errors name."""
    said = str(error) if str(state) in str(error) else f"state {state}: {error}"
    return said + getattr(error, "mend", "")
