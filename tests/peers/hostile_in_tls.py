"""Clients that mean harm, at the begin of TLS and inside it."""

import asyncio
import contextlib
import random
import ssl
from dataclasses import dataclass, field

from peers.hostile_client import (
    HELLO,
    MIB,
    RCPT,
    START,
    Connection,
    drip,
    send_for_ever,
    send_without_reading,
)


@dataclass(slots=True)
class Tls:
    """TLS over a Connection, by hand: what goes over the wire is the client's choice."""

    connection: Connection
    incoming: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    outgoing: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    engine: ssl.SSLObject = field(init=False)

    def __post_init__(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.engine = context.wrap_bio(self.incoming, self.outgoing)

    def hello(self) -> bytes:
        """The first message of the handshake."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.engine.do_handshake()
        return self.outgoing.read()

    async def shake_hands(self) -> None:
        while True:
            try:
                self.engine.do_handshake()
            except ssl.SSLWantReadError:
                await self.connection.send(self.outgoing.read())
                data = await self.connection.read()
                if not data:
                    raise ConnectionError("ended by the server") from None
                self.incoming.write(data)
            else:
                await self.connection.send(self.outgoing.read())
                return

    async def send(self, data: bytes) -> None:
        self.engine.write(data)
        await self.connection.send(self.outgoing.read())


async def _starttls(connection: Connection, port: int, *, buffer_bytes: int = 0) -> None:
    await connection.open(port, buffer_bytes=buffer_bytes)
    await connection.send(HELLO + b"STARTTLS\r\n")
    await connection.read_until(b"220 2.0.0")


async def _in_tls(connection: Connection, port: int, *, buffer_bytes: int = 0) -> Tls:
    await _starttls(connection, port, buffer_bytes=buffer_bytes)
    tls = Tls(connection)
    await tls.shake_hands()
    return tls


async def handshake_left(connection: Connection) -> None:
    """After the server has made its keys."""
    await _starttls(connection, connection.front.smtp)
    await connection.send(Tls(connection).hello())
    await connection.stay()


async def handshake_dripped(connection: Connection) -> None:
    await _starttls(connection, connection.front.smtp)
    await drip(connection, Tls(connection).hello())


async def implicit_handshake_left(connection: Connection) -> None:
    await connection.open(connection.front.implicit)
    await connection.send(Tls(connection).hello())
    await connection.stay()


async def implicit_silence(connection: Connection) -> None:
    await connection.open(connection.front.implicit)
    await connection.stay()


async def idle_in_tls(connection: Connection) -> None:
    tls = await _in_tls(connection, connection.front.smtp)
    await tls.send(HELLO)
    await connection.stay()


async def garbage_for_handshake(connection: Connection) -> None:
    await _starttls(connection, connection.front.smtp)
    await send_for_ever(connection, random.Random(1).randbytes(65_536), most=MIB)


async def garbage_in_tls(connection: Connection) -> None:
    await _in_tls(connection, connection.front.smtp)
    await send_for_ever(connection, b"\x17\x03\x03\x40\x00" + b"\0" * 16_384, most=MIB)


async def half_a_record(connection: Connection) -> None:
    """A TLS record but for its last byte: the server has to keep it."""
    await _in_tls(connection, connection.front.smtp)
    await connection.send(b"\x17\x03\x03\x40\x00" + b"\0" * 16_383)
    await connection.stay()


async def content_in_tls_then_silence(connection: Connection) -> None:
    tls = await _in_tls(connection, connection.front.smtp)
    await tls.send(START)
    await connection.read_until(b"")
    for _ in range(64):
        await tls.send((b"x" * 76 + b"\r\n") * (MIB // 64 // 78))
    await connection.stay()


async def never_reading_in_tls(connection: Connection) -> None:
    tls = await _in_tls(connection, connection.front.smtp, buffer_bytes=4096)
    tls.engine.write(HELLO * 700)
    data = b""
    for _ in range(100):
        tls.engine.write(HELLO * 700)
        data += tls.outgoing.read()
    await send_without_reading(connection, data)


async def injected_before_tls(connection: Connection) -> None:
    """Commands in the clear behind STARTTLS, and no handshake."""
    await connection.open(connection.front.smtp)
    await connection.send(HELLO + b"STARTTLS\r\n" + RCPT * 1000)
    await send_for_ever(connection, RCPT * 2000, most=MIB)


async def flood_of_logins(connection: Connection) -> None:
    tls = await _in_tls(connection, connection.front.login)
    reading = asyncio.ensure_future(connection.swallow())
    connection.stands.set()
    try:
        await tls.send(HELLO + b"AUTH PLAIN AGV3YQB3cm9uZw==\r\n" * 300)
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def half_a_login(connection: Connection) -> None:
    tls = await _in_tls(connection, connection.front.login)
    await tls.send(HELLO + b"AUTH LOGIN\r\nZXdh\r\n" + b"x" * 4000)
    await connection.stay()
