"""Several processes in a stream of messages, killed and told to end: what was answered 250 arrives, and whatever was
not is tried again."""

import asyncio
import os
import random
import re
import signal
from collections import Counter
from collections.abc import Callable

import pytest
from peers.daemon import CONFIG, RouterdDaemon
from peers.machine import wait_for
from peers.worker_processes import nursery_of, wait_for_workers, workers_of
from stream import RecordingSink, Stream

MESSAGES = int(os.environ.get("ROUTERD_KILL_MESSAGES", "2000"))
CONNECTIONS = 20
BETWEEN = 250  # messages, from one death to the next
LARGE_EVERY = 40
LARGE_BYTES = 400_000  # a file between the processes, and in the store

_NUMBER = re.compile(rb"(?m)^Subject: number (\d+)\r$")


def _message(number: int) -> bytes:
    filler = LARGE_BYTES // 60 if number % LARGE_EVERY == 0 else 3
    lines = "".join(f"{number} line {line} {'x' * 40}\r\n" for line in range(filler))
    return (
        f"From: Anna <anna@klient.pl>\r\nTo: support@example.com\r\nSubject: number {number}\r\n"
        f"Message-ID: <{number}@klient.pl>\r\nPrecedence: bulk\r\n\r\n{lines}end of {number}\r\n"
    ).encode()


@pytest.mark.timeout(900)
def test_workers_that_are_killed_lose_nothing(routerd: Callable[..., RouterdDaemon]) -> None:
    """The daemon goes on meanwhile, with others in their place."""
    asyncio.run(_kill_and_count(routerd))


async def _kill_and_count(routerd: Callable[..., RouterdDaemon]) -> None:
    async with RecordingSink().serving() as sink:
        daemon = await asyncio.to_thread(_start, routerd, sink)
        stream = Stream(daemon.smtp_port, _message, most=MESSAGES)
        sending = asyncio.create_task(stream.run(CONNECTIONS))
        deaths = await _kill_again_and_again(daemon, stream)
        await sending
        assert not stream.refused
        assert stream.acknowledged == set(range(1, MESSAGES + 1))
        await asyncio.to_thread(wait_for, lambda: len(_arrived(sink)) >= MESSAGES, "all messages", 120.0)
        await asyncio.to_thread(wait_for_workers, daemon)
        assert daemon.metric("routerd_worker_ends_total") == deaths
        assert daemon.metric("routerd_workers") == 2
    _assert_whole(sink)
    assert set(_arrived(sink)) == stream.acknowledged
    assert not daemon.log_events("daemon_failed")


@pytest.mark.timeout(900)
def test_whatever_becomes_of_the_whole_nothing_is_lost(routerd: Callable[..., RouterdDaemon]) -> None:
    """It reloads, drains and starts again, its nursery is killed, it is killed itself; all with mail coming in."""
    asyncio.run(_end_and_count(routerd))


async def _end_and_count(routerd: Callable[..., RouterdDaemon]) -> None:
    async with RecordingSink().serving() as sink:
        daemon = await asyncio.to_thread(_start, routerd, sink)
        stream = Stream(daemon.smtp_port, _message)
        sending = asyncio.create_task(stream.run(CONNECTIONS))
        for end, status in ((_reload, None), (_drain, 0), (_kill_nursery, 1), (_kill_daemon, -9)) * 2:
            await _until(stream, len(stream.acknowledged) + 60)
            await asyncio.to_thread(end, daemon)
            if status is not None:
                assert await asyncio.to_thread(daemon.wait) == status, daemon.log_text()[-3000:]
                await asyncio.to_thread(daemon.start)
        await _until(stream, len(stream.acknowledged) + 60)
        stream.is_enough = True
        await sending
        await asyncio.to_thread(wait_for, lambda: stream.acknowledged <= _arrived(sink).keys(), "all messages", 120.0)
    assert not stream.refused
    _assert_whole(sink)


def _start(routerd: Callable[..., RouterdDaemon], sink: RecordingSink) -> RouterdDaemon:
    delivery = f'  - {{domain: "*", smtp: "127.0.0.1:{sink.port}", tls: none}}'
    return routerd(delivery=delivery, config=f"{CONFIG}workers: 2\n")


def _reload(daemon: RouterdDaemon) -> None:
    before = len(daemon.log_events("config_reloaded"))
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_event("config_reloaded", before + 1)


def _drain(daemon: RouterdDaemon) -> None:
    daemon.signal(signal.SIGTERM)


def _kill_nursery(daemon: RouterdDaemon) -> None:
    os.kill(nursery_of(daemon), signal.SIGKILL)


def _kill_daemon(daemon: RouterdDaemon) -> None:
    daemon.signal(signal.SIGKILL)


async def _until(stream: Stream, acknowledged: int) -> None:
    while len(stream.acknowledged) < acknowledged:
        await asyncio.sleep(0.001)


async def _kill_again_and_again(daemon: RouterdDaemon, stream: Stream) -> int:
    chance = random.Random(20260101)
    deaths = 0
    while len(stream.acknowledged) + BETWEEN < MESSAGES:
        await _until(stream, len(stream.acknowledged) + BETWEEN)
        living = workers_of(daemon)
        if living:
            os.kill(chance.choice(living), signal.SIGKILL)
            deaths += 1
    return deaths


def _arrived(sink: RecordingSink) -> Counter[int]:
    return Counter(int(_NUMBER.findall(raw)[0]) for raw in sink.messages)


def _assert_whole(sink: RecordingSink) -> None:
    for raw in sink.messages:
        number = int(_NUMBER.findall(raw)[0])
        assert raw.endswith(_message(number).partition(b"\r\n\r\n")[2]), f"{number} is torn"
