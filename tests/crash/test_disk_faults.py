"""A disk without room, a disk that fails, and no descriptors left, under a daemon that takes and delivers mail.

Oracle: what was answered 250 arrives once, or more often only where the next hop had it and that could not be written.
"""

import asyncio
import errno
import re
import resource
import smtplib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from peers.daemon import RouterdDaemon
from peers.machine import wait_for
from shimmed_daemon import ShimmedDisk, start
from stream import RecordingSink

SMALL = 2_000
LARGE = 300_000
_NUMBER = re.compile(rb"(?m)^Subject: number (\d+)\r$")


class Desk:
    """A daemon on a disk that fails when told to, its next hop, and one client at a time."""

    def __init__(self, daemon: RouterdDaemon, disk: ShimmedDisk, sink: RecordingSink) -> None:
        self.daemon = daemon
        self.disk = disk
        self.sink = sink
        self.acknowledged: set[int] = set()
        self._numbers = iter(range(1, 100_000))

    async def send(self, size: int = SMALL) -> bytes:
        """Hands over one message; gives the last reply, that of the command that was refused."""
        return await asyncio.to_thread(self._send, size)

    def _send(self, size: int) -> bytes:
        number = next(self._numbers)
        body = ("x" * 70 + "\r\n") * (size // 72)
        message = f"From: a@klient.pl\r\nSubject: number {number}\r\n\r\n{body}end of {number}\r\n"
        try:
            with smtplib.SMTP("127.0.0.1", self.daemon.smtp_port, timeout=60) as client:
                client.ehlo("client.test")
                for refused in (client.mail("a@klient.pl"), client.rcpt("support@example.com")):
                    if refused[0] != 250:
                        return b"%d %b" % refused
                code, text = client.data(message)
        except smtplib.SMTPResponseException as error:
            return f"{error.smtp_code} ".encode() + bytes(error.smtp_error)
        if code == 250:
            self.acknowledged.add(number)
        return b"%d %b" % (code, text)

    async def arrived(self) -> None:
        """All that was answered 250 has arrived, whole."""

        def has_all() -> bool:
            return self.acknowledged <= self.counted().keys()

        await asyncio.to_thread(wait_for, has_all, "all messages to arrive", 60.0, self.daemon.log_text)

    def counted(self) -> Counter[int]:
        found: Counter[int] = Counter()
        for message in self.sink.messages:
            number = int(_NUMBER.findall(message)[0])
            assert message.endswith(f"end of {number}\r\n".encode()), f"{number} is torn"
            found[number] += 1
        return found

    async def ready(self, status: int) -> None:
        await asyncio.to_thread(
            wait_for, lambda: self.daemon.http_status("/readyz") == status, f"readyz to say {status}"
        )


@asynccontextmanager
async def opened(routerd: Callable[..., RouterdDaemon], disk: ShimmedDisk) -> AsyncIterator[Desk]:
    async with RecordingSink().serving() as sink:
        delivery = f'  - {{domain: "*", smtp: "127.0.0.1:{sink.port}", tls: none}}'
        daemon = await asyncio.to_thread(lambda: start(routerd, disk, delivery=delivery))
        desk = Desk(daemon, disk, sink)
        assert (await desk.send()).startswith(b"250")
        assert (await desk.send(LARGE)).startswith(b"250")
        yield desk
        disk.heal()


@pytest.fixture
def disk(need: Callable[[str, str], str], tmp_path: Path) -> ShimmedDisk:
    return ShimmedDisk(tmp_path / "shimmed", need("cc", "gcc"))


async def test_without_room_mail_is_put_off_and_comes_again(
    routerd: Callable[..., RouterdDaemon], disk: ShimmedDisk
) -> None:
    """At a write, a sync, the log, or a large body's file: 452, nothing lost; with room again all goes on by itself."""
    async with opened(routerd, disk) as desk:
        for call, suffix, size in (
            ("write", "-wal", SMALL),
            ("sync", "-wal", SMALL),
            ("write", "*", LARGE),
            ("open", "*", LARGE),
            ("sync", "*", LARGE),
        ):
            for error in (errno.ENOSPC, errno.EDQUOT):
                disk.fail(call, error, suffix=suffix)
                for _ in range(2):
                    assert (await desk.send(size)).startswith(b"452 4.3.1")
                disk.heal()
                assert (await desk.send(size)).startswith(b"250")
        await desk.arrived()
        await desk.ready(200)
        assert max(desk.counted().values()) == 1
        assert desk.daemon.metric("routerd_store_trouble") == 0


async def test_without_room_what_was_delivered_is_not_delivered_again(
    routerd: Callable[..., RouterdDaemon], disk: ShimmedDisk
) -> None:
    """That the next hop took it cannot be written: it is not sent again meanwhile, and written once there is room."""
    async with opened(routerd, disk) as desk:
        await desk.arrived()
        desk.sink.answering = asyncio.Event()
        for _ in range(5):
            assert (await desk.send()).startswith(b"250")
        await desk.arrived()
        disk.fail("write", errno.ENOSPC, suffix="-wal")
        desk.sink.answering.set()
        await asyncio.to_thread(desk.daemon.wait_for_event, "conclusion_unwritten", 5)
        disk.heal()
        await asyncio.to_thread(
            wait_for, lambda: desk.daemon.metric("routerd_queue_copies", state="queued") == 0, "an empty queue"
        )
        assert max(desk.counted().values()) == 1
        assert (await desk.send()).startswith(b"250")


async def test_a_sync_that_fails_once_ends_all_writing_until_a_restart(
    routerd: Callable[..., RouterdDaemon], disk: ShimmedDisk
) -> None:
    """The next one might lie. It says so in the log, /readyz, /healthz and a metric; after the restart all is there."""
    async with opened(routerd, disk) as desk:
        for number, (suffix, size) in enumerate((("-wal", SMALL), ("*", LARGE)), 1):
            await desk.arrived()
            disk.fail("sync", errno.EIO, suffix=suffix, times=1)
            assert (await desk.send(size)).startswith(b"451")
            assert disk.failures_left() == 0
            assert (await desk.send()).startswith(b"451")
            assert (await desk.send(LARGE)).startswith(b"451")
            await desk.ready(503)
            assert desk.daemon.http_status("/healthz") == 503
            assert "restart" in desk.daemon.http_get("/readyz")[1]
            assert desk.daemon.metric("routerd_store_trouble") == 1
            assert len(await asyncio.to_thread(desk.daemon.wait_for_event, "store_trouble", number)) == number
            await asyncio.to_thread(desk.daemon.restart)
            assert (await desk.send(size)).startswith(b"250")
        await desk.arrived()
        assert max(desk.counted().values()) == 1


async def test_other_failures_of_the_disk_pass(routerd: Callable[..., RouterdDaemon], disk: ShimmedDisk) -> None:
    """A write or an opening that fails has written nothing: 451, and the next one may try."""
    async with opened(routerd, disk) as desk:
        for call, suffix, size in (("write", "-wal", SMALL), ("write", "*", LARGE), ("open", "*", LARGE)):
            disk.fail(call, errno.EIO, suffix=suffix)
            assert (await desk.send(size)).startswith(b"451")
            disk.heal()
            assert (await desk.send(size)).startswith(b"250")
        await desk.arrived()
        await desk.ready(200)


async def test_without_descriptors_clients_wait_or_come_again(
    routerd: Callable[..., RouterdDaemon], disk: ShimmedDisk
) -> None:
    """Nobody is lost, the daemon lives on, and with descriptors again it takes mail as before."""
    async with opened(routerd, disk) as desk:
        disk.fail("accept", errno.EMFILE)
        waiting = [asyncio.create_task(desk.send()) for _ in range(5)]
        await asyncio.wait(waiting, timeout=1)
        assert not desk.sink.messages[2:]
        disk.heal()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert (await desk.send()).startswith(b"250")

        pid = desk.daemon.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        in_use = max(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir() if int(path.name) < disk.OWN_FROM)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (in_use + 2, before[1]))
        for size in (SMALL, LARGE) * 3:
            with suppress(OSError, smtplib.SMTPException):
                assert (await desk.send(size)).startswith((b"250", b"421", b"451"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        for size in (SMALL, LARGE):
            assert (await desk.send(size)).startswith(b"250")
        await desk.arrived()
        await desk.ready(200)


async def test_what_waits_drains_from_a_disk_without_room(
    routerd: Callable[..., RouterdDaemon], disk: ShimmedDisk
) -> None:
    """Also after a crash: the daemon starts where nothing can be written, and mends itself when it can."""
    async with opened(routerd, disk) as desk:
        desk.sink.answering = asyncio.Event()
        for _ in range(5):
            assert (await desk.send()).startswith(b"250")
        await asyncio.to_thread(desk.daemon.kill9)
        disk.fail("write", errno.ENOSPC)
        desk.sink.answering.set()
        await asyncio.to_thread(desk.daemon.start)
        assert (await desk.send()).startswith(b"452")
        disk.heal()
        assert (await desk.send()).startswith(b"250")
        await desk.arrived()
