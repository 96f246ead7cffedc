"""A next hop on 127.0.0.1 that does as it is told: answers from a table, faults at a named step."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

CLOSE = "(close)"  # instead of a reply: hang up
RESET = "(reset)"
SILENCE = "(silence)"  # never answer
LOST = "(lost)"  # in reply to content: it is taken, and the reply never arrives
LATE = 540.0  # seconds that LATELY waits for
LATELY = "(lately)"  # the usual reply, nine minutes later

Answer = Callable[[str, int], str | None]  # step and the connection's number → a reply, a fault, or None: the usual


@dataclass
class Taken:
    sender: str
    recipients: list[str]
    content: bytes
    inside_tls: bool = False


@dataclass
class NextHop:
    """Steps: greeting ehlo starttls mail rcpt data mid-content content, and in LMTP `content` for each recipient.

    `answer` may change while it runs. A reply with several lines in it may be several replies.
    """

    answer: Answer = lambda step, connection: None
    extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SIZE 50000000")
    lmtp: bool = False
    context: ssl.SSLContext | None = None
    taken: list[Taken] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    got_one: asyncio.Event = field(default_factory=asyncio.Event)
    hold: asyncio.Event | None = None  # content is answered only after this
    port: int = 0
    address: str = "127.0.0.1"
    _server: asyncio.Server | None = None

    async def start(self, path: str | None = None) -> "NextHop":
        if path:
            self._server = await asyncio.start_unix_server(self._serve, path)
        else:
            self._server = await asyncio.start_server(self._serve, self.address, self.port, limit=1 << 20)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        if self._server:
            self._server.close()
            self._server = None

    async def took(self, count: int) -> list[Taken]:
        """Waits until so many messages were taken."""
        while len(self.taken) < count:
            self.got_one.clear()
            await asyncio.wait_for(self.got_one.wait(), 60)
        return self.taken

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await _Session(self, reader, writer, self.connections).run()
        except (OSError, asyncio.IncompleteReadError, _HangUpError):
            pass
        finally:
            self.open_now -= 1
            writer.close()


class _HangUpError(Exception):
    pass


class _Session:
    def __init__(self, hop: NextHop, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.hop, self.reader, self.writer, self.number = hop, reader, writer, number
        self.sender = ""
        self.recipients: list[str] = []
        self.inside_tls = False

    async def run(self) -> None:
        await self.say("greeting", "220 next.test ESMTP")
        while line := await self.reader.readline():
            command = line.decode().rstrip("\r\n")
            self.hop.commands.append(command)
            if await self.obey(command):
                return

    async def obey(self, command: str) -> bool:
        verb = command.split(" ", maxsplit=1)[0].split(":", maxsplit=1)[0].upper()
        match verb:
            case "EHLO" | "LHLO":
                assert (verb == "LHLO") == self.hop.lmtp
                await self.say(
                    "ehlo", "\r\n".join(["250-next.test", *(f"250-{e}" for e in self.hop.extensions), "250 HELP"])
                )
            case "STARTTLS":
                if (await self.say("starttls", "220 go")).startswith("220"):
                    await self.writer.start_tls(self.hop.context)
                    self.inside_tls = True
            case "MAIL":
                self.sender, self.recipients = command.split("<")[1].split(">", maxsplit=1)[0], []
                await self.say("mail", "250 2.1.0 ok")
            case "RCPT":
                if (await self.say("rcpt", "250 2.1.5 ok")).startswith("250"):
                    self.recipients.append(command.split("<")[1].split(">", maxsplit=1)[0])
            case "DATA":
                await self.data()
            case "RSET" | "AUTH":
                await self.say(verb.lower(), "250 2.0.0 ok" if verb == "RSET" else "235 2.7.0 ok")
            case "QUIT":
                return True
            case _:
                await self.say("unknown", "500 what")
        return False

    async def data(self) -> None:
        if not self.recipients:
            await self.say("data", "503 5.5.1 no valid recipients")
            return
        if not (await self.say("data", "354 go")).startswith("354"):
            return
        if fault := self.hop.answer("mid-content", self.number):
            await self.reader.read(100)
            await self.fail(fault)
            self.writer.write(fault.encode("latin-1") + b"\r\n")  # spoken into the middle of it
        wire = await self.reader.readuntil(b"\r\n.\r\n")
        if self.hop.hold:
            await self.hop.hold.wait()
        for recipient in self.recipients if self.hop.lmtp else [""]:
            reply = self.hop.answer("content", self.number) or "250 2.0.0 taken"
            if reply.startswith("250") or reply in (LOST, LATELY):
                recipients = [recipient] if recipient else self.recipients
                content = wire[:-3].replace(b"\r\n..", b"\r\n.")
                self.hop.taken.append(Taken(self.sender, recipients, content, self.inside_tls))
                self.hop.got_one.set()
            await self.reply(reply, "250 2.0.0 taken")

    async def say(self, step: str, usual: str) -> str:
        return await self.reply(self.hop.answer(step, self.number) or usual, usual)

    async def reply(self, reply: str, usual: str) -> str:
        await self.fail(reply)
        if reply == LATELY:
            await asyncio.sleep(LATE)
            reply = usual
        self.writer.write(reply.encode("latin-1") + b"\r\n")
        await self.writer.drain()
        return reply

    async def fail(self, reply: str) -> None:
        if reply in (CLOSE, LOST):
            raise _HangUpError
        if reply == RESET:
            self.writer.transport.abort()
            raise _HangUpError
        if reply == SILENCE:
            await self.reader.read()
            raise _HangUpError
