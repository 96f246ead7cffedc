"""Real connections to a real intake; only what is behind it is played."""

import asyncio
import errno
import mmap
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from intake_desk import HELLO, KEY, START, TEXT, Desk, make_certificate, open_intake, settings, talk

from routerd.intake.limits.patience import Timeouts
from routerd.intake.tls import tls_context
from routerd.message.address import parse_address
from routerd.message.envelope import Refused
from routerd.message.token import issue_return_path
from routerd.store.base import StoreFullError


async def test_a_message_is_handed_over_before_its_250() -> None:
    """What the router gets is what was sent, with client and envelope; the id of the 250 is the message's."""
    desk = Desk()
    async with open_intake(desk, settings(trusted_networks=["127.0.0.0/8"])) as intake, talk(intake) as client:
        await client.say(HELLO)
        assert (await client.say(START, 3)).startswith("354")
        reply = await client.say(TEXT)
        (received,) = desk.received
        assert reply == f"250 2.0.0 Ok: queued as {received.id}\r\n"
        assert received.raw == b"Subject: hello\r\n\r\nbody\r\n"
        assert received.envelope.sender == "a@far.test"
        assert [recipient.inbox for recipient in received.envelope.recipients] == ["support@desk.test"]
        assert received.client.address == "127.0.0.1"
        assert received.client.helo == "client.test"
        assert received.client.with_protocol == "ESMTP"
        assert received.client.trusted
        assert (await client.say(b"QUIT\r\n")).startswith("221")
        assert await client.ended() == b""
        assert desk.value("messages_received_total", listener="127.0.0.1:0", result="accepted") == 1
        assert desk.value("message_bytes_sum") == len(received.raw)


async def test_lmtp_gives_a_reply_for_each_recipient() -> None:
    """On a listener of its own."""
    desk = Desk()
    config = settings(listen=[{"address": "127.0.0.1:0", "protocol": "lmtp"}])
    async with open_intake(desk, config) as intake, talk(intake) as client:
        await client.say(b"LHLO mta.test\r\n")
        await client.say(START.replace(b"DATA", b"RCPT TO:<sales@desk.test>\r\nDATA"), 4)
        first = await client.say(TEXT)
        assert await client.reply() == first
        assert desk.received[0].client.with_protocol == "LMTP"


async def test_a_client_that_leaves_does_not_cancel_the_commit() -> None:
    """The bare library cancels its handler; here the message is committed and counted."""
    desk = Desk()
    desk.gate.clear()
    async with open_intake(desk) as intake, talk(intake) as client:
        await client.say(HELLO)
        await client.say(START, 3)
        client.writer.write(TEXT)
        await asyncio.wait_for(desk.entered.wait(), 60)
        client.abort()
        async with talk(intake):  # a turn of the loop for the lost connection, and somebody else is served
            desk.gate.set()
            await asyncio.wait_for(desk.done.wait(), 60)
        assert await intake.drain(20) == 0
        assert len(desk.received) == 1
        assert desk.value("connections", listener="127.0.0.1:0") == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("secret\r\nżółć"), "451 4.3.0"),
        (OSError(errno.ENOSPC, "full"), "452 4.3.1"),
        (StoreFullError("full"), "452 4.3.1"),
    ],
)
async def test_an_exception_is_a_temporary_refusal(error: Exception, code: str) -> None:
    """Nothing of it is told, and the session goes on with its next message."""
    desk = Desk(verdicts=error)
    async with open_intake(desk) as intake, talk(intake) as client:
        await client.say(HELLO)
        await client.say(START, 3)
        reply = await client.say(TEXT)
        assert reply.startswith(code)
        assert "secret" not in reply
        desk.verdicts = None
        await client.say(START, 3)
        assert (await client.say(TEXT)).startswith("250 2.0.0")
        assert desk.value("rejections_total", reason="accept_failed") == 1
        assert desk.value("messages_received_total", listener="127.0.0.1:0", result="deferred") == 1


async def test_a_refusal_by_verdict_reaches_the_client() -> None:
    """With its code, status and words; what comes behind goes on."""
    desk = Desk(verdicts=(Refused(554, "5.4.6", "Mail loop"),))
    async with open_intake(desk) as intake, talk(intake) as client:
        assert await client.say(HELLO + START + TEXT, 5) == "554 5.4.6 Mail loop\r\n"
        assert desk.value("messages_received_total", listener="127.0.0.1:0", result="rejected") == 1


async def test_a_large_message_comes_as_a_map_of_a_file(tmp_path: Path) -> None:
    """Above 1 MiB it is on disk while it comes, every byte in its place, and the folder is empty after."""
    desk = Desk()
    body = b"".join(b"%07d line of a large message\r\n" % number for number in range(150_000))
    async with open_intake(desk, spool_folder=tmp_path) as intake, talk(intake) as client:
        await client.say(HELLO)
        await client.say(START, 3)
        assert (await client.say(b"Subject: x\r\n\r\n" + body + b".\r\n")).startswith("250")
        raw = desk.received[0].raw
        assert isinstance(raw, mmap.mmap)
        assert raw[:] == b"Subject: x\r\n\r\n" + body
        assert not list(tmp_path.iterdir())


async def test_a_spool_that_cannot_be_written_is_452(tmp_path: Path) -> None:
    """The client keeps the message, and the session lives on."""
    desk = Desk()
    async with open_intake(desk, spool_folder=tmp_path / "missing") as intake, talk(intake) as client:
        await client.say(HELLO)
        await client.say(START, 3)
        reply = await client.say((b"x" * 70 + b"\r\n") * 60_000 + b".\r\n")
        assert reply.startswith("452 4.3.1")
        await client.say(START, 3)
        assert (await client.say(TEXT)).startswith("250")


async def test_a_message_over_the_limit_is_552() -> None:
    """Read to its end, refused, forgotten."""
    desk = Desk()
    async with open_intake(desk, settings(limits={"message_size": "100KB"})) as intake, talk(intake) as client:
        await client.say(HELLO)
        await client.say(START, 3)
        assert (await client.say((b"x" * 70 + b"\r\n") * 2000 + b".\r\n")).startswith("552 5.3.4")
        await client.say(START, 3)
        assert (await client.say(TEXT)).startswith("250")
        assert len(desk.received) == 1


async def test_memory_in_flight_is_bounded() -> None:
    """While one message holds the memory another waits outside with 452, also in mid-content."""
    desk = Desk()
    desk.gate.clear()
    config = settings(limits={"memory": 12_000})
    async with open_intake(desk, config) as intake, talk(intake) as first, talk(intake) as second:
        large = b"x" * 8_000 + b"\r\n.\r\n"
        await first.say(HELLO)
        await second.say(HELLO)
        await first.say(START, 3)
        await second.say(START, 3)
        first.writer.write(large)
        await asyncio.wait_for(desk.entered.wait(), 60)
        assert (await second.say(large)).startswith("452 4.3.1")
        assert (await second.say(b"MAIL FROM:<> SIZE=5000\r\n")).startswith("452 4.3.1")
        desk.gate.set()
        assert (await first.reply()).startswith("250")
        await second.say(START, 3)
        assert (await second.say(large)).startswith("250")


async def test_starttls(tmp_path: Path) -> None:
    """The session goes on inside TLS 1.2 or later; what was injected in the clear is gone; Received will say so."""
    desk = Desk()
    files = make_certificate(tmp_path)
    async with open_intake(desk, tls=tls_context(files)) as intake, talk(intake) as client:
        assert "STARTTLS" in await client.say(HELLO)
        assert (await client.say(b"STARTTLS\r\nNOOP injected\r\n")).startswith("220")
        await client.upgrade(files.certificate)
        assert (await client.say(b"MAIL FROM:<>\r\n")).startswith("503")
        assert "STARTTLS" not in await client.say(HELLO)
        assert (await client.say(b"STARTTLS\r\n")).startswith("503")
        await client.say(START, 3)
        assert (await client.say(TEXT)).startswith("250")
        assert desk.received[0].client.tls is not None
        assert desk.received[0].client.tls.startswith("TLSv1.")
        assert desk.received[0].client.with_protocol == "ESMTPS"
        assert (await client.say(b"QUIT\r\n")).startswith("221")
        assert await client.ended() == b""


async def test_a_failed_handshake_ends_the_connection(tmp_path: Path) -> None:
    """Nonsense instead of a handshake, or an end in the middle of it, leaves nothing behind."""
    desk = Desk()
    async with open_intake(desk, tls=tls_context(make_certificate(tmp_path))) as intake:
        for nonsense in (b"NOOP\r\nthis is no handshake\r\n" * 10, b"\x16\x03\x01"):
            async with talk(intake) as client:
                await client.say(HELLO)
                await client.say(b"STARTTLS\r\n")
                client.writer.write(nonsense)
                client.writer.write_eof()
                await client.ended()
        assert await intake.drain(20) == 0
        assert desk.value("connections", listener="127.0.0.1:0") == 0


async def test_required_tls(tmp_path: Path) -> None:
    """530 until it is there."""
    desk = Desk()
    files = make_certificate(tmp_path)
    config = settings(listen=[{"address": "127.0.0.1:0", "tls": "required"}])
    async with open_intake(desk, config, tls=tls_context(files)) as intake, talk(intake) as client:
        await client.say(HELLO)
        assert (await client.say(b"MAIL FROM:<>\r\n")).startswith("530 5.7.0")
        await client.say(b"STARTTLS\r\n")
        await client.upgrade(files.certificate)
        await client.say(HELLO)
        assert (await client.say(START, 3)).startswith("354")


async def test_connections_are_limited() -> None:
    """Per client and in all; trusted hops count only in all; an end makes room."""
    desk = Desk()
    limits = {"connections": 3, "connections_per_client": 2}
    async with open_intake(desk, settings(limits=limits)) as intake, talk(intake) as first, talk(intake):
        async with talk(intake, greeted=False) as third:
            assert (await third.reply()).startswith("421 4.7.0")
            assert await third.ended() == b""
        await first.say(b"QUIT\r\n")
        await first.ended()
        async with talk(intake):
            assert desk.value("connections", listener="127.0.0.1:0") == 2
    trusting = settings(limits=limits, trusted_networks=["127.0.0.0/8"])
    async with (
        open_intake(Desk(), trusting) as intake,
        talk(intake),
        talk(intake),
        talk(intake),
        talk(intake, greeted=False) as fourth,
    ):
        assert (await fourth.reply()).startswith("421 4.3.2")


@pytest.mark.parametrize("said", [b"", b"NOOP", HELLO + b"MAIL FROM:<>\r\n", HELLO + START, HELLO + START + b"Subject"])
async def test_silence_is_421(said: bytes) -> None:
    """Whether in the middle of a command or of a message."""
    timeouts = Timeouts(idle_seconds=0.1, check_seconds=0.02)
    async with open_intake(Desk(), timeouts=timeouts) as intake, talk(intake) as client:
        client.writer.write(said)
        assert b"421 4.4.2" in await client.ended()


async def test_where_places_are_few_the_idle_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four fifths are taken: who does nothing with his is told so long before he would be otherwise."""
    monkeypatch.setattr("routerd.intake.limits.patience.HURRIED_IDLE_SECONDS", 0.1)
    config = settings(limits={"connections": 5, "connections_per_client": 5})
    async with (
        open_intake(Desk(), config, timeouts=Timeouts(check_seconds=0.02)) as intake,
        talk(intake) as first,
        talk(intake),
        talk(intake),
        talk(intake),
    ):
        assert (await first.ended()).startswith(b"421 4.4.2 ")


async def test_a_session_does_not_last_for_ever() -> None:
    """However busy the client is with nothing."""
    timeouts = Timeouts(session_seconds=0.1, check_seconds=0.02)
    async with open_intake(Desk(), timeouts=timeouts) as intake, talk(intake) as client:
        reply = ""
        while not reply.startswith("421"):
            reply = await client.say(b"VRFY x\r\n") or await client.reply()
            assert reply


async def test_what_receiving_takes_is_counted_by_message() -> None:
    """Once for each, from the connection or the message before to the end of its content."""
    desk = Desk()
    async with open_intake(desk) as intake, talk(intake) as client:
        await client.say(HELLO)
        assert desk.value("step_seconds_count", step="receive") == 0
        for number in (1, 2):
            await client.say(START + TEXT, 4)
            assert desk.value("step_seconds_count", step="receive") == number
        taken_seconds = desk.value("step_seconds_sum", step="receive")
        assert taken_seconds > 0
        await client.say(b"RSET\r\n")
        assert desk.value("step_seconds_sum", step="receive") == taken_seconds


async def test_no_timer_runs_in_the_commit() -> None:
    """A slow store is waited for."""
    desk = Desk()
    desk.gate.clear()
    timeouts = Timeouts(idle_seconds=0.05, session_seconds=0.05, check_seconds=0.01)
    async with open_intake(desk, timeouts=timeouts) as intake, talk(intake) as client:
        client.writer.write(HELLO + START + TEXT)
        await asyncio.wait_for(desk.entered.wait(), 60)
        async with talk(intake) as other:  # whose own timeout shows that the clock went on
            await other.ended()
        desk.gate.set()
        assert b"250 2.0.0 Ok: queued" in await client.ended()


async def test_half_closed_clients_get_their_answer() -> None:
    """`printf … | nc` ends its half before it reads."""
    desk = Desk()
    async with open_intake(desk) as intake, talk(intake) as client:
        client.writer.write(HELLO + START + TEXT)
        client.writer.write_eof()
        assert b"250 2.0.0 Ok: queued" in await client.ended()


async def test_a_client_that_never_reads_is_let_go() -> None:
    """It holds its connection no longer than the grace, and no memory."""
    desk = Desk()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # connections have it from their listener
    config = settings(listen=[{"systemd": "smtp"}], limits={"recipients": 1_000_000})
    timeouts = Timeouts(unread_seconds=0.1, check_seconds=0.02)
    async with open_intake(desk, config, sockets={"smtp": [listening]}, timeouts=timeouts):
        with socket.socket() as mute:
            mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            mute.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(mute, listening.getsockname())
            await loop.sock_sendall(mute, HELLO + b"MAIL FROM:<>\r\n")
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                await loop.sock_sendall(mute, b"RCPT TO:<support@desk.test>\r\n" * 1_000_000)
        assert desk.value("rejections_total", reason="unread") == 1


async def test_certificates_are_reloaded(tmp_path: Path) -> None:
    """The next handshake has the new one; sessions inside TLS go on with theirs."""
    desk = Desk()
    old, new = make_certificate(tmp_path), make_certificate(tmp_path, "localhost")
    async with open_intake(desk, tls=tls_context(old)) as intake, talk(intake) as before:
        await before.say(HELLO)
        await before.say(b"STARTTLS\r\n")
        await before.upgrade(old.certificate)
        intake.adopt(settings(), tls_context(new))
        assert (await before.say(b"NOOP\r\n")).startswith("250")
        async with talk(intake) as after:
            await after.say(HELLO)
            await after.say(b"STARTTLS\r\n")
            await after.upgrade(new.certificate, "localhost")
            assert (await after.say(b"NOOP\r\n")).startswith("250")


async def test_forged_return_paths_are_limited() -> None:
    """A client that tries tokens is refused, then cut off; a new connection does not help it."""
    desk = Desk()
    forged = b"RCPT TO:<support+b." + b"a" * 29 + b"@desk.test>\r\n"
    async with open_intake(desk) as intake:
        async with talk(intake) as client:
            await client.say(HELLO + b"MAIL FROM:<>\r\n", 2)
            replies = [await client.say(forged) for _ in range(11)]
            assert [reply[:9] for reply in replies] == ["550 5.7.1"] * 10 + ["421 4.7.0"]
        async with talk(intake) as client:
            await client.say(HELLO + b"MAIL FROM:<>\r\n", 2)
            assert (await client.say(forged)).startswith("421 4.7.0")
        assert desk.value("rejections_total", reason="forged_token") == 12


async def test_a_return_path_takes_so_many_messages_and_is_not_used_up_by_naming_it() -> None:
    """Of a flood to one copy's return path twenty get through; a RCPT without a message counts for nothing."""
    desk = Desk()
    now = datetime.now(UTC)
    path = issue_return_path(parse_address("support@desk.test"), 7, now, settings().addresses, KEY).encode()
    rcpt = b"RCPT TO:<" + path + b">\r\n"
    async with open_intake(desk) as intake, talk(intake) as client:
        await client.say(HELLO)
        for _ in range(30):
            await client.say(b"MAIL FROM:<>\r\n" + rcpt + b"RSET\r\n", 3)
        for _ in range(20):
            said = await client.say(b"MAIL FROM:<>\r\n" + rcpt + b"DATA\r\n" + TEXT, 4)
            assert said.splitlines()[-1].startswith("250 2.0.0"), said
        said = await client.say(b"MAIL FROM:<>\r\n" + rcpt, 2)
        assert said.splitlines()[-1].startswith("450 4.7.1")
        assert len(desk.received) == 20
