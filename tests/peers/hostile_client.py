"""One connection of a client that means harm, and what such a client is."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

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


async def drip(connection: Connection, data: bytes) -> None:
    connection.stands.set()
    for at in range(len(data)):
        await connection.send(data[at : at + 1])
        await asyncio.sleep(DRIP_SECONDS)


async def send_for_ever(connection: Connection, piece: bytes, most: int) -> None:
    for _ in range(most // len(piece)):
        await connection.send(piece)
    await connection.stay()


async def send_without_reading(connection: Connection, data: bytes) -> None:
    sending = asyncio.ensure_future(connection.send(data))
    try:
        await asyncio.wait({sending}, timeout=1.0)
        await connection.stay()
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
