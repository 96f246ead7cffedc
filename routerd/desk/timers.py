"""What comes by itself in a conversation: all of its timers, from how it stands. Pure.

They are made anew with each change, so that none is left over from before; what was done already is known by the
standing, not by the timers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from routerd.config.settings import Inbox
from routerd.config.working_hours import WorkingHours
from routerd.desk.changes import NEVER_FIRST, NEW_HELD, WAITS_FOR_AUTHOR, Held, Timer, TimerKind
from routerd.desk.matter import House
from routerd.desk.plan import Conversation, ConversationState, Event, FullDeskState, Plan, Standing
from routerd.desk.standing import Promise

DROP_AFTER = timedelta(hours=24)  # held answers for which nobody says a word
REMINDER = (3, 4)  # of the time that was promised
_NOTHING = timedelta()


def promise_within(within: timedelta, at: datetime, hours: WorkingHours | None) -> Promise:
    """An answer `within` so much time from `at`, with a reminder when 75 % of it have passed. `hours` None: by the
    clock."""
    until_reminder = within * REMINDER[0] / REMINDER[1]
    return Promise(_later(at, within, hours), _later(at, until_reminder, hours))


def timed(plan: Plan, state: FullDeskState, house: House, at: datetime) -> Plan:
    """The plan with all timers that follow from it, whoever made it; a new conversation mostly has none."""
    if plan.joins is None and plan.part in NEVER_FIRST:
        return plan
    moved = {one.id for one in plan.held_ended} | {one.id for one in plan.held_for_approval}
    held = [one for one in state.held() if one.id not in moved] if plan.joins is not None else []
    timers = timers_of(
        plan.standing,
        house.roster.inbox(plan.inbox),
        house.roster.working_hours(plan.owner, plan.team),
        held,
    )
    if plan.new_held is not None and plan.new_held.kind in WAITS_FOR_AUTHOR:
        timers += (Timer(TimerKind.DROP, at + DROP_AFTER, NEW_HELD),)
    return replace(plan, timers=timers) if plan.joins is not None or timers else plan


def unchanged(conversation: Conversation, *events: Event, **more: Any) -> Plan:
    """A plan that leaves the conversation as it is given, but for `more` (fields of a plan)."""
    plan = Plan(
        inbox=conversation.inbox,
        owner=conversation.owner,
        team=conversation.team,
        why="owner by the conversation",
        joins=conversation.id,
        events=events,
        standing=conversation.standing,
    )
    return replace(plan, **more)


def timers_of(
    standing: Standing, inbox: Inbox | None, hours: WorkingHours | None, held: Iterable[Held] = ()
) -> tuple[Timer, ...]:
    """`inbox` None: it is not in the config any more. `hours`: of who owns it. `held`: what waits for #send.

    What was due in the past is due at once.
    """
    return (*_of_state(standing, inbox, hours), *_drops(held))


def _of_state(standing: Standing, inbox: Inbox | None, hours: WorkingHours | None) -> Iterator[Timer]:
    match standing.state:
        case ConversationState.OPEN if standing.respond_by is not None:
            yield from _of_promise(standing, standing.respond_by, inbox, hours)
        case ConversationState.SNOOZED if standing.snoozed_until is not None:
            yield Timer(TimerKind.WAKE, standing.snoozed_until)
        case ConversationState.ANSWERED if standing.answered_at is not None and inbox and inbox.close_after:
            yield Timer(TimerKind.CLOSE, standing.answered_at + inbox.close_after)
        case _:
            pass


def _of_promise(
    standing: Standing, respond_by: datetime, inbox: Inbox | None, hours: WorkingHours | None
) -> Iterator[Timer]:
    if not standing.overdue:
        if standing.remind_at is not None:
            yield Timer(TimerKind.REMIND, standing.remind_at)
        yield Timer(TimerKind.OVERDUE, respond_by)
    elif inbox is not None and standing.escalated < len(inbox.escalate):  # one after the other, as the config says then
        yield escalation(standing.escalated, respond_by, inbox, hours)


def escalation(step: int, respond_by: datetime, inbox: Inbox, hours: WorkingHours | None) -> Timer:
    """`step`: its number, from 0."""
    return Timer(TimerKind.ESCALATE, _later(respond_by, inbox.escalate[step].after, hours), str(step))


def _drops(held: Iterable[Held]) -> Iterator[Timer]:
    for one in held:
        if one.kind in WAITS_FOR_AUTHOR:
            yield Timer(TimerKind.DROP, one.at + DROP_AFTER, str(one.id))


def _later(at: datetime, by: timedelta, hours: WorkingHours | None) -> datetime:
    try:
        return hours.after(at, by) if hours is not None else at + by
    except OverflowError:  # at the end of all dates
        return at
