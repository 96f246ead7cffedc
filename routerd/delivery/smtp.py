"""Delivery to an SMTP next hop: its hosts in order, connections kept between messages."""

import asyncio
import ssl
import time
from dataclasses import dataclass, replace
from pathlib import Path

from routerd.config.settings import Route, SmtpAuth, TlsPolicy
from routerd.delivery.connection import Connection, Host, TcpHost, Timeouts, open_connection
from routerd.delivery.content import Content
from routerd.delivery.outcome import Deferred, Outcome, Stage
from routerd.delivery.smtp_wire import Credentials, Login, Transaction

IDLE_SECONDS = 10.0  # how long a connection is kept without work
LIFE_SECONDS = 300.0  # and how long in all, so that a change behind the host's name is seen
AVOID_SECONDS = 60.0  # a host that could not be reached is asked last for so long

DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class Letter:
    """One copy in its envelope."""

    sender: str
    recipient: str
    content: Content


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """`checked` verifies the certificate and its name, `opportunistic` takes any."""

    checked: ssl.SSLContext
    opportunistic: ssl.SSLContext

    @classmethod
    def of_system(cls) -> "TlsContexts":
        opportunistic = ssl.create_default_context()
        opportunistic.check_hostname = False
        opportunistic.verify_mode = ssl.CERT_NONE  # RFC 7435: against listeners only; `tls: required` checks
        return cls(ssl.create_default_context(), opportunistic)


class NextHop:
    """Everything that one route's copies share. `deliver` may be called by many tasks at once."""

    def __init__(
        self,
        hosts: tuple[Host, ...],
        login: Login,
        contexts: TlsContexts,
        *,
        auth: SmtpAuth | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self._hosts = hosts
        self._login = login
        self._auth = auth
        self._context = contexts.checked if login.tls is TlsPolicy.REQUIRED else contexts.opportunistic
        self._timeouts = timeouts
        self._idle: list[Connection] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._avoid: dict[Host, float] = {}
        self._closed = False

    async def deliver(self, letter: Letter) -> Outcome:
        """On a kept connection where there is one, else on new ones, host by host while the trouble is the host's."""
        transaction = Transaction(
            letter.sender, (letter.recipient,), letter.content.size_bytes, await _has_8bit(letter.content)
        )
        connection = self._kept()
        if connection:
            outcome = await self._carry(connection, transaction, letter.content)
            if not isinstance(outcome, Deferred) or connection.mail_was_answered:
                if not _wants_another_host(outcome) or len(self._hosts) == 1:
                    return outcome
                self._avoid[connection.host] = time.monotonic() + AVOID_SECONDS
        return await self._deliver_anew(transaction, letter.content)

    async def _deliver_anew(self, transaction: Transaction, content: Content) -> Outcome:
        outcome: Outcome = Deferred("the route names no host", Stage.CONNECT)
        for host in self._in_order():
            opened = await self._open(host)
            if isinstance(opened, Connection):
                self._avoid.pop(host, None)
                outcome = await self._carry(opened, transaction, content)
            else:
                outcome = opened
            if not _wants_another_host(outcome):
                return outcome
            self._avoid[host] = time.monotonic() + AVOID_SECONDS
        return outcome

    def close(self) -> None:
        """Takes leave on all idle connections; those at work close after their message."""
        self._closed = True
        if self._sweep:
            self._sweep.cancel()
        while self._idle:
            self._idle.pop().quit()

    async def _carry(self, connection: Connection, transaction: Transaction, content: Content) -> Outcome:
        try:
            (outcome,) = await connection.carry(transaction, content)
        except BaseException:
            connection.abort()  # in the middle of something: neither QUIT nor a dot may follow
            raise
        self._keep(connection)
        return outcome

    async def _open(self, host: Host) -> Connection | Deferred:
        login = self._login
        if self._auth:
            try:
                password = await asyncio.to_thread(_first_line, self._auth.password_file)
            except (OSError, ValueError) as error:
                return Deferred(f"cannot read the password file: {error}", Stage.AUTH)
            login = replace(login, credentials=Credentials(self._auth.user, password))
        opened = await open_connection(host, login, self._context, self._timeouts)
        if isinstance(opened, Deferred) and opened.stage is Stage.TLS and login.tls is TlsPolicy.MAY:
            return await open_connection(host, replace(login, tls=TlsPolicy.NONE), self._context, self._timeouts)
        return opened

    def _in_order(self) -> list[Host]:
        now = time.monotonic()
        return sorted(self._hosts, key=lambda host: self._avoid.get(host, 0) > now)

    def _kept(self) -> Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable and now - connection.opened_at < LIFE_SECONDS:
                return connection
            connection.quit()
        return None

    def _keep(self, connection: Connection) -> None:
        if self._closed or not connection.is_usable:
            connection.quit()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if not self._sweep:
            self._sweep = loop.call_later(IDLE_SECONDS, self._close_idle)

    def _close_idle(self) -> None:
        """The list is in the order of `idle_since`: taken and put back at its end."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - IDLE_SECONDS
        while self._idle and (self._idle[0].idle_since <= oldest or not self._idle[0].is_usable):
            self._idle.pop(0).quit()
        self._sweep = loop.call_at(self._idle[0].idle_since + IDLE_SECONDS, self._close_idle) if self._idle else None


def smtp_next_hop(route: Route, hostname: str, contexts: TlsContexts, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> NextHop:
    """For a route with `smtp:`."""
    hosts = tuple(TcpHost(endpoint.host, endpoint.port) for endpoint in route.smtp or ())
    return NextHop(hosts, Login(hostname, tls=route.tls), contexts, auth=route.auth, timeouts=timeouts)


def _wants_another_host(outcome: Outcome) -> bool:
    return isinstance(outcome, Deferred) and outcome.of_destination


async def _has_8bit(content: Content) -> bool:
    return await asyncio.to_thread(content.has_8bit) if content.is_on_disk else content.has_8bit()


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline(4096).rstrip("\r\n")
