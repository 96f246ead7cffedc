"""What clients hear when room, memory or the store's time runs short, and that it passes by itself."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from intake_desk import HELLO, START, TEXT, Desk, open_intake, settings, talk

from routerd.config.settings import Settings
from routerd.intake.keeping.spool import Spool
from routerd.intake.limits.patience import Timeouts
from routerd.intake.limits.pressure import StoreSigns

MB = 1_000_000
MAIL = b"MAIL FROM:<a@far.test>\r\n"
HOP = "127.0.0.1"


@dataclass
class Disk:
    free_bytes: int = 1000 * MB
    oldest_commit_seconds: float = 0.0
    signs: StoreSigns = field(init=False)

    def __post_init__(self) -> None:
        self.signs = StoreSigns(lambda: self.free_bytes, lambda: self.oldest_commit_seconds)


def of_strangers(**limits: object) -> Settings:
    """A config in which one address is a hop's and all others are strangers'."""
    return settings(trusted_networks=[HOP], limits=limits)


stranger = partial(talk, local="127.0.0.2")


async def test_a_full_disk_is_told_before_anything_is_taken_and_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """At MAIL with or without SIZE, and at DATA; once there is room again, nobody need do anything."""
    monkeypatch.setattr("routerd.intake.limits.pressure.READING_SECONDS", -1.0)
    desk, disk = Desk(), Disk(free_bytes=49 * MB)
    async with open_intake(desk, signs=disk.signs) as intake, talk(intake) as client:
        await client.say(HELLO)
        assert (await client.say(MAIL)).startswith("452 4.3.1 ")
        assert (await client.say(b"MAIL FROM:<a@far.test> SIZE=10\r\n")).startswith("452 4.3.1 ")
        disk.free_bytes = 100 * MB
        assert (await client.say(b"MAIL FROM:<a@far.test> SIZE=30000000\r\n")).startswith("452 4.3.1 ")
        assert (await client.say(MAIL)).startswith("250 ")
        disk.free_bytes = 49 * MB
        assert (await client.say(b"RCPT TO:<support@desk.test>\r\nDATA\r\n", 2)).startswith("452 4.3.1 ")
        assert desk.value("rejections_total", reason="no_space") == 4
        disk.free_bytes = 100 * MB
        assert (await client.say(b"DATA\r\n")).startswith("354 ")
        assert (await client.say(TEXT)).startswith("250 ")
    assert len(desk.received) == 1


async def test_a_disk_that_fills_while_a_message_comes(tmp_path: Path) -> None:
    """Before a large message would take the room that is to stay free, it is let go; the session goes on."""
    desk, disk = Desk(), Disk()
    async with open_intake(desk, signs=disk.signs, spool_folder=tmp_path) as intake, talk(intake) as client:
        await client.say(HELLO)
        assert (await client.say(START, 3)).startswith("354 ")
        client.writer.write(b"Subject: large\r\n\r\n")
        disk.free_bytes = 53 * MB
        for _ in range(4):
            client.writer.write((b"x" * 98 + b"\r\n") * 10_000)
            await client.writer.drain()
        assert (await client.say(b".\r\n")).startswith("452 4.3.1 ")
        assert desk.value("rejections_total", reason="no_space") == 1
        assert desk.value("memory_in_flight_bytes") == 0
        disk.free_bytes = 1000 * MB
        assert (await client.say(START, 3)).startswith("354 ")
        assert (await client.say((b"x" * 98 + b"\r\n") * 30_000 + b".\r\n")).startswith("250 ")
    [received] = desk.received
    assert len(received.raw) == 3 * MB


async def test_a_store_that_is_stuck_gets_no_more_from_strangers() -> None:
    """New ones are turned away, those that are in are told to come again; one's own hop comes last."""
    desk, disk = Desk(), Disk()
    async with open_intake(desk, of_strangers(), signs=disk.signs) as intake, AsyncExitStack() as talks:
        far = await talks.enter_async_context(stranger(intake))
        hop = await talks.enter_async_context(talk(intake))
        for client in (far, hop):
            await client.say(HELLO)
        disk.oldest_commit_seconds = 12.0
        assert (await far.say(MAIL)).startswith("451 4.3.0 ")
        another = await talks.enter_async_context(stranger(intake, greeted=False))
        assert (await another.reply()).startswith("421 4.3.2 ")
        assert await another.ended() == b""
        assert (await hop.say(START, 3)).startswith("354 ")
        assert (await hop.say(TEXT)).startswith("250 ")
        disk.oldest_commit_seconds = 40.0
        assert (await hop.say(MAIL)).startswith("451 4.3.0 ")
        assert desk.value("pressure") == 1.0
        assert desk.value("rejections_total", reason="store_slow") == 2
        assert desk.value("rejections_total", reason="pressure") == 1
        disk.oldest_commit_seconds = 0.0
        assert (await far.say(MAIL)).startswith("250 ")


async def test_strangers_take_all_but_a_tenth_of_the_connections() -> None:
    """Then one's own hop still gets in."""
    desk = Desk()
    config = of_strangers(connections=10, connections_per_client=10)
    async with open_intake(desk, config) as intake, AsyncExitStack() as talks:
        for _ in range(9):
            await talks.enter_async_context(stranger(intake))
        turned_away = await talks.enter_async_context(stranger(intake, greeted=False))
        assert (await turned_away.reply()).startswith("421 4.3.2 ")
        hop = await talks.enter_async_context(talk(intake))
        assert (await hop.say(HELLO)).startswith("250")
        assert desk.value("rejections_total", reason="connections") == 1


async def test_strangers_take_all_but_a_tenth_of_the_memory() -> None:
    """A stranger's message is let go, with 452, where a hop's is taken."""
    desk = Desk()
    async with open_intake(desk, of_strangers(memory=1_200_000)) as intake, AsyncExitStack() as talks:
        far = await talks.enter_async_context(stranger(intake))
        hop = await talks.enter_async_context(talk(intake))
        for client in (far, hop):
            await client.say(HELLO)
            assert (await client.say(START, 3)).startswith("354 ")
        large = b"Subject: large\r\n\r\n" + (b"x" * 98 + b"\r\n") * 9_500 + b".\r\n"
        assert (await far.say(large)).startswith("452 4.3.1 ")
        assert (await hop.say(large)).startswith("250 ")
        assert desk.value("rejections_total", reason="no_memory") == 1
        assert desk.value("memory_in_flight_bytes") == 0
    assert [received.client.trusted for received in desk.received] == [True]


async def test_who_sends_a_message_slowly_keeps_no_memory_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where memory runs short, what has come waits on the disk for its end; nothing of it is lost."""
    desk = Desk()
    written, write_out = [], Spool.write_out

    def write_and_note(spool: Spool) -> None:
        written.append(spool.memory_bytes)
        write_out(spool)

    monkeypatch.setattr(Spool, "write_out", write_and_note)
    config = of_strangers(memory=1_200_000)
    timeouts = Timeouts(check_seconds=3600.0)  # what looks after them is called below
    part = b"Subject: large\r\n\r\n" + (b"x" * 98 + b"\r\n") * 8_000
    async with (
        open_intake(desk, config, timeouts=timeouts, spool_folder=tmp_path) as intake,
        stranger(intake) as slow,
        stranger(intake) as other,
    ):
        for client in (slow, other):
            await client.say(HELLO)
            assert (await client.say(START, 3)).startswith("354 ")
        before = desk.value("memory_in_flight_bytes")  # for recipients
        slow.writer.write(part)
        while desk.value("memory_in_flight_bytes") < before + len(part) - 100:
            await asyncio.sleep(0.01)
        intake._reception.check_times(asyncio.get_running_loop().time())
        while desk.value("memory_in_flight_bytes") > before + 100:
            await asyncio.sleep(0.01)
        assert sum(written) > len(part) - 100
        assert (await other.say(part + b".\r\n")).startswith("250 ")
        assert (await slow.say(b"last\r\n.\r\n")).startswith("250 ")
        assert desk.value("memory_in_flight_bytes") == 0
    assert [bytes(received.raw) for received in desk.received] == [part, part + b"last\r\n"]


async def test_limits_of_hops_are_their_own() -> None:
    """As `limits.trusted` says, and where it says nothing as for all."""
    desk = Desk()
    config = of_strangers(recipients=1, messages_per_connection=1, trusted={"recipients": 2, "errors": 2})
    twice = b"RCPT TO:<support@desk.test>\r\nRCPT TO:<sales@desk.test>\r\n"
    async with open_intake(desk, config) as intake, AsyncExitStack() as talks:
        far = await talks.enter_async_context(stranger(intake))
        hop = await talks.enter_async_context(talk(intake))
        heard = {}
        for name, client in (("far", far), ("hop", hop)):
            await client.say(HELLO)
            await client.say(MAIL)
            said = [await client.say(twice, 2), await client.say(b"DATA\r\n"), await client.say(TEXT)]
            said.append(await client.say(MAIL))
            heard[name] = [reply[:9] for reply in said]
        assert heard["far"] == ["452 4.5.3", "354 End d", "250 2.0.0", "421 4.7.0"]
        assert heard["hop"] == ["250 2.1.5", "354 End d", "250 2.0.0", "250 2.1.0"]
        assert (await hop.say(b"WHAT\r\nWHAT\r\n", 3)).startswith("421 4.7.0 ")


@pytest.mark.parametrize(
    ("text", "reply", "reason"),
    [
        (b"A: " + b"b" * 2000 + b"\r\n\r\n", "552 5.3.4 ", "header_too_big"),
        (b"A: b\r\n" * 11 + b"\r\n", "554 5.6.0 ", "too_many_fields"),
        (b"\r\n" + b"x" * 3000 + b"\r\n", "554 5.6.0 ", "line_too_long"),
    ],
)
async def test_headers_and_lines_have_bounds(text: bytes, reply: str, reason: str) -> None:
    """Told at the end of DATA; the session goes on."""
    desk = Desk()
    config = settings(limits={"header_size": 1500, "header_fields": 10, "line_size": 2500})
    async with open_intake(desk, config) as intake, talk(intake) as client:
        await client.say(HELLO)
        for body in (text, text):
            assert (await client.say(START, 3)).startswith("354 ")
            assert (await client.say(body + b".\r\n")).startswith(reply)
        assert desk.value("rejections_total", reason=reason) == 2
    assert not desk.received
