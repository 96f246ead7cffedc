"""How conversations stand, who last had a customer, and states of the schema before."""

import asyncio
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from store_entries import INBOX, NOW, copy_for, decision, entry, received, settled, thread

from routerd.desk.changes import Role
from routerd.desk.plan import ConversationState, DeskState, Standing
from routerd.rules.decision import Assign, Evidence, Priority, RuleRef, Trial
from routerd.store.base import Copy, CopyState, Entry, Known, NewCopy, Settled
from routerd.store.connection import APPLICATION_ID, FILE_NAME, Connection
from routerd.store.migration import schema_files
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import SqliteStore, open_store
from routerd.store.stored_json import decisions_from_json, decisions_to_json

STANDING = Standing(
    ("invoice", "skarga"),
    1,
    ConversationState.CLOSED,
    NOW,
    NOW + timedelta(hours=4, microseconds=1),
    (("b@example.com", "jan"),),
    approve=("lead",),
    priority=Priority.LOW,
    remind_at=NOW + timedelta(hours=3),
    escalated=2,
)


def standing_entry(
    standing: Standing,
    owner: str = "ewa",
    *,
    customer: str | None = "anna@klient.pl",
    message_id: str = "1@klient.pl",
    references: tuple[str, ...] = (),
    known: Known | None = None,
    seen: list[str | None] | None = None,
) -> Entry:
    """`seen`: takes who last had the customer, as its plan sees it."""
    got = received()

    def settle(state: DeskState) -> Settled:
        if seen is not None:
            seen.append(state.last_owner("anna@klient.pl"))
        made = settled(got.id, state, (copy_for(owner),))
        return replace(made, plan=replace(made.plan, customer=customer, standing=standing))

    return entry(got=got, keys=thread(message_id, *references), known=known, settle=settle)


async def test_a_conversation_is_recalled_as_it_stands(store: SqliteStore) -> None:
    await store.commit(standing_entry(STANDING))
    known = await store.recall(thread("2@klient.pl", "1@klient.pl"))
    assert known.conversation is not None
    assert known.conversation.standing == STANDING
    later = replace(STANDING, messages=2, state=ConversationState.OPEN, waiting_since=None, respond_by=None)
    await store.commit(standing_entry(later, message_id="2@klient.pl", references=("1@klient.pl",), known=known))
    known = await store.recall(thread("3@klient.pl", "1@klient.pl"))
    assert known.conversation is not None
    assert known.conversation.standing == later


OLD_TROUBLE = """
INSERT INTO copies VALUES (1, 1, 1, 'ewa', 'ewa@m', 'mx:m', 'owner', NULL, 'held', 1, 5, NULL, NULL, 'no', NULL);
INSERT INTO troubles (copy, kind, about, reason, taken_by, at) VALUES (1, 'held', 'ewa@m', 'no', '', 7);
"""


async def test_what_an_older_routerd_had_to_tell_is_told(state: Path) -> None:
    """Without a status, as it knew none."""
    state.mkdir()
    with closing(Connection(str(state / FILE_NAME))) as db:
        db.execute("PRAGMA journal_mode=WAL")
        for number in (1, 2, 3):
            db.execute(dict(schema_files())[number])
            if number == 1:
                db.execute(OLD_ROWS)
        db.execute(OLD_TROUBLE)
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute("PRAGMA user_version=3")
    store = open_store(state)
    try:
        (untold,) = await store.untold(datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1))
        assert [(trouble.reason, trouble.status) for trouble in untold.troubles] == [("no", "")]
    finally:
        await store.close()


async def test_who_last_had_a_customer(store: SqliteStore) -> None:
    """The owner of the latest conversation, as he is now; also of one that the same transaction began."""
    seen: list[str | None] = []
    for number, owner in enumerate(("ewa", "jan", "omar")):
        await store.commit(standing_entry(STANDING, owner, message_id=f"{number}@k", seen=seen))
    await store.commit(standing_entry(STANDING, "ola", message_id="4@k", customer="bob@else.example", seen=seen))
    await store.commit(standing_entry(STANDING, "ola", message_id="5@k", customer=None, seen=seen))
    assert seen == [None, "ewa", "jan", "omar", "omar"]
    seen.clear()
    await asyncio.gather(
        *(store.commit(standing_entry(STANDING, owner, message_id=f"{owner}@g", seen=seen)) for owner in ("a", "b"))
    )
    assert seen == ["omar", "a"]


async def test_looking_up_a_customer_takes_the_index(store: SqliteStore, peek: Connection) -> None:
    query = "EXPLAIN QUERY PLAN SELECT owner FROM conversations WHERE customer = ? ORDER BY last_at DESC LIMIT 1"
    [(*_, detail)] = peek.execute(query, ("a",)).fetchall()
    assert "conversations_by_customer (customer=?)" in detail


async def test_a_released_copy_goes_to_who_stands_in(store: SqliteStore, state: Path) -> None:
    """The held one says who took its place; the conversation has the new owner; one that is there is just released."""
    committed = await store.commit(entry(copy_for("ewa", held="look"), copy_for("jan", Role.WATCHER, held="look")))
    numbers = [copy.number for copy in committed.copies]

    def stand_in(copy: Copy) -> NewCopy | None:
        return copy_for("ola") if copy.member == "ewa" else None

    moved = await store.change_copies(numbers, CopyState.QUEUED, "", NOW, stand_in)
    assert [(copy.member, copy.state) for copy in moved] == [
        ("ewa", CopyState.REROUTED),
        ("jan", CopyState.QUEUED),
        ("ola", CopyState.QUEUED),
    ]
    assert moved[2].role is Role.OWNER
    with QueueView.open(state) as view:
        history = view.show(committed.id)
        assert history is not None
        assert [event.kind for event in history.events][-2:] == ["copy_rerouted", "copy_released"]
    known = await store.recall(thread("2@klient.pl", f"{committed.id}@klient.pl"))
    assert known.conversation is not None
    assert known.conversation.owner == "ola"


async def test_who_stands_in_is_asked_of_held_copies_only(store: SqliteStore) -> None:
    committed = await store.commit(entry())
    [copy] = await store.change_copies(
        [committed.copies[0].number], CopyState.QUEUED, "", NOW, lambda _: copy_for("ola")
    )
    assert (copy.member, copy.state) == ("ewa", CopyState.QUEUED)


async def test_a_forward_is_kept_with_its_own_annotation_and_readdressed(store: SqliteStore) -> None:
    outside = NewCopy("log@out.example", "log@out.example", "smtp:a:25", Role.FORWARD)
    committed = await store.commit(entry(copy_for("ewa"), outside))
    await store.readdress({"log@out.example": ("log@out.example", "smtp:b:25")})
    copy = await store.copy_by_number(committed.copies[1].number)
    assert copy is not None
    assert (copy.role, copy.destination, copy.damage) == (Role.FORWARD, "smtp:b:25", "")


def test_a_decision_comes_back_with_all_that_it_says() -> None:
    """And one that an older version stored is read as far as it goes."""
    rule = RuleRef("a.yaml", "b")
    full = replace(
        decision(),
        assign=Assign("finance", rule, "last"),
        reassign=Assign("ewa", rule),
        respond_within=timedelta(hours=4),
        headers=(("X-Class", "Łódź"),),
        forward=("log@out.example",),
        trace=replace(decision().trace, trials=(Trial(rule, (Evidence("subject", "x", "y"),), "assign ewa"),)),
    )
    expected = decisions_from_json(decisions_to_json((full,)))
    assert (expected[0].assign, expected[0].reassign, expected[0].respond_within) == (
        full.assign,
        full.reassign,
        full.respond_within,
    )
    assert (expected[0].headers, expected[0].forward) == (full.headers, full.forward)
    assert expected[0].trace.trials == full.trace.trials
    [old] = decisions_from_json('[{"inbox": "a", "assign": ["finance", "a.yaml", "b"]}]')
    assert old.assign == Assign("finance", rule)


OLD_ROWS = """
INSERT INTO conversations VALUES (1, 'support@example.com', 'ewa', NULL, 3, '["anna@klient.pl","s@b.c"]', 5, 9);
INSERT INTO conversations VALUES (2, 'support@example.com', 'jan', NULL, 1, 'damaged', 6, 6);
INSERT INTO messages VALUES (1, '01J1', 5, 'a@b', 0, '{}', 3, '1@k', x'', NULL, 1, '[]', '{"labels":["a","b"]}', '{}');
INSERT INTO messages VALUES (2, '01J2', 6, 'a@b', 0, '{}', 3, '2@k', x'00', NULL, 1, '[]', '{"labels":["b"]}', '{}');
INSERT INTO messages VALUES (3, '01J3', 6, 'a@b', 0, '{}', 3, '2@k', x'00', 2, 1, '[]', '{"labels":["c"]}', '{}');
INSERT INTO messages VALUES (4, '01J4', 6, 'a@b', 0, '{}', 3, '4@k', x'00', NULL, 2, '[]', 'damaged', '{}');
"""


async def test_a_state_of_the_first_schema_is_brought_up_to_date(state: Path) -> None:
    """Its conversations have their labels, messages and customers; nobody is said to wait; damage stops nothing."""
    state.mkdir()
    with closing(Connection(str(state / FILE_NAME))) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(dict(schema_files())[1])
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute("PRAGMA user_version=1")
        db.execute(OLD_ROWS)
    store = open_store(state)
    try:
        known = await store.recall(thread("9@klient.pl", "1@k"))
        assert known.conversation is not None
        assert known.conversation.inbox == INBOX
        standing = known.conversation.standing
        assert (set(standing.labels), standing.messages, standing.state) == ({"a", "b", "c"}, 2, ConversationState.OPEN)
        assert (standing.waiting_since, standing.respond_by) == (None, None)
        seen: list[str | None] = []
        await store.commit(standing_entry(STANDING, seen=seen))
        assert seen == ["ewa"]
    finally:
        await store.close()


async def test_who_last_had_a_customer_follows_what_the_same_transaction_moved(store: SqliteStore) -> None:
    """A conversation that began and moved on in one group has its last owner."""
    seen: list[str | None] = []
    await store.commit(standing_entry(STANDING, "ewa"))
    known = await store.recall(thread("2@klient.pl", "1@klient.pl"))
    await asyncio.gather(
        store.commit(standing_entry(STANDING, "jan", message_id="n@k")),
        store.commit(standing_entry(STANDING, "ola", message_id="2@k", references=("1@klient.pl",), known=known)),
        store.commit(standing_entry(STANDING, "ewa", message_id="3@k", seen=seen)),
    )
    assert seen == ["ola"]
