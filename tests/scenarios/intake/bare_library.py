"""aiosmtpd as it is, next to our intake: what the pairs of tests about its faults talk to."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from intake_desk import Desk, Talker, open_intake, settings, talk

MAIL = b"MAIL FROM:<a@far.test>\r\n"
RCPT = b"RCPT TO:<support@desk.test>\r\n"


class Handler:
    """The least that aiosmtpd asks for. `gate` closed holds every message; `ended` says so where it is cancelled."""

    def __init__(self, error: Exception | None = None) -> None:
        self.envelopes: list[Envelope] = []
        self.sessions: list[Session] = []
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
        self.sessions.append(session)
        if self.error is not None:
            raise self.error
        return "250 OK"


@asynccontextmanager
async def bare_server(
    handler: Handler, kind: type[SMTP] = SMTP, *, implicit: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[tuple[str, int]]:
    """The library's server; gives its address."""
    loop = asyncio.get_running_loop()
    options = {"hostname": "bare.test", **options}
    made: list[SMTP] = []

    def make() -> SMTP:
        made.append(kind(handler, loop=loop, **options))
        return made[-1]

    server = await loop.create_server(make, "127.0.0.1", 0, ssl=implicit)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        await _end(made)


async def _end(made: list[SMTP]) -> None:
    """The library does not end what it has begun, and may never notice that it was."""
    for _ in range(100):
        left = [one for one in made if one.transport is not None]
        for transport in (found for one in left for found in (one.transport, one._original_transport)):
            if transport is not None:
                transport.abort()  # type: ignore[attr-defined]
        await asyncio.sleep(0)


@asynccontextmanager
async def bare(handler: Handler, kind: type[SMTP] = SMTP, **options: Any) -> AsyncIterator[Talker]:
    """A connection to the library, greeted."""
    async with bare_server(handler, kind, **options) as address, connect(address) as client:
        yield client


@asynccontextmanager
async def connect(address: tuple[str, int], *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Talker]:
    """A further connection to a server of any kind, greeted."""
    name = "mx.desk.test" if tls else None
    reader, writer = await asyncio.open_connection(*address[:2], ssl=tls, server_hostname=name)
    client = Talker(reader, writer)
    assert (await client.reply()).startswith("220 ")
    try:
        yield client
    finally:
        writer.transport.abort()


@asynccontextmanager
async def ours(desk: Desk | None = None, **config: Any) -> AsyncIterator[Talker]:
    """A connection to an intake with this config, greeted."""
    async with open_intake(desk or Desk(), settings(**config)) as intake, talk(intake) as client:
        yield client
