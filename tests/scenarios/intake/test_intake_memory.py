"""What counts against the memory in flight besides the bytes of messages."""

import asyncio
from pathlib import Path

from intake_desk import HELLO, START, TEXT, Desk, make_certificate, open_intake, settings, talk

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
        async with asyncio.timeout(20):
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
