"""How commits gather into groups, and that nobody waits who need not; large bodies beside a sweep."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from store_entries import NOW, RETENTION, entry, received

from routerd.store import load, writer
from routerd.store.base import CopyState, Done
from routerd.store.sqlite import SqliteStore, open_store

LARGE = b"x" * 300_000


async def test_a_lone_sender_never_waits_for_a_group(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """One message after the other, or two at once, with what delivery writes of them: were there a pause, it would be
    an hour's.
    """
    monkeypatch.setattr(load, "AT_EASE", -1.0)  # however little else there is to do
    monkeypatch.setattr(load, "BUSY", 0.0)
    monkeypatch.setattr(writer, "GROUPS_APART_SECONDS", 3600.0)
    async with asyncio.timeout(60):
        for _ in range(20):
            committed = await store.commit(entry())
            await store.conclude(committed.copies[0], Done("250"), NOW)
            await asyncio.gather(store.commit(entry()), store.commit(entry()))


async def test_closing_writes_all_that_waits(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, however many groups it makes and however long they would have gathered; it is there afterwards."""
    monkeypatch.setattr(load, "AT_EASE", -1.0)  # however little else there is to do
    monkeypatch.setattr(load, "BUSY", 0.0)
    monkeypatch.setattr(writer, "GROUPS_APART_SECONDS", 3600.0)
    store = open_store(state)
    commits = [asyncio.create_task(store.commit(entry())) for _ in range(600)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.close())
    async with asyncio.timeout(60):
        await asyncio.gather(*commits)
        await closing
    store = open_store(state)
    assert (await store.counts()).copies == {CopyState.QUEUED: 600}
    await store.close()


async def test_a_sweep_takes_no_file_of_a_message_that_is_being_committed(state: Path) -> None:
    """Between the file and its row, and beside a stream of commits, only what was finished long ago is removed."""
    is_written, go_on = threading.Event(), threading.Event()

    def reach(point: str) -> None:
        if point == "after-body-file":
            is_written.set()
            go_on.wait(60)

    store = open_store(state, reach=reach)
    under_way = asyncio.create_task(store.commit(entry(got=received(LARGE))))
    await asyncio.to_thread(is_written.wait, 60)
    await store.sweep(NOW + timedelta(days=3000), RETENTION)
    go_on.set()
    committed = await under_way
    assert len(await store.content(committed.copies[0])) == len(LARGE)

    old = await store.commit(entry(got=received(LARGE)))
    await store.conclude(old.copies[0], Done("250"), NOW)

    async def sweep() -> None:
        for _ in range(20):
            await store.sweep(NOW + timedelta(days=3000), RETENTION)

    *stream, _ = await asyncio.gather(*(store.commit(entry(got=received(LARGE))) for _ in range(20)), sweep())
    for one in (committed, *stream):
        assert len(await store.content(one.copies[0])) == len(LARGE)
    assert len([path for path in (state / "bodies").rglob("*") if path.is_file()]) == 21
    await store.close()
