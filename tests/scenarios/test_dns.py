"""The resolver against a server that says what a test tells it to, right or wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from peers.dns_server import DnsServer, Fault

from routerd.auth.dns_answers import Absent, RecordKind, Records, Stranger, Trouble
from routerd.config.settings import Dns
from routerd.ops import dns as ops_dns
from routerd.ops import dns_servers
from routerd.ops.dns import Resolver
from routerd.ops.dns_servers import DnsServers
from routerd.ops.metrics import Metrics

A, PTR = RecordKind.A, RecordKind.PTR
NO_SERVER = Trouble("no DNS server is known: neither dns.servers nor /etc/resolv.conf names one")
NOBODY = "127.0.0.1:1"  # nothing listens there


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


def dns_settings(*servers: str, timeout: str = "4s") -> Dns:
    return Dns.model_validate({"servers": list(servers), "timeout": timeout})


@pytest.fixture
async def resolver(server: DnsServer, clock: Clock) -> AsyncIterator[Resolver]:
    resolver = Resolver(dns_settings(server.endpoint), Metrics(), now_seconds=clock)
    yield resolver
    await resolver.close()


async def by(*servers: str, name: str = "a.test") -> Records | Absent | Trouble:
    resolver = Resolver(dns_settings(*servers), Metrics())
    answer = await resolver.look_up(name, A)
    await resolver.close()
    return answer


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("A", "192.0.2.1", "192.0.2.1"),
        ("AAAA", "2001:DB8:0::1", "2001:db8::1"),
        ("PTR", "Mail.Klient.PL.", "mail.klient.pl"),
        ("MX", "10 MX.klient.pl.", "10 mx.klient.pl"),
        ("TXT", '"v=spf1 " "-all"', "v=spf1 -all"),
    ],
)
async def test_each_kind_has_its_form(
    server: DnsServer, resolver: Resolver, kind: str, written: str, value: str
) -> None:
    server.has("it.test", kind, written, ttl=120)
    assert await resolver.look_up("IT.test.", RecordKind(kind)) == Records((value,), 120)


async def test_a_cname_is_followed(server: DnsServer, resolver: Resolver) -> None:
    """The answer holds no longer than the link to it."""
    server.has("a.test", "CNAME", "b.test.", ttl=20)
    server.has("b.test", "A", "192.0.2.1", "192.0.2.2")
    answer = await resolver.look_up("a.test", A)
    assert isinstance(answer, Records)
    assert (set(answer.values), answer.seconds) == ({"192.0.2.1", "192.0.2.2"}, 20)


async def test_absence_says_which(server: DnsServer, resolver: Resolver) -> None:
    """No such name, or nothing of that kind there; both for as long as the SOA says."""
    server.has("a.test", "AAAA", "2001:db8::1")
    assert await resolver.look_up("a.test", A) == Absent(is_nxdomain=False, seconds=60)
    assert await resolver.look_up("b.test", A) == Absent(is_nxdomain=True, seconds=60)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.SERVFAIL, "the DNS server said SERVFAIL"),
        (Fault.REFUSED, "the DNS server said REFUSED"),
        (Fault.SILENT, "no answer in time"),
        (Fault.WRONG_ID, "no answer in time"),
        (Fault.WRONG_QUESTION, "no answer in time"),
        (Fault.GARBAGE, "no answer in time"),
        (Fault.NOT_A_RESPONSE, "no answer in time"),
        (Fault.TRUNCATED_AND_SILENT, "no answer in time"),
        (Fault.HUGE, "HERE sent no answer that can be read: ValueError"),
        (Fault.REFERRAL, "the DNS server names others instead of asking them"),
        (Fault.HALF_AN_ALIAS, "the DNS server names others instead of asking them"),
        (Fault.CNAME_LOOP, "the DNS server's answer is broken: ChainTooLong"),
    ],
)
async def test_whatever_a_server_does_is_a_value(
    server: DnsServer, resolver: Resolver, fault: Fault, reason: str
) -> None:
    """What may be somebody else's is passed over, as if nothing had come."""
    server.fails("a.test", fault)
    if reason == "no answer in time":
        resolver.adopt(dns_settings(server.endpoint, timeout="1s"))
    assert await resolver.look_up("a.test", A) == Trouble(reason.replace("HERE", server.endpoint))


async def test_what_is_truncated_is_asked_by_tcp(server: DnsServer, resolver: Resolver) -> None:
    server.has("a.test", "A", "192.0.2.1")
    server.fails("a.test", Fault.TRUNCATED)
    assert await resolver.look_up("a.test", A) == Records(("192.0.2.1",), 300)
    assert [transport for _, _, transport in server.asked] == ["udp", "tcp"]


async def test_of_a_long_answer_a_part_is_kept(server: DnsServer, resolver: Resolver) -> None:
    server.has("a.test", "A", *(f"192.0.2.{number}" for number in range(200)))
    server.fails("a.test", Fault.TRUNCATED)
    answer = await resolver.look_up("a.test", A)
    assert isinstance(answer, Records)
    assert len(answer.values) == ops_dns.MAX_VALUES


@pytest.mark.parametrize("name", ["a..test", "x" * 64 + ".test", ".".join(["x" * 60] * 5), "\udcff.test", "żółć\x00"])
async def test_what_no_domain_can_be_is_absent_unasked(server: DnsServer, resolver: Resolver, name: str) -> None:
    assert isinstance(await resolver.look_up(name, A), Absent)
    assert server.asked == []


@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.REFUSED, Fault.SILENT, Fault.GARBAGE])
async def test_the_next_server_is_asked(server: DnsServer, fault: Fault) -> None:
    server.has("a.test", "A", "192.0.2.1")
    with DnsServer() as bad:
        bad.fails("*", fault)
        assert await by(bad.endpoint, server.endpoint) == Records(("192.0.2.1",), 300)


async def test_a_server_that_is_not_there_costs_no_time(server: DnsServer) -> None:
    """The kernel says so, and the next is asked; where there is none, that is the trouble."""
    server.has("a.test", "A", "192.0.2.1")
    assert await by(NOBODY, server.endpoint) == Records(("192.0.2.1",), 300)
    answer = await by(NOBODY)
    assert answer == Trouble("127.0.0.1:1 cannot be reached: Connection refused")


async def test_what_is_wrong_with_this_machine_is_logged_once_in_a_while() -> None:
    """Not what anybody's zone does."""
    resolver = Resolver(dns_settings(NOBODY), Metrics())
    with structlog.testing.capture_logs() as logs:
        for name in ("a.test", "b.test"):
            await resolver.look_up(name, A)
    await resolver.close()
    assert [entry["event"] for entry in logs] == ["dns_unreachable"]


async def test_a_lost_question_is_asked_again(server: DnsServer) -> None:
    server.has("a.test", "A", "192.0.2.1")
    server.fails("a.test", Fault.SILENT)
    asking = asyncio.create_task(by(server.endpoint))
    while not server.asked:
        await asyncio.sleep(0)
    server.fails("a.test", None)
    assert await asking == Records(("192.0.2.1",), 300)


async def test_who_answered_last_is_asked_first(server: DnsServer) -> None:
    """A server that is down costs its time-out once."""
    with DnsServer() as bad:
        bad.fails("*", Fault.SERVFAIL)
        resolver = Resolver(dns_settings(bad.endpoint, server.endpoint), Metrics())
        for name in ("a.test", "b.test", "c.test"):
            await resolver.look_up(name, A)
        await resolver.close()
        assert len(bad.asked) == 1


async def test_ipv6_servers(clock: Clock) -> None:
    with DnsServer("::1") as server:
        server.has("a.test", "A", "192.0.2.1")
        assert await by(server.endpoint) == Records(("192.0.2.1",), 300)


async def test_an_answer_is_remembered_for_its_time(server: DnsServer, resolver: Resolver, clock: Clock) -> None:
    """By its TTL, at least 5 seconds and at most an hour; absence by the SOA, trouble for 5 seconds."""
    server.has("a.test", "A", "192.0.2.1", ttl=0)
    server.has("b.test", "A", "192.0.2.1", ttl=1_000_000)
    server.fails("d.test", Fault.SERVFAIL)

    async def ask_all() -> list[int]:
        for name in ("a.test", "b.test", "c.test", "d.test"):
            await resolver.look_up(name, A)
        return [server.count(name) for name in ("a.test", "b.test", "c.test", "d.test")]

    await ask_all()
    clock.seconds += 4.9
    assert await ask_all() == [1, 1, 1, 1]
    clock.seconds += 0.2
    assert await ask_all() == [2, 1, 1, 2]
    clock.seconds += 60
    assert await ask_all() == [3, 1, 2, 3]
    clock.seconds += 3600
    assert await ask_all() == [4, 2, 3, 4]


async def test_who_asks_the_same_at_once_shares_the_answer(server: DnsServer, resolver: Resolver) -> None:
    server.has("a.test", "A", "192.0.2.1")
    answers = await asyncio.gather(*(resolver.look_up("a.test", A) for _ in range(50)))
    assert set(answers) == {Records(("192.0.2.1",), 300)}
    assert server.count("a.test") == 1


async def test_an_answer_that_nobody_waits_for_is_kept(server: DnsServer, resolver: Resolver) -> None:
    """Who gives up does not spoil it for the next."""
    server.has("a.test", "A", "192.0.2.1")
    asking = asyncio.create_task(resolver.look_up("a.test", A))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await resolver.look_up("a.test", A) == Records(("192.0.2.1",), 300)
    assert server.count("a.test") == 1


async def test_questions_at_once_are_bounded(
    server: DnsServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One too many is told so at once; as soon as others are answered there is room."""
    monkeypatch.setattr(ops_dns, "MAX_QUESTIONS", 10)
    answers = await asyncio.gather(*(resolver.look_up(f"{number}.test", A) for number in range(11)))
    assert [isinstance(answer, Absent) for answer in answers] == [True] * 10 + [False]
    assert answers[10] == Trouble("too many questions at once")
    assert isinstance(await resolver.look_up("10.test", A), Absent)


async def test_silent_servers_of_strangers_keep_nobody_waiting(
    server: DnsServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever connects from many addresses with names that are never told holds up other such names, and no list."""
    monkeypatch.setattr(ops_dns, "MAX_QUESTIONS", 400)
    server.has("a.test", "A", "192.0.2.1")
    for number in range(300):
        server.fails(f"{number}.silent.test", Fault.SILENT)
    names = (f"{number}.silent.test" for number in range(300))
    silent = [asyncio.create_task(resolver.look_up(name, PTR, stranger=Stranger(name))) for name in names]
    while len(server.asked) < ops_dns.MAX_SOCKETS // 2:
        await asyncio.sleep(0.01)
    assert await resolver.look_up("a.test", A) == Records(("192.0.2.1",), 300)
    assert await resolver.look_up("b.test", PTR, stranger=Stranger("somebody")) == Trouble("too many questions at once")
    assert not any(task.done() for task in silent[: ops_dns.MAX_SOCKETS // 2])
    assert sum(task.done() for task in silent) == 100


async def test_one_stranger_keeps_no_other_waiting(server: DnsServer, resolver: Resolver) -> None:
    """However many silent names his mail bears: neither for sockets nor for a question that waits for his turn."""
    server.has("a.test", "A", "192.0.2.1")
    names = [f"{number}.silent.test" for number in range(2 * ops_dns.MAX_SOCKETS)]
    for name in names:
        server.fails(name, Fault.SILENT)
    silent = [
        asyncio.create_task(resolver.look_up(name, A, stranger=Stranger("192.0.2.9"))) for name in (*names, "a.test")
    ]
    while len(server.asked) < ops_dns.MAX_SOCKETS_OF_ONE:
        await asyncio.sleep(0.01)
    assert await resolver.look_up("a.test", A, stranger=Stranger("192.0.2.8")) == Records(("192.0.2.1",), 300)
    assert len(server.asked) == ops_dns.MAX_SOCKETS_OF_ONE + 1
    assert not any(task.done() for task in silent)


async def test_turns_come_round(server: DnsServer, resolver: Resolver) -> None:
    """Who asks more than he has turns for is answered in the end, also what somebody else was told meanwhile."""
    names = [f"{number}.test" for number in range(5 * ops_dns.MAX_SOCKETS_OF_ONE)]
    for name in names:
        server.has(name, "A", "192.0.2.1")
    asked = [
        asyncio.create_task(resolver.look_up(name, A, stranger=Stranger("192.0.2.9"))) for name in (*names, *names)
    ]
    others = [asyncio.create_task(resolver.look_up(name, A)) for name in names]
    assert {*await asyncio.gather(*asked, *others)} == {Records(("192.0.2.1",), 300)}
    assert len(server.asked) == len(names)
    given_up = asyncio.create_task(resolver.look_up("x.test", A, stranger=Stranger("192.0.2.9")))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert isinstance(await resolver.look_up("x.test", A, stranger=Stranger("192.0.2.9")), Absent)


async def test_a_stranger_who_went_without_is_known(server: DnsServer, resolver: Resolver) -> None:
    """Also where the time of who asked was over before; not where a server of his own was silent."""
    names = [f"{number}.silent.test" for number in range(ops_dns.MAX_SOCKETS_OF_ONE)]
    for name in names:
        server.fails(name, Fault.SILENT)
    first, second, other = (Stranger(key) for key in ("192.0.2.9", "192.0.2.9", "192.0.2.8"))
    silent = [asyncio.create_task(resolver.look_up(name, A, stranger=first)) for name in names]
    while len(server.asked) < len(names):
        await asyncio.sleep(0.01)
    given_up = asyncio.create_task(resolver.look_up("a.test", A, stranger=second))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    await resolver.look_up("a.test", A, stranger=other)
    await asyncio.gather(*silent)
    assert [one.went_without for one in (first, second, other)] == [False, True, False]


async def test_closing_tells_who_waits(server: DnsServer) -> None:
    server.fails("*", Fault.SILENT)
    resolver = Resolver(dns_settings(server.endpoint, timeout="60s"), Metrics())
    waiting = [asyncio.create_task(resolver.look_up(name, A)) for name in ("a.test", "a.test", "b.test")]
    while len(server.asked) < 2:
        await asyncio.sleep(0)
    await resolver.close()
    assert await asyncio.gather(*waiting) == [Trouble("shutting down")] * 3
    assert await resolver.look_up("c.test", A) == Trouble("shutting down")


async def test_other_servers_are_asked_anew(server: DnsServer, resolver: Resolver) -> None:
    """A reload with other servers forgets what those before said; with the same it does not."""
    server.has("a.test", "A", "192.0.2.1")
    with DnsServer() as other:
        other.has("a.test", "A", "192.0.2.2")
        await resolver.look_up("a.test", A)
        resolver.adopt(dns_settings(server.endpoint, timeout="2s"))
        assert await resolver.look_up("a.test", A) == Records(("192.0.2.1",), 300)
        resolver.adopt(dns_settings(other.endpoint))
        assert await resolver.look_up("a.test", A) == Records(("192.0.2.2",), 300)
    assert server.count("a.test") == 1


async def test_servers_are_those_of_the_file_as_it_is_now(
    server: DnsServer, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at again every few seconds; what cannot be read any more names no server."""
    monkeypatch.setattr(dns_servers, "PORT", server.port)
    server.has("a.test", "A", "192.0.2.1")
    file = tmp_path / "resolv.conf"
    servers = DnsServers(now_seconds=clock, resolv_conf=file)
    resolver = Resolver(dns_settings(), Metrics(), now_seconds=clock, servers=servers)
    assert await resolver.look_up("a.test", A) == NO_SERVER
    file.write_text("# written by hand\nsearch test\nnameserver 127.0.0.1\noptions rotate\n")
    clock.seconds += 5
    assert await resolver.look_up("a.test", A) == Records(("192.0.2.1",), 300)
    file.unlink()
    clock.seconds += 5
    assert await resolver.look_up("b.test", A) == NO_SERVER
    await resolver.close()


async def test_without_servers_there_is_trouble(tmp_path: Path) -> None:
    """No file, an empty one, or one that is a folder: never an exception."""
    for made in (lambda path: None, lambda path: path.write_text("search example.com\n"), Path.mkdir):
        path = tmp_path / f"resolv-{id(made)}.conf"
        made(path)
        resolver = Resolver(dns_settings(), Metrics(), servers=DnsServers(resolv_conf=path))
        assert await resolver.look_up("a.test", A) == NO_SERVER
        await resolver.close()


async def test_what_was_asked_is_counted(server: DnsServer) -> None:
    """Answers from memory are not; labels are the kind and what came of it."""
    metrics = Metrics()
    resolver = Resolver(dns_settings(server.endpoint), metrics)
    server.has("a.test", "A", "192.0.2.1")
    server.fails("c.test", Fault.SERVFAIL)
    for name in ("a.test", "a.test", "b.test", "c.test"):
        await resolver.look_up(name, A)
    await resolver.close()
    told = metrics.exposition().decode()
    for result in ("found", "absent", "trouble"):
        assert f'routerd_dns_questions_total{{kind="A",result="{result}"}} 1.0' in told
