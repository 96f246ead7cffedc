"""What stands before the greeting: a delay that shows who does not listen, and what DNS says of the client."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from intake_desk import HELLO, START, TEXT, Desk, make_certificate, open_intake, settings, talk

from routerd.auth.dns_answers import Absent, Answer, RecordKind, Records, Stranger
from routerd.config.settings import Settings
from routerd.intake.clients.findings import ClientLookUp
from routerd.intake.limits.pressure import StoreSigns
from routerd.intake.tls import tls_context
from routerd.message.envelope import ClientFindings
from routerd.ops.dns import Resolver

FROM_FAR = b"PROXY TCP4 8.8.4.4 192.0.2.1 40000 25\r\n"
LISTED = {"4.4.8.8.list.test": Records(("127.0.0.2",), 60.0)}
NAMED = {
    "4.4.8.8.in-addr.arpa": Records(("far.test",), 60.0),
    "far.test": Records(("8.8.4.4",), 60.0),
}


class SaidDns(Resolver):
    """Answers from a table; what is not in it is absent. Shut, it never answers."""

    def __init__(self, said: dict[str, Records]) -> None:
        self.said = said
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    async def look_up(self, name: str, kind: RecordKind, *, stranger: Stranger | None = None) -> Answer:
        self.asked.set()
        await self.gate.wait()
        return self.said.get(name, Absent(True, 60.0))


def far(*, listen: dict[str, object] | None = None, **more: Any) -> Settings:
    """Behind a balancer, so that clients can come from anywhere."""
    return settings(proxies=["127.0.0.0/8"], listen=[{"address": "127.0.0.1:0", **(listen or {})}], **more)


def looking_up(config: Settings, dns: SaidDns, desk: Desk) -> ClientLookUp:
    return ClientLookUp(config, dns, desk.metrics)


def delayed(seconds: str = "60s", **more: Any) -> Settings:
    return settings(listen=[{"address": "127.0.0.1:0", "greet_delay": seconds}], **more)


async def test_who_speaks_before_the_greeting_is_refused() -> None:
    """With 554, in its first breath; the same words behind the greeting are welcome."""
    desk = Desk()
    async with open_intake(desk, delayed()) as intake, talk(intake, greeted=False) as client:
        client.writer.write(HELLO)
        assert (await client.ended()).startswith(b"554 5.5.1 ")
        assert desk.value("rejections_total", reason="early_talker") == 1


async def test_who_waits_is_served() -> None:
    """After the delay."""
    desk = Desk()
    config = delayed()
    brief = config.listen[0].model_copy(update={"greet_delay": config.listen[0].greet_delay / 600})
    config = config.model_copy(update={"listen": (brief,)})
    async with open_intake(desk, config) as intake, talk(intake) as client:
        await client.say(HELLO)
        await client.say(START, 3)
        assert (await client.say(TEXT)).startswith("250 2.0.0")


async def test_trusted_hops_do_not_wait() -> None:
    """Nor are they early."""
    async with open_intake(Desk(), delayed(trusted_networks=["127.0.0.0/8"])) as intake, talk(intake) as client:
        assert (await client.say(HELLO)).startswith("250")


async def test_clients_that_wait_for_their_greeting_do_not_hold_up_a_drain() -> None:
    """They get 421 for a greeting."""
    async with open_intake(Desk(), delayed()) as intake, talk(intake, greeted=False) as client:
        while not intake.open_connections:
            await asyncio.sleep(0.01)
        async with asyncio.timeout(30):
            assert await intake.drain(60) == 0
        assert (await client.ended()).startswith(b"421 4.3.2")
        assert intake.open_connections == 0


async def test_a_client_that_leaves_before_its_greeting_leaves_nothing() -> None:
    """Its wait ends with it."""
    desk = Desk()
    async with open_intake(desk, delayed()) as intake:
        async with talk(intake, greeted=False):
            while not intake.open_connections:
                await asyncio.sleep(0.01)
        while intake.open_connections or len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)


async def test_inside_tls_too(tmp_path: Path) -> None:
    """The delay begins behind the handshake, and who speaks first there is refused."""
    desk = Desk()
    files = make_certificate(tmp_path)
    config = settings(listen=[{"address": "127.0.0.1:0", "tls": "implicit", "greet_delay": "60s"}])
    async with open_intake(desk, config, tls_context(files)) as intake, talk(intake, greeted=False) as client:
        await client.upgrade(files.certificate)
        client.writer.write(HELLO)
        assert (await client.ended()).startswith(b"554 5.5.1 ")


async def test_under_pressure_strangers_wait() -> None:
    """And what they say meanwhile is heard afterwards: they have done nothing wrong."""
    desk = Desk()
    waits = [2.3]  # a store that is a little slow; then it is well again
    signs = StoreSigns(oldest_commit_seconds=lambda: waits[0])
    async with open_intake(desk, signs=signs) as intake, talk(intake, greeted=False) as client:
        client.writer.write(HELLO)
        while not intake.open_connections:
            await asyncio.sleep(0.01)
        waits[0] = 0.0
        assert (await client.reply()).startswith("220 ")
        assert (await client.reply()).startswith("250")


async def test_what_dns_says_goes_with_the_message() -> None:
    """Asked while the client talks, there when the message is whole."""
    desk, dns = Desk(), SaidDns(LISTED | NAMED)
    dns.gate.clear()
    config = far(dnsbl=["list.test"])
    async with (
        open_intake(desk, config, look_up=looking_up(config, dns, desk)) as intake,
        talk(intake, greeted=False) as client,
    ):
        assert (await client.say(FROM_FAR)).startswith("220 ")  # nothing is refused by it, so nobody waits
        await client.say(HELLO)
        await client.say(START, 3)
        client.writer.write(TEXT)
        await client.writer.drain()
        assert not desk.received
        dns.gate.set()
        assert (await client.reply()).startswith("250 2.0.0")
        found = desk.received[0].client.findings
        assert found == ClientFindings("pass", "far.test", frozenset({"list.test"}))


@pytest.mark.parametrize(
    ("more", "said", "code", "reason"),
    [
        ({"dnsbl": [{"zone": "list.test", "reject": True}]}, LISTED, "550 5.7.1", "dns_list"),
        ({"listen": {"reverse_name": "require"}}, {}, "550 5.7.25", "reverse_name"),
    ],
)
async def test_whom_dns_speaks_against_is_refused(
    more: dict[str, Any], said: dict[str, Records], code: str, reason: str
) -> None:
    """The greeting waits for the answer; then every recipient but the postmaster is refused."""
    desk, dns = Desk(), SaidDns(said)
    dns.gate.clear()
    config = far(**more)
    async with (
        open_intake(desk, config, look_up=looking_up(config, dns, desk)) as intake,
        talk(intake, greeted=False) as client,
    ):
        client.writer.write(FROM_FAR + HELLO)  # no delay is asked for, so this is no early talker
        await asyncio.wait_for(dns.asked.wait(), 60)
        dns.gate.set()
        assert (await client.reply()).startswith("220 ")
        await client.reply()
        assert (await client.say(START, 2)).startswith(code)
        assert desk.value("rejections_total", reason=reason) == 1
        await client.reply()
        assert (await client.say(b"RCPT TO:<postmaster@desk.test>\r\n")).startswith("250")


async def test_a_silent_dns_holds_nobody_longer_than_its_time() -> None:
    """Then the greeting comes, and lists that said nothing refuse nobody."""
    desk, dns = Desk(), SaidDns(LISTED)
    dns.gate.clear()
    config = far(dnsbl=[{"zone": "list.test", "reject": True}], dns={"timeout": "1s"})
    async with (
        open_intake(desk, config, look_up=looking_up(config, dns, desk)) as intake,
        talk(intake, greeted=False) as client,
    ):
        assert (await client.say(FROM_FAR)).startswith("220 ")
        await client.say(HELLO)
        await client.say(START, 3)
        assert (await client.say(TEXT)).startswith("250 2.0.0")
        assert desk.received[0].client.findings.unanswered == {"list.test"}


@pytest.mark.parametrize("leave", [lambda client: client.abort(), lambda client: client.writer.write_eof()])
async def test_look_ups_end_with_their_client(leave: Callable[[Any], None]) -> None:
    """A flood of clients that come and go leaves no questions behind."""
    desk, dns = Desk(), SaidDns({})
    dns.gate.clear()
    config = far(listen={"reverse_name": "require"}, dns={"timeout": "1s"})
    async with open_intake(desk, config, look_up=looking_up(config, dns, desk)) as intake:
        async with talk(intake, greeted=False) as client:
            client.writer.write(FROM_FAR)
            await asyncio.wait_for(dns.asked.wait(), 60)
            leave(client)
            if not client.writer.transport.is_closing():
                async with asyncio.timeout(30):
                    await intake.drain(60)
        while intake.open_connections or len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)
