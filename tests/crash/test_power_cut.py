"""Power goes while mail comes in and goes out: whatever was answered 250 before is found after, whole.

The daemon runs once, with all that it does to its disk recorded; then the disk is put together as it may have been left
at many moments, and opened.
"""

import asyncio
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from disk_record import Change, Disk, read_record
from peers.daemon import RouterdDaemon
from shimmed_daemon import ShimmedDisk, start
from stream import RecordingSink, Stream

from routerd.message.envelope import QueueId
from routerd.store.base import CopyState
from routerd.store.connection import FILE_NAME, Connection
from routerd.store.sqlite import open_store

MESSAGES = 60
CONNECTIONS = 6
LARGE_EVERY = 8
LARGE_BYTES = 300_000
CUTS = 60  # moments; at each, power is lost once with nothing, with all and with some of what was not synced

_LATER = datetime(9998, 1, 1, tzinfo=UTC)
# Run by the interpreter before routerd is imported: the log is carried over into the file again and again.
_OFTEN = "import routerd.store.connection\nrouterd.store.connection._CHECKPOINT_PAGES = 40\n"
_ANSWER = re.compile(rb"250 2\.0\.0 Ok: queued as (\w+)\r\n")


def _message(number: int) -> bytes:
    lines = "".join(f"{number} line {line} {'x' * 40}\r\n" for line in range(LARGE_BYTES // 55))
    body = lines if number % LARGE_EVERY == 0 else f".{number}\r\n"
    return f"From: anna@klient.pl\r\nSubject: number {number}\r\n\r\n{body}end of {number}\r\n".encode()


async def _run(routerd: Callable[..., RouterdDaemon], disk: ShimmedDisk, bodies: dict[int, bytes]) -> RecordingSink:
    """All is handed over; some is delivered by then. The daemon ends as it would at a shutdown."""
    async with RecordingSink().serving() as sink:
        delivery = f'  - {{domain: "*", smtp: "127.0.0.1:{sink.port}", tls: none}}'
        daemon = await asyncio.to_thread(lambda: start(routerd, disk, recorded=True, delivery=delivery))
        stream = Stream(daemon.smtp_port, bodies.__getitem__, most=MESSAGES)
        await stream.run(CONNECTIONS)
        assert stream.acknowledged == set(bodies)
        await asyncio.to_thread(daemon.stop)
    return sink


def test_what_was_answered_outlives_a_loss_of_power(
    routerd: Callable[..., RouterdDaemon], need: Callable[[str, str], str], tmp_path: Path
) -> None:
    """At any moment, whatever of the unsynced reached the disk: each answered message is there, readable and whole."""
    disk = ShimmedDisk(tmp_path / "shimmed", need("cc", "gcc"))
    bodies = {number: _message(number) for number in range(1, MESSAGES + 1)}
    (tmp_path / "sitecustomize.py").write_text(_OFTEN)
    disk.environ["PYTHONPATH"] = str(tmp_path)
    asyncio.run(_run(routerd, disk, bodies))
    changes = read_record(disk.record)
    assert len([change for change in changes if change.kind == "s" and change.path.endswith(FILE_NAME)]) > 5
    assert len([change for change in changes if change.kind == "a" and _ANSWER.match(change.data)]) == MESSAGES
    chance = random.Random(20260101)
    moments = set(chance.sample(range(len(changes)), CUTS))
    cuts = 0
    for answered, model in _moments(disk.root, changes, moments):
        for kept in (0.0, 1.0, chance.random()):
            cuts += 1
            left = tmp_path / f"cut-{cuts}"
            model.lose_power(left, chance, kept)
            asyncio.run(_check(left / "state", answered, bodies))
    assert cuts == 3 * CUTS


def _moments(root: Path, changes: list[Change], wanted: set[int]) -> Iterator[tuple[tuple[QueueId, ...], Disk]]:
    """What was answered by then, and the disk, at each of the moments."""
    model = Disk(root)
    answered: list[QueueId] = []
    for number, change in enumerate(changes):
        model.take(change)
        if change.kind == "a" and (found := _ANSWER.match(change.data)):
            answered.append(QueueId(found[1].decode()))
        if number in wanted:
            yield tuple(answered), model


async def _check(state: Path, answered: tuple[QueueId, ...], bodies: dict[int, bytes]) -> None:
    if not state.exists():
        assert not answered
        return
    store = open_store(state)
    assert store.trouble == ""
    copies = await store.find_copies(answered)
    assert {copy.queue_id for copy in copies} == set(answered), "answered 250 and lost"
    for copy in copies:
        assert copy.damage == ""
        assert copy.state in (CopyState.QUEUED, CopyState.DELIVERED)
        content = bytes((await store.content(copy))[:])
        number = int(re.findall(rb"(?m)^Subject: number (\d+)\r$", content)[0])
        assert content.endswith(bodies[number]), f"{number} is torn"
    for destination in await store.waiting():
        for copy in await store.due(destination, _LATER, 1000, frozenset()):
            await store.content(copy)  # also what was not answered yet can be read, if it is there
    await store.close()
    db = Connection(str(state / FILE_NAME))
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
