"""TLS from the first byte, its certificates, its clients who never finish."""

import asyncio
import socket
import ssl
import struct
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from intake_desk import HELLO, START, TEXT, Desk, Talker, make_certificate, open_intake, settings, talk
from structlog.testing import capture_logs

from routerd.intake.limits.patience import Timeouts
from routerd.intake.server import Intake
from routerd.intake.tls import tls_context

IMPLICIT = [{"address": "127.0.0.1:0", "tls": "implicit"}]
NAME = "127.0.0.1:0"


@asynccontextmanager
async def talk_tls(intake: Intake, authority: Path, name: str = "mx.desk.test") -> AsyncIterator[Talker]:
    host, port = next(iter(intake.addresses().values()))[0]
    context = ssl.create_default_context(cafile=str(authority))
    client = Talker(*await asyncio.open_connection(host, port, ssl=context, server_hostname=name))
    try:
        yield client
    finally:
        client.abort()


async def all_gone(desk: Desk, intake: Intake) -> None:
    """Waits until no connection is left; the test's time limit is its end otherwise."""
    while desk.value("connections", listener=NAME) or intake.open_connections:
        await asyncio.sleep(0.01)


async def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    """The greeting is inside it, STARTTLS is no longer offered, and Received will say so."""
    desk = Desk()
    files = make_certificate(tmp_path)
    async with (
        open_intake(desk, settings(listen=IMPLICIT), tls_context(files)) as intake,
        talk_tls(intake, files.certificate) as client,
    ):
        assert (await client.reply()).startswith("220 ")
        assert "STARTTLS" not in await client.say(HELLO)
        assert (await client.say(b"STARTTLS\r\n")).startswith("503 5.5.1")
        await client.say(START, 3)
        assert (await client.say(TEXT)).startswith("250")
        assert desk.received[0].client.with_protocol == "ESMTPS"
        assert (desk.received[0].client.tls or "").startswith("TLSv1.")
        assert (await client.say(b"QUIT\r\n")).startswith("221")
        assert await client.ended() == b""
        await all_gone(desk, intake)


async def test_old_tls_is_refused(tmp_path: Path) -> None:
    """1.2 is taken; what is older ends in the handshake, whatever ciphers the client would put up with (RFC 8996)."""
    desk = Desk()
    files = make_certificate(tmp_path)
    async with open_intake(desk, settings(listen=IMPLICIT), server := tls_context(files)) as intake:
        server.set_ciphers("ALL:@SECLEVEL=0")  # else OpenSSL's own settings would refuse it, on some machines
        host, port = next(iter(intake.addresses().values()))[0]
        old, new = (
            _client_of(version, files.certificate) for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2)
        )
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(host, port, ssl=old, server_hostname="mx.desk.test")
        client = Talker(*await asyncio.open_connection(host, port, ssl=new, server_hostname="mx.desk.test"))
        assert (await client.reply()).startswith("220 ")
        client.abort()
        await all_gone(desk, intake)
        assert desk.value("rejections_total", reason="tls_handshake") == 1


def _client_of(version: ssl.TLSVersion, authority: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = version
    return context


async def test_no_word_in_the_clear(tmp_path: Path) -> None:
    """Who speaks SMTP to implicit TLS hears no greeting, and leaves nothing behind."""
    desk = Desk()
    tls = tls_context(make_certificate(tmp_path))
    async with open_intake(desk, settings(listen=IMPLICIT), tls) as intake, talk(intake, greeted=False) as client:
        client.writer.write(HELLO)
        assert b"220" not in await client.ended()
        await all_gone(desk, intake)
        assert desk.value("rejections_total", reason="tls_handshake") == 1


async def test_a_connection_over_the_limit_is_just_closed(tmp_path: Path) -> None:
    """A 421 in the clear would be no TLS."""
    desk = Desk()
    files = make_certificate(tmp_path)
    config = settings(listen=IMPLICIT, limits={"connections_per_client": 1})
    async with (
        open_intake(desk, config, tls_context(files)) as intake,
        talk_tls(intake, files.certificate),
        talk(intake, greeted=False) as second,
    ):
        assert await second.ended() == b""
        assert desk.value("rejections_total", reason="connections") == 1


@pytest.mark.parametrize("is_implicit", [True, False], ids=["implicit", "STARTTLS"])
async def test_a_handshake_has_its_time(tmp_path: Path, is_implicit: bool) -> None:
    """Its connection is cut, its place free again."""
    desk = Desk()
    tls = tls_context(make_certificate(tmp_path))
    config = settings(listen=IMPLICIT if is_implicit else [{"address": NAME}])
    timeouts = Timeouts(handshake_seconds=0.1)
    async with (
        open_intake(desk, config, tls, timeouts=timeouts) as intake,
        talk(intake, greeted=not is_implicit) as client,
    ):
        if not is_implicit:
            await client.say(HELLO)
            await client.say(b"STARTTLS\r\n")
        client.writer.write(b"\x16\x03\x01\x02")
        await client.ended()
        await all_gone(desk, intake)
        assert desk.value("rejections_total", reason="tls_handshake") == 1


async def test_a_reload_gives_the_next_handshake_the_new_certificate(tmp_path: Path) -> None:
    """Who is inside stays inside."""
    desk = Desk()
    old, new = make_certificate(tmp_path), make_certificate(tmp_path, "localhost")
    config = settings(listen=IMPLICIT)
    async with (
        open_intake(desk, config, tls_context(old)) as intake,
        talk_tls(intake, old.certificate) as before,
    ):
        await before.reply()
        intake.adopt(config, tls_context(new))
        assert "250" in await before.say(HELLO)
        async with talk_tls(intake, new.certificate, "localhost") as after:
            assert (await after.reply()).startswith("220 ")
        await before.say(START, 3)
        assert (await before.say(TEXT)).startswith("250 2.0.0")


async def test_a_client_that_breaks_off_its_handshake_leaves_nothing(tmp_path: Path) -> None:
    """With a reset, as port scanners do; no timer has to run out."""
    desk = Desk()
    tls = tls_context(make_certificate(tmp_path))
    async with open_intake(desk, settings(listen=IMPLICIT), tls) as intake:
        for begun in (b"", b"\x16\x03\x01\x02"):
            async with talk(intake, greeted=False) as client:
                client.writer.write(begun)
                while not intake.open_connections:
                    await asyncio.sleep(0.01)
                own = client.writer.get_extra_info("socket")
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await all_gone(desk, intake)
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_implicit", [True, False], ids=["implicit", "STARTTLS"])
async def test_clients_in_a_handshake_do_not_hold_up_a_drain(tmp_path: Path, is_implicit: bool) -> None:
    """Nobody can be told anything there; they are let go at once."""
    desk = Desk()
    tls = tls_context(make_certificate(tmp_path))
    config = settings(listen=IMPLICIT if is_implicit else [{"address": NAME}])
    async with open_intake(desk, config, tls) as intake, talk(intake, greeted=not is_implicit) as client:
        if not is_implicit:
            await client.say(HELLO)
            await client.say(b"STARTTLS\r\n")
        while not desk.value("connections", listener=NAME):
            await asyncio.sleep(0.01)
        async with asyncio.timeout(30):
            assert await intake.drain(60) == 0
        assert await client.ended() == b""
        assert intake.open_connections == 0


async def test_the_end_of_a_certificate_is_told_in_time(tmp_path: Path) -> None:
    """By a metric always, by the log once a day in its last two weeks; a reload with a new one ends that."""
    desk, now = Desk(), [datetime.now(UTC)]
    old = make_certificate(tmp_path)
    new = make_certificate(tmp_path, "localhost")
    config, expires = settings(listen=IMPLICIT), "certificate_expires_timestamp_seconds"
    with capture_logs() as logged:
        async with open_intake(desk, config, tls_context(old), now=lambda: now[0]) as intake:
            until = now[0] + timedelta(days=90)
            assert abs(desk.value(expires, certificate=str(old.certificate)) - until.timestamp()) < 300
            for days in (70, 80, 80, 81, 91):
                now[0] = until + timedelta(days=days - 90, hours=-1)
                intake._certificate.look()
            now[0] = until - timedelta(days=50)
            intake.adopt(config, tls_context(new))
            intake._certificate.look()
            assert desk.value(expires, certificate=str(old.certificate)) == 0
            assert desk.value(expires, certificate=str(new.certificate)) > 0
            intake.adopt(settings(), None)
            intake._certificate.look()
            assert desk.value(expires, certificate=str(new.certificate)) == 0
    said = [event["reason"] for event in logged if event["event"] == "certificate_expires"]
    assert [(reason.split()[0], reason.split()[-2]) for reason in said] == [
        ("expires", "10"),
        ("expires", "9"),
        ("expired", "on"),
    ]


async def test_much_that_is_said_behind_starttls_is_forgotten(tmp_path: Path) -> None:
    """Also what is more than is heard at once: none of it counts inside TLS (RFC 3207 4.2)."""
    desk, files = Desk(), make_certificate(tmp_path)
    async with open_intake(desk, tls=tls_context(files)) as intake, talk(intake) as client:
        await client.say(HELLO)
        injected = b"MAIL FROM:<evil@far.test>\r\n" + b"RCPT TO:<support@desk.test>\r\n" * 1000
        assert (await client.say(b"STARTTLS\r\n" + injected)).startswith("220 ")
        await client.upgrade(files.certificate)
        assert (await client.say(HELLO)).startswith("250")
        assert (await client.say(START, 3)).startswith("354 ")
        assert (await client.say(TEXT)).startswith("250 ")
    [received] = desk.received
    assert len(received.envelope.recipients) == 1
