"""The listeners: where mail comes in, and how that ends without losing any."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import structlog

from routerd.config.settings import Listener, Settings
from routerd.intake.certificate_watch import CertificateWatch
from routerd.intake.gate import Gate
from routerd.intake.listening import BACKLOG, addresses_of, listen_error, passed_sockets
from routerd.intake.reception import Accept, Reception, World
from routerd.intake.session import HostedSession
from routerd.intake.tls import ServerContext
from routerd.message.key_ring import Keys
from routerd.ops.metrics import Metrics

log = structlog.get_logger()


class Unserved(NamedTuple):
    """Listeners, by name, that a running process cannot do justice to."""

    added: tuple[str, ...]  # by the new config, and not open yet
    removed: tuple[str, ...]  # from it, and still open


class Intake:
    """All listeners of one daemon. To be made and used within a running loop.

    `accept` is asked for each whole message; its 250 follows only an Accepted. `keys`: the store's
    for return paths. `sockets`: those that are open already, by the listener's name.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        accept: Accept,
        metrics: Metrics,
        keys: Keys,
        tls: ServerContext | None = None,
        sockets: Mapping[str, Sequence[socket.socket]] | None = None,
        world: World | None = None,
    ) -> None:
        self._listeners = settings.listen
        self._sockets = sockets or {}
        world = world or World()
        self._reception = Reception(settings, accept, metrics, keys, world)
        self._certificate = CertificateWatch(metrics, world.now) if world.watches_certificate else None
        if self._certificate is not None:
            self._certificate.adopt(tls)
        self._gates = {listener.name: Gate(self._reception, settings, listener, tls) for listener in settings.listen}
        self._servers: list[tuple[str, asyncio.Server]] = []
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Opens all listeners, or none. Raises ListenError."""
        try:
            for listener in self._listeners:
                await self._open(listener)
        except BaseException:
            await self.stop_listening()
            raise
        self._check_times()

    def addresses(self) -> dict[str, list[tuple[str, int]]]:
        """Host and port that each listener is bound to; a unix socket is its path and port 0."""
        bound: dict[str, list[tuple[str, int]]] = {}
        for name, server in self._servers:
            bound.setdefault(name, []).extend(addresses_of(server.sockets))
        return bound

    @property
    def open_connections(self) -> int:
        return self._reception.connections.open

    def adopt(self, settings: Settings, tls: ServerContext | None = None) -> Unserved:
        """Takes over a reloaded config for what comes from now on; `tls` is the certificate as read anew.

        Listeners keep their sockets. Gives those whose coming or going needs a restart.
        """
        self._reception.adopt(settings)
        if self._certificate is not None:
            self._certificate.adopt(tls)
        given = {listener.name: listener for listener in settings.listen}
        for name, gate in self._gates.items():
            if name in given:
                gate.adopt(settings, given[name], tls)
        names, open_now = given.keys(), self._gates.keys()
        return Unserved(tuple(sorted(names - open_now)), tuple(sorted(open_now - names)))

    async def stop_listening(self) -> None:
        """No new connections; those that are open go on."""
        for _, server in self._servers:
            server.close()
        self._servers.clear()

    async def drain(self, deadline_seconds: float) -> int:
        """421 to the idle; messages that are coming or being committed end first, up to the deadline.

        Commits are never cancelled: gives the number of those that still run after the deadline.
        """
        await self.stop_listening()
        reception = self._reception
        reception.is_draining = True
        for session in tuple(reception.sessions):
            session.retire()
        try:
            async with asyncio.timeout(deadline_seconds):
                await reception.emptied()
        except TimeoutError:
            for session in tuple(reception.sessions):
                session.give_up()
        if self._timer is not None:
            self._timer.cancel()
        return await reception.close()

    async def _open(self, listener: Listener) -> None:
        loop = asyncio.get_running_loop()
        gate = self._gates[listener.name]
        opened = self._sockets.get(listener.name, ())
        if listener.systemd is not None:
            opened = passed_sockets(listener.systemd, self._sockets)
        if opened:
            for one in opened:
                create = loop.create_unix_server if one.family == socket.AF_UNIX else loop.create_server
                server = await create(lambda: HostedSession(gate), sock=one, backlog=BACKLOG)
                self._servers.append((listener.name, server))
        elif listener.address is not None:
            host, port = listener.address.host, listener.address.port
            try:
                server = await loop.create_server(lambda: HostedSession(gate), host, port, backlog=BACKLOG)
            except OSError as error:
                raise listen_error(listener.address, error) from error
            self._servers.append((listener.name, server))

    def _check_times(self) -> None:
        loop = asyncio.get_running_loop()
        self._reception.check_times(loop.time())
        if self._certificate is not None:
            self._certificate.look()
        self._timer = loop.call_later(self._reception.check_seconds, self._check_times)
