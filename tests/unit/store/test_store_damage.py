"""A store with damaged rows, a file that went away, and moments that a wrong clock wrote."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from store_entries import NOW, RETENTION, copy_for, entry, received, thread

from routerd.desk.changes import Role
from routerd.store import open_copies
from routerd.store.base import CopyState, Done, Hold, QueueCounts, RetryAt, StoreError
from routerd.store.by_hand import do_by_hand
from routerd.store.connection import Connection, select
from routerd.store.queue_view import QueueView
from routerd.store.selection import Selection
from routerd.store.sqlite import SqliteStore, open_store
from routerd.store.stored_json import annotation_from_json

DESTINATION = "smtp:mail.example.com:25"
LATER = NOW + timedelta(minutes=1)
DAY = timedelta(days=1)
BAD = "CAST(x'61ff62' AS TEXT)"  # no UTF-8

DAMAGE = {
    "annotation cut": "UPDATE messages SET annotation_json = substr(annotation_json, 1, 40) WHERE number = 1",
    "annotation is a list": "UPDATE messages SET annotation_json = '[1]' WHERE number = 1",
    "annotation too deep": f"UPDATE messages SET annotation_json = '{'[' * 5000}' WHERE number = 1",
    "annotation of odd types": """UPDATE messages SET annotation_json = '{"labels":1,"also":[1]}' WHERE number = 1""",
    "annotation of the copy": "UPDATE copies SET annotation_json = '{' WHERE message = 1",
    "annotation no text": f"UPDATE messages SET annotation_json = {BAD} WHERE number = 1",
    "mailbox": f"UPDATE copies SET mailbox = {BAD} WHERE message = 1",
    "sender": f"UPDATE messages SET sender = {BAD} WHERE number = 1",
    "role": "UPDATE copies SET role = 'x' WHERE message = 1",
    "queue id": f"UPDATE messages SET queue_id = {BAD} WHERE number = 1",
}
HARMLESS = {
    "reason": f"UPDATE copies SET reason = {BAD} WHERE message = 1",
    "created": "UPDATE copies SET created_at = 9223372036854775807 WHERE message = 1",
    "decisions": "UPDATE messages SET decisions_json = '[', plan_json = '{', envelope_json = 'x' WHERE number = 1",
    "events": f"UPDATE events SET data_json = {BAD}, kind = {BAD} WHERE message = 1",
}


@pytest.fixture
async def damaged(state: Path, store: SqliteStore, peek: Connection) -> Callable[[str], None]:
    """Three messages for one destination; the first can be damaged by a statement."""
    for _ in range(3):
        await store.commit(entry())

    def damage(statement: str) -> None:
        peek.execute(statement)
        assert peek.changes() > 0

    return damage


@pytest.mark.parametrize("statement", DAMAGE.values(), ids=DAMAGE)
async def test_a_damaged_copy_is_told_from_the_others(
    store: SqliteStore, damaged: Callable[[str], None], state: Path, statement: str
) -> None:
    """All that is due is given; the damaged one says what is wrong, and can be held, listed, shown and dropped."""
    damaged(statement)
    first, *others = await store.due(DESTINATION, LATER, 10, frozenset())
    assert first.damage.startswith("the stored row is damaged: ")
    assert [(copy.number, copy.damage) for copy in others] == [(2, ""), (3, "")]
    await store.conclude_all([(first, Hold(first.damage), LATER), (others[0], Done("250"), LATER)])
    assert [copy.number for copy in await store.due(DESTINATION, LATER, 10, frozenset())] == [3]
    with QueueView.open(state) as view:
        listed = view.list()
        assert [(copy.number, copy.state) for copy in listed] == [(1, CopyState.HELD), (3, CopyState.QUEUED)]
        assert "damaged" in listed[0].reason
        for one in listed:
            one.reason.encode()
            one.sender.encode()
        view.show(listed[0].id)
    await store.change_copies([1], CopyState.DROPPED, "cannot be mended", LATER)
    assert (await store.counts()).copies == {CopyState.QUEUED: 1}


@pytest.mark.parametrize("statement", HARMLESS.values(), ids=HARMLESS)
async def test_damage_that_delivery_does_not_need_hinders_none(
    store: SqliteStore, damaged: Callable[[str], None], state: Path, statement: str
) -> None:
    """The copy goes out, and its history is shown as far as it can be read."""
    damaged(statement)
    due = await store.due(DESTINATION, LATER, 10, frozenset())
    assert [(copy.number, copy.damage) for copy in due] == [(1, ""), (2, ""), (3, "")]
    with QueueView.open(state) as view:
        assert len(view.list()) == 3
        shown = view.show(due[0].id)
    assert shown is not None
    await store.conclude(due[0], RetryAt(LATER, "451"), LATER)
    await store.conclude(due[0], Done("250"), LATER)
    await store.sweep(LATER + 10 * DAY, RETENTION)


async def test_the_history_names_what_is_damaged(
    store: SqliteStore, damaged: Callable[[str], None], state: Path
) -> None:
    """What cannot be read stands among the events; the rest is there."""
    damaged("UPDATE messages SET plan_json = '{\"inbox\":', decisions_json = '{}' WHERE number = 1")
    (first, *_) = await store.due(DESTINATION, LATER, 10, frozenset())
    with QueueView.open(state) as view:
        shown = view.show(first.id)
        assert [copy.inbox for copy in view.list(Selection(member="ewa"))][:2] == ["", "support@example.com"]
    assert shown is not None
    assert [event.data for event in shown.events if event.kind == "damaged"] == [{"part": "plan"}]
    assert shown.sender == "anna@klient.pl"
    assert shown.envelope.recipients


async def test_a_state_or_a_destination_that_there_is_not(
    store: SqliteStore, damaged: Callable[[str], None], state: Path
) -> None:
    """A state that nobody wrote waits for the postmaster; a damaged destination is a destination of its own."""
    damaged("UPDATE copies SET state = 'qveued' WHERE number = 1")
    damaged(f"UPDATE copies SET destination = {BAD} WHERE number = 2")
    assert (await store.counts()).copies == {CopyState.HELD: 1, CopyState.QUEUED: 2}
    waiting = await store.waiting()
    assert len(waiting) == 2
    due = [copy.number for key in waiting for copy in await store.due(key, LATER, 10, frozenset())]
    assert sorted(due) == [2, 3]
    with QueueView.open(state) as view:
        assert [copy.state for copy in view.list()] == [CopyState.HELD, CopyState.QUEUED, CopyState.QUEUED]
        held = view.list(Selection(states=[CopyState.HELD]))
    done = await do_by_hand(store, {"do": "release", "copies": [held[0].id]}, LATER, lambda _: None, lambda *_: None)
    assert [copy["state"] for copy in done["changed"]] == ["queued"]


async def test_damage_to_a_conversation_stops_no_mail(store: SqliteStore, peek: Connection) -> None:
    """A reply to it, and a message that came twice, are taken as if it were new."""
    await store.commit(entry(keys=thread("a@klient.pl")))
    peek.execute("UPDATE conversations SET participants_json = '[\"a'")
    peek.execute("UPDATE messages SET envelope_json = '{'")
    peek.execute(f"UPDATE copies SET member = {BAD}")
    reply = thread("b@klient.pl", "a@klient.pl")
    known = await store.recall(reply)
    assert known.suspect
    await store.commit(entry(keys=reply, known=known))
    await store.commit(entry(keys=thread("a@klient.pl")))


async def test_text_that_is_no_utf_8_comes_in_order(store: SqliteStore, peek: Connection) -> None:
    """Numbers, blobs and the order stay as they are; only the odd bytes are lone surrogates."""
    statement = f"SELECT * FROM (VALUES (3, {BAD}, x'ff'), (1, 'ł', NULL), (2, 'b', x'62')) ORDER BY column1 DESC"
    assert select(peek, statement) == [(3, "a\udcffb", b"\xff"), (2, "b", b"b"), (1, "ł", None)]


async def test_a_last_good_ruleset_that_is_damaged_is_said_to_be(store: SqliteStore, peek: Connection) -> None:
    """It is the store's failure, not a crash."""
    peek.execute("INSERT INTO rulesets VALUES (1, 'abc', 0, x'7b')")
    with pytest.raises(StoreError):
        await store.last_ruleset()


@pytest.mark.parametrize("how", ["renamed", "removed", "replaced"])
async def test_a_file_that_went_away_takes_no_mail(state: Path, how: str) -> None:
    """Readiness notices, new mail is refused; what is under way is still written. Put back, all goes on."""
    store = open_store(state)
    committed = await store.commit(entry())
    path, aside = state / "routerd.db", state / "aside"
    aside.hardlink_to(path)
    if how == "replaced":
        (state / "other").write_bytes(path.read_bytes())
        (state / "other").rename(path)
    else:
        path.unlink()
    with pytest.raises(StoreError, match="moved or removed"):
        await store.counts()
    with pytest.raises(StoreError, match="moved or removed"):
        await store.commit(entry())
    await store.conclude(committed.copies[0], RetryAt(LATER, "451"), NOW)
    aside.rename(path)
    assert (await store.counts()).copies == {CopyState.QUEUED: 1}
    await store.commit(entry())
    await store.close()


async def test_copies_far_ahead_are_pulled_forward(store: SqliteStore) -> None:
    """What a wrong clock put off for years is due now, and is not from the future; what waits as usual goes on."""
    ahead = NOW + 3650 * DAY
    strange = await store.commit(entry(copy_for("ewa"), copy_for("jan", Role.WATCHER), got=received(at=ahead)))
    usual = await store.commit(entry())
    old = await store.commit(entry(copy_for("omar"), got=received(at=NOW - 3 * DAY)))
    await store.conclude(old.copies[0], RetryAt(NOW + timedelta(hours=4), "451"), NOW)
    await store.conclude(strange.copies[0], RetryAt(ahead + timedelta(hours=4), "451"), ahead)
    await store.conclude(usual.copies[0], RetryAt(NOW + timedelta(hours=4), "451"), NOW)
    await store.change_copies([strange.copies[1].number], CopyState.HELD, "", ahead)
    assert await store.pull_forward(NOW, NOW + timedelta(hours=5)) == 1
    (due,) = await store.due(DESTINATION, NOW, 10, frozenset())
    assert (due.number, due.created_at, due.attempts) == (strange.copies[0].number, NOW, 1)
    counts = await store.counts()
    assert counts == QueueCounts({CopyState.QUEUED: 3, CopyState.HELD: 1}, NOW - 3 * DAY)
    kept = [await store.copy_by_number(one.copies[0].number) for one in (usual, old)]
    assert [copy.created_at for copy in kept if copy] == [NOW, NOW - 3 * DAY]
    assert await store.pull_forward(NOW, NOW + timedelta(hours=5)) == 0


def test_how_old_the_queue_is_takes_no_look_at_each_copy(store: SqliteStore, peek: Connection) -> None:
    """It is asked for with each scrape, and 50,000 copies may wait."""
    for question in (open_copies._OLDEST, open_copies._COME_BY_NOW):
        ((_, _, _, how),) = peek.execute(f"EXPLAIN QUERY PLAN {question}", (1,) if "?1" in question else ()).fetchall()
        assert "SEARCH copies USING INDEX copies_by_age" in how or "SEARCH copies USING COVERING INDEX" in how


async def test_what_came_while_the_clock_was_ahead_hides_nothing_from_the_sweep(
    store: SqliteStore, peek: Connection
) -> None:
    """Bytes and history behind it are forgotten in their time, its own bytes after its delivery."""
    for at in (NOW + 3650 * DAY, NOW, NOW, NOW + 800 * DAY):
        committed = await store.commit(entry(got=received(at=at), closed=True))
        await store.conclude(committed.copies[0], Done("250"), min(at, NOW + 800 * DAY))
    await store.sweep(NOW + 801 * DAY, RETENTION)
    assert [number for (number,) in peek.execute("SELECT message FROM bodies")] == [1, 4]
    assert [number for (number,) in peek.execute("SELECT number FROM messages")] == [1, 4]
    await store.sweep(NOW + 808 * DAY, RETENTION)
    assert [number for (number,) in peek.execute("SELECT message FROM bodies")] == []


@pytest.mark.parametrize(
    "damaged", ['{"labels":[1,null]}', '{"trace":[{}]}', '{"inbox":null}', '{"why":{}}', "{}", "[]"]
)
def test_an_annotation_of_wrong_types_is_damage(damaged: str) -> None:
    """Valid JSON that nobody stored: a copy must not fail at each attempt for it."""
    whole = '{"queue_id":"01J","inbox":"support@example.com"}'
    assert annotation_from_json(whole).inbox == "support@example.com"
    text = damaged if damaged in ("{}", "[]") else whole[:-1] + "," + damaged[1:]
    with pytest.raises((TypeError, AttributeError)):
        annotation_from_json(text)
