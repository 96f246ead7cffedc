"""A database that is damaged, lost or cut short, and a disk that does not keep what it is given."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from peers.damage import spoil
from store_entries import NOW, RETENTION, entry, received

from routerd.message.envelope import QueueId
from routerd.store import opening
from routerd.store.base import CopyState, Done, StoreDamagedError, StoreFullError, StoreUnsyncedError
from routerd.store.connection import FILE_NAME, Connection
from routerd.store.health import Health, look_at_once, renew_log
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import SqliteStore, open_store
from routerd.store.writer import Job

LARGE = b"x" * 300_000
DESTINATION = "smtp:mail.example.com:25"


async def fill(state: Path) -> None:
    """Twenty messages, and a clean end."""
    store = open_store(state)
    for _ in range(20):
        await store.commit(entry())
    await store.close()


def leave_open(state: Path) -> None:
    """As a process that was killed leaves it."""
    (state / f"{FILE_NAME}-shm").touch()


async def test_damage_is_found_after_an_end_that_was_not_clean(state: Path) -> None:
    """The start is refused, in words, and nothing is changed; what can be read is shown."""
    await fill(state)
    spoil(state)
    leave_open(state)
    before = (state / FILE_NAME).read_bytes()
    with pytest.raises(StoreDamagedError, match=r"the database is damaged \("):
        open_store(state)
    assert (state / FILE_NAME).read_bytes() == before
    (state / f"{FILE_NAME}-shm").unlink(missing_ok=True)
    (state / f"{FILE_NAME}-wal").unlink(missing_ok=True)
    with QueueView.open(state) as view:
        assert len(view.list()) == 20


async def test_a_look_that_takes_long_goes_on_beside_the_mail(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it finds then stops all writing, and is told once; what can be read is read."""
    await fill(state)
    spoil(state)
    leave_open(state)
    monkeypatch.setattr(opening, "look_at_once", lambda db, seconds: False)
    told: list[str] = []
    store = open_store(state, tell=told.append)
    await asyncio.to_thread(store._look.wait)
    assert store.trouble.startswith("the database is damaged (")
    assert told == [store.trouble]
    (copy, *_) = await store.due(DESTINATION, NOW, 10, frozenset())
    for refused in (
        store.commit(entry()),
        store.commit(entry(got=received(LARGE))),
        store.conclude(copy, Done("250"), NOW),
    ):
        with pytest.raises(StoreDamagedError):
            await refused
    assert store.is_alive(), "a restart mends nothing"
    assert not (state / "bodies").exists()
    await store.close()
    assert len(told) == 1


async def test_a_sound_database_is_looked_through_and_goes_on(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and beside the mail; a look that is under way ends with the store."""
    await fill(state)
    leave_open(state)
    store = open_store(state)
    assert store.trouble == ""
    await store.close()
    monkeypatch.setattr(opening, "look_at_once", lambda db, seconds: False)
    leave_open(state)
    store = open_store(state)
    await store.commit(entry())
    await asyncio.to_thread(store._look.wait)
    assert store.trouble == ""
    await store.close()


async def test_a_look_has_its_time(state: Path) -> None:
    """More is not spent on it at a start."""
    await fill(state)
    db = Connection(str(state / FILE_NAME))
    many = "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)"
    db.execute(f"{many} INSERT INTO bodies SELECT i, zeroblob(20) FROM n")
    assert not look_at_once(db, -1.0)
    assert look_at_once(db, 60.0)
    db.close()


async def test_damage_that_is_met_in_use_stops_all_writing(state: Path) -> None:
    """Whoever meets it, the loop's readers or the writer."""
    await fill(state)
    told: list[str] = []
    store = open_store(state, tell=told.append)
    spoil(state, "copies_by_message")
    spoil(state, "copies")
    with pytest.raises(StoreDamagedError):
        await store.copy_by_number(1)
    with pytest.raises(StoreDamagedError):
        await store.note(entry().received.id, "x", {}, NOW)
    assert len(told) == 1
    await store.close()


async def test_damage_that_hinders_the_start_is_told_as_such(state: Path) -> None:
    """Also after a clean end, when nobody looks for it."""
    await fill(state)
    spoil(state, "copies")
    with pytest.raises(StoreDamagedError):
        open_store(state)


@pytest.mark.parametrize("how", ["emptied", "removed", "cut", "overwritten"])
async def test_a_lost_database_is_not_begun_anew(state: Path, how: str) -> None:
    """The queue must not look empty because its file is."""
    await fill(state)
    (state / "bodies").mkdir(exist_ok=True)
    path = state / FILE_NAME
    content = path.read_bytes()
    path.unlink()
    if how != "removed":
        path.write_bytes({"emptied": b"", "cut": content[: len(content) // 2], "overwritten": b"\0" * 4096}[how])
    with pytest.raises(StoreDamagedError):
        open_store(state)
    path.write_bytes(content)
    store = open_store(state)
    assert (await store.counts()).copies == {CopyState.QUEUED: 20}
    await store.close()


async def test_a_sync_that_fails_is_not_tried_again(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken or written any more, though the disk would say yes by now; after a restart all goes on."""
    told: list[str] = []
    store = open_store(state, tell=told.append)
    committed = await store.commit(entry())
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(StoreUnsyncedError, match="restart"):
        await store.commit(entry(got=received(LARGE)))
    monkeypatch.undo()
    for refused in (
        store.commit(entry()),
        store.commit(entry(got=received(LARGE))),
        store.conclude(committed.copies[0], Done("250"), NOW),
    ):
        with pytest.raises(StoreUnsyncedError):
            await refused
    assert not store.is_alive()
    assert told == [store.trouble]
    assert [path for path in (state / "bodies").rglob("*") if path.is_file()] == []
    await store.close()
    store = open_store(state)
    assert (await store.counts()).copies == {CopyState.QUEUED: 1}
    await store.commit(entry(got=received(LARGE)))
    await store.close()


async def test_a_sync_without_room_is_a_full_disk(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which passes by itself."""
    store = open_store(state)
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(StoreFullError):
        await store.commit(entry(got=received(LARGE)))
    monkeypatch.undo()
    await store.commit(entry(got=received(LARGE)))
    assert store.trouble == ""
    await store.close()


def failing(number: int) -> Callable[[int], None]:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    return fail


async def test_the_log_is_written_anew(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the bytes that it has, and synced; without a log there is nothing to do."""
    renew_log(state / FILE_NAME)
    store = open_store(state)
    await store.commit(entry(got=received(b"y" * 200_000)))
    log = state / f"{FILE_NAME}-wal"
    before = log.read_bytes()
    written: list[tuple[int, int]] = []
    pwrite = os.pwrite

    def record(descriptor: int, data: bytes, at: int) -> int:
        written.append((at, len(data)))
        return pwrite(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", record)
    monkeypatch.setattr(os, "fsync", lambda fd: written.append((-1, -1)))
    renew_log(state / FILE_NAME)
    assert written == [(0, len(before)), (-1, -1)]
    assert log.read_bytes() == before
    monkeypatch.undo()
    await store.close()


async def test_a_file_left_by_a_commit_that_failed_is_swept(store: SqliteStore, state: Path) -> None:
    """While the daemon runs; one whose message is on its way, or is stored, stays."""
    committed = await store.commit(entry(got=received(LARGE)))
    stray = state / "bodies" / "aa" / "01JQAAAAAAAAAAAAAAAAAAAAAA"
    arriving = stray.with_name("01JQBBBBBBBBBBBBBBBBBBBBAA")
    stray.parent.mkdir(exist_ok=True)
    for path in (stray, arriving):
        path.write_bytes(b"left over")
    store._large._arriving.add(QueueId(arriving.name))
    await store.sweep(NOW, RETENTION)
    assert not stray.exists()
    assert arriving.exists()
    assert len(await store.content(committed.copies[0])) == len(LARGE)


async def test_a_message_that_is_tried_anew_keeps_its_file_from_a_sweep(store: SqliteStore, state: Path) -> None:
    """Its first try left a file; the second begins while the sweep waits to hear that the file has no row."""
    got = received(LARGE)
    store._bodies.write(got.id, b"of the first try")
    go_on = threading.Event()
    busy = asyncio.create_task(store._writer.do(Job(lambda batch: go_on.wait(20))))
    sweeping = asyncio.create_task(store._large.forget_unnamed())
    while not store._large._turn.locked():
        await asyncio.sleep(0)
    again = asyncio.create_task(store.commit(entry(got=got)))
    for _ in range(20):
        await asyncio.sleep(0.001)
    go_on.set()
    committed = await again
    await asyncio.gather(busy, sweeping)
    assert len(await store.content(committed.copies[0])) == len(LARGE)


def test_only_what_must_be_mended_counts_as_trouble() -> None:
    """A full disk, or any other error, is none."""
    health = Health()
    for error in (StoreFullError("no room"), OSError(errno.EIO, "x"), ValueError("y")):
        health.note(error)
    health.check()
    health.note(StoreDamagedError("first"))
    health.note(StoreUnsyncedError("second"))
    with pytest.raises(StoreDamagedError, match="first"):
        health.check()
    assert not health.can_sync
