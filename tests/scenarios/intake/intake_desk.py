"""An intake on free ports, an accept in memory, and clients that say what a test tells them to."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from peers.certificate import make_certificate as certificate_files

from routerd.config.settings import Settings, TlsFiles
from routerd.intake.reception import World
from routerd.intake.server import Intake
from routerd.intake.tls import ServerContext
from routerd.message.envelope import Accepted, Protocol, Received, Verdict
from routerd.message.key_ring import KeyRing
from routerd.ops.metrics import Metrics

KEY = KeyRing.begun(b"k" * 32)
HELLO = b"EHLO client.test\r\n"
START = b"MAIL FROM:<a@far.test>\r\nRCPT TO:<support@desk.test>\r\nDATA\r\n"
TEXT = b"Subject: hello\r\n\r\nbody\r\n.\r\n"


def settings(*, listen: Sequence[dict[str, object]] = ({"address": "127.0.0.1:0"},), **more: object) -> Settings:
    return Settings.model_validate(
        {
            "hostname": "mx.desk.test",
            "listen": list(listen),
            "postmaster": "jan",
            "members": {"jan": {"mailbox": "jan@members.test"}},
            "inboxes": {"support@desk.test": {"default": "jan"}, "sales@desk.test": {"default": "jan"}},
            "delivery": [{"domain": "*", "smtp": "next.test:25"}],
            **more,
        }
    )


@dataclass
class Desk:
    """Stands where the router will: takes what it is given. `gate` closed holds every commit."""

    verdicts: Sequence[Verdict] | Exception | None = None
    received: list[Received] = field(default_factory=list)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.gate.set()

    async def accept(self, received: Received) -> Sequence[Verdict]:
        self.entered.set()
        await self.gate.wait()
        self.received.append(received)
        self.done.set()
        if isinstance(self.verdicts, Exception):
            raise self.verdicts
        if self.verdicts is not None:
            return self.verdicts
        count = len(received.envelope.recipients) if received.client.protocol is Protocol.LMTP else 1
        return (Accepted(received.id),) * count

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"routerd_{name}", labels) or 0.0


@asynccontextmanager
async def open_intake(
    desk: Desk,
    config: Settings | None = None,
    tls: ServerContext | None = None,
    sockets: Mapping[str, Sequence[socket.socket]] | None = None,
    **world: object,
) -> AsyncIterator[Intake]:
    intake = Intake(
        config or settings(),
        accept=desk.accept,
        metrics=desk.metrics,
        keys=KEY,
        tls=tls,
        sockets=sockets,
        world=World(**world),  # type: ignore[arg-type]
    )
    await intake.start()
    try:
        yield intake
    finally:
        desk.gate.set()
        await intake.drain(5)


class Talker:
    """One client connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> str:
        """The next whole reply; "" at the end of the connection."""
        text = ""
        while line := (await asyncio.wait_for(self.reader.readline(), 60)).decode("ascii"):
            text += line
            if line[3:4] != "-":
                break
        return text

    async def say(self, data: bytes, replies: int = 1) -> str:
        """Sends and gives the last of so many replies."""
        self.writer.write(data)
        await self.writer.drain()
        reply = ""
        for _ in range(replies):
            reply = await self.reply()
        return reply

    async def upgrade(self, authority: Path, name: str = "mx.desk.test") -> None:
        await self.writer.start_tls(ssl.create_default_context(cafile=str(authority)), server_hostname=name)

    async def ended(self) -> bytes:
        """What still comes before the connection ends; raises where it does not."""
        return await asyncio.wait_for(self.reader.read(), 60)

    def abort(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def talk(
    intake: Intake, listener: int = 0, *, greeted: bool = True, local: str | None = None
) -> AsyncIterator[Talker]:
    """`local`: the client's address, where it matters."""
    host, port = list(intake.addresses().values())[listener][0]
    reader, writer = await asyncio.open_connection(host, port, local_addr=(local, 0) if local else None)
    talker = Talker(reader, writer)
    try:
        if greeted:
            assert (await talker.reply()).startswith("220 ")
        yield talker
    finally:
        writer.transport.abort()


def make_certificate(folder: Path, name: str = "mx.desk.test") -> TlsFiles:
    certificate, key = certificate_files(folder, name)
    return TlsFiles(certificate=certificate, key=key)
