"""The faults of aiosmtpd 1.4.6 with sessions: each shown on the bare library, and its absence here.

Those with addresses, messages, time and TLS are in files of their own.
"""

import asyncio
import gc
import logging
import socket
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from bare_library import MAIL, RCPT, Handler, bare, bare_server, connect, ours
from intake_desk import HELLO, START, TEXT, Desk, Talker, open_intake, settings, talk

from routerd.intake.session import HostedSession


def test_what_is_overridden_exists() -> None:
    """A release of aiosmtpd that renames something is seen here and not in production."""
    for name in ("connection_made", "connection_lost", "data_received", "eof_received", "pause_writing",
                 "resume_writing", "__init__", "__del__"):  # fmt: skip
        assert callable(getattr(SMTP, name))
        assert name in vars(HostedSession)


async def test_pipelining_is_offered() -> None:
    """The library can do it and does not say so."""
    async with bare(Handler()) as client:
        assert "PIPELINING" not in await client.say(HELLO)
    async with ours() as client:
        assert "PIPELINING" in await client.say(HELLO)


class CountsWrites:
    """A transport that counts what is written to it."""

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        self._transport.write(data)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def count_writes(kind: type[SMTP], monkeypatch: pytest.MonkeyPatch) -> list[CountsWrites]:
    """The transports of the connections that sessions of this kind get from here on."""
    transports: list[CountsWrites] = []
    made: Callable[[SMTP, Any], None] = kind.connection_made

    def connection_made(session: SMTP, transport: asyncio.BaseTransport) -> None:
        transports.append(CountsWrites(transport))
        made(session, transports[-1])

    monkeypatch.setattr(kind, "connection_made", connection_made)
    return transports


async def test_replies_to_a_group_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library writes each line of each reply by itself. Here a pipelined group has one answer (RFC 2920 3.2)."""
    group = HELLO + MAIL + RCPT * 10 + b"DATA\r\n"
    with monkeypatch.context() as patched:
        transports = count_writes(SMTP, patched)
        async with bare(Handler()) as client:
            await client.say(group, 13)
            assert transports[0].writes > 13
    transports = count_writes(HostedSession, monkeypatch)
    async with ours() as client:
        await client.say(group, 13)
        assert transports[0].writes == 2  # with the greeting


async def test_who_speaks_before_the_greeting() -> None:
    """The library hears it all. Here a listener may wait with its greeting, and who does not wait is refused."""
    async with bare_server(Handler()) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(HELLO + START + TEXT)  # before a byte of the greeting was read
        client = Talker(reader, writer)
        assert (await client.say(b"", 6)).startswith("250")
        client.abort()
    async with (
        open_intake(Desk(), settings(listen=[{"address": "127.0.0.1:0", "greet_delay": "60s"}])) as intake,
        talk(intake, greeted=False) as client,
    ):
        client.writer.write(HELLO)
        assert (await client.ended()).startswith(b"554 5.5.1")


async def test_connections_are_counted() -> None:
    """The library takes as many as come. Here they are limited, per client and in all."""
    async with bare_server(Handler()) as address, connect(address), connect(address), connect(address):
        pass
    for limits, code in (({"connections": 2}, "421 4.3.2"), ({"connections_per_client": 2}, "421 4.7.0")):
        async with (
            open_intake(Desk(), settings(limits=limits)) as intake,
            talk(intake),
            talk(intake),
            talk(intake, greeted=False) as third,
        ):
            assert (await third.reply()).startswith(code)


async def test_recipients_are_counted() -> None:
    """The library takes as many as come. Here the one too many may come again (RFC 5321 4.5.3.1.10)."""
    async with bare(Handler()) as client:
        await client.say(HELLO + MAIL, 2)
        assert (await client.say(RCPT * 2000, 2000)).startswith("250")
    async with ours(limits={"recipients": 1}) as client:
        await client.say(HELLO + MAIL + RCPT, 3)
        assert (await client.say(b"RCPT TO:<sales@desk.test>\r\n")).startswith("452 4.5.3")


async def test_errors_are_counted() -> None:
    """The library bears any number of refused commands. Here they end the session."""
    async with bare(Handler()) as client:
        await client.say(HELLO)
        assert (await client.say(b"MAIL nonsense\r\n" * 500, 500)).startswith("501")
    async with ours(limits={"errors": 5}) as client:
        await client.say(HELLO)
        assert (await client.say(b"MAIL nonsense\r\n" * 5, 6)).startswith("421 4.7.0")
        assert await client.ended() == b""


class Slow:
    """What a Controller serves with; it has a loop of its own, in a thread."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.said = ""

    async def handle_DATA(self, *_: object) -> str:  # noqa: N802
        self.entered.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.said = "cancelled"
            raise
        return "250 OK"


async def test_shutting_down() -> None:
    """The library cancels what is being committed. Here it is committed and answered, and the idle get a 421."""
    slow = Slow()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(slow, hostname="127.0.0.1", port=port, server_hostname="bare.test")
    await asyncio.to_thread(controller.start)
    async with connect(("127.0.0.1", port)) as client, connect(("127.0.0.1", port)) as idle:
        client.writer.write(HELLO + START + TEXT)
        await client.say(b"", 4)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(slow.entered.wait(), controller.loop))
        await asyncio.to_thread(controller.stop)
        assert slow.said == "cancelled"
        assert await idle.ended() == b""
    desk = Desk()
    desk.gate.clear()
    async with open_intake(desk) as intake, talk(intake) as client, talk(intake) as idle:
        client.writer.write(HELLO + START + TEXT)
        await asyncio.wait_for(desk.entered.wait(), 60)
        draining = asyncio.create_task(intake.drain(20))
        assert (await idle.reply()).startswith("421 4.3.2")
        desk.gate.set()
        assert b"250 2.0.0 Ok: queued" in await client.ended()
        assert await draining == 0


async def test_the_own_name_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library asks the resolver for it at each connection, and stands still meanwhile. Here it is known."""
    asked: list[str] = []

    def getfqdn(name: str = "") -> str:
        asked.append(name)
        return "bare.test"

    monkeypatch.setattr(socket, "getfqdn", getfqdn)
    async with bare_server(Handler(), hostname=None) as address, connect(address), connect(address):
        assert len(asked) == 2
    asked.clear()
    async with open_intake(Desk()) as intake, talk(intake), talk(intake):
        assert not asked


async def test_commands_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The library logs every command at INFO, addresses and all. Here only what was refused, or done, is told."""
    caplog.set_level(logging.INFO)
    async with bare(Handler()) as client:
        await client.say(HELLO + START, 4)
        assert (await client.say(TEXT)).startswith("250")
    assert "RCPT TO:<support@desk.test>" in caplog.text
    assert caplog.text.count("support@desk.test") > 1
    caplog.clear()
    with structlog.testing.capture_logs() as events:
        async with ours() as client:
            await client.say(HELLO + START, 4)
            assert (await client.say(TEXT)).startswith("250")
    assert "support@desk.test" not in caplog.text + repr(events)


@pytest.mark.parametrize("said", [b"", HELLO, HELLO + START, HELLO + START + b"x" * 100_000])
async def test_a_connection_leaves_nothing_behind(said: bytes) -> None:
    """No session object outlives its connection, however it ends."""
    desk = Desk()
    async with open_intake(desk) as intake:
        for _ in range(20):
            async with talk(intake) as client:
                client.writer.write(said)
                await client.writer.drain()
        assert await intake.drain(20) == 0
        gc.collect()
        assert not [one for one in gc.get_objects() if isinstance(one, HostedSession)]
    assert intake._reception.memory.used_bytes == 0
    assert intake._reception.connections.open == 0
