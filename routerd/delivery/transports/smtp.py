"""Delivery to an SMTP next hop: its hosts in order, connections kept between messages."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from routerd.config.settings import Route, SmtpAuth, TlsPolicy
from routerd.delivery.hosts.host import Host, TcpHost
from routerd.delivery.hosts.look_up import LookUp
from routerd.delivery.hosts.mail_exchanges import HostsOf
from routerd.delivery.outcome import Answer, Deferred, Delivered, Failed, Outcome, Stage
from routerd.delivery.transports.connection import Connection, Timeouts, open_connection
from routerd.delivery.transports.content import Content
from routerd.delivery.transports.kept import KeptConnections
from routerd.delivery.transports.smtp_actions import Credentials, Login, Transaction
from routerd.ops.system_words import in_words

AVOID_SECONDS = 60.0  # a host that could not be reached is asked last for so long
MAX_REASONS = 3  # of several hosts, that are told

DEFAULT_TIMEOUTS = Timeouts()

FindHosts = Callable[[], Awaitable[Sequence[Host] | Deferred | Failed]]

_O = TypeVar("_O", bound=Answer)

_BEFORE_CONTENT = frozenset({Stage.MAIL, Stage.RCPT, Stage.DATA})


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


@dataclass(frozen=True, slots=True)
class Shared:
    """What all next hops have in common, so that its bounds are those of all of them."""

    kept: KeptConnections = field(default_factory=KeptConnections)
    look_up: LookUp = field(default_factory=LookUp)


class NextHop:
    """Everything that one destination's copies share. `deliver` may be called by many tasks at once.

    `find_hosts` gives the hosts in the order in which they are to be tried, or what is in the way; it never raises.
    `names_host`: their reasons say which host it was, too.
    """

    def __init__(
        self,
        find_hosts: FindHosts,
        login: Login,
        contexts: TlsContexts,
        *,
        auth: SmtpAuth | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        names_host: bool = True,
        shared: Shared | None = None,
    ) -> None:
        self._find_hosts = find_hosts
        self._login = login
        self._auth = auth
        self._context = contexts.checked if login.tls is TlsPolicy.REQUIRED else contexts.opportunistic
        self._timeouts = timeouts
        self._names_host = names_host
        self._shared = shared or Shared()
        self._avoid: dict[Host, float] = {}
        self._closed = False

    async def deliver(self, letter: Letter) -> Outcome:
        """On a kept connection where there is one, else on new ones, host by host while the trouble is the host's."""
        content = letter.content
        has_8bit = await asyncio.to_thread(content.has_8bit) if content.is_on_disk else content.has_8bit()
        transaction = Transaction(letter.sender, (letter.recipient,), content.size_bytes, has_8bit)
        connection = self._shared.kept.take(self)
        if connection is None:
            return await self._deliver_anew(transaction, content, {})
        outcome = await self._carry(connection, transaction, content)
        if _was_stale(connection, outcome):
            return await self._deliver_anew(transaction, content, {})
        if not _wants_another_host(outcome):
            return outcome
        self._shun(connection.host, outcome)
        return await self._deliver_anew(transaction, content, {connection.host: outcome})

    async def _deliver_anew(self, transaction: Transaction, content: Content, tried: dict[Host, Outcome]) -> Outcome:
        """`tried`: the hosts that are not asked again, and why."""
        hosts = await self._find_hosts()
        if isinstance(hosts, Deferred | Failed):
            return in_one([*tried.values(), hosts])
        for host in self._in_order(hosts):
            if host in tried:
                continue
            opened = await self._open(host)
            if isinstance(opened, Connection):
                self._avoid.pop(host, None)
                tried[host] = await self._carry(opened, transaction, content)
            else:
                tried[host] = self._named(str(host), opened)
            if not _wants_another_host(tried[host]):
                return tried[host]
            self._shun(host, tried[host])
        return in_one(list(tried.values()))

    def close(self) -> None:
        """Takes leave on all idle connections; those at work close after their message."""
        self._closed = True
        self._shared.kept.quit_all_of(self)

    async def _carry(self, connection: Connection, transaction: Transaction, content: Content) -> Outcome:
        try:
            (outcome,) = await connection.carry(transaction, content)
        except BaseException:
            connection.abort()  # in the middle of something: neither QUIT nor a dot may follow
            raise
        if self._closed:
            connection.quit()
        else:
            self._shared.kept.put(self, connection)
        return self._named(connection.host_name, outcome)

    async def _open(self, host: Host) -> Connection | Deferred:
        login = self._login
        if self._auth:
            try:
                password = await asyncio.to_thread(_first_line, self._auth.password_file)
            except (OSError, ValueError) as error:
                return Deferred(f"cannot read the password file: {in_words(error)}", Stage.AUTH)
            login = replace(login, credentials=Credentials(self._auth.user, password))
        look_up = self._shared.look_up
        opened = await open_connection(host, login, self._context, self._timeouts, look_up)
        if isinstance(opened, Deferred) and opened.stage is Stage.TLS and login.tls is TlsPolicy.MAY:
            in_clear = replace(login, tls=TlsPolicy.NONE)
            return await open_connection(host, in_clear, self._context, self._timeouts, look_up)
        return opened

    def _in_order(self, hosts: Sequence[Host]) -> list[Host]:
        now = time.monotonic()
        return sorted(hosts, key=lambda host: self._avoid.get(host, 0) > now)

    def _shun(self, host: Host, outcome: Outcome) -> None:
        if isinstance(outcome, Failed):
            return  # the host is well
        now = time.monotonic()
        self._avoid = {other: until for other, until in self._avoid.items() if until > now}
        self._avoid[host] = now + AVOID_SECONDS

    def _named(self, host: str, outcome: _O) -> _O:
        reason = outcome.reason
        if self._names_host and host not in reason:
            reason = f"{host}: {reason}"
        # Made anew: `replace` takes three times as long.
        return type(outcome)(reason, outcome.stage, outcome.reply, outcome.code, outcome.status, host)


def always(*hosts: Host) -> FindHosts:
    """The same hosts each time, whatever happens to them."""

    async def find() -> Sequence[Host]:
        return hosts

    return find


def smtp_next_hop(
    route: Route,
    hostname: str,
    contexts: TlsContexts,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    shared: Shared | None = None,
) -> NextHop:
    """For a route with `smtp:`."""
    hosts = [TcpHost(endpoint.host, endpoint.port) for endpoint in route.smtp or ()]
    login = Login(hostname, tls=route.tls)
    several = len(hosts) > 1
    find = always(*hosts)
    return NextHop(find, login, contexts, auth=route.auth, timeouts=timeouts, names_host=several, shared=shared)


def mx_next_hop(
    domain: str,
    route: Route,
    hosts_of: HostsOf,
    hostname: str,
    contexts: TlsContexts,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    shared: Shared | None = None,
) -> NextHop:
    """For one domain of a route with `mx:`."""
    login = Login(hostname, tls=route.tls)
    return NextHop(lambda: hosts_of(domain), login, contexts, timeouts=timeouts, shared=shared)


def in_one(outcomes: Sequence[Outcome]) -> Outcome:
    """What is told of several hosts, none of which could: not now, if one of them may yet; and why, of each."""
    if not outcomes:
        return Deferred("the route names no host", Stage.CONNECT)
    found = next((outcome for outcome in reversed(outcomes) if isinstance(outcome, Deferred)), outcomes[-1])
    if len(outcomes) == 1:
        return found
    reasons = list(dict.fromkeys(outcome.reason for outcome in outcomes))
    more = [f"{len(reasons) - MAX_REASONS} more"] if len(reasons) > MAX_REASONS else []
    return replace(found, reason="; ".join(reasons[:MAX_REASONS] + more), host="")


def _was_stale(connection: Connection, outcome: Outcome) -> bool:
    """The kept connection was no good any more, which says nothing of the copy, and nothing can have come of it: before
    the answer to MAIL whatever happened, before the content where the next hop hangs up.
    """
    if not isinstance(outcome, Deferred) or connection.is_usable:
        return False
    if not connection.mail_was_answered:
        return True
    return outcome.stage in _BEFORE_CONTENT and (outcome.code == 421 or connection.was_hung_up)


def _wants_another_host(outcome: Outcome) -> bool:
    return not isinstance(outcome, Delivered) and outcome.of_destination


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline(4096).rstrip("\r\n")
