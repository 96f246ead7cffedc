"""What of conversations is kept, and what goes with them."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from desk_entries import an_entry, begun, told
from store_entries import NOW, RAW, RETENTION, entry, thread

from routerd.desk.changes import Answered, HeldEnd, HeldEnded, HeldId, HeldKind, NewHeld, Part, Timer, TimerKind
from routerd.desk.plan import ConversationState, Event, Standing
from routerd.store.base import Committed, Deed, Done, Settled, StoreError
from routerd.store.connection import Connection
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import SqliteStore

DAY = timedelta(days=1)
CLOSED = Standing(state=ConversationState.CLOSED)
TABLES = (
    "messages", "copies", "events", "bodies", "conversations", "conversation_events", "timers", "held", "answers",
    "auto_replies", "counted", "words", "searched",
)  # fmt: skip


async def delivered(store: SqliteStore, committed: Committed) -> None:
    for copy in (*committed.copies, *committed.others):
        await store.conclude(copy, Done("250"), NOW)


async def has_bytes(state: Path, committed: Committed) -> bool:
    with QueueView.open(state) as view:
        found = view.show(committed.id)
        assert found is not None
        return found.has_bytes


async def test_bytes_of_an_open_conversation_stay_until_it_is_closed(store: SqliteStore, state: Path) -> None:
    """And as long as was asked for after that, as they do behind the clock of a delivery."""
    first, known = await begun(store)
    await delivered(store, first)
    await store.sweep(NOW + 30 * DAY, RETENTION)
    assert await has_bytes(state, first)
    assert known.conversation is not None
    plan = replace(first.plan, joins=known.conversation.id, standing=CLOSED, events=())
    settled = Settled(plan, first.copies[0].annotation, ())
    await store.act(Deed(known.conversation.id, NOW + 30 * DAY, lambda _: settled))
    await store.sweep(NOW + 37 * DAY, RETENTION)
    assert await has_bytes(state, first)
    await store.sweep(NOW + 37 * DAY + timedelta(seconds=1), RETENTION)
    assert not await has_bytes(state, first)


@pytest.mark.parametrize("bodies", [0, 180])
async def test_a_conversation_that_nobody_closes_keeps_its_bytes_for_some_time(
    store: SqliteStore, state: Path, bodies: int
) -> None:
    """As long as one that is closed, and 90 days at least after something happened in it."""
    first, _ = await begun(store)
    await delivered(store, first)
    kept = max(90, bodies) * DAY
    retention = replace(RETENTION, bodies=bodies * DAY)
    await store.sweep(NOW + kept, retention)
    assert await has_bytes(state, first)
    await store.sweep(NOW + kept + DAY, retention)
    assert not await has_bytes(state, first)


async def test_what_waits_for_send_keeps_its_bytes(store: SqliteStore, state: Path) -> None:
    """However long, in whatever conversation; not any more when it was dropped."""
    _, known = await begun(store)
    keys = thread("2@jan", "1@klient.pl")
    holding = NewHeld(HeldKind.APPROVAL)
    held = await store.commit(an_entry(known, keys, part=Part.ANSWER, member="jan", new_held=holding, standing=CLOSED))
    await delivered(store, held)
    await store.sweep(NOW + 365 * DAY, RETENTION)
    assert await has_bytes(state, held)
    assert known.conversation is not None
    plan = replace(
        held.plan, joins=known.conversation.id, new_held=None, held_ended=(HeldEnded(HeldId(1), HeldEnd.DROPPED),)
    )
    settled = Settled(plan, held.copies[0].annotation, ())
    await store.act(Deed(known.conversation.id, NOW, lambda _: settled))
    await store.sweep(NOW + 366 * DAY, RETENTION)
    assert not await has_bytes(state, held)


async def test_all_of_a_conversation_goes_in_the_end(store: SqliteStore, peek: Connection) -> None:
    """But for what gives no number twice."""
    first, known = await begun(store)
    keys = thread("2@jan", "1@klient.pl")
    mail = told()
    answer = await store.commit(
        an_entry(
            known, keys, part=Part.ANSWER, member="jan", sent=True, mails=(mail,), standing=CLOSED,
            answered=Answered("jan", None, None, is_first=True), timers=(Timer(TimerKind.CLOSE, NOW + DAY),),
            events=(Event("answered"),),
        )
    )  # fmt: skip
    holding = await store.recall(thread("3@jan", "1@klient.pl"))
    held = await store.commit(
        an_entry(holding, thread("3@jan", "1@klient.pl"), part=Part.ANSWER, new_held=NewHeld(HeldKind.CONFLICT))
    )
    assert known.conversation is not None
    plan = replace(
        held.plan,
        joins=known.conversation.id,
        new_held=None,
        held_ended=(HeldEnded(HeldId(1), HeldEnd.DROPPED),),
        events=(Event("dropped"),),
    )
    settled = Settled(plan, held.copies[0].annotation, ())
    await store.act(Deed(known.conversation.id, NOW, lambda _: settled))
    last = await store.commit(entry())
    for one in (first, answer, held, last):
        await delivered(store, one)
    await store.sweep(NOW + 731 * DAY, RETENTION)
    counts = {name: peek.execute(f"SELECT count(*) FROM {name}").get for name in TABLES}
    assert {name: count for name, count in counts.items() if count} == {
        "messages": 1, "copies": 1, "events": 2, "conversations": 1,
    }  # fmt: skip


def test_other_tables_that_name_a_message_are_known_to_the_sweep(store: SqliteStore, peek: Connection) -> None:
    """Whoever adds one says here when its rows go."""
    tables = [name for (name,) in peek.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    columns = {name: {row[1] for row in peek.execute(f"PRAGMA table_info({name})")} for name in tables}
    found = {name for name, its in columns.items() if its & {"message", "conversation"}}
    assert found
    assert found <= set(TABLES)


async def test_bytes_that_are_gone_are_not_asked_for_in_vain(store: SqliteStore) -> None:
    committed = await store.commit(entry(closed=True))
    await delivered(store, committed)
    assert await store.content(committed.copies[0]) == RAW
    await store.sweep(NOW + 8 * DAY, RETENTION)
    with pytest.raises(StoreError, match="no longer kept"):
        await store.content(committed.copies[0])
