"""What DNS says of a client's address: its name, confirmed forwards, and the lists that it is on."""

import asyncio
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Any, Literal, Protocol, TypeVar

import structlog

from routerd.auth.dns_answers import Absent, Answer, RecordKind, Records, Stranger, Trouble
from routerd.config.intake_settings import DNS_LIST_ANSWERS, DNS_LIST_ERRORS, LISTS_NOBODY
from routerd.config.settings import DnsList, Settings
from routerd.intake.clients.networks import TrustedNetworks
from routerd.message.address import AddressError, parse_host_name
from routerd.message.client_key import client_key
from routerd.message.envelope import ClientFindings, Refused
from routerd.ops.metrics import Metrics

ReverseName = Literal["ignore", "note", "require"]  # as a listener says it
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_NAMES = 5  # of one address that are looked at; its owner decides how many there are
COMPLAIN_SECONDS = 3600.0  # how often a list that does not serve us is logged

_SILENT = "it did not answer in time"
_NOTHING = ClientFindings()
_NAME_UNTOLD: tuple[str | None, str | None] = ("temperror", None)
_NAME_UNASKED: tuple[str | None, str | None] = (None, None)

log = structlog.get_logger()
T = TypeVar("T")


class AsksDns(Protocol):
    """What is needed of a Resolver."""

    async def look_up(self, name: str, kind: RecordKind, *, stranger: Stranger | None = None) -> Answer: ...


class ClientLookUp:
    """Asks about clients, each within `dns.timeout` as a whole. A reload calls `adopt`."""

    def __init__(
        self, settings: Settings, resolver: AsksDns, metrics: Metrics, *, now_seconds: Callable[[], float] = monotonic
    ) -> None:
        self._resolver = resolver
        self._metrics = metrics
        self._now = now_seconds
        self._complained_at: dict[str, float] = {}
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        self._lists = settings.dnsbl
        self._rejecting = tuple(entry.zone for entry in settings.dnsbl if entry.reject)
        self._trusted = TrustedNetworks(settings.trusted_networks)
        self._timeout_seconds = settings.dns.timeout.total_seconds()

    def asks(self, address: str, reverse_name: ReverseName, *, in_lists: bool = True) -> bool:
        """Whether anything is asked about this client; not of loopback, unix sockets and trusted networks.

        `in_lists`: False on a listener where only members send: lists name their addresses at home, too.
        """
        return self._asked_of(address, reverse_name, in_lists) is not None

    def may_refuse(self, reverse_name: ReverseName, *, in_lists: bool = True) -> bool:
        """Whether `refused_client` may say anything, so that the findings must be there before RCPT."""
        return reverse_name == "require" or (in_lists and bool(self._rejecting))

    async def findings(self, address: str, reverse_name: ReverseName, *, in_lists: bool = True) -> ClientFindings:
        """`address`: an IP address, or "" of a unix socket. What is not answered in time is unanswered.

        Raises only where the caller is cancelled.
        """
        ip = self._asked_of(address, reverse_name, in_lists)
        if ip is None:
            return _NOTHING
        lists = self._lists_for(ip) if in_lists else ()
        asked_of_lists = [asyncio.create_task(self._is_listed(ip, entry)) for entry in lists]
        asked_for_name = [asyncio.create_task(self._name_of(ip))] if reverse_name != "ignore" else []
        await _wait_for((*asked_of_lists, *asked_for_name), self._timeout_seconds)
        answers = {entry.zone: _result(task) for entry, task in zip(lists, asked_of_lists, strict=True)}
        named = [_result(task) or _NAME_UNTOLD for task in asked_for_name] or [_NAME_UNASKED]
        findings = ClientFindings(
            iprev=named[0][0],
            name=named[0][1],
            listed_in=frozenset(zone for zone, answer in answers.items() if answer is True),
            unanswered=frozenset(zone for zone, answer in answers.items() if answer is None),
        )
        for zone in findings.unanswered:
            self._complain(zone, _SILENT)
        self._count(lists, findings)
        return findings

    def refused_client(
        self, findings: ClientFindings, reverse_name: ReverseName, address: str
    ) -> tuple[Refused, str] | None:
        """Whether its mail is not wanted, with the reason for metrics. A list that does not answer refuses nobody.

        The reply names the address: who reads it in a bounce has several, and knows none by heart.
        """
        for zone in self._rejecting:
            if zone in findings.listed_in:
                return Refused(550, "5.7.1", f"your address {address} is listed by {zone}"), "dns_list"
        if reverse_name != "require" or findings.iprev in (None, "pass"):
            return None
        match findings.iprev:
            case "temperror":
                wrong = Refused(450, "4.7.25", f"the name of {address} cannot be looked up now; try again later")
            case "permerror":
                wrong = Refused(550, "5.7.25", f"your address {address} has no name in DNS")
            case _:
                wrong = Refused(550, "5.7.25", f"the name that DNS has for {address} does not lead back to it")
        return wrong, "reverse_name"

    def _asked_of(self, address: str, reverse_name: ReverseName, in_lists: bool) -> Ip | None:
        in_lists = in_lists and bool(self._lists)
        if (not in_lists and reverse_name == "ignore") or address in self._trusted:
            return None
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return None
        if ip.is_loopback or (reverse_name == "ignore" and not self._lists_for(ip)):
            return None
        return ip

    def _lists_for(self, ip: Ip) -> tuple[DnsList, ...]:
        """None for private addresses: each network has its own of these."""
        return self._lists if ip.is_global else ()

    async def _is_listed(self, ip: Ip, entry: DnsList) -> bool | None:
        """None: the list did not say."""
        answer = await self._resolver.look_up(f"{reversed_address(ip)}.{entry.zone}", RecordKind.A)
        match answer:
            case Absent():
                return False
            case Trouble(reason):
                self._complain(entry.zone, reason)
                return None
            case Records(values):
                listed = self._is_yes(entry, values)
                return None if listed and await self._lists_everybody(entry.zone) else listed

    async def _lists_everybody(self, zone: str) -> bool:
        """As one does that is no longer kept: no list has 127.0.0.1 (RFC 5782 5)."""
        answer = await self._resolver.look_up(f"1.0.0.127.{zone}", RecordKind.A)
        if isinstance(answer, Records):
            self._complain(zone, "it lists 127.0.0.1, so it lists everybody (RFC 5782 5)")
            return True
        return False

    def _is_yes(self, entry: DnsList, values: Iterable[str]) -> bool | None:
        """Answers are in 127.0.0.0/8 (RFC 5782 2.1); others come where nobody keeps the list any more."""
        codes = [ipaddress.IPv4Address(value) for value in values]
        wrong = next((code for code in codes if code not in DNS_LIST_ANSWERS or code in DNS_LIST_ERRORS), None)
        if wrong is not None:
            self._complain(entry.zone, f"it answers {wrong}, which means that it does not serve this resolver")
            return None
        return any(
            code != LISTS_NOBODY and (not entry.answers or any(code in network for network in entry.answers))
            for code in codes
        )

    async def _name_of(self, ip: Ip) -> tuple[str | None, str | None]:
        """RFC 8601 2.7.3: the result, and the name where it is pass."""
        answer = await self._resolver.look_up(
            ip.reverse_pointer, RecordKind.PTR, stranger=Stranger(client_key(str(ip)))
        )
        if isinstance(answer, Trouble):
            return "temperror", None
        if isinstance(answer, Absent):
            return "permerror", None
        names = [name for name in answer.values[:MAX_NAMES] if _is_host_name(name)]
        asked = [asyncio.create_task(self._leads_back(name, ip)) for name in names]
        results: list[bool | None] = []
        try:
            for done in asyncio.as_completed(asked):
                name, leads_back = await done
                if leads_back:
                    return "pass", name
                results.append(leads_back)
        finally:
            for task in asked:
                task.cancel()
        return ("temperror" if None in results else "fail"), None

    async def _leads_back(self, name: str, ip: Ip) -> tuple[str, bool | None]:
        """Whether the name has this address; None: it cannot be told now."""
        kind = RecordKind.A if ip.version == 4 else RecordKind.AAAA
        answer = await self._resolver.look_up(name, kind, stranger=Stranger(client_key(str(ip))))
        if isinstance(answer, Trouble):
            return name, None
        return name, isinstance(answer, Records) and any(ipaddress.ip_address(one) == ip for one in answer.values)

    def _complain(self, zone: str, reason: str) -> None:
        now = self._now()
        if now - self._complained_at.get(zone, -COMPLAIN_SECONDS) >= COMPLAIN_SECONDS:
            self._complained_at[zone] = now
            log.warning("dns_list_unanswered", zone=zone, reason=reason)

    def _count(self, lists: Iterable[DnsList], findings: ClientFindings) -> None:
        for entry in lists:
            result = "unanswered" if entry.zone in findings.unanswered else "not_listed"
            result = "listed" if entry.zone in findings.listed_in else result
            self._metrics.dns_list_answers.labels(entry.zone, result).inc()
        if findings.iprev is not None:
            self._metrics.reverse_names.labels(findings.iprev).inc()


def reversed_address(ip: Ip) -> str:
    """As DNS lists want it: octets, or nibbles, from the last (RFC 5782 2.1, 2.4)."""
    return ip.reverse_pointer.rsplit(".", 2)[0]


def _is_host_name(name: str) -> bool:
    try:
        parse_host_name(name)
    except AddressError:
        return False
    return name.isascii() and not name.startswith("[")


async def _wait_for(tasks: Sequence["asyncio.Task[Any]"], seconds: float) -> None:
    """Until all are done, or the time is over; then the others are given up."""
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
    finally:
        for task in tasks:
            task.cancel()


def _result(task: "asyncio.Task[T]") -> T | None:
    """None where it was not done in time, or failed."""
    if not task.done() or task.cancelled():
        return None
    fault = task.exception()
    if fault is not None:
        log.error("client_look_up_failed", reason=repr(fault))
        return None
    return task.result()
