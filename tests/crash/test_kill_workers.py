"""kill -9 of workers in a stream of messages: what was answered 250 arrives, and whatever was not is tried again."""

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
from peers.worker_processes import wait_for_workers, workers_of
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
        delivery = f'  - {{domain: "*", smtp: "127.0.0.1:{sink.port}", tls: none}}'
        daemon = await asyncio.to_thread(lambda: routerd(delivery=delivery, config=f"{CONFIG}workers: 2\n"))
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
    assert set(_arrived(sink)) == stream.acknowledged
    for raw in sink.messages:
        number = int(_NUMBER.findall(raw)[0])
        assert raw.endswith(_message(number).partition(b"\r\n\r\n")[2]), f"{number} is torn"
    assert not daemon.log_events("daemon_failed")


async def _kill_again_and_again(daemon: RouterdDaemon, stream: Stream) -> int:
    chance = random.Random(20260101)
    deaths = 0
    while len(stream.acknowledged) + BETWEEN < MESSAGES:
        goal = len(stream.acknowledged) + BETWEEN
        while len(stream.acknowledged) < goal:
            await asyncio.sleep(0.001)
        living = workers_of(daemon)
        if living:
            os.kill(chance.choice(living), signal.SIGKILL)
            deaths += 1
    return deaths


def _arrived(sink: RecordingSink) -> Counter[int]:
    return Counter(int(_NUMBER.findall(raw)[0]) for raw in sink.messages)
