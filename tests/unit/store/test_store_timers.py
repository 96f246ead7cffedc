"""Timers: of what a plan holds itself, and over a clock that is set."""

from datetime import timedelta

from desk_entries import an_entry, begun
from store_entries import NOW, thread

from routerd.desk.changes import NEW_HELD, HeldKind, NewHeld, Timer, TimerKind
from routerd.store.sqlite import SqliteStore

HOUR = timedelta(hours=1)
YEARS = timedelta(days=3653)


async def test_what_a_plan_holds_is_known_by_its_number(store: SqliteStore) -> None:
    drop = Timer(TimerKind.DROP, NOW + HOUR, NEW_HELD)
    _, known = await begun(store)
    keys = thread("2@klient.pl", "1@klient.pl")
    await store.commit(an_entry(known, keys, new_held=NewHeld(HeldKind.CONFLICT), timers=(drop,)))
    (due,) = await store.due_timers(NOW + HOUR, 10)
    assert (due.timer.kind, due.timer.data) == (TimerKind.DROP, "1")


async def test_what_was_made_while_the_clock_was_ahead_keeps_its_distance(store: SqliteStore) -> None:
    """Or it would fire years too late; what was made before is as it was."""
    before = Timer(TimerKind.REMIND, NOW + HOUR)
    ahead = Timer(TimerKind.REMIND, NOW + YEARS + HOUR)
    await store.commit(an_entry(keys=thread("1@klient.pl"), timers=(before,)))
    await store.commit(an_entry(keys=thread("2@klient.pl"), timers=(ahead,), after=YEARS))
    now = NOW + HOUR / 2
    await store.pull_forward(now, now + HOUR)
    due = await store.due_timers(NOW + 2 * HOUR, 10)
    assert [one.timer.at for one in due] == [NOW + HOUR, now + HOUR]
    await store.pull_forward(now, now + HOUR)
    assert await store.due_timers(NOW + 2 * HOUR, 10) == due
