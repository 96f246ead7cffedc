"""What follows when a timer fires. The writer calls this inside its transaction. Pure.

Each looks first whether there is still something to do: what happened meanwhile is in the state, and a timer that comes
late, after a stop or a clock that was set, does once what is due by now.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from routerd.config.values import format_duration
from routerd.desk.absence import hand_over_now
from routerd.desk.changes import Back, HeldEnd, HeldEnded, HeldKind, Timer, TimerKind
from routerd.desk.digest import digest_plan
from routerd.desk.escalating import escalate
from routerd.desk.matter import House
from routerd.desk.moments import moment, zone_of
from routerd.desk.owning import hand_over, owned, somebody, with_handover
from routerd.desk.plan import Conversation, Event, FullDeskState, Plan, Standing
from routerd.desk.reminding import become_overdue, note_of, remind
from routerd.desk.standing import Act, after_act
from routerd.desk.timers import timed, timers_of, unchanged

_WHY_HELD = {
    HeldKind.CONFLICT: "somebody else had answered meanwhile",
    HeldKind.COMMAND: "its first line looked like a command",
    HeldKind.BY_ITSELF: "it looked as if your mailbox had answered by itself",
    HeldKind.DRAFT: "it was a draft",
    HeldKind.APPROVAL: "it waited for somebody's word",
}

_PROMISED = frozenset({TimerKind.REMIND, TimerKind.OVERDUE})
# When they fire depends on the config as well, which may have changed since they were set.
_BY_CONFIG = frozenset({TimerKind.ESCALATE, TimerKind.CLOSE})

Fired = Callable[[Timer, Conversation, FullDeskState, House, datetime], Plan | None]


def fire(timer: Timer, state: FullDeskState, house: House, at: datetime) -> Plan | None:
    """None: there is nothing to do any more."""
    house = house.as_of(state)
    if timer.kind is TimerKind.BACK:
        return _back(timer.data, state, house, at)
    if timer.kind is TimerKind.DIGEST:
        return digest_plan(timer.data, state, house, at)
    conversation, fired = state.conversation, _FIRED.get(timer.kind)
    if conversation is None or fired is None:
        return None
    early = _early(timer, conversation, house, at)
    if early > timedelta(0):
        if timer.kind in _BY_CONFIG and not _is_ahead(conversation.standing, at):  # which puts it off by now
            return timed(owned(unchanged(conversation), state, house, at), state, house, at)
        conversation = replace(conversation, standing=_brought_back(conversation.standing, early, at))
    its_own = _owned(conversation, state, house, at)
    plan = fired(timer, its_own, state, house, at)
    if plan is not None and its_own is not conversation:
        plan = with_handover(plan, conversation, state, house, at)
    return None if plan is None else timed(plan, state, house, at)


def _owned(conversation: Conversation, state: FullDeskState, house: House, at: datetime) -> Conversation:
    """By somebody: who is not in the config any more is followed by whom the inbox's default names."""
    if house.roster.member(conversation.owner) is not None:
        return conversation
    picked = somebody(conversation.inbox, state, house, at)
    return replace(conversation, owner=picked.member, team=picked.team)


def _early(timer: Timer, conversation: Conversation, house: House, at: datetime) -> timedelta:
    """How long before its time by the standing it fires: the config was changed, or the clock set back."""
    if timer.kind not in _PROMISED | _BY_CONFIG:
        return timedelta(0)
    inbox, roster = house.roster.inbox(conversation.inbox), house.roster
    timers = timers_of(conversation.standing, inbox, roster.working_hours(conversation.owner, conversation.team))
    meant = (one for one in timers if one.kind is timer.kind)
    return max((one.at - at for one in meant), default=timedelta(0))


def _is_ahead(standing: Standing, at: datetime) -> bool:
    """It is of a time to come: the clock was set back since."""
    return any(moment is not None and moment > at for moment in (standing.respond_by, standing.answered_at))


def _brought_back(standing: Standing, by: timedelta, at: datetime) -> Standing:
    return replace(
        standing,
        waiting_since=_at_most(standing.waiting_since, at),
        answered_at=_at_most(standing.answered_at, at),
        respond_by=None if standing.respond_by is None else standing.respond_by - by,
        remind_at=None if standing.remind_at is None else standing.remind_at - by,
    )


def _at_most(moment: datetime | None, at: datetime) -> datetime | None:
    return None if moment is None else min(moment, at)


def _wake(_: Timer, conversation: Conversation, state: FullDeskState, house: House, at: datetime) -> Plan | None:
    standing = after_act(conversation.standing, Act.WAKE, at)
    if standing == conversation.standing:
        return None
    woken = replace(conversation, standing=standing)
    text = "You put this conversation off until now; it is open again."
    event = Event("conversation_woke", {"why": "the snooze is over"})
    return unchanged(woken, event, authored=(note_of(woken, "snoozed until now", text, state, house, at),))


def _close(_: Timer, conversation: Conversation, _state: FullDeskState, house: House, at: datetime) -> Plan | None:
    inbox = house.roster.inbox(conversation.inbox)
    standing = after_act(conversation.standing, Act.SILENCE, at)
    if inbox is None or inbox.close_after is None or standing == conversation.standing:
        return None
    why = f"no word for {format_duration(inbox.close_after)} since the answer"
    return unchanged(replace(conversation, standing=standing), Event("conversation_closed", {"why": why}))


def _drop(timer: Timer, conversation: Conversation, state: FullDeskState, house: House, at: datetime) -> Plan | None:
    held = next((one for one in state.held() if str(one.id) == timer.data), None)
    if held is None:
        return None
    zone = zone_of(held.member, house.roster, conversation)
    text = (
        f"Your answer of {moment(held.at, zone)} was not sent, since {_WHY_HELD[held.kind]}. For 24 hours nobody "
        "has said #send, so it is dropped now. Should the customer still get it, send it again as an answer to the "
        "customer's mail."
    )
    event = Event("held_dropped", {"member": held.member, "kind": str(held.kind), "why": "no word for 24h"})
    note = note_of(conversation, "dropped", text, state, house, at, to=(held.member,))
    return unchanged(conversation, event, authored=(note,), held_ended=(HeldEnded(held.id, HeldEnd.DROPPED),))


def _back(member: str, state: FullDeskState, house: House, at: datetime) -> Plan | None:
    """Of no conversation: what it writes is nothing but the end of the absence."""
    absence = next((one for one in state.absences() if one.member == member), None)
    if absence is None or absence.until is None or absence.until > at:
        return None
    inbox = next(iter(house.settings.inboxes))
    return Plan(inbox, house.roster.people(house.roster.postmaster)[0], None, "", absences=(Back(member),))


def _tell_new_owner(
    timer: Timer, conversation: Conversation, state: FullDeskState, house: House, at: datetime
) -> Plan | None:
    """He got one message, which its owner's mailbox did not take, and with it the conversation: now all else of it."""
    before = replace(conversation, owner=timer.data)
    why = f"mail for {house.roster.display_name(timer.data)} could not be delivered"
    handed = hand_over(before, conversation.owner, why, state, house, at)
    if not handed.resent:
        return unchanged(conversation, *handed.events)
    return unchanged(conversation, *handed.events, resent=handed.resent, authored=handed.authored, why=why)


_FIRED: dict[TimerKind, Fired] = {
    TimerKind.REMIND: remind,
    TimerKind.OVERDUE: become_overdue,
    TimerKind.ESCALATE: escalate,
    TimerKind.CLOSE: _close,
    TimerKind.WAKE: _wake,
    TimerKind.DROP: _drop,
    TimerKind.HANDOVER: hand_over_now,
    TimerKind.TAKEN: _tell_new_owner,
}
