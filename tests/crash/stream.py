"""A sink that records every message whole, and clients that try again until they hear 250, as mail servers do."""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

_COMMAND_END = b"\r\n"


@dataclass
class RecordingSink:
    """An SMTP server that takes everything and keeps the bytes of each message, before it answers 250."""

    messages: list[bytes] = field(default_factory=list)
    port: int = 0
    refuse_every: dict[bytes, int] = field(default_factory=dict)  # part of a RCPT command: of so many one gets 550
    answering: asyncio.Event | None = None  # content is answered only while it is set
    _asked: Counter[bytes] = field(default_factory=Counter)

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
                elif verb == b"RCPT" and self._refuses(line):
                    writer.write(b"550 5.1.1 unknown\r\n")
                else:
                    writer.write(b"250 ok\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _refuses(self, command: bytes) -> bool:
        for part, every in self.refuse_every.items():
            if part in command:
                self._asked[part] += 1
                return self._asked[part] % every == 0
        return False

    async def _data(self, reader: asyncio.StreamReader) -> bytes:
        lines = []
        while (line := await reader.readuntil(_COMMAND_END)) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


@dataclass
class Stream:
    """Clients that hand over numbered messages, one after the other; each is tried until it is answered 250."""

    port: int
    message: Callable[[int], bytes]  # by its number, from 1; dots not yet stuffed
    most: int | None = None  # None: until `is_enough`
    is_enough: bool = False
    begun: int = 0
    acknowledged: set[int] = field(default_factory=set)
    refused: list[bytes] = field(default_factory=list)

    async def run(self, connections: int) -> None:
        await asyncio.gather(*(self._client() for _ in range(connections)))

    async def _client(self) -> None:
        while not self.is_enough and self.begun != self.most:
            self.begun += 1
            number = self.begun
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
            writer.write(re.sub(rb"(?m)^\.", b"..", self.message(number)) + b".\r\n")
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
