"""Listeners: how they are opened, reloaded and drained."""

import asyncio
import socket
from pathlib import Path

import pytest
from intake_desk import HELLO, KEY, START, TEXT, Desk, open_intake, settings, talk

from routerd.intake.listening import ListenError
from routerd.intake.server import Intake
from routerd.message.envelope import Protocol


async def test_draining() -> None:
    """The idle get 421 at once; what is coming and what is being committed gets its 250 first; nobody new comes in."""
    desk = Desk()
    desk.gate.clear()
    async with open_intake(desk) as intake, talk(intake) as idle, talk(intake) as sending, talk(intake) as committing:
        await sending.say(HELLO)
        await sending.say(START, 3)
        committing.writer.write(HELLO + START + TEXT)
        await asyncio.wait_for(desk.entered.wait(), 60)
        draining = asyncio.create_task(intake.drain(20))
        assert (await idle.reply()).startswith("421 4.3.2")
        assert await idle.ended() == b""
        desk.gate.set()
        assert b"250 2.0.0" in await committing.ended()
        assert (await sending.say(TEXT)).startswith("250 2.0.0")
        assert (await sending.reply()).startswith("421 4.3.2")
        assert await draining == 0
    assert len(desk.received) == 2


async def test_the_deadline_of_a_drain() -> None:
    """Who still sends gets 421; a commit is left running, and told to the caller."""
    desk = Desk()
    desk.gate.clear()
    async with open_intake(desk) as intake, talk(intake) as sending, talk(intake) as committing:
        await sending.say(HELLO)
        await sending.say(START, 3)
        committing.writer.write(HELLO + START + TEXT)
        await asyncio.wait_for(desk.entered.wait(), 60)
        assert await intake.drain(0.05) == 1
        assert (await sending.reply()).startswith("421 4.3.2")
        desk.gate.set()
        assert b"250 2.0.0" in await committing.ended()


async def test_a_reload_takes_effect_on_open_sessions() -> None:
    """New inboxes are known at once; a listener that is new needs a restart, and says so."""
    desk = Desk()
    async with open_intake(desk) as intake, talk(intake) as client:
        await client.say(HELLO + b"MAIL FROM:<>\r\n", 2)
        assert (await client.say(b"RCPT TO:<news@desk.test>\r\n")).startswith("550 5.1.1")
        listen = [{"address": "127.0.0.1:0"}, {"systemd": "more"}]
        names = intake.adopt(settings(listen=listen, inboxes={"news@desk.test": {"default": "jan"}}))
        assert names == (("more",), ())
        assert (await client.say(b"RCPT TO:<news@desk.test>\r\n")).startswith("250")
        assert (await client.say(b"RCPT TO:<support@desk.test>\r\n")).startswith("550 5.1.1")


async def test_sockets_from_systemd() -> None:
    """Named sockets are listened on, a unix socket too; a name that nobody passed is an error."""
    desk = Desk()
    passed = socket.create_server(("127.0.0.1", 0))
    config = settings(listen=[{"systemd": "smtp"}])
    intake = Intake(config, accept=desk.accept, metrics=desk.metrics, keys=KEY, sockets={"smtp": [passed]})
    await intake.start()
    assert intake.addresses()["smtp"] == [passed.getsockname()]
    async with talk(intake) as client:
        await client.say(HELLO + START + TEXT, 5)
        assert desk.received[0].client.listener == "smtp"
    await intake.drain(5)
    with pytest.raises(ListenError, match="no socket named 'smtp'"):
        await Intake(config, accept=desk.accept, metrics=Desk().metrics, keys=KEY).start()


async def test_a_unix_socket(tmp_path: Path) -> None:
    """LMTP of a local MTA: its mode lets in, so the peer is trusted."""
    desk = Desk()
    passed = socket.socket(socket.AF_UNIX)
    passed.bind(str(tmp_path / "lmtp"))
    config = settings(listen=[{"systemd": "lmtp", "protocol": "lmtp"}])
    intake = Intake(config, accept=desk.accept, metrics=desk.metrics, keys=KEY, sockets={"lmtp": [passed]})
    await intake.start()
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "lmtp"))
    writer.write(b"LHLO x\r\n" + START + b"bare\n.\r\n.\r\nQUIT\r\n")
    assert b"250 2.0.0 Ok: queued" in await asyncio.wait_for(reader.read(), 60)
    assert desk.received[0].client.protocol is Protocol.LMTP
    assert desk.received[0].client.trusted
    writer.close()
    await intake.drain(5)


async def test_a_port_in_use_is_said_plainly() -> None:
    """And nothing stays open of what was opened before."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = settings(listen=[{"address": "127.0.0.1:0"}, {"address": f"127.0.0.1:{port}"}])
        desk = Desk()
        intake = Intake(config, accept=desk.accept, metrics=desk.metrics, keys=KEY)
        with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use$"):
            await intake.start()
        assert intake.addresses() == {}
