"""The faults of aiosmtpd 1.4.6: each shown on the bare library, and its absence here."""

import asyncio
import gc
import inspect
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session
from intake_desk import HELLO, START, TEXT, Desk, Talker, open_intake, settings, talk

from routerd.intake.session import HostedSession
from routerd.intake.session_template import session_template

MAIL = b"MAIL FROM:<a@far.test>\r\n"


class Handler:
    """The least that aiosmtpd asks for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.envelopes: list[Envelope] = []
        self.error = error
        self.entered = asyncio.Event()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.gate = asyncio.Event()
        self.gate.set()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.entered.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.ended.set_result("cancelled")
            raise
        self.envelopes.append(envelope)
        if self.error is not None:
            raise self.error
        return "250 OK"


@asynccontextmanager
async def bare(handler: Handler, kind: type[SMTP] = SMTP, **options: Any) -> AsyncIterator[Talker]:
    """A connection to the library as it is."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: kind(handler, hostname="bare.test", loop=loop, **options), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    client = Talker(reader, writer)
    await client.reply()
    try:
        yield client
    finally:
        writer.transport.abort()
        server.close()


@asynccontextmanager
async def ours(desk: Desk | None = None, **config: Any) -> AsyncIterator[Talker]:
    async with open_intake(desk or Desk(), settings(**config)) as intake, talk(intake) as client:
        yield client


def test_what_is_overridden_exists() -> None:
    """A release of aiosmtpd that renames something is seen here and not in production."""
    for name in ("connection_made", "connection_lost", "data_received", "eof_received", "pause_writing",
                 "resume_writing", "__init__"):  # fmt: skip
        assert callable(getattr(SMTP, name))
        assert name in vars(HostedSession)
    assert callable(SMTP._create_session)
    assert "__del__" in vars(SMTP)
    assert {"handler", "hostname", "ident", "loop"} <= inspect.signature(SMTP.__init__).parameters.keys()


async def test_the_template_covers_the_librarys_attributes() -> None:
    """What SMTP.__init__ sets, a session has, without its inspection of every member (a third of a short session)."""
    template = session_template("mx.test", asyncio.get_running_loop())
    assert {"session", "envelope", "transport", "loop", "hostname", "_original_transport"} <= template.keys()
    assert not {"_closed", "_drain_waiters", "_smtp_methods", "_handle_hooks"} & template.keys()


INJECTION = b"RCPT TO:<=?utf-8?q?a=0d=0aRCPT_TO:=3cz=40z.z=3e=0d=0a?=@desk.test>\r\n"


async def test_encoded_words_in_addresses() -> None:
    """The library decodes them: CR LF inside an address. Here they are no address."""
    handler = Handler()
    async with bare(handler) as client:
        await client.say(HELLO + MAIL, 2)
        assert (await client.say(INJECTION)).startswith("250")
        await client.say(b"DATA\r\n")
        await client.say(TEXT)
        assert "\r\n" in handler.envelopes[0].rcpt_tos[0]
    async with ours() as client:
        await client.say(HELLO + MAIL, 2)
        assert (await client.say(INJECTION)).startswith("501 5.1.3")


async def test_the_null_sender() -> None:
    """The library passes '<>' on, and takes `RCPT TO:<>`. Here it is "" and a refusal."""
    handler, desk = Handler(), Desk()
    async with bare(handler) as client:
        await client.say(HELLO + b"MAIL FROM:<>\r\n", 2)
        assert (await client.say(b"RCPT TO:<>\r\n")).startswith("250")
        await client.say(b"DATA\r\n")
        await client.say(TEXT)
        assert handler.envelopes[0].mail_from == "<>"
    async with ours(desk) as client:
        await client.say(HELLO + b"MAIL FROM:<>\r\n", 2)
        assert (await client.say(b"RCPT TO:<>\r\n")).startswith("501 5.1.3")
        await client.say(b"RCPT TO:<support@desk.test>\r\nDATA\r\n" + TEXT, 3)
        assert desk.received[0].envelope.sender == ""


async def test_a_client_that_leaves() -> None:
    """The library cancels the handler in mid-commit. Here the commit ends (see also test_intake_sessions)."""
    handler, desk = Handler(), Desk()
    handler.gate.clear()
    async with bare(handler) as client:
        client.writer.write(HELLO + START + TEXT)
        await asyncio.wait_for(handler.entered.wait(), 20)
        client.abort()
        assert await asyncio.wait_for(handler.ended, 20) == "cancelled"
    desk.gate.clear()
    async with ours(desk) as client:
        client.writer.write(HELLO + START + TEXT)
        await asyncio.wait_for(desk.entered.wait(), 20)
        client.abort()
    assert len(desk.received) == 1


async def test_exceptions_of_the_handler() -> None:
    """The library says a permanent 500 with the exception's text, CR LF and all. Here: 451, nothing told."""
    async with bare(Handler(RuntimeError("secret\r\n250 OK"))) as client:
        await client.say(HELLO + START, 4)
        assert "secret" in await client.say(TEXT)
        assert (await client.reply()).startswith("250 OK")
    async with ours(Desk(verdicts=RuntimeError("secret\r\n250 OK"))) as client:
        await client.say(HELLO + START, 4)
        assert await client.say(TEXT + b"NOOP\r\n") == "451 4.3.0 Try again later\r\n"
        assert (await client.reply()).startswith("250 2.0.0")


async def test_bare_newlines_in_content() -> None:
    """The library stores them: a header that a CRLF-only stripper passes. Here strangers are refused."""
    handler = Handler()
    forged = b"Subject: x\nX-Assigned-To: ceo\r\n\r\n.\r\n"
    async with bare(handler) as client:
        await client.say(HELLO + START, 4)
        await client.say(forged)
        content = handler.envelopes[0].content
        assert isinstance(content, bytes)
        assert b"x\nX-Assigned" in content
    async with ours() as client:
        await client.say(HELLO + START, 4)
        assert (await client.say(forged)).startswith("550 5.5.2")


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
    """Memory does not grow with it beyond the limit's worth."""
    async with ours(limits={"message_size": "100KB"}) as client:
        await client.say(HELLO + START, 4)
        await client.say(b"", 0)
        tracemalloc.start()
        try:
            for _ in range(4):
                client.writer.write(b"x" * 90_000)
                await client.writer.drain()
            client.writer.write(b"\r\n.\r\n")
            assert (await client.reply()).startswith("552 5.3.4")
            assert tracemalloc.get_traced_memory()[1] < 3_000_000
        finally:
            tracemalloc.stop()


async def test_pipelining_is_offered() -> None:
    """The library can do it and does not say so."""
    async with bare(Handler()) as client:
        assert "PIPELINING" not in await client.say(HELLO)
    async with ours() as client:
        assert "PIPELINING" in await client.say(HELLO)


async def test_parameters() -> None:
    """The library calls a hyphenated keyword bad syntax. Here what is not offered is 555 (RFC 5321 4.1.1.11)."""
    line = MAIL.replace(b">", b"> X-OPTION=1")
    async with bare(Handler()) as client:
        await client.say(HELLO)
        assert (await client.say(line)).startswith("501")
    async with ours() as client:
        await client.say(HELLO)
        assert (await client.say(line)).startswith("555 5.5.4")


async def test_state_does_not_leak_between_clients() -> None:
    """In the library one client's EHLOs change a table of the class. Here nothing of a session is of the class."""
    async with bare(Handler(), enable_SMTPUTF8=True) as client:
        await client.say(HELLO * 50, 50)
        assert SMTP.command_size_limits["MAIL"] > SMTP.command_size_limit
    SMTP.command_size_limits.clear()
    async with ours() as client:
        await client.say(HELLO * 50, 50)
        assert not SMTP.command_size_limits
        assert (await client.say(b"NOOP " + b"x" * 600 + b"\r\n")).startswith("500 5.5.2")


async def test_auth_is_not_offered() -> None:
    """The library offers it inside TLS without anybody to check it, and answers 5xx codes without status."""
    async with ours() as client:
        assert "AUTH" not in await client.say(HELLO)
        assert (await client.say(b"AUTH PLAIN AGEAYg==\r\n")).startswith("502 5.5.1")


async def test_utf8_needs_its_parameter() -> None:
    """The library takes UTF-8 addresses without SMTPUTF8 in MAIL. Here it is off, and strict where it is on."""
    line = "MAIL FROM:<ż@far.test>\r\n".encode()
    async with bare(Handler(), enable_SMTPUTF8=True) as client:
        await client.say(HELLO)
        assert (await client.say(line)).startswith("250")
    async with ours(listen=[{"address": "127.0.0.1:0", "smtputf8": "true"}]) as client:
        await client.say(HELLO)
        assert (await client.say(line)).startswith("553 5.6.7")


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
