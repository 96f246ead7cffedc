"""Conversations are listed by what is asked for, shown whole, and counted for the report."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from desk_entries import an_entry, begun
from store_entries import INBOX, NOW, copy_for, thread

from routerd.desk.changes import Answered, HeldEnd, HeldEnded, HeldId, HeldKind, NewHeld, Part, Timer, TimerKind
from routerd.desk.plan import ConversationState, Event, FullDeskState, Standing, Went
from routerd.store.base import Deed, Settled
from routerd.store.conversations import Wanted
from routerd.store.figures import By, Spread
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import SqliteStore

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def listed(state: Path, **wanted: Any) -> list[str]:
    """The subjects."""
    with QueueView.open(state) as view:
        return [one.conversation.standing.subject for one in view.conversations(Wanted(**wanted))]


async def test_a_list_holds_what_fits_all_that_is_asked(store: SqliteStore, state: Path) -> None:
    """The one in which something happened last comes first."""
    waits = Standing(("skarga",), 1, subject="a", overdue=True, waiting_since=NOW)
    closed = Standing(("skarga", "Ärger"), 1, ConversationState.CLOSED, subject="b")
    await store.commit(an_entry(standing=waits, owner="jan"))
    await store.commit(an_entry(standing=closed, after=HOUR, inbox="sales@example.com", customer="jan@klient.pl"))
    await store.commit(an_entry(standing=replace(waits, subject="c", overdue=False), after=2 * HOUR))
    assert listed(state) == ["c", "b", "a"]
    assert listed(state, limit=1) == ["c"]
    assert listed(state, states=(ConversationState.OPEN,)) == ["c", "a"]
    assert listed(state, states=()) == []
    assert listed(state, overdue=True) == ["a"]
    assert listed(state, owner="jan") == ["a"]
    assert listed(state, label="skarga") == ["c", "b", "a"]
    assert listed(state, label="Ärger") == ["b"]
    assert listed(state, label="karg") == []
    assert listed(state, inbox="sales@example.com") == ["b"]
    assert listed(state, customer="jan@klient.pl", label="skarga") == ["b"]
    assert listed(state, customer="jan@klient.pl", overdue=True) == []


async def test_one_is_shown_whole(store: SqliteStore, state: Path) -> None:
    """Messages with their copies and events, what happened without any, what waits, and its timers."""
    first, known = await begun(store)
    keys = thread("2@jan", "1@klient.pl")
    timer = Timer(TimerKind.REMIND, NOW + DAY)
    holding = NewHeld(HeldKind.CONFLICT, ("lead",))
    held = await store.commit(
        an_entry(known, keys, part=Part.ANSWER, member="jan", new_held=holding, timers=(timer,), after=HOUR)
    )
    assert known.conversation is not None
    number = known.conversation.id

    plan = replace(held.plan, joins=number, events=(Event("reminded", {"member": "ewa"}),), new_held=None, timers=None)
    settled = Settled(plan, first.copies[0].annotation, ())
    await store.act(Deed(number, NOW + 2 * HOUR, lambda _: settled))
    with QueueView.open(state) as view:
        found = [
            view.conversation(name) for name in (str(number), held.id, held.copies[0].id, "<2@jan>", "1@klient.pl")
        ]
        assert [view.conversation(name) for name in ("", "99", "x@y", "1" * 50)] == [None] * 4
    whole = found[0]
    assert found == [whole] * 5
    assert whole is not None
    assert (whole.listed.conversation.id, whole.listed.held) == (number, 1)
    assert whole.listed.rules == ("20-finance.yaml/invoices",)
    assert whole.participants == ("anna@klient.pl", INBOX)
    assert [(one.queue_id, one.part, one.member) for one in whole.messages] == [
        (first.id, Part.CUSTOMER, None),
        (held.id, Part.ANSWER, "jan"),
    ]
    assert [one.id for one in whole.messages[0].copies] == [first.copies[0].id]
    assert [one.kind for one in whole.messages[0].events] == ["message_assigned"]
    assert [(one.kind, one.data, one.at) for one in whole.events] == [("reminded", {"member": "ewa"}, NOW + 2 * HOUR)]
    (waiting,) = whole.held
    assert (waiting.queue_id, waiting.end, waiting.held.release) == (held.id, None, ("lead",))
    assert whole.timers == (timer,)
    assert await store.conversation_counts() == {(INBOX, ConversationState.OPEN): 1}


async def test_a_summary_is_told_how_it_went_with_a_team_or_a_member(store: SqliteStore) -> None:
    """First answers in working hours, or by the clock without any; from the first moment to before the last."""
    _, known = await begun(store)
    answered = Answered("jan", HOUR, timedelta(minutes=30), is_first=True)
    keys = thread("2@jan", "1@klient.pl")
    await store.commit(an_entry(known, keys, part=Part.ANSWER, member="jan", sent=True, answered=answered, after=HOUR))
    found: list[Went] = []

    def look(state: FullDeskState) -> None:
        until = NOW + HOUR * 2
        found[:] = [
            state.went(NOW, until, team="finance"),
            state.went(NOW, until, team="sales"),
            state.went(NOW, until, member="ewa"),
            state.went(NOW, until, member="jan"),
            state.went(NOW, NOW + HOUR, member="jan"),
        ]

    await store.act(Deed(None, NOW + DAY, look))
    half = HOUR / 2
    assert found == [
        Went(1, 1, (half, half)),
        Went(0, 0, None),
        Went(1, 0, None),
        Went(0, 1, (half, half)),
        Went(0, 0, None),
    ]


async def test_the_report_counts_and_measures(store: SqliteStore, state: Path) -> None:
    """What came before or after the two moments does not count, but for what waits now."""
    _, known = await begun(store)
    keys = thread("2@jan", "1@klient.pl")
    closed = Standing(("skarga", "pilne"), 2, ConversationState.CLOSED, answered_at=NOW + HOUR, answers=1)
    answered = Answered("jan", HOUR, timedelta(minutes=30), is_first=True)
    await store.commit(
        an_entry(known, keys, part=Part.ANSWER, member="jan", sent=True, answered=answered, standing=closed, after=HOUR)
    )
    await store.commit(an_entry(standing=Standing(waiting_since=NOW, overdue=True), after=2 * HOUR, team="sales"))
    await store.commit(an_entry(part=Part.ASIDE, standing=Standing(state=ConversationState.CLOSED), after=2 * HOUR))
    await store.commit(an_entry(after=-2 * DAY))
    again = thread("9@ewa", "1@klient.pl")
    await store.commit(
        an_entry(
            await store.recall(again), again, part=Part.NOTE, member="ewa", owner="ola", standing=closed, after=DAY
        )
    )
    with QueueView.open(state) as view:
        by = {kind: view.report(kind, NOW - HOUR, NOW + 2 * DAY, zone=UTC) for kind in By}
        an_hour = HOUR // timedelta(microseconds=1)
        worked = view.report(
            By.TEAM, NOW, NOW + HOUR * 2, zone=UTC, working=lambda *_: lambda spans: [an_hour] * len(spans)
        ).total.resolution_working
        assert view.report(By.TEAM, NOW + 9 * DAY, NOW + 10 * DAY, zone=UTC).total.received == 0
    total = by[By.INBOX].total
    assert all(report.total == total for report in by.values())
    assert (total.received, total.answered, total.waiting, total.overdue, total.reassigned) == (2, 1, 1, 1, 1)
    assert total.first_response == Spread(1, HOUR, HOUR)
    assert total.first_response_working == Spread(1, HOUR / 2, HOUR / 2)
    assert total.resolution == worked == Spread(1, HOUR, HOUR)
    members = {one.name: (one.received, one.answered, one.reassigned) for one in by[By.MEMBER].groups}
    assert members == {"ewa": (2, 0, 1), "jan": (0, 1, 0), "ola": (0, 0, 0)}
    assert [(one.name, one.received, one.waiting) for one in by[By.TEAM].groups] == [("finance", 1, 0), ("sales", 1, 1)]
    assert {one.name: one.received for one in by[By.LABEL].groups} == {"": 1, "skarga": 1, "pilne": 1}
    assert {one.name: one.received for one in by[By.RULE].groups} == {"20-finance.yaml/invoices": 2}
    midnight = datetime(2026, 3, 4, tzinfo=UTC)
    days = [(one.day, one.received, one.answered) for one in by[By.INBOX].days]
    assert days == [(midnight, 2, 1), (midnight + DAY, 0, 0), (midnight + 2 * DAY, 0, 0)]


async def test_who_owns_it_by_answering_has_not_had_it_given_by_hand(store: SqliteStore, state: Path) -> None:
    """Nor where it was a note that had his answer sent."""
    _, known = await begun(store)
    keys = thread("2@jan", "1@klient.pl")
    answered = Answered("jan", HOUR, HOUR, is_first=True)
    await store.commit(an_entry(known, keys, part=Part.NOTE, member="jan", owner="jan", answered=answered, after=HOUR))
    again = thread("3@jan", "1@klient.pl")
    known = await store.recall(again)
    await store.commit(an_entry(known, again, part=Part.NOTE, member="jan", owner="ola", after=HOUR))
    with QueueView.open(state) as view:
        total = view.report(By.MEMBER, NOW, NOW + DAY, zone=UTC).total
    assert (total.answered, total.reassigned) == (1, 1)


async def test_second_answers_are_counted(store: SqliteStore, state: Path) -> None:
    _, known = await begun(store)
    keys = thread("2@jan", "1@klient.pl")
    await store.commit(an_entry(known, keys, part=Part.ANSWER, member="jan", new_held=NewHeld(HeldKind.CONFLICT)))
    known = await store.recall(keys)
    keys = thread("3@jan", "1@klient.pl")
    dropped = (HeldEnded(HeldId(1), HeldEnd.DROPPED),)
    await store.commit(
        an_entry(known, keys, part=Part.DRAFT, member="ola", new_held=NewHeld(HeldKind.DRAFT), held_ended=dropped)
    )
    with QueueView.open(state) as view:
        report = view.report(By.MEMBER, NOW, NOW + HOUR, zone=UTC)
    assert {one.name: one.held for one in report.groups if one.held} == {"jan": 1}


async def test_the_ninetieth_percentile_is_what_ninety_of_a_hundred_do_not_exceed(
    store: SqliteStore, state: Path
) -> None:
    for minutes in range(1, 12):
        answered = Answered("jan", timedelta(minutes=minutes), None, is_first=True)
        await store.commit(an_entry(copies=(copy_for("ewa"),), part=Part.REPLY, member="jan", answered=answered))
    with QueueView.open(state) as view:
        found = view.report(By.MEMBER, NOW, NOW + HOUR, zone=UTC).total.first_response
    assert found == Spread(11, timedelta(minutes=6), timedelta(minutes=10))
