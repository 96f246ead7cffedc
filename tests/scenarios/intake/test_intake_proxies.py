"""Clients behind a load balancer: the PROXY header, and whose connection it makes of one."""

import asyncio
import ssl
import struct
from pathlib import Path
from typing import Any

import pytest
from intake_desk import HELLO, START, TEXT, Desk, Talker, make_certificate, open_intake, settings, talk
from structlog.testing import capture_logs

from routerd.config.settings import Settings
from routerd.intake.limits.patience import Timeouts
from routerd.intake.tls import tls_context

FROM_FAR = b"PROXY TCP4 198.51.100.7 192.0.2.1 40000 25\r\n"
FROM_NEAR = b"PROXY TCP4 10.1.2.3 192.0.2.1 40001 25\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = V2 + b"\x20\x00\x00\x00"


def behind_proxy(**more: Any) -> Settings:
    return settings(proxies=["127.0.0.0/8"], **more)


def v2(address: bytes, port: int) -> bytes:
    return V2 + b"\x21\x11" + struct.pack("!H4s4sHH", 12, address, bytes(4), port, 25)


async def send_message(client: Talker) -> None:
    await client.say(HELLO)
    await client.say(START, 3)
    assert (await client.say(TEXT)).startswith("250 2.0.0")


class InnerTls:
    """TLS by hand over a connection, so that its first bytes can go out with others."""

    def __init__(self, client: Talker, authority: Path) -> None:
        self.client = client
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=str(authority))
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="mx.desk.test")

    async def shake_hands(self, before: bytes = b"", behind: bytes = b"") -> None:
        """`before` goes out in front of the first bytes, `behind` inside TLS with the last."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.client.writer.write(before + self.outgoing.read())
                before = b""
                self.incoming.write(await asyncio.wait_for(self.client.reader.read(65536), 60))
        if behind:
            self.tls.write(behind)
        self.client.writer.write(self.outgoing.read())

    async def say(self, data: bytes, until: bytes) -> bytes:
        """Sends, and gives what comes up to `until`."""
        if data:
            self.tls.write(data)
            self.client.writer.write(self.outgoing.read())
        heard = b""
        while until not in heard:
            try:
                heard += self.tls.read(65536)
            except ssl.SSLWantReadError:
                came = await asyncio.wait_for(self.client.reader.read(65536), 60)
                assert came, heard
                self.incoming.write(came)
        return heard


@pytest.mark.parametrize("header", [FROM_FAR, v2(bytes((198, 51, 100, 7)), 40000)], ids=["v1", "v2"])
@pytest.mark.parametrize("is_split", [False, True], ids=["whole", "by_octet"])
async def test_the_client_is_the_origin(header: bytes, is_split: bool) -> None:
    """Address and port are those of the header, whose last octets the greeting waits for; the balancer's own address,
    though a trusted hop's, lends it nothing."""
    desk = Desk()
    config = behind_proxy(trusted_networks=["127.0.0.0/8", "10.0.0.0/8"])
    async with open_intake(desk, config) as intake, talk(intake, greeted=False) as client:
        for octet in header[:-1] if is_split else b"":
            client.writer.write(bytes((octet,)))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.say(header[-1:] if is_split else header)).startswith("220 ")
        await send_message(client)
        found = desk.received[0].client
        assert (found.address, found.port, found.trusted) == ("198.51.100.7", 40000, False)


async def test_a_trusted_origin_is_trusted() -> None:
    """By its own address, not by the balancer's."""
    desk = Desk()
    config = behind_proxy(trusted_networks=["10.0.0.0/8"])
    async with open_intake(desk, config) as intake, talk(intake, greeted=False) as client:
        assert (await client.say(FROM_NEAR)).startswith("220 ")
        await send_message(client)
        assert (desk.received[0].client.address, desk.received[0].client.trusted) == ("10.1.2.3", True)


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"], ids=["LOCAL", "UNKNOWN"])
async def test_where_the_balancer_does_not_say_nobody_is_trusted(header: bytes) -> None:
    """Its health checks are served, under its own address; anybody may have come through it."""
    desk = Desk()
    config = behind_proxy(trusted_networks=["127.0.0.0/8"])
    async with open_intake(desk, config) as intake, talk(intake, greeted=False) as client:
        assert (await client.say(header)).startswith("220 ")
        await send_message(client)
        assert (desk.received[0].client.address, desk.received[0].client.trusted) == ("127.0.0.1", False)


async def test_what_stands_behind_the_header_is_said_by_the_client() -> None:
    """In the same segment too."""
    desk = Desk()
    async with open_intake(desk, behind_proxy()) as intake, talk(intake, greeted=False) as client:
        client.writer.write(FROM_FAR + HELLO + START + TEXT + b"QUIT\r\n")
        said = await client.ended()
        assert said.startswith(b"220 ")
        assert b"250 2.0.0 Ok: queued" in said


@pytest.mark.parametrize("nonsense", [HELLO, b"PROXY nonsense\r\n", b"\x16\x03\x01\x02\x00", V2 + b"\xff" * 20])
async def test_who_says_no_header_is_nobody(nonsense: bytes) -> None:
    """Nothing is said to it, and it is counted."""
    desk = Desk()
    async with open_intake(desk, behind_proxy()) as intake, talk(intake, greeted=False) as client:
        client.writer.write(nonsense)
        assert await client.ended() == b""
        assert desk.value("rejections_total", reason="proxy_protocol") == 1
        assert desk.value("connections", listener="127.0.0.1:0") == 0


@pytest.mark.parametrize("begun", [b"", b"PROXY TCP4 198.51"])
async def test_a_header_has_its_time(begun: bytes) -> None:
    """A balancer says it at once."""
    desk = Desk()
    timeouts = Timeouts(proxy_header_seconds=0.1, check_seconds=0.02)
    async with (
        open_intake(desk, behind_proxy(), timeouts=timeouts) as intake,
        talk(intake, greeted=False) as client,
    ):
        client.writer.write(begun)
        assert await client.ended() == b""
        assert desk.value("rejections_total", reason="proxy_protocol") == 1


async def test_from_elsewhere_a_header_is_no_command() -> None:
    """Whoever is not listed cannot pass for another."""
    desk = Desk()
    async with open_intake(desk, settings(proxies=["192.0.2.0/24"])) as intake, talk(intake) as client:
        assert (await client.say(FROM_NEAR)).startswith("500 5.5.2")
        await send_message(client)
        assert desk.received[0].client.address == "127.0.0.1"


async def test_connections_are_counted_by_origin() -> None:
    """One client's flood leaves the others of its balancer alone; places come back, also of who never says a header."""
    desk = Desk()
    config = behind_proxy(limits={"connections": 4, "connections_per_client": 2})
    other = FROM_FAR.replace(b"100.7", b"100.8")
    async with open_intake(desk, config) as intake:
        async with talk(intake, greeted=False) as first, talk(intake, greeted=False) as second:
            assert (await first.say(FROM_FAR)).startswith("220 ")
            assert (await second.say(FROM_FAR)).startswith("220 ")
            async with talk(intake, greeted=False) as third:
                assert (await third.say(FROM_FAR)).startswith("421 4.7.0")
                assert await third.ended() == b""
            async with talk(intake, greeted=False) as fourth, talk(intake, greeted=False):
                assert (await fourth.say(other)).startswith("220 ")
                async with talk(intake, greeted=False) as fifth:  # while one has yet to say its header
                    assert (await fifth.reply()).startswith("421 4.3.2")
            await second.say(b"QUIT\r\n")
            await second.ended()
            async with talk(intake, greeted=False) as sixth:
                assert (await sixth.say(FROM_FAR)).startswith("220 ")
        while desk.value("connections", listener="127.0.0.1:0"):
            await asyncio.sleep(0)
        assert intake.open_connections == 0


@pytest.mark.parametrize("is_joined", [True, False], ids=["one_segment", "two_segments"])
async def test_implicit_tls_begins_behind_the_header(tmp_path: Path, is_joined: bool) -> None:
    """The first bytes of the handshake may come in the header's own segment."""
    desk = Desk()
    files = make_certificate(tmp_path)
    config = behind_proxy(listen=[{"address": "127.0.0.1:0", "tls": "implicit"}])
    async with open_intake(desk, config, tls_context(files)) as intake, talk(intake, greeted=False) as client:
        inner = InnerTls(client, files.certificate)
        if not is_joined:
            client.writer.write(FROM_FAR)
            while not desk.value("memory_in_flight_bytes"):  # until the handshake has begun
                await asyncio.sleep(0)
        await inner.shake_hands(before=FROM_FAR if is_joined else b"", behind=HELLO)
        assert (await inner.say(b"", b"250 ")).startswith(b"220 ")
        await inner.say(START, b"354 ")
        await inner.say(TEXT, b"250 2.0.0 Ok: queued")
        found = desk.received[0].client
        assert (found.address, found.with_protocol) == ("198.51.100.7", "ESMTPS")


async def test_a_handshake_of_many_octets_behind_the_header(tmp_path: Path) -> None:
    """Octet by octet, header and all: nothing is lost between the two."""
    desk = Desk()
    files = make_certificate(tmp_path)
    config = behind_proxy(listen=[{"address": "127.0.0.1:0", "tls": "implicit"}])
    async with open_intake(desk, config, tls_context(files)) as intake, talk(intake, greeted=False) as client:
        inner = InnerTls(client, files.certificate)
        with pytest.raises(ssl.SSLWantReadError):
            inner.tls.do_handshake()
        for octet in FROM_FAR + inner.outgoing.read():
            client.writer.write(bytes((octet,)))
            await asyncio.sleep(0)
        inner.incoming.write(await asyncio.wait_for(client.reader.read(65536), 60))
        await inner.shake_hands()
        assert (await inner.say(b"", b"\r\n")).startswith(b"220 ")


async def test_nonsense_behind_the_header_ends_implicit_tls(tmp_path: Path) -> None:
    """As a failed handshake, with nothing left of it."""
    desk = Desk()
    config = behind_proxy(listen=[{"address": "127.0.0.1:0", "tls": "implicit"}])
    tls = tls_context(make_certificate(tmp_path))
    async with open_intake(desk, config, tls) as intake, talk(intake, greeted=False) as client:
        client.writer.write(FROM_FAR + HELLO * 1000)
        await client.ended()
        assert desk.value("rejections_total", reason="tls_handshake") == 1
        assert desk.value("connections", listener="127.0.0.1:0") == 0
        assert intake.open_connections == 0


@pytest.mark.parametrize("header", [FROM_FAR, LOCAL])
@pytest.mark.parametrize("greet_delay", ["0s", "1m"])
async def test_a_proxy_that_is_not_listed_is_named_in_the_log(header: bytes, greet_delay: str) -> None:
    """What it is refused says nothing of that: an unknown command, or words before the greeting."""
    config = settings(listen=[{"address": "127.0.0.1:0", "greet_delay": greet_delay}])
    with capture_logs() as logged:
        async with open_intake(Desk(), config) as intake, talk(intake, greeted=False) as client:
            client.writer.write(header)
            while not (await client.reply()).startswith("5"):
                pass
    [noted] = [event for event in logged if event["event"] == "proxy_not_listed"]
    assert noted["client"] == "127.0.0.1"


async def test_what_looks_like_a_header_later_is_a_command_like_any_other() -> None:
    """Whoever has spoken mail is no proxy."""
    with capture_logs() as logged:
        async with open_intake(Desk()) as intake, talk(intake) as client:
            await client.say(HELLO)
            assert (await client.say(FROM_FAR)).startswith("500 ")
    assert "proxy_not_listed" not in [event["event"] for event in logged]
