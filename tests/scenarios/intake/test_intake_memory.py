"""What counts against the memory in flight besides the bytes of messages."""

import asyncio
import socket
from pathlib import Path
from typing import cast

import pytest
from intake_desk import HELLO, START, TEXT, Desk, make_certificate, open_intake, settings, talk

from routerd.intake.protocol.dialogue import Dialogue
from routerd.intake.protocol.events import Event, Phase
from routerd.intake.session import HostedSession
from routerd.intake.tls import tls_context


async def test_recipients_count() -> None:
    """Who names recipients and sends nothing takes no more than there is; their end, in any way, makes room again."""
    desk = Desk()
    rcpts = b"".join(b"RCPT TO:<support+%d@desk.test>\r\n" % number for number in range(100))
    async with open_intake(desk, settings(limits={"memory": 100_000, "errors": 1000})) as intake:
        memory = intake._reception.memory
        async with talk(intake) as client:
            await client.say(HELLO)
            await client.say(b"MAIL FROM:<>\r\n" + rcpts, 101)
            held = memory.used_bytes
            assert held > 0
            await client.say(b"RSET\r\n")
            assert memory.used_bytes == 0
            await client.say(b"MAIL FROM:<>\r\n" + rcpts + b"DATA\r\n" + TEXT, 103)
            assert memory.used_bytes == 0
            await client.say(b"MAIL FROM:<>\r\n" + rcpts, 101)
            assert memory.used_bytes == held
            await client.say(rcpts, 100)
            assert (await client.say(rcpts, 100)).startswith("452 4.3.1")
            assert memory.used_bytes <= 100_000 + held
        async with asyncio.timeout(60):
            while memory.used_bytes:  # until the lost connection is noticed
                await asyncio.sleep(0)
        async with talk(intake) as other:
            await other.say(HELLO + START, 4)
            assert (await other.say(TEXT)).startswith("250")


async def test_tls_counts(tmp_path: Path) -> None:
    """From the handshake to the end of the connection, however it ends."""
    files = make_certificate(tmp_path)
    async with open_intake(Desk(), tls=tls_context(files)) as intake:
        memory = intake._reception.memory
        async with talk(intake) as client:
            await client.say(HELLO + b"STARTTLS\r\n", 2)
            await client.upgrade(files.certificate)
            await client.say(HELLO)
            assert memory.used_bytes > 0
            await client.say(b"QUIT\r\n")
            await client.ended()
        async with talk(intake) as left:
            await left.say(HELLO + b"STARTTLS\r\n", 2)
            assert memory.used_bytes > 0
        assert await intake.drain(20) == 0
        assert memory.used_bytes == 0


async def test_many_commands_at_once_take_turns_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much one read brings, the loop turns between portions of it, and all is answered in its order."""
    loop, feed = asyncio.get_running_loop(), Dialogue.feed
    turns: list[int] = [0]
    portions: list[tuple[int, int]] = []  # the loop's turn, and bytes

    def turn() -> None:
        turns[0] += 1
        loop.call_soon(turn)

    def feed_and_note(dialogue: Dialogue, data: bytes) -> list[Event]:
        if dialogue.phase is not Phase.CONTENT:
            portions.append((turns[0], len(data)))
        return feed(dialogue, data)

    monkeypatch.setattr(Dialogue, "feed", feed_and_note)
    desk, count = Desk(), 5_000
    rcpts = b"RCPT TO:<support@desk.test>\r\n" * count
    message = b"MAIL FROM:<>\r\n" + rcpts + b"DATA\r\n" + TEXT
    async with open_intake(desk, settings(limits={"commands": 100_000})) as intake, talk(intake) as client:
        await client.say(HELLO)
        turn()
        client.writer.write(message * 2 + b"QUIT\r\n")
        client.writer.write_eof()
        answers = (await client.ended()).splitlines()
    assert [line[:3] for line in answers if b"4.5.3" not in line and b"2.1.5" not in line] == [
        b"250",
        b"354",
        b"250",
    ] * 2 + [b"221"]
    assert len(answers) == 2 * (count + 3) + 1
    assert all(size_bytes <= 8192 for _, size_bytes in portions)
    assert len({at for at, _ in portions}) >= len(message) * 2 // 8192


async def test_what_lies_unread_is_counted_and_heard_no_further() -> None:
    """A client that asks and does not read costs what is counted; once it reads, it gets all answers."""
    desk, asked = Desk(), 20_000
    async with open_intake(desk, settings(limits={"commands": 100_000})) as intake, talk(intake) as client:
        await client.say(HELLO + b"MAIL FROM:<>\r\n", 2)
        memory = intake._reception.memory
        [session] = intake._reception.sessions
        assert isinstance(session, HostedSession)
        saying = session._link._transport
        assert saying is not None
        saying.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        sending = cast(asyncio.Transport, client.writer.transport)
        sending.pause_reading()
        client.writer.write(b"RCPT TO:<support@desk.test>\r\n" * asked)
        client.writer.write_eof()
        async with asyncio.timeout(60):
            while session._readings.unread_since is None:
                await asyncio.sleep(0)
        assert 0 < session._link.unread_bytes < 50_000
        assert memory.used_bytes > session._link.unread_bytes
        sending.resume_reading()
        answers = await client.ended()
        assert answers.count(b"\r\n") == asked
        async with asyncio.timeout(60):
            while memory.used_bytes:  # until the end of the connection is noticed
                await asyncio.sleep(0)
