"""Clients that mean harm: each kind brings one connection into the state that costs most, and stays there."""

import asyncio
import contextlib
import random
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

DRIP_SECONDS = 0.1
HELLO = b"EHLO hostile.example\r\n"
MAIL = b"MAIL FROM:<a@hostile.example>\r\n"
RCPT = b"RCPT TO:<support@example.com>\r\n"
START = HELLO + MAIL + RCPT + b"DATA\r\n"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Front:
    """Ports of 127.0.0.1 where the server under attack listens."""

    smtp: int  # with STARTTLS
    implicit: int
    login: int  # STARTTLS, then AUTH
    proxy_address: str = "127.0.0.2"  # from here PROXY headers are expected


class Connection:
    """A raw socket, so that nothing reads or writes but what the client wants to."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.stands = asyncio.Event()  # it has done its worst, or was thrown out
        self._socket: socket.socket | None = None

    async def open(self, port: int, *, source: str = "", buffer_bytes: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        if buffer_bytes:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        if source:
            self._socket.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(self._socket, ("127.0.0.1", port))

    @property
    def raw(self) -> socket.socket:
        if self._socket is None:
            raise RuntimeError("not open")
        return self._socket

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.raw, data)

    async def read(self) -> bytes:
        """b"" at the end."""
        return await asyncio.get_running_loop().sock_recv(self.raw, 65_536)

    async def read_until(self, said: bytes) -> None:
        """Raises ConnectionError where the server ends it."""
        seen = b""
        while said not in seen:
            data = await self.read()
            if not data:
                raise ConnectionError("ended by the server")
            seen = seen[-1000:] + data

    async def swallow(self) -> None:
        """Reads to the end."""
        while await self.read():
            pass

    async def stay(self) -> None:
        """Nothing more, for as long as the other end bears it."""
        self.stands.set()
        await asyncio.Event().wait()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


Kind = Callable[[Connection], Awaitable[None]]


async def be(kind: Kind, connection: Connection) -> None:
    """One client's life, until it is cancelled; being thrown out is an end like any other."""
    with contextlib.suppress(OSError, ssl.SSLError):
        try:
            await kind(connection)
        finally:
            connection.stands.set()
            connection.close()


# In the clear


async def half_a_command(connection: Connection) -> None:
    await connection.open(connection.front.smtp)
    await connection.send(HELLO + b"MAIL FROM:<a")
    await connection.stay()


async def dripped_commands(connection: Connection) -> None:
    await connection.open(connection.front.smtp)
    await _drip(connection, HELLO + b"NOOP drip\r\n" * 1000)


async def dripped_content(connection: Connection) -> None:
    await connection.open(connection.front.smtp)
    await connection.send(START)
    await connection.read_until(b"354 ")
    await _drip(connection, b"Subject: drip\r\n\r\n" + b"drip\r\n" * 10_000)


async def _drip(connection: Connection, data: bytes) -> None:
    connection.stands.set()
    for at in range(len(data)):
        await connection.send(data[at : at + 1])
        await asyncio.sleep(DRIP_SECONDS)


async def content_then_silence(connection: Connection) -> None:
    """As much as a message may have in memory, and no end of it."""
    await connection.open(connection.front.smtp)
    await connection.send(START)
    await connection.read_until(b"354 ")
    await connection.send((b"x" * 76 + b"\r\n") * (MIB // 78))
    await connection.stay()


async def large_content_then_silence(connection: Connection) -> None:
    """More than a message may have in memory."""
    await connection.open(connection.front.smtp)
    await connection.send(START)
    await connection.read_until(b"354 ")
    await connection.send((b"x" * 76 + b"\r\n") * (3 * MIB // 78))
    await connection.stay()


async def small_pieces_then_silence(connection: Connection) -> None:
    """Content in many small segments: each is an object of its own in a careless server."""
    await connection.open(connection.front.smtp)
    connection.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await connection.send(START)
    await connection.read_until(b"354 ")
    for _ in range(1_000):
        await connection.send(b"xxxxx\r\n")
        await asyncio.sleep(0)
    await connection.stay()


async def endless_line(connection: Connection) -> None:
    await connection.open(connection.front.smtp)
    await connection.send(START)
    await connection.read_until(b"354 ")
    await _for_ever(connection, b"x" * 65_536, most=3 * MIB)


async def endless_command(connection: Connection) -> None:
    await connection.open(connection.front.smtp)
    await _for_ever(connection, b"x" * 65_536, most=8 * MIB)


async def endless_header(connection: Connection) -> None:
    await connection.open(connection.front.smtp)
    await connection.send(START)
    await connection.read_until(b"354 ")
    await _for_ever(connection, b"".join(b"X-%d: y\r\n" % number for number in range(6000)), most=3 * MIB)


async def _for_ever(connection: Connection, piece: bytes, most: int) -> None:
    for _ in range(most // len(piece)):
        await connection.send(piece)
    await connection.stay()


async def flood_of_noops(connection: Connection) -> None:
    await _flood(connection, HELLO + b"NOOP\r\n" * 20_000)


async def flood_of_resets(connection: Connection) -> None:
    await _flood(connection, HELLO + (MAIL + b"RSET\r\n") * 20_000)


async def flood_of_recipients(connection: Connection) -> None:
    await _flood(connection, HELLO + MAIL + RCPT * 20_000)


async def flood_of_unknown_recipients(connection: Connection) -> None:
    await _flood(connection, HELLO + MAIL + b"RCPT TO:<nobody@example.com>\r\n" * 20_000)


async def recipients_then_silence(connection: Connection) -> None:
    """As many as are allowed, each as long as it may be."""
    await connection.open(connection.front.smtp)
    detail = "x" * 40
    lines = [f"RCPT TO:<support+{number:04}{detail}@example.com>\r\n".encode() for number in range(1000)]
    reading = asyncio.ensure_future(connection.swallow())
    try:
        await connection.send(HELLO + MAIL + b"".join(lines))
        await connection.stay()
    finally:
        reading.cancel()


async def _flood(connection: Connection, data: bytes) -> None:
    """All at once, and what is said is read."""
    await connection.open(connection.front.smtp)
    reading = asyncio.ensure_future(connection.swallow())
    connection.stands.set()
    try:
        await connection.send(data)
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def never_reading(connection: Connection) -> None:
    await connection.open(connection.front.smtp, buffer_bytes=4096)
    await _without_reading(connection, HELLO * 50_000)


async def _without_reading(connection: Connection, data: bytes) -> None:
    sending = asyncio.ensure_future(connection.send(data))
    try:
        await asyncio.wait({sending}, timeout=1.0)
        await connection.stay()
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def connect_and_close(connection: Connection) -> None:
    for _ in range(20):
        await connection.open(connection.front.smtp)
        if random.random() < 0.5:  # a reset instead of an end
            connection.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()


async def half_closed(connection: Connection) -> None:
    """Ends its half in mid-command and in mid-content, and keeps the other."""
    await connection.open(connection.front.smtp)
    await connection.send(START + b"Subject: half" if random.random() < 0.5 else HELLO + b"MAIL")
    connection.raw.shutdown(socket.SHUT_WR)
    await connection.stay()


async def dripped_proxy(connection: Connection) -> None:
    await connection.open(connection.front.smtp, source=connection.front.proxy_address)
    await _drip(connection, b"PROXY TCP4 192.0.2.1 192.0.2.2 65535 25\r\n" * 100)


async def endless_proxy(connection: Connection) -> None:
    await connection.open(connection.front.smtp, source=connection.front.proxy_address)
    await _for_ever(connection, b"PROXY TCP4 " + b"1" * 60_000, most=8 * MIB)


# With TLS


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
    await _drip(connection, Tls(connection).hello())


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
    await _for_ever(connection, random.Random(1).randbytes(65_536), most=MIB)


async def garbage_in_tls(connection: Connection) -> None:
    await _in_tls(connection, connection.front.smtp)
    await _for_ever(connection, b"\x17\x03\x03\x40\x00" + b"\0" * 16_384, most=MIB)


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
    await _without_reading(connection, data)


async def injected_before_tls(connection: Connection) -> None:
    """Commands in the clear behind STARTTLS, and no handshake."""
    await connection.open(connection.front.smtp)
    await connection.send(HELLO + b"STARTTLS\r\n" + RCPT * 1000)
    await _for_ever(connection, RCPT * 2000, most=MIB)


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


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        half_a_command, dripped_commands, dripped_content, content_then_silence, large_content_then_silence,
        small_pieces_then_silence, endless_line, endless_command, endless_header, flood_of_noops, flood_of_resets,
        flood_of_recipients, flood_of_unknown_recipients, recipients_then_silence, never_reading, connect_and_close,
        half_closed, dripped_proxy, endless_proxy, handshake_left, handshake_dripped, implicit_handshake_left,
        implicit_silence, idle_in_tls, garbage_for_handshake, garbage_in_tls, half_a_record,
        content_in_tls_then_silence, never_reading_in_tls, injected_before_tls, flood_of_logins, half_a_login,
    )
}  # fmt: skip
