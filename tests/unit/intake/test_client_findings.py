"""What DNS says of a client, and whether its mail is wanted."""

import asyncio
import ipaddress
from collections.abc import Mapping

import pytest
import structlog

from routerd.auth.dns_answers import Absent, Answer, RecordKind, Records, Stranger, Trouble
from routerd.config.settings import Settings
from routerd.intake.clients.findings import ClientLookUp, ReverseName, reversed_address
from routerd.message.envelope import ClientFindings
from routerd.ops.metrics import Metrics

CLIENT, CLIENT6 = "9.8.7.6", "2a00::17"
REVERSE, REVERSE6 = "6.7.8.9.in-addr.arpa", f"7.1.{'0.' * 26}0.0.a.2.ip6.arpa"
NOTHING = ClientFindings()
ABSENT = Absent(is_nxdomain=True, seconds=60)
TROUBLE = Trouble("no answer in time")


def found(*values: str) -> Records:
    return Records(values, 60)


class SaidDns:
    """Answers from a table; what is not in it is absent. `...` never answers."""

    def __init__(self, said: Mapping[str, object]) -> None:
        self.said = said
        self.asked: list[str] = []
        self.asked_of_strangers: list[tuple[str, str]] = []

    async def look_up(self, name: str, kind: RecordKind, *, stranger: Stranger | None = None) -> Answer:
        self.asked.append(f"{name} {kind}")
        if stranger is not None:
            self.asked_of_strangers.append((name, stranger.key))
        answer = self.said.get(f"{name} {kind}", self.said.get(name, ABSENT))
        if answer is ...:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]


def settings_with(*lists: object, **more: object) -> Settings:
    return Settings.model_validate(
        {
            "hostname": "mx.desk.test",
            "postmaster": "jan",
            "members": {"jan": {"mailbox": "jan@members.test"}},
            "inboxes": {"support@desk.test": {"default": "jan"}},
            "delivery": [{"domain": "*", "smtp": "next.test:25"}],
            "dnsbl": list(lists),
            **more,
        }
    )


def look_up(said: Mapping[str, object], *lists: object, metrics: Metrics | None = None, **more: object) -> ClientLookUp:
    return ClientLookUp(settings_with(*lists, **more), SaidDns(said), metrics or Metrics(), now_seconds=lambda: 0.0)


async def of(
    said: Mapping[str, object], *lists: object, address: str = CLIENT, reverse: ReverseName = "ignore", **more: object
) -> ClientFindings:
    return await look_up(said, *lists, **more).findings(address, reverse)


async def test_what_a_stranger_decides_is_asked_as_such() -> None:
    """Whom to ask for his name he says himself; whom to ask for a list, the config."""
    dns = SaidDns({REVERSE: found("mail.test"), "mail.test": found(CLIENT), "6.7.8.9.bl.test": found("127.0.0.2")})
    findings = await ClientLookUp(settings_with("bl.test"), dns, Metrics()).findings(CLIENT, "note")
    assert (findings.name, findings.listed_in) == ("mail.test", {"bl.test"})
    assert dns.asked_of_strangers == [(REVERSE.removesuffix(" PTR"), CLIENT), ("mail.test", CLIENT)]


# Lists (RFC 5782)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.99", "99.2.0.192"),
        (
            "2001:db8:1:2:3:4:567:89ab",
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2",
        ),
    ],
)
async def test_addresses_are_asked_for_from_their_end(address: str, name: str) -> None:
    """The examples of RFC 5782 2.1 and 2.4."""
    assert reversed_address(ipaddress.ip_address(address)) == name


@pytest.mark.parametrize(
    ("answer", "listed"),
    [
        (ABSENT, False),
        (found("127.0.0.2"), True),
        (found("127.255.0.9"), True),
        (found("127.0.0.1"), False),
        (found("127.0.0.1", "127.0.0.4"), True),
        (found("127.255.255.254"), None),
        (found("127.0.0.2", "127.255.255.252"), None),
        (found("192.0.2.80"), None),
        (TROUBLE, None),
        (..., None),
        (RuntimeError("a fault"), None),
    ],
)
@pytest.mark.parametrize("address", [CLIENT, CLIENT6])
async def test_what_a_list_may_answer(answer: object, listed: bool | None, address: str) -> None:
    """Errors of lists, other people's addresses and silence are no listing, and no absence of one."""
    reverse = REVERSE if address == CLIENT else REVERSE6
    said = {f"{reverse.rsplit('.', 2)[0]}.bl.test A": answer}
    findings = await of(said, "bl.test", address=address, dns={"timeout": "1s"})
    zones = frozenset({"bl.test"})
    assert findings.listed_in == (zones if listed else frozenset())
    assert findings.unanswered == (zones if listed is None else frozenset())


@pytest.mark.parametrize(("answer", "listed"), [("127.0.0.2", True), ("127.0.1.9", True), ("127.0.0.3", False)])
async def test_only_the_answers_that_are_named_count(answer: str, listed: bool) -> None:
    said = {"6.7.8.9.bl.test": found(answer)}
    findings = await of(said, {"zone": "bl.test", "answers": ["127.0.0.2", "127.0.1.0/24"]})
    assert findings == ClientFindings(listed_in=frozenset({"bl.test"}) if listed else frozenset())


async def test_what_is_there_in_time_is_kept() -> None:
    """All are asked at once; those that do not answer hold up nobody."""
    said = {"6.7.8.9.one.test": found("127.0.0.2"), "6.7.8.9.two.test": ..., REVERSE: ...}
    findings = await of(said, "one.test", "two.test", "three.test", reverse="note", dns={"timeout": "1s"})
    assert findings == ClientFindings("temperror", None, frozenset({"one.test"}), frozenset({"two.test"}))


async def test_a_list_that_lists_everybody_lists_nobody() -> None:
    """127.0.0.1 is on none (RFC 5782 5), but on one that answers whatever it is asked."""
    said = {f"{asked}.bl.test": found("127.0.0.2") for asked in ("6.7.8.9", "1.0.0.127")}
    with structlog.testing.capture_logs() as logs:
        findings = await of(said, {"zone": "bl.test", "reject": True})
    assert findings == ClientFindings(unanswered=frozenset({"bl.test"}))
    assert "lists everybody" in logs[0]["reason"]


async def test_a_silent_list_is_logged() -> None:
    with structlog.testing.capture_logs() as logs:
        await of({"6.7.8.9.bl.test": ...}, "bl.test", dns={"timeout": "1s"})
    assert [(entry["event"], entry["reason"]) for entry in logs] == [
        ("dns_list_unanswered", "it did not answer in time")
    ]


async def test_a_list_that_does_not_serve_us_is_logged_once_in_a_while() -> None:
    asks = look_up({"6.7.8.9.bl.test": found("127.255.255.254")}, "bl.test")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await asks.findings(CLIENT, "ignore")
    assert [(entry["event"], entry["zone"]) for entry in logs] == [("dns_list_unanswered", "bl.test")]
    assert "127.255.255.254" in logs[0]["reason"]


async def test_each_answer_is_counted() -> None:
    metrics = Metrics()
    said = {"6.7.8.9.one.test": found("127.0.0.2"), "6.7.8.9.two.test": TROUBLE}
    await look_up(said, "one.test", "two.test", "three.test", metrics=metrics).findings(CLIENT, "note")
    told = metrics.exposition().decode()
    for zone, result in (("one", "listed"), ("two", "unanswered"), ("three", "not_listed")):
        assert f'routerd_dns_list_answers_total{{result="{result}",zone="{zone}.test"}} 1.0' in told
    assert 'routerd_reverse_names_total{result="permerror"} 1.0' in told


# Names (RFC 8601 2.7.3)


@pytest.mark.parametrize(
    ("said", "iprev", "name"),
    [
        ({REVERSE: found("mx.far.test"), "mx.far.test A": found("192.0.2.1", CLIENT)}, "pass", "mx.far.test"),
        ({REVERSE: found("a.test", "b.test"), "b.test": found(CLIENT), "a.test": ...}, "pass", "b.test"),
        ({REVERSE: found("a.test", "b.test"), "b.test": found(CLIENT), "a.test": TROUBLE}, "pass", "b.test"),
        ({REVERSE: found("mx.far.test"), "mx.far.test": found("192.0.2.1")}, "fail", None),
        ({REVERSE: found("mx.far.test")}, "fail", None),
        ({REVERSE: found("a.test", "b.test"), "a.test": TROUBLE}, "temperror", None),
        ({REVERSE: found("a.test"), "a.test": ...}, "temperror", None),
        ({REVERSE: TROUBLE}, "temperror", None),
        ({REVERSE: ...}, "temperror", None),
        ({}, "permerror", None),
        ({REVERSE: Absent(is_nxdomain=False, seconds=60)}, "permerror", None),
    ],
)
async def test_the_name_must_lead_back(said: Mapping[str, object], iprev: str, name: str | None) -> None:
    assert await of(said, reverse="note", dns={"timeout": "1s"}) == ClientFindings(iprev, name)


async def test_names_of_ipv6_addresses() -> None:
    """However the address is written."""
    said = {REVERSE6: found("mx.far.test"), "mx.far.test AAAA": found("2a00:0:0::17")}
    assert await of(said, reverse="note", address=CLIENT6) == ClientFindings("pass", "mx.far.test")


@pytest.mark.parametrize(
    "name",
    ["a b.test", "a)(b.test", "x\\010y.test", "[9.8.7.6]", "", "a..b", "_a.test", "-a.test", "x" * 300, "é.test"],
)
async def test_what_is_no_host_name_proves_nothing(name: str) -> None:
    """It would stand in Received."""
    assert await of({REVERSE: found(name), name: found(CLIENT)}, reverse="note") == ClientFindings("fail")


async def test_of_many_names_a_few_are_looked_at() -> None:
    """Whoever has the address may give it thousands."""
    asks = look_up({REVERSE: found(*(f"{number}.test" for number in range(1000)))})
    await asks.findings(CLIENT, "note")
    assert len(asks._resolver.asked) == 1 + 5


# Who is asked about


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.9.9.9", "::1", "no address", "9.9.9.9", "2a00:99::1"])
async def test_nobody_asks_about_ourselves_and_trusted_networks(address: str) -> None:
    """Loopback, unix sockets and trusted networks."""
    asks = look_up({}, "bl.test", trusted_networks=["9.9.9.0/24", "2a00:99::/32"])
    assert not asks.asks(address, "require")
    assert await asks.findings(address, "require") == NOTHING
    assert asks._resolver.asked == []


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.3.4", "100.64.0.1", "169.254.0.1", "fd00::1", "fe80::1"])
async def test_private_addresses_are_not_asked_of_lists(address: str) -> None:
    """Each network has its own of them; they may have a name."""
    asks = look_up({}, "bl.test")
    assert not asks.asks(address, "ignore")
    assert await asks.findings(address, "note") == ClientFindings("permerror")
    assert not [asked for asked in asks._resolver.asked if "bl.test" in asked]


async def test_only_what_is_wanted_is_asked() -> None:
    assert not look_up({}).asks(CLIENT, "ignore")
    assert look_up({}).asks(CLIENT, "note")
    assert look_up({}, "bl.test").asks(CLIENT, "ignore")
    asks = look_up({}, "bl.test")
    await asks.findings(CLIENT, "ignore")
    assert asks._resolver.asked == ["6.7.8.9.bl.test A"]


async def test_where_only_members_send_no_list_is_asked() -> None:
    """Lists name the addresses that people have at home."""
    asks = look_up({"6.7.8.9.bl.test": found("127.0.0.2")}, {"zone": "bl.test", "reject": True})
    assert not asks.asks(CLIENT, "ignore", in_lists=False)
    assert not asks.may_refuse("note", in_lists=False)
    assert await asks.findings(CLIENT, "note", in_lists=False) == ClientFindings("permerror")


async def test_a_reload_asks_other_lists() -> None:
    asks = look_up({"6.7.8.9.new.test": found("127.0.0.2")}, "old.test")
    asks.adopt(settings_with("new.test"))
    assert (await asks.findings(CLIENT, "ignore")).listed_in == {"new.test"}


# Whose mail is refused


def refusal(findings: ClientFindings, reverse: ReverseName = "note") -> str | None:
    asks = look_up({}, {"zone": "hard.test", "reject": True}, "soft.test")
    refused = asks.refused_client(findings, reverse, CLIENT)
    return refused and f"{refused[0].code} {refused[0].status} {refused[1]}"


@pytest.mark.parametrize(
    ("findings", "reverse", "refused"),
    [
        (ClientFindings(listed_in=frozenset({"hard.test"})), "note", "550 5.7.1 dns_list"),
        (ClientFindings("fail", listed_in=frozenset({"hard.test"})), "require", "550 5.7.1 dns_list"),
        (ClientFindings(listed_in=frozenset({"soft.test"})), "note", None),
        (ClientFindings(unanswered=frozenset({"hard.test"})), "note", None),
        (ClientFindings("fail"), "note", None),
        (ClientFindings("fail"), "require", "550 5.7.25 reverse_name"),
        (ClientFindings("permerror"), "require", "550 5.7.25 reverse_name"),
        (ClientFindings("temperror"), "require", "450 4.7.25 reverse_name"),
        (ClientFindings("pass", "mx.far.test"), "require", None),
        (NOTHING, "require", None),
    ],
)
def test_refused_is_who_is_listed_or_nameless(
    findings: ClientFindings, reverse: ReverseName, refused: str | None
) -> None:
    """For good only where DNS has said so; a list's trouble refuses nobody."""
    assert refusal(findings, reverse) == refused


@pytest.mark.parametrize(
    ("findings", "text"),
    [
        (ClientFindings(listed_in=frozenset({"hard.test"})), f"your address {CLIENT} is listed by hard.test"),
        (ClientFindings("permerror"), f"your address {CLIENT} has no name in DNS"),
        (ClientFindings("fail"), f"the name that DNS has for {CLIENT} does not lead back to it"),
        (ClientFindings("temperror"), f"the name of {CLIENT} cannot be looked up now; try again later"),
    ],
)
def test_the_refusal_says_which_address_and_what_is_wrong(findings: ClientFindings, text: str) -> None:
    """So that who reads it in a bounce knows which of his servers it is, and where to go."""
    refused = look_up({}, {"zone": "hard.test", "reject": True}).refused_client(findings, "require", CLIENT)
    assert refused is not None
    assert refused[0].text == text


def test_the_greeting_waits_only_where_somebody_may_be_refused() -> None:
    assert look_up({}, {"zone": "hard.test", "reject": True}).may_refuse("ignore")
    assert look_up({}).may_refuse("require")
    assert not look_up({}, "soft.test").may_refuse("note")
