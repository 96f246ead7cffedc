"""The faults of aiosmtpd 1.4.6 with messages: each shown on the bare library, and its absence here."""

import asyncio
import errno
import time
import tracemalloc
from typing import ClassVar

import pytest
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP
from bare_library import MAIL, Handler, bare, bare_server, connect, ours
from intake_desk import HELLO, START, TEXT, Desk, Talker


async def test_a_client_that_leaves() -> None:
    """The library cancels the handler in mid-commit. Here the commit ends (see also test_intake_sessions)."""
    handler, desk = Handler(), Desk()
    handler.gate.clear()
    async with bare(handler) as client:
        client.writer.write(HELLO + START + TEXT)
        await asyncio.wait_for(handler.entered.wait(), 60)
        client.abort()
        assert await asyncio.wait_for(handler.ended, 60) == "cancelled"
    desk.gate.clear()
    async with ours(desk) as client:
        client.writer.write(HELLO + START + TEXT)
        await asyncio.wait_for(desk.entered.wait(), 60)
        client.abort()
    assert len(desk.received) == 1


async def test_exceptions_of_the_handler() -> None:
    """The library says a permanent 500 with the exception's text, CR LF and all. Here: 451, nothing told."""
    async with bare(Handler(RuntimeError("secret\r\n250 OK"))) as client:
        await client.say(HELLO + START, 4)
        assert "secret" in await client.say(TEXT)
        assert (await client.reply()).startswith("250 OK")  # which answers nothing: from here on all is one off
    async with ours(Desk(verdicts=RuntimeError("secret\r\n250 OK"))) as client:
        await client.say(HELLO + START, 4)
        assert await client.say(TEXT + b"NOOP\r\n") == "451 4.3.0 Try again later\r\n"
        assert (await client.reply()).startswith("250 2.0.0")


class Held(SMTP):
    """The library; `tasks` has what serves its connections."""

    tasks: ClassVar[list["asyncio.Task[None]"]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._handler_coroutine is not None:
            self.tasks.append(self._handler_coroutine)


async def test_exceptions_that_are_not_ascii() -> None:
    """In the library they end the task: no answer, and none to what comes after. Here: 451 as ever."""
    async with bare(Handler(RuntimeError("żółć")), Held) as client:
        await client.say(HELLO + START, 4)
        client.writer.write(TEXT + b"NOOP\r\n")
        with pytest.raises(UnicodeEncodeError):
            await asyncio.wait_for(Held.tasks.pop(), 60)
    async with ours(Desk(verdicts=RuntimeError("żółć"))) as client:
        await client.say(HELLO + START, 4)
        assert await client.say(TEXT + b"NOOP\r\n") == "451 4.3.0 Try again later\r\n"
        assert (await client.reply()).startswith("250 2.0.0")


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "452 4.3.1"), (errno.EDQUOT, "452 4.3.1"), (errno.EIO, "451 4.3.0")]
)
async def test_a_full_disk(number: int, code: str) -> None:
    """The library says a permanent 500: mail that could come again is lost. Here it may come again."""
    async with bare(Handler(OSError(number, "disk"))) as client:
        await client.say(HELLO + START, 4)
        assert (await client.say(TEXT)).startswith("500")
    async with ours(Desk(verdicts=OSError(number, "disk"))) as client:
        await client.say(HELLO + START, 4)
        assert (await client.say(TEXT)).startswith(code)


async def test_the_transaction_after_an_exception() -> None:
    """The library leaves it open: the next MAIL is refused. Here the next message comes as ever."""
    handler = Handler(RuntimeError("once"))
    async with bare(handler) as client:
        await client.say(HELLO + START, 4)
        await client.say(TEXT)
        assert (await client.say(MAIL)).startswith("503")
    desk = Desk(verdicts=RuntimeError("once"))
    async with ours(desk) as client:
        await client.say(HELLO + START, 4)
        await client.say(TEXT)
        desk.verdicts = None
        await client.say(START, 3)
        assert (await client.say(TEXT)).startswith("250")


@pytest.mark.parametrize("bare_end", [b"\n", b"\r"])
async def test_bare_newlines(bare_end: bytes) -> None:
    """The library stores them: a header that a CRLF-only stripper passes. Here strangers are refused."""
    handler = Handler()
    forged = b"Subject: x" + bare_end + b"X-Assigned-To: ceo\r\n\r\n.\r\n"
    async with bare(handler) as client:
        await client.say(HELLO + START, 4)
        await client.say(forged)
        content = handler.envelopes[0].content
        assert isinstance(content, bytes)
        assert b"x" + bare_end + b"X-Assigned" in content
    async with ours() as client:
        await client.say(HELLO + START, 4)
        assert (await client.say(forged)).startswith("550 5.5.2")
    desk = Desk()
    async with ours(desk, trusted_networks=["127.0.0.0/8"]) as client:
        await client.say(HELLO + START, 4)
        assert (await client.say(forged)).startswith("250")
        assert desk.received[0].raw == b"Subject: x\r\nX-Assigned-To: ceo\r\n\r\n"


async def test_nul_in_content() -> None:
    """The library stores it. Here it is refused, for it ends a text in many a program."""
    handler = Handler()
    async with bare(handler) as client:
        await client.say(HELLO + START, 4)
        await client.say(b"a\0b\r\n.\r\n")
        assert handler.envelopes[0].content == b"a\0b\r\n"
    async with ours() as client:
        await client.say(HELLO + START, 4)
        assert (await client.say(b"a\0b\r\n.\r\n")).startswith("550 5.6.0")


async def test_long_lines() -> None:
    """The library refuses a message for a line over 1,001 octets. Here it is taken as it is."""
    long = b"x" * 5000 + b"\r\n.\r\n"
    desk = Desk()
    async with bare(Handler()) as client:
        await client.say(HELLO + START, 4)
        assert (await client.say(long)).startswith("500")
    async with ours(desk) as client:
        await client.say(HELLO + START, 4)
        assert (await client.say(long)).startswith("250")
        assert desk.received[0].raw == b"x" * 5000 + b"\r\n"


async def test_an_endless_line_in_content() -> None:
    """The library keeps it, whatever `data_size_limit` says. Here memory grows to the limit's worth and no further."""
    async with bare(Handler(), data_size_limit=1_000_000) as client:
        assert await _peak_of_endless_line(client, "500") > 3_500_000
    async with ours(limits={"message_size": "1MB"}) as client:
        assert await _peak_of_endless_line(client, "552 5.3.4") < 2_500_000


async def _peak_of_endless_line(client: Talker, code: str) -> int:
    """Bytes in use at most while 3.6 MB of one line come; ends it, and expects this answer."""
    await client.say(HELLO + START, 4)
    chunk = b"x" * 60_000
    tracemalloc.start()
    try:
        for _ in range(60):
            client.writer.write(chunk)
            await client.writer.drain()
        client.writer.write(b"\r\n.\r\n")
        assert (await client.reply()).startswith(code)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_content_costs_little() -> None:
    """The library reads it line by line. Here it is looked through in chunks: half of the CPU at most, client's too."""
    body = (b"x" * 76 + b"\r\n") * 20_000 + b".\r\n"
    async with bare_server(Handler()) as address, connect(address) as client:
        theirs = await _cpu_seconds(client, body)
    async with ours() as client:
        assert await _cpu_seconds(client, body) * 2 < theirs


async def _cpu_seconds(client: Talker, body: bytes) -> float:
    """Of this process, client and server, for one message: the least of some."""
    await client.say(HELLO)
    least = float("inf")
    for _ in range(5):
        await client.say(START, 3)
        began = time.process_time()
        assert (await client.say(body)).startswith("250")
        least = min(least, time.process_time() - began)
    return least


async def test_lmtp_replies() -> None:
    """The library gives one reply for two recipients. Here each has its own."""
    two = b"LHLO x\r\n" + MAIL + b"RCPT TO:<support@desk.test>\r\nRCPT TO:<sales@desk.test>\r\nDATA\r\n"
    async with bare(Handler(), LMTP) as client:
        await client.say(two, 5)
        await client.say(TEXT)
        assert (await client.say(b"QUIT\r\n")).startswith("221")
    async with ours(listen=[{"address": "127.0.0.1:0", "protocol": "lmtp"}]) as client:
        await client.say(two, 5)
        assert (await client.say(TEXT, 2)).startswith("250 2.0.0")
        assert (await client.say(b"QUIT\r\n")).startswith("221")
