"""Delivery by MX: the worker, a DNS server that says what a test tells it to, and next hops at several addresses."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import simulated_time
from peers.certificate import make_certificate
from peers.dns_server import DnsServer, Fault
from peers.machine import free_port
from queue_in_memory import MemoryQueue
from scripted_next_hop import NextHop
from worker_at_work import at_work

from routerd.config.settings import Addresses, Dns, Settings
from routerd.delivery import attempt
from routerd.delivery.attempt import Policy
from routerd.delivery.hosts.mail_exchanges import MailExchanges
from routerd.delivery.letter import ReturnPaths
from routerd.delivery.routes import Routes
from routerd.delivery.transports.connection import Timeouts
from routerd.delivery.transports.smtp import TlsContexts
from routerd.delivery.worker import Worker
from routerd.message.key_ring import KeyRing
from routerd.ops.dns import Resolver
from routerd.ops.metrics import Metrics
from routerd.store.base import Conclusion, CopyState, Done, Hold, Reroute, RetryAt

QUICK = Timeouts(connect=2, greeting=2, hello=2, tls=2, mail=2, rcpt=2, data=2, content=2, send=2)
UTF8 = ("PIPELINING", "SMTPUTF8")


def as_is(things):
    return list(things)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


class Site:
    """Hosts of one port at several addresses of this machine, their zone, and a worker that sends to them by MX."""

    def __init__(self, dns: DnsServer) -> None:
        self.dns = dns
        self.port = free_port()
        self.queue = MemoryQueue()
        self.metrics = Metrics()
        self.listening: list[tuple[str, int]] = []
        self.contexts: TlsContexts | None = None
        self._hosts: list[NextHop] = []

    async def host(self, name: str, address: str, *, is_up: bool = True, **options) -> NextHop:
        """A host with its A or AAAA record."""
        self.dns.has(name, "AAAA" if ":" in address else "A", address)
        hop = NextHop(port=self.port, address=address, **options)
        if is_up:
            await hop.start()
            self._hosts.append(hop)
        return hop

    def add(self, mailbox: str = "ewa@far.test") -> None:
        self.queue.add(f"mx:{mailbox.rpartition('@')[2]}", mailbox)

    @asynccontextmanager
    async def working(
        self, timeout: str = "1s", clock: Callable[[], datetime] | None = None, **route: str
    ) -> AsyncIterator[Worker]:
        loop = asyncio.get_running_loop()
        asked = Dns.model_validate({"servers": [self.dns.endpoint], "timeout": timeout})
        resolver = Resolver(asked, self.metrics, now_seconds=loop.time)
        exchanges = MailExchanges(
            resolver.look_up,
            "mx.desk.test",
            lambda: self.listening,
            shuffled=as_is,
            port=self.port,
            reaches_loopback=True,
        )
        settings = Settings.model_validate(
            {
                "hostname": "mx.desk.test",
                "postmaster": "jan",
                "members": {"jan": {"mailbox": "jan@example.com"}},
                "inboxes": {"support@desk.test": {"default": "jan"}},
                "delivery": [{"domain": "*", "mx": "true", **route}],
            }
        )
        paths = ReturnPaths("inbox", Addresses(), KeyRing.begun(b"k" * 32))
        line = lambda copy, reason, tried: None  # noqa: E731
        policy = Policy(settings.hostname, Routes(settings), settings.retry, paths, line, exchanges.hosts_of)
        timed = {"clock": clock} if clock else {}
        worker = Worker(self.queue, policy, self.metrics, timeouts=QUICK, contexts=self.contexts, **timed)
        try:
            async with at_work(worker):
                yield worker
        finally:
            await resolver.close()
            for hop in self._hosts:
                hop.stop()

    async def concluded(self, count: int = 1, **options: str) -> list[Conclusion]:
        async with self.working(**options):
            await self.queue.concluded(count)
        return [conclusion for _, conclusion in self.queue.conclusions]


@pytest.fixture
def site(dns: DnsServer) -> Site:
    return Site(dns)


async def test_a_copy_goes_to_the_preferred_host(site: Site) -> None:
    """Its history says which one took it, and what that said."""
    first, second = await site.host("a.far.test", "127.0.0.2"), await site.host("b.far.test", "127.0.0.3")
    site.dns.has("far.test", "MX", "20 b.far.test.", "10 a.far.test.")
    site.add()
    assert await site.concluded() == [
        Done("250 2.0.0 taken", host=f"a.far.test[127.0.0.2]:{site.port}", status="2.0.0")
    ]
    assert (len(first.taken), len(second.taken)) == (1, 0)
    assert first.taken[0].recipients == ["ewa@far.test"]


async def test_the_next_host_takes_what_the_first_cannot(site: Site) -> None:
    """One that is down, one that greets with 5xx, one that has no time: the third is asked in the same attempt."""
    await site.host("a.far.test", "127.0.0.2", is_up=False)
    await site.host("b.far.test", "127.0.0.3", answer=lambda step, _: "554 go away" if step == "greeting" else None)
    await site.host("c.far.test", "127.0.0.4", answer=lambda step, _: "421 4.3.2 busy" if step == "mail" else None)
    last = await site.host("d.far.test", "127.0.0.5")
    site.dns.has("far.test", "MX", *(f"{n}0 {name}.far.test." for n, name in enumerate("abcd")))
    site.add()
    assert isinstance((await site.concluded())[0], Done)
    assert len(last.taken) == 1


async def test_when_no_host_can_the_reason_names_them(site: Site) -> None:
    """And what each said; the destination rests as a whole."""
    await site.host("a.far.test", "127.0.0.2", is_up=False)
    await site.host("b.far.test", "127.0.0.3", answer=lambda step, _: "554 go away" if step == "greeting" else None)
    site.dns.has("far.test", "MX", "10 a.far.test.", "20 b.far.test.")
    site.add()
    (waits,) = await site.concluded()
    assert isinstance(waits, RetryAt)
    down, refused = waits.reason.split("; ")
    assert down.startswith(f"cannot connect to a.far.test[127.0.0.2]:{site.port}: ")
    assert refused == f"b.far.test[127.0.0.3]:{site.port}: next hop refused the connection: 554 go away"


async def test_a_refused_mailbox_is_asked_for_at_one_host_alone(site: Site) -> None:
    """The others would say the same; who is next in line is a matter of the desk."""
    first = await site.host("a.far.test", "127.0.0.2", answer=lambda step, _: "550 no" if step == "rcpt" else None)
    second = await site.host("b.far.test", "127.0.0.3")
    site.dns.has("far.test", "MX", "10 a.far.test.", "20 b.far.test.")
    site.add()
    (refused,) = await site.concluded()
    assert isinstance(refused, Reroute)
    assert refused.reason == f"a.far.test[127.0.0.2]:{site.port}: next hop refused the recipient: 550 no"
    assert (first.connections, second.connections) == (1, 0)


async def test_connections_are_kept_for_a_domain(site: Site) -> None:
    """The second copy goes out on the first one's connection, and asks DNS nothing."""
    hop = await site.host("a.far.test", "127.0.0.2")
    site.dns.has("far.test", "MX", "10 a.far.test.")
    site.add()
    async with site.working() as worker:
        await hop.took(1)
        await site.queue.concluded(1)
        asked = len(site.dns.asked)
        site.add()
        worker.look_now()
        await hop.took(2)
        await site.queue.concluded(2)
    assert hop.connections == 1
    assert len(site.dns.asked) == asked


async def test_of_too_many_domains_the_one_asked_for_longest_ago_keeps_no_connection(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "MAX_NEXT_HOPS", 2)
    hops = [await site.host(f"{number}.test", f"127.0.0.{number}") for number in range(2, 5)]
    async with site.working() as worker:
        for number, hop in enumerate(hops, 2):
            site.add(f"ewa@{number}.test")
            worker.look_now()
            await hop.took(1)
            await site.queue.concluded(number - 1)
        async with asyncio.timeout(60):
            while hops[0].open_now:
                await asyncio.sleep(0.01)
        assert [hop.open_now for hop in hops] == [0, 1, 1]


async def test_a_host_of_ipv6_alone(site: Site) -> None:
    hop = await site.host("six.far.test", "::1")
    site.dns.has("far.test", "MX", "10 six.far.test.")
    site.add()
    assert await site.concluded() == [Done("250 2.0.0 taken", host=f"six.far.test[::1]:{site.port}", status="2.0.0")]
    assert len(hop.taken) == 1


async def test_an_alias_is_followed(site: Site) -> None:
    """A domain that is a CNAME has the MX of what it stands for; an MX that is one (against RFC 2181) works as well."""
    hop = await site.host("real.far.test", "127.0.0.2")
    site.dns.has("far.test", "CNAME", "other.test.")
    site.dns.has("other.test", "MX", "10 alias.far.test.")
    site.dns.has("alias.far.test", "CNAME", "real.far.test.")
    site.add()
    await site.concluded()
    assert len(hop.taken) == 1


async def test_a_mailbox_at_an_address_needs_no_dns(site: Site) -> None:
    hop = await site.host("a.far.test", "127.0.0.2")
    site.add("ewa@[127.0.0.2]")
    await site.concluded()
    assert hop.taken[0].recipients == ["ewa@[127.0.0.2]"]
    assert site.dns.asked == []


# What DNS says.


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ({}, "there is no domain far.test in DNS (NXDOMAIN)"),
        ({"TXT": "hello"}, "far.test has neither MX nor address in DNS"),
        ({"MX": "0 ."}, "far.test takes no mail: DNS says so by a null MX"),
        ({"MX": "10 nowhere.test."}, "no MX of far.test has an address in DNS: nowhere.test"),
    ],
)
async def test_who_has_no_host_hands_over_to_the_next_in_line(site: Site, records: dict[str, str], reason: str) -> None:
    for kind, value in records.items():
        site.dns.has("far.test", kind, value)
    site.add()
    (refused,) = await site.concluded()
    assert isinstance(refused, Reroute)
    assert refused.reason == reason
    assert site.metrics.deliveries.labels("mx", "failed")._value.get() == 1


async def test_what_leads_back_to_us_is_held(site: Site) -> None:
    """With what to do about it; nobody is connected to."""
    hop = await site.host("a.far.test", "127.0.0.2")
    site.listening = [("127.0.0.2", site.port)]
    site.dns.has("far.test", "MX", "10 a.far.test.")
    site.add()
    (held,) = await site.concluded()
    assert isinstance(held, Hold)
    assert held.reason.startswith(
        "a.far.test, the MX of far.test, is this host, so copies would come back (a loop); name the "
    )
    assert hop.connections == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault.SERVFAIL,
        Fault.REFUSED,
        Fault.SILENT,
        Fault.GARBAGE,
        Fault.CNAME_LOOP,
        Fault.TRUNCATED_AND_SILENT,
        Fault.REFERRAL,
        Fault.HALF_AN_ALIAS,
    ],
)
@pytest.mark.parametrize("name", ["far.test", "a.far.test"])
async def test_trouble_of_dns_makes_a_copy_wait(site: Site, fault: Fault, name: str) -> None:
    """Of the MX, or of its addresses; the reason says what was asked, and what came."""
    site.dns.has("far.test", "MX", "10 a.far.test.")
    site.dns.fails(name, fault)
    site.add()
    (waits,) = await site.concluded()
    assert isinstance(waits, RetryAt)
    what = "the MX of far.test" if name == "far.test" else "the address of a.far.test, an MX of far.test"
    assert waits.reason.startswith(f"cannot look up {what}: ")


async def test_a_domain_in_trouble_delays_no_other(site: Site) -> None:
    """Each domain is a destination: what waits for the one does not stand before the other."""
    hop = await site.host("a.near.test", "127.0.0.2")
    site.dns.has("near.test", "MX", "10 a.near.test.")
    site.dns.fails("far.test", Fault.SILENT)
    for _ in range(100):
        site.add()
    site.add("ewa@near.test")
    async with site.working(timeout="2s"):
        await hop.took(1)
    assert site.queue.states()[101] is CopyState.DELIVERED
    assert CopyState.DELIVERED not in list(site.queue.states().values())[:100]


def test_a_resolver_that_is_down_for_an_hour_bounces_nothing() -> None:
    """Copies of many domains wait, whatever they would meet; when it is back they go out, each once."""
    with DnsServer() as dns:
        simulated_time.run(_an_hour_without_dns(dns))


async def _an_hour_without_dns(dns: DnsServer) -> None:
    site = Site(dns)
    loop = asyncio.get_running_loop()
    began, start = loop.time(), datetime.now(UTC)
    hop = await site.host("a.far.test", "127.0.0.2")
    for number in range(20):
        dns.has(f"{number}.test", "MX", "10 a.far.test.")
        site.add(f"ewa@{number}.test")
    dns.fails("*", Fault.SERVFAIL)
    async with site.working(clock=lambda: start + timedelta(seconds=loop.time() - began)):
        while loop.time() - began < 3600:
            await asyncio.sleep(60)
        assert set(site.queue.states().values()) == {CopyState.QUEUED}
        assert all(isinstance(conclusion, RetryAt) for _, conclusion in site.queue.conclusions)
        assert len(site.queue.conclusions) >= 60
        dns.fails("*", None)
        while CopyState.QUEUED in site.queue.states().values():
            await asyncio.sleep(60)
    assert set(site.queue.states().values()) == {CopyState.DELIVERED}
    assert sorted(taken.recipients[0] for taken in hop.taken) == sorted(f"ewa@{number}.test" for number in range(20))


# TLS, and what not every host can.


@pytest.fixture
def site_with_tls(site: Site, tmp_path: Path) -> Site:
    """`a.far.test` has a certificate of that name, which we trust."""
    pem, key = make_certificate(tmp_path, "a.far.test")
    site.contexts = TlsContexts(ssl.create_default_context(cafile=str(pem)), TlsContexts.of_system().opportunistic)
    site.certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    site.certificate.load_cert_chain(pem, key)
    return site


async def test_required_tls_wants_the_name_of_the_mx(site_with_tls: Site) -> None:
    """Not its address's, nor the domain's: the name in the MX record."""
    site = site_with_tls
    tls = {"extensions": ("STARTTLS",), "context": site.certificate}
    hop = await site.host("a.far.test", "127.0.0.2", **tls)
    other = await site.host("b.far.test", "127.0.0.3", **tls)
    site.dns.has("far.test", "MX", "10 b.far.test.", "20 a.far.test.")
    site.dns.has("near.test", "MX", "10 b.far.test.")
    site.add()
    site.add("ewa@near.test")
    async with site.working(tls="required"):
        await site.queue.concluded(2)
    conclusions = dict(site.queue.conclusions)
    assert isinstance(conclusions[1], Done)
    assert conclusions[1].host.startswith("a.far.test[127.0.0.2]:")
    assert [taken.inside_tls for taken in hop.taken] == [True]
    waits = conclusions[2]
    assert isinstance(waits, RetryAt)
    assert waits.reason.startswith(f"b.far.test[127.0.0.3]:{site.port}: TLS handshake failed: ")
    assert "b.far.test" in waits.reason.partition("failed: ")[2]
    assert other.taken == []


async def test_by_default_tls_is_taken_where_it_is_offered(site_with_tls: Site) -> None:
    """Whatever name the certificate has."""
    site = site_with_tls
    hop = await site.host("b.far.test", "127.0.0.3", extensions=("STARTTLS",), context=site.certificate)
    plain = await site.host("c.far.test", "127.0.0.4")
    site.dns.has("far.test", "MX", "10 b.far.test.")
    site.dns.has("near.test", "MX", "10 c.far.test.")
    site.add()
    site.add("ewa@near.test")
    await site.concluded(2)
    assert [taken.inside_tls for taken in hop.taken] == [True]
    assert [taken.inside_tls for taken in plain.taken] == [False]


async def test_an_address_beyond_ascii_finds_the_host_that_takes_it(site: Site) -> None:
    """SMTPUTF8 is offered by the second host alone."""
    first = await site.host("a.far.test", "127.0.0.2")
    second = await site.host("b.far.test", "127.0.0.3", extensions=UTF8)
    site.dns.has("far.test", "MX", "10 a.far.test.", "20 b.far.test.")
    site.add("żaba@far.test")
    assert isinstance((await site.concluded())[0], Done)
    assert (len(first.taken), len(second.taken)) == (0, 1)


async def test_an_address_beyond_ascii_that_no_host_takes_is_held(site: Site) -> None:
    for name, address in (("a.far.test", "127.0.0.2"), ("b.far.test", "127.0.0.3")):
        await site.host(name, address)
    site.dns.has("far.test", "MX", "10 a.far.test.", "20 b.far.test.")
    site.add("żaba@far.test")
    (held,) = await site.concluded()
    assert isinstance(held, Hold)
    assert held.reason.count("an address is not ASCII, and the next hop does not offer SMTPUTF8") == 2


async def test_an_address_beyond_ascii_waits_for_a_host_that_may_take_it(site: Site) -> None:
    """One is down: nobody knows what it offers."""
    await site.host("a.far.test", "127.0.0.2")
    await site.host("b.far.test", "127.0.0.3", is_up=False)
    site.dns.has("far.test", "MX", "10 a.far.test.", "20 b.far.test.")
    site.add("żaba@far.test")
    assert isinstance((await site.concluded())[0], RetryAt)


async def test_a_copy_that_is_too_large_for_one_host_goes_to_another(site: Site) -> None:
    """Its size is compared with what each host says that it takes, before a byte of it is sent."""
    first = await site.host("a.far.test", "127.0.0.2", extensions=("SIZE 10",))
    second = await site.host("b.far.test", "127.0.0.3", extensions=("SIZE 0",))
    site.dns.has("far.test", "MX", "10 a.far.test.", "20 b.far.test.")
    site.add()
    assert isinstance((await site.concluded())[0], Done)
    assert (len(first.taken), len(second.taken)) == (0, 1)
    assert not any(command.startswith("MAIL") for command in first.commands)


async def test_a_copy_that_is_too_large_for_every_host_is_held(site: Site) -> None:
    hop = await site.host("a.far.test", "127.0.0.2", extensions=("SIZE 10",))
    site.dns.has("far.test", "MX", "10 a.far.test.")
    site.add()
    (held,) = await site.concluded()
    assert isinstance(held, Hold)
    assert "takes messages of 10 bytes at most" in held.reason
    assert not any(command.startswith("MAIL") for command in hop.commands)
