"""The faults of aiosmtpd 1.4.6 with time: each shown on the bare library, and its absence here."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiosmtpd.smtp import SMTP
from bare_library import MAIL, RCPT, Handler, bare, bare_server, connect
from intake_desk import HELLO, START, TEXT, Desk, Talker, open_intake, settings, talk

from routerd.intake.reception import Timeouts
from routerd.intake.server import Intake


@asynccontextmanager
async def hasty(desk: Desk | None = None, **timeouts: float) -> AsyncIterator[Intake]:
    """An intake that looks at its clocks all the time."""
    async with open_intake(desk or Desk(), timeouts=Timeouts(check_seconds=0.02, **timeouts)) as intake:
        yield intake


async def drip(client: Talker, until: "asyncio.Task[bytes]") -> None:
    """A line of content now and then, until somebody else is done."""
    while not until.done():
        client.writer.write(b"a line\r\n")
        await client.writer.drain()
        await asyncio.wait({until}, timeout=0.01)


async def test_a_message_that_keeps_coming() -> None:
    """The library has one budget for it from DATA on. Here a clock runs from what came last."""
    async with bare(Handler(), timeout=0.3) as client:
        await client.say(HELLO + START, 4)
        ended = asyncio.create_task(client.ended())
        with contextlib.suppress(ConnectionResetError):  # where it closes with content unread
            await asyncio.wait_for(drip(client, ended), 60)
            assert await ended == b""
    async with hasty(idle_seconds=1.0) as intake, talk(intake) as client, talk(intake) as silent:
        await client.say(HELLO + START, 4)
        # The other's own end, twice, shows that more time has gone by.
        await drip(client, asyncio.create_task(silent.ended()))
        async with talk(intake) as silent_too:
            await drip(client, asyncio.create_task(silent_too.ended()))
        assert (await client.say(b".\r\n")).startswith("250")


@pytest.mark.parametrize("said", [b"", HELLO, HELLO + START])
async def test_silence(said: bytes) -> None:
    """The library closes without a word. Here it is 421 (RFC 5321 3.8)."""
    async with bare(Handler(), timeout=0.1) as client:
        await client.say(said, said.count(b"\n"))
        assert await client.ended() == b""
    async with hasty(idle_seconds=0.1) as intake, talk(intake) as client:
        client.writer.write(said)
        assert (await client.ended()).splitlines()[-1].startswith(b"421 4.4.2")


async def test_a_slow_store() -> None:
    """The library cancels its handler when the budget is spent. Here no clock runs in the commit."""
    handler, desk = Handler(), Desk()
    handler.gate.clear()
    desk.gate.clear()
    async with bare(handler, timeout=0.5) as client:
        client.writer.write(HELLO + START + TEXT)
        assert await asyncio.wait_for(handler.ended, 60) == "cancelled"
    async with hasty(desk, idle_seconds=0.5, session_seconds=0.5) as intake, talk(intake) as client:
        client.writer.write(HELLO + START + TEXT)
        await asyncio.wait_for(desk.entered.wait(), 60)
        async with talk(intake) as other:  # whose end shows that the time is over
            await other.ended()
        desk.gate.set()
        assert b"250 2.0.0 Ok: queued" in await client.ended()


async def test_noops_for_ever() -> None:
    """In the library each begins the budget anew. Here a session has an end, and too many of them end it before."""
    async with bare_server(Handler(), timeout=0.5) as address, connect(address) as busy:
        for _ in range(2):
            async with connect(address) as silent:
                ended = asyncio.create_task(silent.ended())
                while not ended.done():
                    assert (await busy.say(b"NOOP\r\n")).startswith("250")
    desk = Desk()
    async with hasty(desk, session_seconds=0.1) as intake, talk(intake) as client:
        with suppress(ConnectionError):
            await client.say(HELLO)
            while not client.reader.at_eof():  # mail in between: never too many commands without it
                await client.say(START + TEXT + b"NOOP\r\n", 5)
        assert desk.value("rejections_total", reason="timeout") == 1
    async with open_intake(Desk()) as intake, talk(intake) as client:
        said = (await client.say(b"NOOP\r\n" * 101, 101)).encode()
        assert said.startswith(b"421 4.7.0")
        assert await client.ended() == b""


class Timed(SMTP):
    """The library; `over` gets the transport when its time is over."""

    over: "asyncio.Future[asyncio.Transport]"

    def _timeout_cb(self) -> None:
        super()._timeout_cb()
        self.over.set_result(self.transport)


async def test_a_client_that_never_reads() -> None:
    """The library closes its connection, which waits for the client all the same. Here it is broken off."""
    loop = asyncio.get_running_loop()
    Timed.over = loop.create_future()
    async with bare_server(Handler(), Timed, timeout=0.3) as address:
        with _deaf() as client:
            await loop.sock_connect(client, address)
            flooding = asyncio.create_task(loop.sock_sendall(client, b"HELP\r\n" * 1_000_000))
            transport = await asyncio.wait_for(Timed.over, 60)
            assert transport.is_closing()
            assert transport.get_write_buffer_size() > 0
            assert transport.get_extra_info("socket").fileno() > 0
            flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
    desk = Desk()
    config = settings(limits={"commands": 1_000_000, "recipients": 1_000_000})
    timeouts = Timeouts(unread_seconds=0.1, check_seconds=0.02)
    async with open_intake(desk, config, timeouts=timeouts) as intake:
        with _deaf() as client:
            await loop.sock_connect(client, next(iter(intake.addresses().values()))[0])
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                await loop.sock_sendall(client, HELLO + MAIL + RCPT * 1_000_000)
        assert desk.value("rejections_total", reason="unread") == 1


def _deaf() -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    return client
