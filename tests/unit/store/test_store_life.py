"""What becomes of copies: conclusions, reroutes, the postmaster's hand, and forgetting."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from store_entries import NOW, RETENTION, annotation, copy_for, entry, new_id, received, thread

from routerd.desk.changes import Role
from routerd.store.base import (
    Committed,
    CopyState,
    Done,
    Forgo,
    Hold,
    NewCopy,
    PlanFailedError,
    QueueCounts,
    Reroute,
    RetryAt,
    SavedRuleset,
    StoreError,
)
from routerd.store.connection import Connection
from routerd.store.life import AFTER_ATTEMPT, BY_HAND, OPEN
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import SqliteStore, open_store

DAY = timedelta(days=1)


def kinds(state: Path, committed: Committed) -> list[str]:
    with QueueView.open(state) as view:
        history = view.show(committed.id)
    assert history is not None
    return [event.kind for event in history.events if event.kind.startswith(("copy_", "conclusion_"))]


async def test_every_conclusion_moves_the_copy(store: SqliteStore, state: Path) -> None:
    """Delivered, deferred, held, given up as a watcher's: state, reason, next attempt and event."""
    later = NOW + timedelta(minutes=5)
    for conclusion, expected, next_attempt_at, kind in (
        (Done("250 2.0.0 ok"), CopyState.DELIVERED, None, "copy_delivered"),
        (RetryAt(later, "451 busy"), CopyState.QUEUED, later, "copy_deferred"),
        (Hold("552 too big"), CopyState.HELD, None, "copy_held"),
        (Forgo("550 gone"), CopyState.FAILED, None, "copy_failed"),
    ):
        committed = await store.commit(entry())
        assert await store.conclude(committed.copies[0], conclusion, NOW) == ()
        found = await store.copy_by_number(committed.copies[0].number)
        assert found is not None
        assert (found.state, found.next_attempt_at, found.attempts) == (expected, next_attempt_at, 1)
        assert found.reason == (conclusion.reply if isinstance(conclusion, Done) else conclusion.reason)
        assert kinds(state, committed) == [kind]


async def test_a_finished_copy_stays_as_it_is(store: SqliteStore, state: Path) -> None:
    """A second outcome for a delivered copy changes nothing, and is noted."""
    committed = await store.commit(entry())
    await store.conclude(committed.copies[0], Done("250 ok"), NOW)
    for conclusion in (RetryAt(NOW, "451"), Hold("x"), Forgo("x"), Done("again"), Reroute("550", lambda _: None)):
        assert await store.conclude(committed.copies[0], conclusion, NOW) == ()
    found = await store.copy_by_number(committed.copies[0].number)
    assert found is not None
    assert (found.state, found.reason) == (CopyState.DELIVERED, "250 ok")
    assert kinds(state, committed) == ["copy_delivered", *["conclusion_ignored"] * 5]


async def test_a_refused_copy_goes_down_the_line(store: SqliteStore, state: Path) -> None:
    """Each is tried once: deputy, then another; then it is held. The conversation's owner goes along."""
    line = ["jan", "ola"]
    asked: list[frozenset[str]] = []

    def next_one(tried: frozenset[str]) -> NewCopy | None:
        asked.append(tried)
        left = [member for member in line if member not in tried]
        return NewCopy(left[0], f"{left[0]}@example.com", "d", Role.OWNER, annotation("q", left[0])) if left else None

    committed = await store.commit(entry(copy_for("ewa"), copy_for("ola", Role.WATCHER), keys=thread("a@klient.pl")))
    copy = committed.copies[0]
    owners = []
    for expected in ("jan", "ola"):
        (copy,) = await store.conclude(copy, Reroute("550 5.1.1 no such user", next_one), NOW + DAY)
        assert (copy.member, copy.created_at, copy.attempts) == (expected, NOW + DAY, 0)
        assert copy.annotation == annotation("q", expected)
        assert await store.copy_by_number(copy.number) == copy
        known = await store.recall(thread("b@klient.pl", "a@klient.pl"))
        assert known.conversation is not None
        owners.append(known.conversation.owner)
    assert owners == ["jan", "ola"]
    assert copy.id == f"{committed.id}-4"
    assert await store.conclude(copy, Reroute("550 5.1.1 no such user", next_one), NOW + DAY) == ()
    assert asked == [frozenset({"ewa"}), frozenset({"ewa", "jan"}), frozenset({"ewa", "jan", "ola"})]
    found = await store.copy_by_number(copy.number)
    assert found is not None
    assert found.state is CopyState.HELD
    assert "nobody is left" in found.reason
    assert (await store.counts()).copies == {CopyState.HELD: 1, CopyState.QUEUED: 1}
    with QueueView.open(state) as view:
        history = view.show(committed.id)
        assert history is not None
        assert [one.state for one in history.copies] == ["rerouted", "queued", "rerouted", "held"]
        assert view.desk_state(thread(), NOW + DAY).load("ola") == 1


async def test_a_line_that_fails_leaves_the_copy(store: SqliteStore) -> None:
    """The copy is queued as before, and the caller knows why."""
    committed = await store.commit(entry())

    def fail(_: frozenset[str]) -> NewCopy | None:
        raise LookupError("roster")

    with pytest.raises(PlanFailedError):
        await store.conclude(committed.copies[0], Reroute("550", fail), NOW)
    assert await store.copy_by_number(committed.copies[0].number) == committed.copies[0]


async def test_a_copy_held_while_it_was_under_way_was_delivered(store: SqliteStore) -> None:
    """What happened stays true; an attempt that failed leaves the postmaster's word standing."""
    committed = await store.commit(entry(copy_for("ewa"), copy_for("jan", Role.WATCHER)))
    one, two = committed.copies
    await store.change_copies([one.number, two.number], CopyState.HELD, "wait", NOW)
    await store.conclude(one, Done("250 ok"), NOW)
    await store.conclude(two, RetryAt(NOW, "451"), NOW)
    states = [copy.state for number in (one.number, two.number) if (copy := await store.copy_by_number(number))]
    assert states == [CopyState.DELIVERED, CopyState.HELD]


async def test_the_postmasters_hand(store: SqliteStore, state: Path) -> None:
    """Hold, release, retry and drop move what may move, give it back, and say so in the history."""
    committed = await store.commit(entry())
    copy = committed.copies[0]
    at = NOW + DAY
    (held,) = await store.change_copies([copy.number, copy.number, 999], CopyState.HELD, "spam?", at)
    assert (held.state, held.reason, held.next_attempt_at) == (CopyState.HELD, "spam?", None)
    (queued,) = await store.change_copies([copy.number], CopyState.QUEUED, "", at)
    assert (queued.state, queued.reason, queued.next_attempt_at) == (CopyState.QUEUED, "spam?", at)
    assert await store.change_copies([copy.number], CopyState.QUEUED, "", at + DAY)
    (dropped,) = await store.change_copies([copy.number], CopyState.DROPPED, "spam", at)
    assert dropped.state is CopyState.DROPPED
    assert await store.change_copies([copy.number], CopyState.QUEUED, "", at) == ()
    assert await store.counts() == QueueCounts()
    assert kinds(state, committed) == ["copy_held", "copy_released", "copy_retried", "copy_dropped"]


def test_the_table_of_lives_is_closed() -> None:
    """Nothing leaves a finished state but by a delivery that took place; only open copies are moved by hand."""
    for (before, conclusion), after in AFTER_ATTEMPT.items():
        assert before in OPEN or (conclusion is Done and after is CopyState.DELIVERED)
    assert {before for before, _ in BY_HAND} == OPEN


async def test_a_note_is_in_the_history(store: SqliteStore, state: Path) -> None:
    """In the order of its arrival; a note on a message that nobody knows is dropped."""
    committed = await store.commit(entry())
    await store.note(committed.id, "copy_late", {"hours": 4}, NOW)
    await store.note(new_id(), "copy_late", {}, NOW)
    assert kinds(state, committed) == ["copy_late"]


async def test_copies_follow_a_mailbox_that_moved(store: SqliteStore) -> None:
    """After a change of config queued and held copies go the new way, finished ones keep the old."""
    committed = await store.commit(
        entry(copy_for("ewa"), copy_for("jan", Role.WATCHER), copy_for("ola", Role.WATCHER, held="x"))
    )
    await store.conclude(committed.copies[1], Done("250"), NOW)
    await store.readdress({name: (f"{name}@new.test", "maildir") for name in ("ewa", "jan", "ola", "nobody")})
    found = [await store.copy_by_number(copy.number) for copy in committed.copies]
    assert [copy.destination for copy in found if copy] == ["maildir", "smtp:mail.example.com:25", "maildir"]
    assert [copy.mailbox for copy in found if copy] == ["ewa@new.test", "jan@example.com", "ola@new.test"]


async def test_the_last_good_ruleset_is_kept(state: Path) -> None:
    """Bytes as they are, over a restart; a new one takes the place of the old."""
    store = open_store(state)
    assert await store.last_ruleset() is None
    for revision in ("one", "two"):
        saved = SavedRuleset(revision, {"10-ż.yaml": bytes(range(256)), "lists/vip.txt": b""}, NOW)
        await store.save_ruleset(saved)
    await store.close()
    store = open_store(state)
    assert await store.last_ruleset() == saved
    await store.close()
    with QueueView.open(state) as view:
        assert view.last_ruleset() == saved


async def test_keys_are_kept(state: Path) -> None:
    """32 bytes, one for each purpose, the same after a restart."""
    store = open_store(state)
    keys = {purpose: store.key(purpose) for purpose in ("trace", "return_path")}
    assert store.key("trace") == keys["trace"]
    assert {len(key) for key in keys.values()} == {32}
    assert len(set(keys.values())) == 2
    await store.close()
    store = open_store(state)
    assert {purpose: store.key(purpose) for purpose in keys} == keys
    assert store.free_bytes() > 0
    await store.close()


async def test_bytes_are_kept_for_the_bounce_window(store: SqliteStore, peek: Connection, state: Path) -> None:
    """After the last copy was finished, in rows and files alike; the history stays."""
    small = await store.commit(entry(closed=True))
    large_one = received(b"x" * 300_000)
    large = await store.commit(entry(copy_for("ewa"), copy_for("jan", Role.WATCHER), got=large_one, closed=True))
    for copy in (small.copies[0], large.copies[0]):
        await store.conclude(copy, Done("250"), NOW + DAY)
    await store.conclude(large.copies[1], Done("250"), NOW + 3 * DAY)
    await store.sweep(NOW + 8 * DAY, RETENTION)
    assert peek.execute("SELECT count(*) FROM bodies").get == 2
    await store.sweep(NOW + 8 * DAY + timedelta(seconds=1), RETENTION)
    with pytest.raises(StoreError):
        await store.content(small.copies[0])
    assert len(await store.content(large.copies[0])) == 300_000
    await store.sweep(NOW + 11 * DAY, RETENTION)
    assert peek.execute("SELECT count(*) FROM bodies").get == 0
    assert not [path for path in (state / "bodies").rglob("*") if path.is_file()]
    assert peek.execute("SELECT count(*) FROM messages").get == 2


async def test_bytes_are_kept_as_long_as_was_asked(store: SqliteStore) -> None:
    """`retain.bodies` counts where it is longer than the bounce window."""
    committed = await store.commit(entry(closed=True))
    await store.conclude(committed.copies[0], Done("250"), NOW)
    kept = replace(RETENTION, bodies=30 * DAY)
    await store.sweep(NOW + 30 * DAY, kept)
    assert await store.content(committed.copies[0])
    await store.sweep(NOW + 30 * DAY + timedelta(seconds=1), kept)
    with pytest.raises(StoreError, match="no longer kept"):
        await store.content(committed.copies[0])


async def test_a_life_is_told_for_as_long_as_events_are_kept(store: SqliteStore, state: Path) -> None:
    """Of a delivered message, without its bytes; after `retain.events` nothing is known of it."""
    committed = await store.commit(entry(closed=True))
    await store.conclude(committed.copies[0], RetryAt(NOW + DAY, "451 later"), NOW)
    await store.conclude(committed.copies[0], Done("250 2.0.0 taken"), NOW + DAY)
    await store.commit(entry(got=received(at=NOW + 3 * DAY)))  # the last message stays, for its number
    short = replace(RETENTION, events=30 * DAY)
    await store.sweep(NOW + 30 * DAY, short)
    with QueueView.open(state) as view:
        history = view.show(committed.id)
        assert history is not None
        assert not history.has_bytes
        told = [(event.kind, event.data.get("reply") or event.data.get("reason")) for event in history.events]
        assert told[-2:] == [("copy_deferred", "451 later"), ("copy_delivered", "250 2.0.0 taken")]
        await store.sweep(NOW + 32 * DAY, short)
        assert view.show(committed.id) is None


async def test_nothing_is_forgotten_that_waits(store: SqliteStore, peek: Connection) -> None:
    """However old: a queued or held copy keeps its message, its bytes and its history."""
    held = await store.commit(entry(copy_for("ewa", held="x"), copy_for("jan", Role.WATCHER)))
    queued = await store.commit(entry())
    await store.commit(entry())
    await store.conclude(held.copies[1], Done("250"), NOW)
    await store.sweep(NOW + 3000 * DAY, RETENTION)
    assert await store.content(held.copies[0]) == await store.content(queued.copies[0])
    assert peek.execute("SELECT count(*) FROM messages").get == 3


async def test_history_is_forgotten_in_the_end(store: SqliteStore, peek: Connection) -> None:
    """Messages, copies, events, conversations and loads go; the last one stays, for its numbers."""
    committed = [await store.commit(entry(got=received(at=NOW))) for _ in range(250)]
    for one in committed[:249]:
        await store.conclude(one.copies[0], Done("250"), NOW)
    await store.conclude(committed[249].copies[0], Done("250"), NOW)
    await store.sweep(NOW + 730 * DAY, RETENTION)
    assert peek.execute("SELECT count(*) FROM messages").get == 250
    await store.sweep(NOW + 731 * DAY, RETENTION)
    counts = [
        peek.execute(f"SELECT count(*) FROM {table}").get
        for table in ("messages", "copies", "conversations", "events", "bodies", "loads")
    ]
    assert counts == [1, 1, 1, 2, 0, 0]
    assert await store.recall(thread("x@y", f"{committed[0].id}@klient.pl")) == await store.recall(thread())
