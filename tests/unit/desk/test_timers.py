"""What comes by itself in a conversation, from how it stands."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from desk_house import KNOWN, NOW, SUPPORT, FullState, house

from routerd.config.settings import Inbox
from routerd.config.working_hours import Hours, WorkingHours
from routerd.desk.changes import NEW_HELD, Held, HeldEnd, HeldEnded, HeldId, HeldKind, NewHeld, Part, Timer, TimerKind
from routerd.desk.plan import ConversationState, Plan, Standing
from routerd.desk.timers import promise_within, timed, timers_of, unchanged

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PROMISED = Standing(waiting_since=NOW, respond_by=NOW + 4 * HOUR, remind_at=NOW + 3 * HOUR)
OFFICE = WorkingHours(ZoneInfo("Europe/Warsaw"), frozenset(range(5)), (Hours(8 * HOUR, 17 * HOUR),))
STEPS = Inbox.model_validate(
    {"default": "duty", "escalate": [{"watch": "jan"}, {"after": "4h", "assign": "duty"}], "close_after": "14d"}
)


def held(number: int, kind: HeldKind) -> Held:
    return Held(HeldId(number), kind, "ewa", 3, NOW - HOUR)


def test_a_promise_is_reminded_of_when_three_quarters_have_passed() -> None:
    promise = promise_within(4 * HOUR, NOW, None)
    assert (promise.remind_at, promise.respond_by) == (NOW + 3 * HOUR, NOW + 4 * HOUR)


def test_a_promise_counts_working_hours_over_a_weekend() -> None:
    """Friday 16:00 in Warsaw and four hours: Monday at 11:00, the reminder at 10:00."""
    friday = datetime(2026, 1, 16, 15, tzinfo=UTC)
    promise = promise_within(4 * HOUR, friday, OFFICE)
    assert promise.respond_by == datetime(2026, 1, 19, 10, tzinfo=UTC)
    assert promise.remind_at == datetime(2026, 1, 19, 9, tzinfo=UTC)


def test_a_promise_beyond_all_dates_is_due_at_once() -> None:
    last = datetime(9999, 12, 31, tzinfo=UTC)
    assert promise_within(10 * DAY, last, None).respond_by == last


@pytest.mark.parametrize(
    ("standing", "timers"),
    [
        (Standing(), []),
        (PROMISED, [Timer(TimerKind.REMIND, NOW + 3 * HOUR), Timer(TimerKind.OVERDUE, NOW + 4 * HOUR)]),
        (replace(PROMISED, remind_at=None), [Timer(TimerKind.OVERDUE, NOW + 4 * HOUR)]),
        (replace(PROMISED, overdue=True), [Timer(TimerKind.ESCALATE, NOW + 4 * HOUR, "0")]),
        (replace(PROMISED, overdue=True, escalated=1), [Timer(TimerKind.ESCALATE, NOW + 8 * HOUR, "1")]),
        (replace(PROMISED, overdue=True, escalated=2), []),
        (
            replace(PROMISED, state=ConversationState.SNOOZED, snoozed_until=NOW + DAY),
            [Timer(TimerKind.WAKE, NOW + DAY)],
        ),
        (Standing(state=ConversationState.ANSWERED, answered_at=NOW), [Timer(TimerKind.CLOSE, NOW + 14 * DAY)]),
        (Standing(state=ConversationState.CLOSED, answered_at=NOW, respond_by=NOW), []),
    ],
    ids=["nothing", "promised", "reminded", "overdue", "step", "done", "snoozed", "answered", "closed"],
)
def test_what_comes_follows_from_the_standing(standing: Standing, timers: list[Timer]) -> None:
    """A snooze puts off what was promised, too; what was done does not come again; one step comes after the other."""
    assert list(timers_of(standing, STEPS, None)) == timers


def test_an_inbox_that_is_gone_has_no_steps_and_closes_nothing() -> None:
    assert timers_of(replace(PROMISED, overdue=True), None, None) == ()
    assert timers_of(Standing(state=ConversationState.ANSWERED, answered_at=NOW), None, None) == ()


def test_what_its_author_alone_holds_up_is_dropped_in_the_end() -> None:
    """A draft, and what waits for somebody else's word, may wait."""
    waiting = [held(number, kind) for number, kind in enumerate(HeldKind, 1)]
    timers = timers_of(Standing(), None, None, waiting)
    assert [(timer.kind, timer.data, timer.at) for timer in timers] == [
        (TimerKind.DROP, "1", NOW + 23 * HOUR),
        (TimerKind.DROP, "2", NOW + 23 * HOUR),
        (TimerKind.DROP, "5", NOW + 23 * HOUR),
    ]


def test_a_plan_has_the_timers_of_what_it_holds_and_none_of_what_it_ends() -> None:
    state = FullState(waiting=(held(5, HeldKind.CONFLICT), held(6, HeldKind.CONFLICT)))
    plan = unchanged(KNOWN, new_held=NewHeld(HeldKind.CONFLICT), held_ended=(HeldEnded(HeldId(5), HeldEnd.SENT),))
    made = timed(plan, state, house(), NOW).timers
    assert made == (Timer(TimerKind.DROP, NOW + 23 * HOUR, "6"), Timer(TimerKind.DROP, NOW + DAY, NEW_HELD))


def test_a_change_that_leaves_nothing_to_come_says_so() -> None:
    """All timers of before are gone then."""
    assert timed(unchanged(KNOWN), FullState(), house(), NOW).timers == ()


def test_what_begins_without_a_promise_costs_nothing() -> None:
    new = Plan(SUPPORT, "ewa", None, "x")
    assert timed(new, FullState(conversation=None), house(), NOW) is new
    note = Plan(SUPPORT, "ewa", None, "x", part=Part.NOTE, standing=PROMISED)
    assert timed(note, FullState(conversation=None), house(), NOW) is note
