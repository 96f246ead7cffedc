"""A sink that records every message whole, and clients that try again until they hear 250, as mail servers do."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_COMMAND_END = b"\r\n"


@dataclass
class RecordingSink:
    """An SMTP server that takes everything and keeps the bytes of each message, before it answers 250."""

    messages: list[bytes] = field(default_factory=list)
    port: int = 0
    answering: asyncio.Event | None = None  # content is answered only while it is set

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["RecordingSink"]:
        server = await asyncio.start_server(self._session, "127.0.0.1", self.port, limit=8_000_000)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"220 sink.test ESMTP\r\n")
            while line := await reader.readuntil(_COMMAND_END):
                verb = line[:4].upper()
                if verb == b"EHLO":
                    writer.write(b"250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
                elif verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    self.messages.append(await self._data(reader))
                    if self.answering:
                        await self.answering.wait()
                    writer.write(b"250 2.0.0 taken\r\n")
                elif verb == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 ok\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _data(self, reader: asyncio.StreamReader) -> bytes:
        lines = []
        while (line := await reader.readuntil(_COMMAND_END)) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


@dataclass
class Stream:
    """Clients that hand over numbered messages; each is tried until it is answered 250."""

    port: int
    bodies: dict[int, bytes]  # number → the message's bytes, dots not yet stuffed
    acknowledged: set[int] = field(default_factory=set)
    refused: list[bytes] = field(default_factory=list)

    async def run(self, connections: int) -> None:
        waiting = list(self.bodies)
        await asyncio.gather(*(self._client(waiting) for _ in range(connections)))

    async def _client(self, waiting: list[int]) -> None:
        while waiting:
            number = waiting.pop()
            while number not in self.acknowledged:
                try:
                    await self._hand_over(number)
                except (OSError, asyncio.IncompleteReadError):
                    await asyncio.sleep(0.05)  # the server is down: a mail server would wait, too

    async def _hand_over(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            await self._reply(reader)
            for command in (
                b"EHLO client.test",
                b"MAIL FROM:<anna@klient.pl>",
                b"RCPT TO:<support@example.com>",
                b"DATA",
            ):
                writer.write(command + _COMMAND_END)
                await self._reply(reader)
            writer.write(re.sub(rb"(?m)^\.", b"..", self.bodies[number]) + b".\r\n")
            reply = await self._reply(reader)
            if reply.startswith(b"250"):
                self.acknowledged.add(number)
            else:
                self.refused.append(reply)
        finally:
            writer.close()

    async def _reply(self, reader: asyncio.StreamReader) -> bytes:
        while True:
            line = await reader.readuntil(_COMMAND_END)
            if line[3:4] != b"-":
                return line
