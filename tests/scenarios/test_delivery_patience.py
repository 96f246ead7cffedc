"""A next hop that is slow on purpose: each reply, and each piece of the content, has one deadline."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
import simulated_time

from routerd.config.settings import Route
from routerd.delivery.outcome import Deferred, Delivered, Stage
from routerd.delivery.transports.connection import Timeouts
from routerd.delivery.transports.content import Content
from routerd.delivery.transports.smtp import Letter, TlsContexts, smtp_next_hop

STEPS_WITH_TIMEOUT = ("connect", "greeting", "hello", "mail", "rcpt", "data", "content", "send")
BRIEF = Timeouts(**dict.fromkeys(STEPS_WITH_TIMEOUT, 0.3))
PATIENT = Timeouts(**dict.fromkeys(STEPS_WITH_TIMEOUT, 1.0))
DRIP_SECONDS = 0.05
STEPS = {"greeting": b"220", "EHLO": b"250", "MAIL": b"250", "RCPT": b"250", "DATA": b"354", "content": b"250"}

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def outcome_of(serve: Serve, content: Content, timeouts: Timeouts = BRIEF) -> object:
    """What becomes of one letter, in simulated time; a next hop that nobody gives up fails the test."""
    outcomes = []

    async def deliver() -> None:
        outcomes.append(await _deliver(serve, content, timeouts))

    simulated_time.run(deliver())
    return outcomes[0]


async def _deliver(serve: Serve, content: Content, timeouts: Timeouts) -> object:
    serving: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    route = Route.model_validate({"domain": "*", "smtp": f"127.0.0.1:{port}", "tls": "none"})
    hop = smtp_next_hop(route, "mx.desk.test", TlsContexts.of_system(), timeouts)
    try:
        async with asyncio.timeout(60):
            return await hop.deliver(Letter("a@desk.test", "ewa@example.com", content))
    finally:
        hop.close()
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def drip(writer: asyncio.StreamWriter, data: bytes, count: int = 10_000) -> None:
    for number in range(count):
        writer.write(data[number : number + 1] or b"x")
        await writer.drain()
        await asyncio.sleep(DRIP_SECONDS)


def dripping_at(wanted: str, *, lines: bool = False) -> Serve:
    """Answers as usual but for `wanted`: there one byte, or one line, after another, without an end."""

    async def answer(step: str, writer: asyncio.StreamWriter) -> None:
        if step != wanted:
            writer.write(STEPS[step] + b" ok\r\n")
        elif lines:
            while True:
                writer.write(STEPS[step] + b"-more\r\n")
                await writer.drain()
                await asyncio.sleep(DRIP_SECONDS)
        else:
            await drip(writer, STEPS[step] + b"-")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer("greeting", writer)
        while line := await reader.readline():
            await answer(line[:4].decode(), writer)
            if line.startswith(b"DATA"):
                await reader.readuntil(b"\r\n.\r\n")
                await answer("content", writer)

    return serve


@pytest.mark.parametrize("lines", [False, True], ids=["bytes", "lines"])
@pytest.mark.parametrize("step", STEPS)
def test_a_reply_that_drips_is_not_waited_for_any_longer(step: str, lines: bool) -> None:
    """A byte or a line now and then wins the next hop no time: RFC 5321 4.5.3.2 is about the reply."""
    outcome = outcome_of(dripping_at(step, lines=lines), Content(b"Subject: hi\r\n\r\nhello\r\n"))
    assert isinstance(outcome, Deferred)
    assert "did not answer in time" in outcome.reason
    assert outcome.stage == {"EHLO": Stage.HELLO}.get(step, step.lower())


def test_each_reply_has_its_own_deadline() -> None:
    """A next hop that is slow at every step, in time at each, and late in all, is borne with."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await drip(writer, b"220\r\n", 5)
        while not (await reader.readline()).startswith(b"DATA"):
            await drip(writer, b"250\r\n", 5)
        await drip(writer, b"354\r\n", 5)
        await reader.readuntil(b"\r\n.\r\n")
        await drip(writer, b"250\r\n", 5)

    outcome = outcome_of(serve, Content(b"Subject: hi\r\n\r\nhello\r\n"), PATIENT)
    assert isinstance(outcome, Delivered), outcome


def test_content_that_is_not_taken_is_not_sent_for_ever() -> None:
    """A next hop that reads nothing, but says a byte now and then, is given up as well."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ok\r\n")
        while not (await reader.readline()).startswith(b"DATA"):
            writer.write(b"250 ok\r\n")
        writer.write(b"354 go\r\n")
        writer.transport.pause_reading()
        await drip(writer, b"250-")

    outcome = outcome_of(serve, Content(b"X: " + b"x" * 32_000_000 + b"\r\n\r\n"))
    assert isinstance(outcome, Deferred)
    assert "does not take what is sent" in outcome.reason
