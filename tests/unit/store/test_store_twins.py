"""The same message again: it joins its elder, where it is the same."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from store_entries import (
    INBOX,
    NOW,
    RAW,
    copy_for,
    entry,
    received,
    settled,
    thread,
)

from routerd.desk.changes import Role
from routerd.desk.plan import DeskState
from routerd.message.envelope import Envelope
from routerd.store.base import Entry, Settled, ThreadKeys
from routerd.store.bodies import MAX_ROW_BYTES
from routerd.store.connection import Connection
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import SqliteStore


@pytest.mark.parametrize("together", [True, False])
async def test_a_twin_joins_its_elder(store: SqliteStore, state: Path, together: bool) -> None:
    """The same message to another inbox, in the same transaction or later: the plan sees who has it already."""
    keys = thread("a@klient.pl")
    seen: list[DeskState] = []

    def joining(queue_id: str) -> object:
        def settle(desk: DeskState) -> Settled:
            seen.append(desk)
            return settled(queue_id, desk, (copy_for("jan", Role.WATCHER),))

        return settle

    got = received(inbox="billing@example.com")
    commits = [
        store.commit(entry(copy_for("ewa"), copy_for("ola", Role.WATCHER), keys=keys)),
        store.commit(entry(got=got, keys=keys, settle=joining(got.id))),  # type: ignore[arg-type]
    ]
    elder, younger = await asyncio.gather(*commits) if together else [await commit for commit in commits]
    twin = seen[0].twin
    assert twin is not None
    assert (twin.queue_id, twin.inboxes, twin.members) == (elder.id, (INBOX,), ("ewa", "ola"))
    assert seen[0].conversation is not None
    assert [copy.member for copy in younger.copies] == ["jan"]
    assert await store.content(younger.copies[0]) == RAW
    with QueueView.open(state) as view:
        history = view.show(younger.id)
        assert history is not None
        assert (history.twin_of, history.namesakes) == (elder.id, (elder.id,))
        third = view.desk_state(keys, NOW).twin
    assert third is not None
    assert (third.queue_id, third.members) == (elder.id, ("ewa", "ola", "jan"))
    assert third.inboxes == (INBOX, "billing@example.com")


@pytest.mark.parametrize(
    ("size", "together"),
    [(100, True), (100, False), (MAX_ROW_BYTES + 1, False)],
    ids=["in one transaction", "in the row", "in a file"],
)
async def test_what_could_not_be_looked_into_is_known_by_its_bytes(
    store: SqliteStore, size: int, together: bool
) -> None:
    """Of the same sender to the same recipients; whatever it was known by when it came before."""
    raw = RAW + b"x" * size
    seen: list[DeskState] = []

    def again(raw: bytes, **how: str) -> Entry:
        got = received(raw, **how)

        def settle(desk: DeskState) -> Settled:
            seen.append(desk)
            return settled(got.id, desk, ())

        return entry(got=got, keys=ThreadKeys(None, by_bytes=True), settle=settle)

    other = b"y" + raw[1:]
    strange = replace(again(raw), received=replace(received(raw), envelope=Envelope("eve@x.test", ())))
    commits = [
        store.commit(entry(got=received(raw), keys=thread("1@klient.pl"))),
        *(store.commit(one) for one in (again(raw), again(other), again(raw, inbox="billing@example.com"), strange)),
    ]
    elder, same, *_ = await asyncio.gather(*commits) if together else [await commit for commit in commits]
    first, *others = [desk.twin for desk in seen]
    assert first is not None
    assert (first.queue_id, first.members) == (elder.id, ("ewa",))
    assert seen[0].conversation is not None
    assert same.copies == ()
    assert others == [None, None, None]


async def test_what_is_held_hides_nothing_that_could_not_be_looked_into(store: SqliteStore) -> None:
    """As with every twin: only what goes out is a reason to let its repetition rest."""
    await store.commit(entry(copy_for("ewa", held="look first")))
    got = received()
    again = await store.commit(entry(got=got, keys=ThreadKeys(None, by_bytes=True)))
    assert [copy.member for copy in again.copies] == ["ewa"]


async def test_no_twins_without_id_or_content(store: SqliteStore) -> None:
    """Messages without a Message-ID, or of one that is used again for other content, are messages of their own."""
    seen: list[object] = []

    def looking(queue_id: str) -> object:
        def settle(desk: DeskState) -> Settled:
            seen.append(desk.twin)
            return settled(queue_id, desk, (copy_for("ewa"),))

        return settle

    for keys in (thread(None), thread(None), thread("a@b"), thread("a@b", content_hash=b"d" * 32)):
        got = received()
        await store.commit(entry(got=got, keys=keys, settle=looking(got.id)))  # type: ignore[arg-type]
    assert seen == [None] * 4


async def test_a_twin_that_brings_nothing_keeps_no_bytes(store: SqliteStore, state: Path, peek: Connection) -> None:
    """A plan without copies is recorded, its bytes are not."""
    got = received(b"x" * 300_000)

    def nothing(desk: DeskState) -> Settled:
        return settled(got.id, desk, ())

    committed = await store.commit(entry(got=got, settle=nothing))
    assert committed.copies == ()
    assert peek.execute("SELECT count(*) FROM bodies").get == 0
    assert not [path for path in (state / "bodies").rglob("*") if path.is_file()]
