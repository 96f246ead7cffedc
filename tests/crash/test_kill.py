"""kill -9 at any moment: what was answered 250 arrives, whole; only what was between next hop and store comes twice.

ROUTERD_KILL_ROUNDS=100 in the environment makes a long night of it; in five rounds each point has its turn.
"""

import asyncio
import os
import random
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from peers.daemon import CONFIG, RouterdDaemon
from peers.machine import wait_for
from stream import RecordingSink, Stream

ROUNDS = int(os.environ.get("ROUTERD_KILL_ROUNDS", "5"))
CONNECTIONS = 20
LARGE_EVERY = 20  # of these, one is larger than what the store keeps in a row, and so is a file
LARGE_BYTES = 300_000
REFUSED_EVERY = 7  # of jan's copies, one is refused by the next hop, and goes to ewa
# Where to die, and at the how-manieth time at most.
POINTS = (
    ("before-body-file", 3),
    ("within-body-file", 3),
    ("after-body-file", 3),
    ("before-commit", 20),
    ("after-commit", 20),
    ("after-answer", 40),
    ("before-write", 20),
    ("after-write", 20),
    ("before-forget-file", 1),
    ("after-delivery", 50),
    ("before-conclude", 50),
    ("before-reroute", 4),
    ("after-reroute", 4),
)
TURNS = 5  # rounds in which each point has its turn once
WINDOW = 64 + 20  # copies that may be delivered and not yet written down: unwritten conclusions and attempts under way

# What is delivered is forgotten at the next start, so that there is something to sweep: of bulk mail, for which nobody
# waits, as the bytes of open conversations are kept.
FORGETFUL = CONFIG.replace("{{default: duty}}", "{{default: finance}}", 1) + "bounce_window: 0s\n"
FIRST = "finance: {{members: [jan, ewa], pick: first, fallback: duty}}"

_OPEN = """
SELECT m.queue_id FROM messages AS m JOIN conversations AS c ON c.number = m.conversation WHERE c.state <> 'closed'
"""
_COPY = re.compile(rb"(?m)^X-Routerd-Copy: (\w+)-[12]\r$")
_NUMBER = re.compile(rb"(?m)^Subject: number (\d+)\r$")


def _message(number: int) -> bytes:
    filler = LARGE_BYTES // 60 if number % LARGE_EVERY == 0 else 3
    lines = "".join(f"{number} line {line} {'x' * 40}\r\n" for line in range(filler))
    body = f".{number}\r\n{lines}end of {number}\r\n"
    head = (
        f"From: Anna <anna@klient.pl>\r\nTo: support@example.com\r\nSubject: number {number}\r\n"
        f"Message-ID: <{number}@klient.pl>\r\nPrecedence: bulk\r\nX-Labels: forged\r\n\r\n"
    )
    return (head + body).encode()


@pytest.mark.timeout(1800)
def test_kills_in_a_stream_of_messages_lose_and_tear_none(routerd: Callable[..., RouterdDaemon]) -> None:
    """At each named point of accepting, delivering, rerouting and forgetting, and at random."""
    asyncio.run(_kill_and_count(routerd))


async def _kill_and_count(routerd: Callable[..., RouterdDaemon]) -> None:
    async with RecordingSink(refuse_every={b"<jan@": REFUSED_EVERY}).serving() as sink:
        delivery = f'  - {{domain: "*", smtp: "127.0.0.1:{sink.port}", tls: none}}'
        config = re.sub(r"finance: \{\{.*\}\}", FIRST, FORGETFUL)
        daemon = await asyncio.to_thread(lambda: routerd(delivery=delivery, config=config))
        stream = Stream(daemon.smtp_port, _message)
        sending = asyncio.create_task(stream.run(CONNECTIONS))
        deaths = await _die_again_and_again(daemon, stream)
        daemon.environ.pop("ROUTERD_CRASH_AT")
        await asyncio.to_thread(daemon.start)
        stream.is_enough = True
        await sending
        await asyncio.to_thread(_wait_for_empty_queue, daemon)
        await asyncio.to_thread(daemon.restart)  # forgets what is delivered
        await asyncio.to_thread(wait_for, lambda: _files(daemon) <= _of_open_conversations(daemon), "no files")
        assert daemon.metric("routerd_queue_copies", state="held") == 0
    _assert_nothing_lost(stream, sink, deaths)


async def _die_again_and_again(daemon: RouterdDaemon, stream: Stream) -> int:
    """The stream goes on all the while. Gives how many deaths there were."""
    chance = random.Random(20260101)
    deaths = 0
    for number in range(ROUNDS):
        await _live(daemon, stream, chance.randint(50, 150))
        deaths += 1
        for point in _points(number, chance):
            if point.startswith("before-forget-file"):
                await _live(daemon, stream, 100)  # something to forget
            daemon.environ["ROUTERD_CRASH_AT"] = point
            await asyncio.to_thread(daemon.start, wait=False)
            status = await asyncio.to_thread(daemon.wait)
            assert status == -9, f"did not die at {point}: {daemon.log_text()[-2000:]}"
            deaths += 1
    return deaths


async def _live(daemon: RouterdDaemon, stream: Stream, messages: int) -> None:
    """Until so many more messages were answered; then it is killed."""
    daemon.environ.pop("ROUTERD_CRASH_AT", None)
    if not daemon.is_running:
        await asyncio.to_thread(daemon.start)
    goal = len(stream.acknowledged) + messages
    while len(stream.acknowledged) < goal:
        await asyncio.sleep(0.001)
    await asyncio.to_thread(daemon.kill9)


def _files(daemon: RouterdDaemon) -> set[str]:
    return {path.name for path in (daemon.state / "bodies").rglob("*") if path.is_file()}


def _of_open_conversations(daemon: RouterdDaemon) -> set[str]:
    """What was taken without a look after a death: somebody may wait for an answer to it."""
    with closing(sqlite3.connect(f"file:{daemon.state / 'routerd.db'}?mode=ro", uri=True)) as db:
        return {queue_id for (queue_id,) in db.execute(_OPEN)}


def _points(number: int, chance: random.Random) -> Iterator[str]:
    for point, most in POINTS[number % TURNS :: TURNS]:
        yield f"{point}:{chance.randint(1, most)}"


def _wait_for_empty_queue(daemon: RouterdDaemon) -> None:
    """The last copies wait a second and more, if the sink was reset under them."""
    wait_for(
        lambda: daemon.metric("routerd_queue_copies", state="queued") == 0, "an empty queue", 60.0, daemon.log_text
    )


def _assert_nothing_lost(stream: Stream, sink: RecordingSink, deaths: int) -> None:
    """What a process died over is taken without a look the next time (routerd-error): not known for one that came."""
    assert not stream.refused
    arrived: Counter[int] = Counter()
    queue_ids: dict[int, set[bytes]] = {}
    for message in sink.messages:
        number = int(_NUMBER.findall(message)[0])
        expected = _message(number)
        assert message.endswith(expected.partition(b"\r\n\r\n")[2]), f"{number} is torn"
        assert b"X-Labels: forged" not in message
        arrived[number] += 1
        if b"X-Labels: routerd-error" not in message:
            queue_ids.setdefault(number, set()).update(_COPY.findall(message))
    assert stream.acknowledged == set(range(1, stream.begun + 1))
    assert not stream.acknowledged - arrived.keys(), "answered 250 and lost"
    several = {number: found for number, found in queue_ids.items() if len(found) != 1}
    assert not several, "a repeat is one of the same message's copies"
    assert sum(count - 1 for count in arrived.values()) <= deaths * WINDOW
