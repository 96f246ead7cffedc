"""kill -9 at any moment: what was answered 250 arrives, whole; only what was between next hop and store comes twice."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable

from peers.daemon import RouterdDaemon
from peers.machine import wait_for
from stream import RecordingSink, Stream

MESSAGES = 2000
CONNECTIONS = 20
LARGE_EVERY = 100  # of these, one is larger than what the store keeps in a row, and so is a file
LARGE_BYTES = 300_000
POINTS = (
    "before-body-file:3",
    "after-body-file:3",
    "before-commit:40",
    "after-commit:40",
    "after-answer:40",
    "after-delivery:50",
    "before-conclude:50",
)
RANDOM_KILLS = 3
WINDOW = 64 + 20  # copies that may be delivered and not yet written down: unwritten conclusions and attempts under way

_NUMBER = re.compile(rb"(?m)^Subject: number (\d+)\r$")
_COPY = re.compile(rb"(?m)^X-Routerd-Copy: (\S+)\r$")


def _message(number: int) -> bytes:
    filler = LARGE_BYTES // 60 if number % LARGE_EVERY == 0 else 3
    lines = "".join(f"{number} line {line} {'x' * 40}\r\n" for line in range(filler))
    body = f".{number}\r\n{lines}end of {number}\r\n"
    head = (
        f"From: Anna <anna@klient.pl>\r\nTo: support@example.com\r\nSubject: number {number}\r\n"
        f"Message-ID: <{number}@klient.pl>\r\nX-Labels: forged\r\n\r\n"
    )
    return (head + body).encode()


def test_ten_kills_in_a_stream_of_messages_lose_and_tear_none(routerd: Callable[..., RouterdDaemon]) -> None:
    """Ten deaths: at each named point of commit and delivery, and at random."""
    bodies = {number: _message(number) for number in range(1, MESSAGES + 1)}
    asyncio.run(_kill_and_count(routerd, bodies))


async def _kill_and_count(routerd: Callable[..., RouterdDaemon], bodies: dict[int, bytes]) -> None:
    async with RecordingSink().serving() as sink:
        delivery = f'  - {{domain: "*", smtp: "127.0.0.1:{sink.port}", tls: none}}'
        daemon = await asyncio.to_thread(routerd, delivery=delivery)
        await asyncio.to_thread(daemon.stop)
        stream = Stream(daemon.smtp_port, bodies)
        sending = asyncio.create_task(stream.run(CONNECTIONS))
        deaths = await _die_again_and_again(daemon, stream)
        daemon.environ.pop("ROUTERD_CRASH_AT", None)
        await asyncio.to_thread(daemon.start)
        await sending
        await asyncio.to_thread(_wait_for_empty_queue, daemon)
    _assert_nothing_lost(stream, sink, deaths)


async def _die_again_and_again(daemon: RouterdDaemon, stream: Stream) -> int:
    """Each named point once, then deaths at random moments; the stream goes on all the while."""
    for point in POINTS:
        daemon.environ["ROUTERD_CRASH_AT"] = point
        await asyncio.to_thread(daemon.start, wait=False)
        status = await asyncio.to_thread(daemon.wait)
        assert status == -9, f"did not die at {point}: {daemon.log_text()[-2000:]}"
    daemon.environ.pop("ROUTERD_CRASH_AT")
    chance = random.Random(20260101)
    for _ in range(RANDOM_KILLS):
        await asyncio.to_thread(daemon.start)
        goal = len(stream.acknowledged) + chance.randrange(1, 150)
        while len(stream.acknowledged) < min(goal, MESSAGES):
            await asyncio.sleep(0.001)
        await asyncio.to_thread(daemon.kill9)
    return len(POINTS) + RANDOM_KILLS


def _wait_for_empty_queue(daemon: RouterdDaemon) -> None:
    """The last copies wait a second and more, if the sink was reset under them."""
    wait_for(
        lambda: daemon.metric("routerd_queue_copies", state="queued") == 0, "an empty queue", 60.0, daemon.log_text
    )


def _assert_nothing_lost(stream: Stream, sink: RecordingSink, deaths: int) -> None:
    assert not stream.refused
    arrived: Counter[int] = Counter()
    copies: dict[int, set[bytes]] = {}
    for message in sink.messages:
        number = int(_NUMBER.findall(message)[0])
        expected = stream.bodies[number]
        assert message.endswith(expected.partition(b"\r\n\r\n")[2]), f"{number} is torn"
        assert b"X-Labels: forged" not in message
        arrived[number] += 1
        copies.setdefault(number, set()).update(_COPY.findall(message))
    assert stream.acknowledged == set(stream.bodies)
    assert not stream.acknowledged - arrived.keys(), "answered 250 and lost"
    several = {number: found for number, found in copies.items() if len(found) != 1}
    assert not several, "a repeat bears the same X-Routerd-Copy"
    assert sum(count - 1 for count in arrived.values()) <= deaths * WINDOW
