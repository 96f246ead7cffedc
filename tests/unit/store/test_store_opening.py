"""Opening: the lock, the schema, a full disk, and metrics."""

import asyncio
import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
from store_entries import NOW, entry, received

from routerd.store.base import (
    CopyState,
    Done,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreMissingError,
    StoreVersionError,
)
from routerd.store.connection import APPLICATION_ID, FILE_NAME, Connection
from routerd.store.migration import newest_version, schema_files
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import open_store


async def test_one_daemon_to_a_state(state: Path) -> None:
    """The second one is told who has it, and may have it once the first is gone."""
    store = open_store(state)
    with pytest.raises(StoreLockedError, match=str(os.getpid())):
        open_store(state)
    await store.close()
    await open_store(state).close()


async def test_a_schema_from_the_future_is_refused(state: Path) -> None:
    """By the daemon and by the commands, and is left as it is."""
    await open_store(state).close()
    db = sqlite3.connect(state / FILE_NAME)
    db.execute(f"PRAGMA user_version={newest_version() + 1}")
    db.commit()
    db.close()
    with pytest.raises(StoreVersionError, match="newer"):
        open_store(state)
    with pytest.raises(StoreVersionError):
        QueueView.open(state)


async def test_a_foreign_database_is_refused(state: Path) -> None:
    """Somebody else's SQLite file, or none at all, under our name: not touched."""
    state.mkdir()
    db = sqlite3.connect(state / FILE_NAME)
    db.execute("CREATE TABLE theirs (a)")
    db.commit()
    db.close()
    with pytest.raises(StoreError, match="not made by routerd"):
        open_store(state)
    (state / FILE_NAME).write_bytes(b"no database at all " * 100)
    with pytest.raises(StoreError):
        open_store(state)


async def test_the_schema_is_marked(state: Path) -> None:
    """File, version and safety as they should be."""
    store = open_store(state)
    await store.close()
    db = Connection(str(state / FILE_NAME))
    assert (db.pragma("application_id"), db.pragma("user_version")) == (APPLICATION_ID, newest_version())
    assert db.pragma("journal_mode") == "wal"
    db.close()
    assert [number for number, _ in schema_files()] == list(range(1, newest_version() + 1))


async def test_a_full_disk_refuses_and_recovers(state: Path) -> None:
    """Everyone in the transaction is told that there is no room; what was in stays; with room again, it goes on."""
    store = open_store(state)
    first = await store.commit(entry())
    pages = store._writer._db.pragma("page_count")  # type: ignore[union-attr]
    store._writer._db.pragma("max_page_count", pages + 10)  # type: ignore[union-attr]
    entries = [entry(got=received(b"x" * 100_000)) for _ in range(5)]
    outcomes = await asyncio.gather(*map(store.commit, entries), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreFullError}
    assert (await store.counts()).copies == {CopyState.QUEUED: 1}
    await store.commit(entries[0])  # the connection was opened anew, without the limit
    await store.conclude(first.copies[0], Done("250"), NOW)
    await store.close()
    store = open_store(state)
    assert (await store.counts()).copies == {CopyState.QUEUED: 1}
    await store.close()


async def test_a_body_file_that_cannot_be_written_refuses(state: Path) -> None:
    """A large message whose file fails is not taken."""
    store = open_store(state)
    (state / "bodies").write_text("in the way")
    with pytest.raises(StoreError):
        await store.commit(entry(got=received(b"x" * 300_000)))
    assert (await store.counts()).copies == {}
    await store.close()


async def test_files_that_no_message_names_are_swept(state: Path) -> None:
    """At the start; those that a message names stay."""
    store = open_store(state)
    committed = await store.commit(entry(got=received(b"x" * 300_000)))
    await store.close()
    stray = state / "bodies" / "00" / "01JQAAAAAAAAAAAAAAAAAAAAAA"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"left over")
    store = open_store(state)
    assert not stray.exists()
    assert len(await store.content(committed.copies[0])) == 300_000
    await store.close()


async def test_a_state_that_cannot_be_is_said_to_be(tmp_path: Path) -> None:
    """A file where the folder should be: a StoreError, no traceback of the system."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        open_store(tmp_path / "file")
    with pytest.raises(StoreMissingError):
        QueueView.open(tmp_path)
    with pytest.raises(StoreError):
        QueueView.open(tmp_path / "nothing")


async def test_a_transaction_is_counted(state: Path) -> None:
    """How many messages it made durable, and how long it took; transactions without messages count no batch."""

    class Seen(list[float]):
        def observe(self, amount: float) -> None:
            self.append(amount)

    metrics = SimpleNamespace(commit_batch_messages=Seen(), commit_seconds=Seen())
    store = open_store(state, metrics=metrics)
    store.key("trace")
    await asyncio.gather(*(store.commit(entry()) for _ in range(30)))
    await store.close()
    assert sum(metrics.commit_batch_messages) == 30
    assert len(metrics.commit_seconds) == len(metrics.commit_batch_messages) + 1
    assert max(metrics.commit_batch_messages) > 1
