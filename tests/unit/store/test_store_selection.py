"""Which copies a selection means, what ids stand for, and how copies are refused by hand."""

from datetime import timedelta
from pathlib import Path

import pytest
from store_entries import INBOX, NOW, RETENTION, copy_for, entry, new_id, received, thread

from routerd.desk.changes import Role
from routerd.message.envelope import QueueId
from routerd.store import queue_view
from routerd.store.base import Committed, Copy, CopyState, Done, Hold, NewCopy, PlanFailedError, RetryAt
from routerd.store.conclusion import FIRST_DEFERRALS, LAST_DEFERRALS
from routerd.store.history import MessageHistory
from routerd.store.queue_view import QueueView
from routerd.store.selection import Selection
from routerd.store.sqlite import SqliteStore

HOUR = timedelta(hours=1)
EVERY = tuple(CopyState)


def history(state: Path, name: str) -> MessageHistory:
    with QueueView.open(state) as view:
        found = view.show(name)
    assert found is not None
    return found


async def test_filters_narrow_each_other(store: SqliteStore, state: Path) -> None:
    """Whatever fits all of them; None is whatever there is."""
    first = await store.commit(entry(copy_for("ewa"), copy_for("jan", Role.WATCHER, at="far.test")))
    late = received(at=NOW + 2 * HOUR)
    second = await store.commit(entry(copy_for("jan", held="look"), got=late))
    await store.conclude(first.copies[0], Done("250"), NOW)
    with QueueView.open(state) as view:

        def members(selection: Selection) -> list[str]:
            return [f"{copy.member}{copy.number}" for copy in view.copies(selection)]

        assert members(Selection()) == ["jan2", "jan3"]
        assert members(Selection(states=EVERY)) == ["ewa1", "jan2", "jan3"]
        assert members(Selection(owner="jan")) == ["jan3"]
        assert members(Selection(member="jan", states=[CopyState.QUEUED])) == ["jan2"]
        assert members(Selection(destinations=["smtp:mail.far.test:25", "x"])) == ["jan2"]
        assert members(Selection(inbox=INBOX, created_by=NOW + HOUR)) == ["jan2"]
        assert members(Selection(created_since=NOW + HOUR)) == ["jan3"]
        assert members(Selection(created_since=NOW + HOUR, created_by=NOW + HOUR)) == []
        assert members(Selection(numbers=[1, 3], states=EVERY, owner="ewa")) == ["ewa1"]
        assert members(Selection(numbers=[])) == []
        assert second.copies[0].number == 3


async def test_ids_of_every_kind(store: SqliteStore, state: Path) -> None:
    """A copy's, a message's for all of its copies, a Message-ID for all messages that bear it."""
    one = await store.commit(entry(copy_for("ewa"), copy_for("jan", Role.WATCHER), keys=thread("same-1@klient.pl")))
    two = await store.commit(entry(keys=thread("same-1@klient.pl", content_hash=b"d" * 32)))
    with QueueView.open(state) as view:

        def numbers(*ids: str) -> list[int]:
            return sorted(view.named(ids).copies)

        assert numbers(one.id) == [1, 2]
        assert numbers(f"{one.id.lower()}-2", two.copies[0].id) == [2, 3]
        assert numbers("<same-1@klient.pl>") == numbers("same-1@klient.pl") == [1, 2, 3]
        unknown = ("nonsense", f"{one.id}-9", "7", "a@b", "", "x-1", "\udcff")
        assert view.named((one.id, *unknown)).unknown == unknown


async def test_what_changes_between_two_pages_is_left_out(
    store: SqliteStore, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long listing shows nothing twice, and nothing that no longer fits."""
    monkeypatch.setattr(queue_view, "PAGE_COPIES", 2)
    copies = [(await store.commit(entry())).copies[0] for _ in range(5)]
    with QueueView.open(state) as view:
        listing = view.copies()
        assert next(listing).number == 1
        await store.conclude(copies[2], Done("250"), NOW)
        await store.commit(entry())
        assert [copy.number for copy in listing] == [2, 4, 5]


def _jan(copy: Copy, reason: str, tried: frozenset[str]) -> NewCopy | None:
    assert copy.member in tried
    return None if "jan" in tried else copy_for("jan")


async def test_a_copy_that_is_refused_by_hand_goes_to_the_next_in_line(store: SqliteStore, state: Path) -> None:
    """From every state in which it may be; the conversation follows, and the history says whose hand it was."""
    for ended in (None, Hold("policy"), Done("250 ok")):
        committed = await store.commit(entry())
        (copy,) = committed.copies
        if ended:
            await store.conclude(copy, ended, NOW)
        old, new = await store.refuse_copies([copy.number, 999], "gone", NOW, _jan)
        assert (old.state, new.member, new.state, new.next_attempt_at) == (
            CopyState.REROUTED,
            "jan",
            CopyState.QUEUED,
            NOW,
        )
        told = history(state, committed.id).events[-1]
        assert (told.kind, told.data["by"], told.data["to"]) == ("copy_rerouted", "postmaster", new.id)
        known = await store.recall(thread(None, f"{committed.id}@klient.pl"))
        assert known.conversation is not None
        assert known.conversation.owner == "jan"


async def test_where_nobody_is_left_a_refused_copy_is_held(store: SqliteStore) -> None:
    """Also one that was delivered: it can be sent again to where it went."""
    committed = await store.commit(entry())
    await store.conclude(committed.copies[0], Done("250 ok"), NOW)
    (held,) = await store.refuse_copies([1], "gone", NOW, lambda *_: None)
    assert (held.state, held.reason, held.attempts) == (CopyState.HELD, "gone (nobody is left to take it)", 1)
    (again,) = await store.change_copies([1], CopyState.QUEUED, "", NOW)
    assert again.state is CopyState.QUEUED


async def test_a_watchers_copy_that_is_refused_is_given_up(store: SqliteStore) -> None:
    """Nobody takes its place; what was finished otherwise, and what has no bytes any more, is left as it is."""
    committed = await store.commit(entry(copy_for("ewa"), copy_for("jan", Role.WATCHER), closed=True))
    (given_up,) = await store.refuse_copies([2], "gone", NOW, _jan)
    assert given_up.state is CopyState.FAILED
    assert await store.refuse_copies([2], "gone", NOW, _jan) == ()
    await store.conclude(committed.copies[0], Done("250 ok"), NOW)
    await store.sweep(NOW + timedelta(days=30), RETENTION)
    assert await store.refuse_copies([1], "gone", NOW, _jan) == ()


async def test_a_line_that_fails_refuses_nothing(store: SqliteStore) -> None:
    """The copy is as it was, and the caller knows."""
    (copy,) = (await store.commit(entry())).copies

    def fail(*_: object) -> NewCopy | None:
        raise LookupError("roster")

    with pytest.raises(PlanFailedError):
        await store.refuse_copies([copy.number], "gone", NOW, fail)
    assert await store.copy_by_number(copy.number) == copy


async def test_the_first_and_the_last_deferrals_are_kept(store: SqliteStore, state: Path) -> None:
    """However often a copy is tried, its history stays short; another copy's is no part of it."""
    committed: Committed = await store.commit(entry(copy_for("ewa"), copy_for("jan", Role.WATCHER)))
    ewa, jan = committed.copies
    await store.conclude(jan, RetryAt(NOW, "451 of jan"), NOW)
    for number in range(1, 206):
        await store.conclude(ewa, RetryAt(NOW + number * HOUR, f"451 try {number}"), NOW + number * HOUR)
    deferred = [event.data for event in history(state, committed.id).events if event.kind == "copy_deferred"]
    attempts = [int(str(data["attempt"])) for data in deferred if data["copy"] == ewa.id]
    assert attempts[:FIRST_DEFERRALS] == list(range(1, FIRST_DEFERRALS + 1))
    assert attempts[-LAST_DEFERRALS:] == list(range(206 - LAST_DEFERRALS, 206))
    assert len(attempts) < FIRST_DEFERRALS + 2 * LAST_DEFERRALS
    assert [data["reason"] for data in deferred if data["copy"] == jan.id] == ["451 of jan"]
    assert history(state, committed.id).copies[0].attempts == 205


async def test_the_view_gives_the_bytes_as_they_came(store: SqliteStore, state: Path) -> None:
    """From a row and from a file; None once they are forgotten."""
    small = await store.commit(entry())
    large = await store.commit(entry(got=received(b"Subject: x\r\n\r\n" + b"y\r\n" * 200_000)))
    with QueueView.open(state) as view:
        assert view.content(small.id) == await store.content(small.copies[0])
        assert bytes(view.content(large.id) or b"") == bytes(await store.content(large.copies[0]))
        assert view.content(QueueId(new_id())) is None
        assert [copy.annotation for copy in view.full_copies([1, 2])] == [
            small.copies[0].annotation,
            large.copies[0].annotation,
        ]
