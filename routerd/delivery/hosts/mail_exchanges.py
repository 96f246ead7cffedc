"""Asks DNS which hosts take the mail of a domain, and knows which of them are ourselves."""

import asyncio
import ipaddress
import random
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import TypeVar

from routerd.auth.dns_answers import Answer, RecordKind
from routerd.delivery.hosts.host import TcpHost
from routerd.delivery.hosts.mx import (
    LOOPBACK,
    MAX_HOSTS,
    NO_SUCH_SYSTEM,
    Addresses,
    Exchange,
    Exchanges,
    Shuffled,
    addresses_of,
    exchanges_of,
    hosts_of,
    leads_back,
    literal_host,
    plain_address,
    unfit,
)
from routerd.delivery.outcome import Deferred, Failed, Stage

SMTP_PORT = 25

LookUp = Callable[[str, RecordKind], Awaitable[Answer]]
HostsOf = Callable[[str], Awaitable[tuple[TcpHost, ...] | Deferred | Failed]]

_T = TypeVar("_T")


async def without_dns(domain: str) -> Deferred:
    """`hosts_of` where nobody can be asked."""
    return Deferred(f"cannot look up the MX of {domain}: there is no DNS here", Stage.DNS)


def by_chance(things: Sequence[_T]) -> list[_T]:
    """The same in another order."""
    return random.sample(things, len(things))


class MailExchanges:
    """What MTA-STS (RFC 8461) and DANE (RFC 7672) say of the hosts of a domain has its place here, beside the MX.

    `look_up` remembers answers for as long as they hold. `listening` gives host and port of each of our listeners.
    `reaches_loopback`: for tests, whose hosts are there.
    """

    def __init__(
        self,
        look_up: LookUp,
        hostname: str,
        listening: Callable[[], Iterable[tuple[str, int]]],
        *,
        shuffled: Shuffled = by_chance,
        port: int = SMTP_PORT,
        reaches_loopback: bool = False,
    ) -> None:
        self._look_up = look_up
        self._hostname = hostname.lower().removesuffix(".")
        self._listening = listening
        self._shuffled = shuffled
        self._port = port
        self._reaches_loopback = reaches_loopback

    async def hosts_of(self, domain: str) -> tuple[TcpHost, ...] | Deferred | Failed:
        """In the order in which they are to be tried; `domain` may be an address literal. Never raises."""
        literal = literal_host(domain, self._port)
        if literal is not None:
            return self._of_literal(domain, literal)
        answer = await self._look_up(domain, RecordKind.MX)
        exchanges = exchanges_of(domain, answer, self._shuffled)
        if not isinstance(exchanges, Exchanges):
            return exchanges
        others = exchanges.short_of(self._hostname.__eq__)
        if not others.hosts:
            return leads_back(exchanges, self._hostname.__eq__)
        names = [host.name for host in islice(others.hosts, MAX_HOSTS)]
        found = await asyncio.gather(*map(self._addresses, names))
        return hosts_of(others, dict(zip(names, found, strict=True)), self._is_ours, self._unfit, self._port)

    async def _addresses(self, name: str) -> Addresses:
        four, six = await asyncio.gather(self._look_up(name, RecordKind.A), self._look_up(name, RecordKind.AAAA))
        return addresses_of(four, six, self._shuffled)

    def _of_literal(self, domain: str, literal: TcpHost | Failed) -> tuple[TcpHost, ...] | Failed:
        if isinstance(literal, Failed):
            return literal
        kind = self._unfit(literal.address)
        if kind:
            return Failed(f"{domain} is {kind}, where no mail can be sent", Stage.DNS, status=NO_SUCH_SYSTEM)
        if self._is_ours(literal.address):
            return leads_back(Exchanges(domain, (Exchange(0, domain),), is_implicit=True), domain.__eq__)
        return (literal,)

    def _unfit(self, address: str) -> str:
        kind = unfit(address)
        return "" if self._reaches_loopback and kind == LOOPBACK else kind

    def _is_ours(self, address: str) -> bool:
        """Whether who connects there reaches one of our listeners."""
        ip = plain_address(address)
        for host, port in self._listening():
            if port != self._port:
                continue
            own = plain_address(host)
            takes_all = own.is_unspecified and own.version >= ip.version  # [::] may take IPv4, too
            if own == ip or (takes_all and _is_of_this_machine(ip)):
                return True
        return False


def _is_of_this_machine(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """The kernel binds a socket to no address that is another machine's."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(ip), 0))
    except OSError:
        return False
    return True
