"""A state of the routerd before there was a desk goes on as it was, and the desk finds its conversations."""

from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from desk_entries import an_entry
from store_entries import INBOX, RETENTION, thread

from routerd.desk.changes import Part, Timer, TimerKind
from routerd.desk.plan import ConversationState, FullDeskState, Past, Seen
from routerd.store.base import CopyState, Done
from routerd.store.connection import APPLICATION_ID, FILE_NAME, Connection
from routerd.store.conversations import Wanted
from routerd.store.indexing import Indexing
from routerd.store.marks import InHand
from routerd.store.migration import schema_files
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import SqliteStore, open_store

THEN = datetime(2026, 1, 1, tzinfo=UTC)
_AT = int(THEN.timestamp()) * 1_000_000
_PLAN = '{"inbox":"support@example.com","owner":"ewa","team":null,"why":"owner by default ewa","labels":[]}'
_ANNOTATION = '{"queue_id":"01J1","inbox":"support@example.com","assigned_to":"ewa@example.com","assigned_name":"Ewa"}'
ROWS = f"""
INSERT INTO conversations VALUES
  (1, '{INBOX}', 'ewa', NULL, 3, '["anna@klient.pl","{INBOX}"]', {_AT}, {_AT}, 'anna@klient.pl', '["skarga"]', 1,
   'open', {_AT}, '[]', {_AT + 1}),
  (2, '{INBOX}', 'jan', 'sales', 1, '[]', {_AT}, {_AT + 5}, NULL, '[]', 1, 'closed', NULL, '[]', NULL);
INSERT INTO messages VALUES
  (1, '01J1', {_AT}, 'anna@klient.pl', 0, '{{}}', 40, '1@klient.pl', x'00', NULL, 1, '[]', '{_PLAN}', '{_ANNOTATION}'),
  (2, '01J2', {_AT + 5}, 'list@klient.pl', 0, '{{}}', 40, '2@klient.pl', x'00', NULL, 2, '[]', 'damaged',
   '{_ANNOTATION}');
INSERT INTO bodies VALUES
  (1, CAST('Subject: Reklamacja' || char(13, 10, 13, 10) || 'Drukarka' AS BLOB)),
  (2, CAST('Subject: Lista' || char(13, 10, 13, 10) || 'Nowe' AS BLOB));
INSERT INTO copies VALUES
  (1, 1, 1, 'ewa', 'ewa@example.com', 'smtp:m:25', 'owner', NULL, 'queued', 2, {_AT}, {_AT}, NULL, '451 later', NULL),
  (2, 2, 1, 'jan', 'jan@example.com', 'smtp:m:25', 'owner', 'sales', 'delivered', 1, {_AT}, NULL, {_AT}, '250', NULL);
INSERT INTO events VALUES (1, 1, {_AT}, 'message_assigned', '{{"member":"ewa"}}');
"""


@pytest.fixture
async def upgraded(state: Path) -> AsyncIterator[SqliteStore]:
    state.mkdir()
    with closing(Connection(str(state / FILE_NAME))) as db:
        db.execute("PRAGMA journal_mode=WAL")
        for number in range(1, 5):
            db.execute(dict(schema_files())[number])
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute("PRAGMA user_version=4")
        db.execute(ROWS)
    store = open_store(state)
    yield store
    await store.close()


async def test_its_queue_goes_on(upgraded: SqliteStore) -> None:
    (copy,) = await upgraded.due("smtp:m:25", THEN + timedelta(hours=1), 10, frozenset())
    assert (copy.id, copy.attempts, copy.state) == ("01J1-1", 2, CopyState.QUEUED)
    assert b"Drukarka" in bytes(await upgraded.content(copy))
    await upgraded.conclude(copy, Done("250"), THEN + timedelta(hours=1))
    assert await upgraded.next_timer() is None


async def test_a_member_may_answer_in_its_conversations(upgraded: SqliteStore) -> None:
    """Whom an answer goes to is known, what the member saw, and what was said before."""
    keys = replace(thread("3@ewa", "1@klient.pl", author="ewa@example.com"), copy=1, vouched=True)
    known = await upgraded.recall(keys)
    assert known.conversation is not None
    standing = known.conversation.standing
    assert (standing.outside, standing.watchers, standing.answers) == ((("", "anna@klient.pl"),), (), 0)
    assert (standing.state, standing.waiting_since) == (ConversationState.OPEN, THEN)
    found: list[Seen | tuple[Past, ...] | None] = []

    def look(state: FullDeskState) -> None:
        found[:] = [state.seen, state.past(10)]
        assert (state.sent(), state.held(), state.absences()) == ((), (), ())

    remind = Timer(TimerKind.REMIND, THEN)
    await upgraded.commit(an_entry(known, keys, look=look, part=Part.ANSWER, sent=True, timers=(remind,)))
    seen, past = found
    assert isinstance(seen, Seen)
    assert (seen.message, seen.member) == (1, "ewa")
    assert isinstance(past, tuple)
    assert [(one.queue_id, one.part, one.has_bytes) for one in past] == [("01J1", Part.CUSTOMER, True)]
    assert [one.timer for one in await upgraded.due_timers(THEN, 10)] == [remind]


async def test_its_conversations_are_seen_and_found(upgraded: SqliteStore, state: Path) -> None:
    """Also what is stored damaged; what was closed was so since its last message."""
    await Indexing(upgraded, InHand(state / "marks")).step()
    with QueueView.open(state) as view:
        closed, waiting = view.conversations(Wanted())
        assert (closed.closed_at, closed.conversation.owner) == (THEN + timedelta(microseconds=5), "jan")
        assert (waiting.closed_at, waiting.customer, waiting.rules) == (None, "anna@klient.pl", ())
        assert [one.conversation.id for one in view.conversations(Wanted(search="drukarka reklamacja"))] == [1]
        whole = view.conversation("01J1")
        assert whole is not None
        assert [event.kind for event in whole.messages[0].events] == ["message_assigned"]
        damaged = view.conversation("2")
        assert damaged is not None
        assert damaged.messages[0].plan is None


async def test_what_of_it_was_closed_is_swept(upgraded: SqliteStore, state: Path) -> None:
    await upgraded.sweep(THEN + timedelta(days=30), RETENTION)
    with QueueView.open(state) as view:
        histories = [view.show(name) for name in ("01J1", "01J2")]
    assert [history.has_bytes for history in histories if history] == [True, False]
