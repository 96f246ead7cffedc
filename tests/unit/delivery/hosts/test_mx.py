"""Which hosts take the mail of a domain, by what DNS says of it."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.auth.dns_answers import Absent, Answer, RecordKind, Records, Trouble
from routerd.delivery.aftermath.retry import is_refused_mailbox
from routerd.delivery.hosts.host import TcpHost
from routerd.delivery.hosts.mail_exchanges import MailExchanges, without_dns
from routerd.delivery.hosts.mx import (
    MAX_ADDRESSES,
    MAX_HOSTS,
    MAX_TRIES,
    Addresses,
    Exchanges,
    addresses_of,
    exchanges_of,
    hosts_of,
)
from routerd.delivery.outcome import Deferred, Failed, Stage

NXDOMAIN, NOTHING = Absent(is_nxdomain=True, seconds=60), Absent(is_nxdomain=False, seconds=60)
SERVFAIL = Trouble("the DNS server said SERVFAIL")
SILENCE = Trouble("no answer in time")


def as_is(things: Any) -> list[Any]:
    """No chance: the order of the answer."""
    return list(things)


def turned(things: Any) -> list[Any]:
    return list(reversed(things))


def records(*values: str) -> Records:
    return Records(values, 300)


class Zones:
    """Answers by name and kind; what is not there is NXDOMAIN."""

    def __init__(self, **zones: Answer) -> None:
        self.answers: dict[tuple[str, str], Answer] = {}
        self.asked: list[tuple[str, str]] = []

    def has(self, name: str, **answers: Answer | str) -> "Zones":
        for kind in ("MX", "A", "AAAA"):
            answer = answers.get(kind, NOTHING)
            self.answers[name, kind] = records(*answer.split(", ")) if isinstance(answer, str) else answer
        return self

    async def look_up(self, name: str, kind: RecordKind) -> Answer:
        self.asked.append((name, str(kind)))
        return self.answers.get((name, str(kind)), NXDOMAIN)


async def found(
    zones: Zones,
    domain: str = "far.test",
    listening: tuple[tuple[str, int], ...] = (),
    shuffled: Any = as_is,
    **more: bool,
) -> Any:
    exchanges = MailExchanges(zones.look_up, "MX1.desk.test.", lambda: listening, shuffled=shuffled, **more)
    return await exchanges.hosts_of(domain)


def shown(hosts: Any) -> list[str]:
    assert isinstance(hosts, tuple), hosts
    return [str(host) for host in hosts]


async def test_the_preferred_host_comes_first_and_families_take_turns() -> None:
    """Both families of one host, before the next host."""
    zones = Zones().has("far.test", MX="20 b.far.test, 10 a.far.test")
    zones.has("a.far.test", A="192.0.2.1, 192.0.2.2", AAAA="2001:db8::1")
    zones.has("b.far.test", A="192.0.2.9")
    assert shown(await found(zones)) == [
        "a.far.test[192.0.2.1]:25",
        "a.far.test[2001:db8::1]:25",
        "a.far.test[192.0.2.2]:25",
        "b.far.test[192.0.2.9]:25",
    ]


async def test_chance_orders_equals_and_only_those() -> None:
    """Hosts of one preference, and the addresses of one host: RFC 5321 5.1 spreads the load."""
    zones = Zones().has("far.test", MX="10 a.far.test, 10 b.far.test, 5 c.far.test")
    zones.has("a.far.test", A="192.0.2.1, 192.0.2.2").has("b.far.test", A="192.0.2.3").has("c.far.test", A="192.0.2.4")
    ends = [host.address[-1] for host in await found(zones)]
    assert ends == ["4", "1", "2", "3"]
    ends = [host.address[-1] for host in await found(zones, shuffled=turned)]
    assert ends == ["4", "3", "2", "1"]


async def test_without_mx_the_domain_itself_takes_its_mail() -> None:
    zones = Zones().has("far.test", A="192.0.2.1", AAAA="2001:db8::1")
    assert shown(await found(zones)) == ["far.test[192.0.2.1]:25", "far.test[2001:db8::1]:25"]


@pytest.mark.parametrize("kind", ["A", "AAAA"])
async def test_a_host_of_one_family_alone(kind: str) -> None:
    """The other family has nothing, or is in trouble: neither is in the way."""
    address = {"A": "192.0.2.1", "AAAA": "2001:db8::1"}[kind]
    other = {"A": "AAAA", "AAAA": "A"}[kind]
    for answer in (NOTHING, NXDOMAIN, SERVFAIL):
        zones = Zones().has("far.test", MX="10 a.far.test")
        zones.has("a.far.test", **{kind: address, other: answer})
        assert shown(await found(zones)) == [f"a.far.test[{address}]:25"]


async def test_a_null_mx_takes_no_mail() -> None:
    """RFC 7505: known at once, for good; the domain's addresses are not asked for."""
    zones = Zones().has("far.test", MX="0 .", A="192.0.2.1")
    outcome = await found(zones)
    assert outcome == Failed("far.test takes no mail: DNS says so by a null MX", Stage.DNS, status="5.1.10")
    assert zones.asked == [("far.test", "MX")]
    assert is_refused_mailbox(outcome)


async def test_a_null_mx_beside_others_means_nothing() -> None:
    zones = Zones().has("far.test", MX="0 ., 10 a.far.test").has("a.far.test", A="192.0.2.1")
    assert shown(await found(zones)) == ["a.far.test[192.0.2.1]:25"]


@pytest.mark.parametrize(
    ("zones", "reason"),
    [
        (Zones(), "there is no domain far.test in DNS (NXDOMAIN)"),
        (Zones().has("far.test"), "far.test has neither MX nor address in DNS"),
        (
            Zones().has("far.test", MX="10 a.far.test, 20 b.far.test", A="192.0.2.1").has("b.far.test"),
            "no MX of far.test has an address in DNS: a.far.test, b.far.test",
        ),
        (
            Zones().has("far.test", MX=", ".join(f"{n} {n}.test" for n in range(5))),
            "no MX of far.test has an address in DNS: 0.test, 1.test, 2.test and 2 more",
        ),
    ],
)
async def test_a_domain_that_surely_has_no_host_fails(zones: Zones, reason: str) -> None:
    """For good, and the next in line gets the copy; where there are MX the domain's own address is none of them."""
    outcome = await found(zones)
    assert outcome == Failed(reason, Stage.DNS, status="5.1.2")
    assert is_refused_mailbox(outcome)


@pytest.mark.parametrize("trouble", [SERVFAIL, SILENCE])
@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        ({"far.test": {"MX": 0, "A": "192.0.2.1"}}, "cannot look up the MX of far.test: "),
        ({"far.test": {"A": 0}}, "cannot look up the address of far.test: "),
        ({"far.test": {"AAAA": 0}}, "cannot look up the address of far.test: "),
        (
            {"far.test": {"MX": "10 a.far.test, 20 b.far.test"}, "b.far.test": {"A": 0}},
            "cannot look up the address of b.far.test, an MX of far.test: ",
        ),
    ],
)
async def test_trouble_of_dns_is_never_permanent(trouble: Trouble, kinds: Any, reason: str) -> None:
    """Whatever else is known: while one answer is open, the mailbox may have a host."""
    zones = Zones()
    for name, answers in kinds.items():
        zones.has(name, **{kind: answer or trouble for kind, answer in answers.items()})
    outcome = await found(zones)
    assert outcome == Deferred(reason + trouble.reason, Stage.DNS)
    assert outcome.of_connection
    assert not outcome.of_mailbox


async def test_a_host_in_trouble_is_passed_over_for_one_that_is_known() -> None:
    zones = Zones().has("far.test", MX="10 a.far.test, 20 b.far.test")
    zones.has("a.far.test", A=SERVFAIL, AAAA=SERVFAIL).has("b.far.test", A="192.0.2.9")
    assert shown(await found(zones)) == ["b.far.test[192.0.2.9]:25"]


async def test_a_host_twice_counts_at_its_best() -> None:
    zones = Zones().has("far.test", MX="30 a.far.test, 20 b.far.test, 10 a.far.test")
    zones.has("a.far.test", A="192.0.2.1").has("b.far.test", A="192.0.2.2")
    assert [host.host for host in await found(zones)] == ["a.far.test", "b.far.test"]


# Ourselves.


@pytest.mark.parametrize(
    ("mx", "left"),
    [
        ("10 a.far.test, 20 mx1.desk.test, 30 b.far.test", ["a.far.test"]),
        ("10 a.far.test, 20 mx1.desk.test, 20 b.far.test", ["a.far.test"]),
        ("10 a.far.test, 20 b.far.test, 30 mx1.desk.test", ["a.far.test", "b.far.test"]),
    ],
)
async def test_mail_goes_only_to_what_is_preferred_to_ourselves(mx: str, left: list[str]) -> None:
    """RFC 5321 5.1: neither to our equals nor behind us, or two that are each other's backup play ball."""
    zones = Zones().has("far.test", MX=mx)
    for number, name in enumerate(("a.far.test", "b.far.test", "mx1.desk.test")):
        zones.has(name, A=f"192.0.2.{number}")
    assert [host.host for host in await found(zones)] == left
    by_address = Zones().has("far.test", MX=mx.replace("mx1.desk.test", "alias.test"))
    for number, name in enumerate(("a.far.test", "b.far.test", "alias.test")):
        by_address.has(name, A=f"192.0.2.{number}")
    assert [host.host for host in await found(by_address, listening=(("192.0.2.2", 25),))] == left


LOOP = "is this host, so copies would come back (a loop); name the server of its mailboxes under 'delivery'"


@pytest.mark.parametrize(
    ("domain", "zones", "listening", "reason"),
    [
        ("far.test", Zones().has("far.test", MX="10 mx1.desk.test"), (), f"mx1.desk.test, the MX of far.test, {LOOP}"),
        ("mx1.desk.test", Zones().has("mx1.desk.test", A="192.0.2.1"), (), f"mx1.desk.test {LOOP}"),
        ("far.test", Zones().has("far.test", A="192.0.2.1"), (("192.0.2.1", 25),), f"far.test {LOOP}"),
        ("far.test", Zones().has("far.test", AAAA="2001:db8::1"), (("2001:db8::1", 25),), f"far.test {LOOP}"),
        ("far.test", Zones().has("far.test", AAAA="::ffff:192.0.2.1"), (("192.0.2.1", 25),), f"far.test {LOOP}"),
        ("[192.0.2.1]", Zones(), (("192.0.2.1", 25),), f"[192.0.2.1] {LOOP}"),
    ],
)
async def test_a_domain_that_leads_back_to_us_is_a_loop(domain: str, zones: Zones, listening: Any, reason: str) -> None:
    """By our name, or by an address that we listen on: held."""
    outcome = await found(zones, domain, listening)
    assert outcome == Failed(reason, Stage.DNS, status="5.4.6")
    assert not is_refused_mailbox(outcome)


@pytest.mark.parametrize("listening", [("203.0.113.1", 10025), ("203.0.113.2", 25), ("0.0.0.0", 25), ("/run/lmtp", 0)])
async def test_another_server_is_not_ourselves(listening: tuple[str, int]) -> None:
    """One on this machine at another port or address; one elsewhere, though we listen on all addresses of ours."""
    zones = Zones().has("far.test", A="203.0.113.1")
    assert shown(await found(zones, listening=(listening,))) == ["far.test[203.0.113.1]:25"]


async def test_listening_on_all_of_ipv4_is_not_listening_on_ipv6() -> None:
    """[::] may take IPv4, as the machine is set; 0.0.0.0 never takes IPv6. All addresses of this machine are ours."""
    zones = Zones().has("far.test", AAAA="::1").has("near.test", A="127.0.0.1")
    hosts = await found(zones, listening=(("0.0.0.0", 25),), reaches_loopback=True)
    assert shown(hosts) == ["far.test[::1]:25"]
    for domain, address in (("far.test", "::"), ("near.test", "::"), ("near.test", "0.0.0.0")):
        outcome = await found(zones, domain, listening=((address, 25),), reaches_loopback=True)
        assert outcome == Failed(f"{domain} {LOOP}", Stage.DNS, status="5.4.6")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "a loopback address"),
        ("127.9.9.9", "a loopback address"),
        ("::1", "a loopback address"),
        ("::ffff:127.0.0.1", "a loopback address"),
        ("0.0.0.0", "an unspecified address"),
        ("0.1.2.3", "an unspecified address"),
        ("::", "an unspecified address"),
        ("224.0.0.1", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("255.255.255.255", "the broadcast address"),
    ],
)
async def test_where_no_mail_can_be_sent_nobody_is_connected_to(address: str, kind: str) -> None:
    """It is as if the host had no address, and the reason says what it has, whether we listen there or not."""
    name = "AAAA" if ":" in address else "A"
    here = (("0.0.0.0", 25), ("127.0.0.1", 25), ("::", 25))
    zones = Zones().has("far.test", MX="10 a.far.test").has("a.far.test", **{name: address})
    why = f"no MX of far.test has an address in DNS that mail can be sent to: a.far.test ({address} is {kind})"
    outcome = await found(zones, listening=here)
    assert outcome == Failed(why, Stage.DNS, status="5.1.2")
    assert is_refused_mailbox(outcome)
    zones.has("far.test", **{name: address})
    why = f"far.test has no address in DNS that mail can be sent to ({address} is {kind})"
    assert await found(zones, listening=here) == Failed(why, Stage.DNS, status="5.1.2")
    literal = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    assert "where no mail can be sent" in (await found(zones, literal, listening=here)).reason
    zones.has("far.test", MX="10 a.far.test, 20 b.far.test").has("b.far.test", A="10.0.0.1, 192.0.2.1")
    assert shown(await found(zones, listening=here)) == ["b.far.test[10.0.0.1]:25", "b.far.test[192.0.2.1]:25"]


async def test_what_dns_did_not_say_may_be_an_address_to_which_mail_can_be_sent() -> None:
    zones = Zones().has("far.test", A="127.0.0.1", AAAA=SERVFAIL)
    assert isinstance(await found(zones), Deferred)


# Caps.


async def test_of_a_hundred_mx_only_the_preferred_are_asked_for() -> None:
    """And of their addresses only so many are tried."""
    zones = Zones().has("far.test", MX=", ".join(f"{n} {n}.far.test" for n in reversed(range(100))))
    for number in range(100):
        zones.has(f"{number}.far.test", A=f"192.0.2.{number}")
    hosts = await found(zones)
    assert [host.host for host in hosts] == [f"{number}.far.test" for number in range(MAX_TRIES)]
    assert {name for name, kind in zones.asked if kind == "A"} == {f"{number}.far.test" for number in range(MAX_HOSTS)}


async def test_a_host_with_many_addresses_leaves_room_for_the_next() -> None:
    """Each host has its turn before any has a second one."""
    zones = Zones().has("far.test", MX="10 a.far.test, 20 b.far.test, 30 c.far.test, 40 d.far.test")
    many = ", ".join(f"192.0.2.{n}" for n in range(100))
    zones.has("a.far.test", A=many, AAAA="2001:db8::1, 2001:db8::2")
    zones.has("b.far.test", A="198.51.100.1").has("c.far.test", A=many).has("d.far.test", A=many)
    hosts = await found(zones)
    assert len(hosts) == MAX_TRIES
    assert [host.address for host in hosts if host.host == "a.far.test"] == ["192.0.2.0", "2001:db8::1", "192.0.2.1"]
    assert Counter(host.host[0] for host in hosts) == {"a": 3, "b": 1, "c": 3, "d": 3}
    alone = Zones().has("far.test", A=many)
    assert len(await found(alone)) == MAX_ADDRESSES


async def test_hosts_that_were_not_asked_for_may_have_addresses() -> None:
    """Ten of a hundred have none: that is not for good, chance asks for others the next time."""
    zones = Zones().has("far.test", MX=", ".join(f"10 {n}.far.test" for n in range(100)))
    outcome = await found(zones)
    assert isinstance(outcome, Deferred)
    assert outcome.reason.startswith("no MX of far.test has an address in DNS: 0.far.test, ")


# Address literals.


@pytest.mark.parametrize(
    ("domain", "host"),
    [
        ("[192.0.2.1]", TcpHost("192.0.2.1", 25, "192.0.2.1")),
        ("[IPv6:2001:db8::1]", TcpHost("2001:db8::1", 25, "2001:db8::1")),
        ("[ipv6:2001:DB8:0::1]", TcpHost("2001:db8::1", 25, "2001:db8::1")),
    ],
)
async def test_an_address_literal_is_its_host(domain: str, host: TcpHost) -> None:
    """DNS is not asked."""
    zones = Zones()
    assert await found(zones, domain) == (host,)
    assert zones.asked == []


async def test_what_is_no_literal_fails() -> None:
    outcome = await found(Zones(), "[x400:c=no]")
    assert outcome == Failed("[x400:c=no] is no address literal", Stage.DNS, status="5.1.2")


def test_hosts_say_name_and_address() -> None:
    assert str(TcpHost("a.test", 25, "2001:db8::1")) == "a.test[2001:db8::1]:25"
    assert str(TcpHost("2001:db8::1", 25, "2001:db8::1")) == "[2001:db8::1]:25"
    assert str(TcpHost("192.0.2.1", 25, "192.0.2.1")) == "192.0.2.1:25"


async def test_without_dns_everything_waits() -> None:
    assert isinstance(await without_dns("far.test"), Deferred)


# Whatever DNS says.

ANSWERS = st.sampled_from([NXDOMAIN, NOTHING, SERVFAIL])
FOUR = ANSWERS | st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "127.0.0.1"]), min_size=1).map(
    lambda values: records(*values)
)
SIX = ANSWERS | st.lists(st.sampled_from(["2001:db8::1", "::1"]), min_size=1).map(lambda values: records(*values))
NAMES = ["a.test", "b.test", "c.test", "us.test"]
MX = ANSWERS | st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([*NAMES, "."])).map(lambda one: f"{one[0]} {one[1]}"), min_size=1
).map(lambda values: records(*values))


@given(mx=MX, fours=st.lists(FOUR, min_size=4, max_size=4), sixes=st.lists(SIX, min_size=4, max_size=4))
def test_an_outcome_is_certain_or_waits(mx: Answer, fours: list[Answer], sixes: list[Answer]) -> None:
    """Failed only where no trouble is left that could have another end; never ourselves, nor who is behind us."""

    def ours(address: str) -> bool:
        return address in ("127.0.0.1", "::1")

    exchanges = exchanges_of("a.test", mx, as_is)
    if not isinstance(exchanges, Exchanges):
        assert isinstance(exchanges, Deferred) == isinstance(mx, Trouble)
        return
    known: dict[str, Addresses] = {
        name: addresses_of(four, six, as_is) for name, four, six in zip(NAMES, fours, sixes, strict=True)
    }
    hosts = hosts_of(exchanges, known, ours, lambda _: "", 25)
    preferences = {host.name: host.preference for host in exchanges.hosts}
    us = [preference for name, preference in preferences.items() if any(map(ours, known[name].addresses))]
    if isinstance(hosts, tuple):
        assert hosts
        tried = [preferences[host.host] for host in hosts]
        assert tried == sorted(tried)
        assert not us or max(tried) < min(us)
        assert not any(ours(host.address) for host in hosts)
        return
    open_questions = any(known[name].trouble for name in preferences if not us or preferences[name] < min(us))
    assert isinstance(hosts, Deferred) == open_questions
