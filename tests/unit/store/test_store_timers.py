"""Timers: of what a plan holds itself, and over a clock that is set."""

from datetime import timedelta

from desk_entries import an_entry, begun
from store_entries import NOW, thread

from routerd.desk.changes import NEW_HELD, HeldKind, NewHeld, Timer, TimerKind
from routerd.store.sqlite import SqliteStore

HOUR = timedelta(hours=1)


async def test_what_a_plan_holds_is_known_by_its_number(store: SqliteStore) -> None:
    drop = Timer(TimerKind.DROP, NOW + HOUR, NEW_HELD)
    _, known = await begun(store)
    keys = thread("2@klient.pl", "1@klient.pl")
    await store.commit(an_entry(known, keys, new_held=NewHeld(HeldKind.CONFLICT), timers=(drop,)))
    (due,) = await store.due_timers(NOW + HOUR, 10)
    assert (due.timer.kind, due.timer.data) == (TimerKind.DROP, "1")
