"""How a conversation stands after one more message, and after what is done to it without one. All tables stand here."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from routerd.desk.own_labels import OVERDUE
from routerd.desk.plan import ConversationState, Standing, Voice
from routerd.desk.waiting import Waited, waits_again

OPEN, ANSWERED, SNOOZED, CLOSED = (
    ConversationState.OPEN,
    ConversationState.ANSWERED,
    ConversationState.SNOOZED,
    ConversationState.CLOSED,
)


# What a message makes of the state it meets; None: there is no conversation yet. Who writes as a member and begins one
# asks like a customer.
STATES: dict[tuple[ConversationState | None, Voice], ConversationState] = {
    (None, Voice.CUSTOMER): OPEN,
    (None, Voice.MEMBER): OPEN,
    (None, Voice.ASIDE): CLOSED,
    (OPEN, Voice.CUSTOMER): OPEN,
    (OPEN, Voice.MEMBER): ANSWERED,
    (OPEN, Voice.ASIDE): OPEN,
    (ANSWERED, Voice.CUSTOMER): OPEN,
    (ANSWERED, Voice.MEMBER): ANSWERED,
    (ANSWERED, Voice.ASIDE): ANSWERED,
    (SNOOZED, Voice.CUSTOMER): OPEN,
    (SNOOZED, Voice.MEMBER): ANSWERED,
    (SNOOZED, Voice.ASIDE): SNOOZED,
    (CLOSED, Voice.CUSTOMER): OPEN,
    (CLOSED, Voice.MEMBER): CLOSED,
    (CLOSED, Voice.ASIDE): CLOSED,
}


@dataclass(frozen=True, slots=True)
class Promise:
    """An answer until then."""

    respond_by: datetime
    remind_at: datetime  # the owner, that it is time


class Act(StrEnum):
    """What moves a conversation without a message of it."""

    CLOSE = "close"  # by command
    OPEN = "open"
    SNOOZE = "snooze"
    WAKE = "wake"  # the snooze is over
    SILENCE = "silence"  # nobody wrote for `close_after`
    FAILED = "failed"  # an answer did not arrive


# What is not here changes nothing: it comes too late.
ACTS: dict[tuple[ConversationState, Act], ConversationState] = {
    **{(state, Act.CLOSE): CLOSED for state in ConversationState},
    **{(state, Act.OPEN): OPEN for state in ConversationState},
    **{(state, Act.SNOOZE): SNOOZED for state in ConversationState},
    **{(state, Act.FAILED): OPEN for state in ConversationState},
    (SNOOZED, Act.WAKE): OPEN,
    (ANSWERED, Act.SILENCE): CLOSED,
}


def after_act(
    before: Standing, act: Act, now: datetime, until: datetime | None = None, waited: Waited | None = None
) -> Standing:
    """`until`: of a snooze; `waited`: who waited for the answer that did not arrive. Equal to `before` where the act
    changes nothing.

    Who waited goes on waiting through a snooze. With a close nobody waits any more; nobody is promised anything then.
    """
    state = ACTS.get((before.state, act))
    if state is None:
        return before
    moved = replace(before, state=state, snoozed_until=until if state is SNOOZED else None)
    if state is CLOSED:
        return nobody_waits(moved)
    if act is Act.FAILED:
        return waits_again(moved, waited, now)
    return moved


def nobody_waits(standing: Standing) -> Standing:
    """Nobody is promised anything then, and nothing is overdue."""
    labels = tuple(label for label in standing.labels if label != OVERDUE) if standing.overdue else standing.labels
    return replace(
        standing, waiting_since=None, respond_by=None, remind_at=None, overdue=False, escalated=0, labels=labels
    )


def after_message(
    before: Standing | None,
    voice: Voice,
    now: datetime,
    *,
    labels: tuple[str, ...] = (),
    promise: Promise | None = None,
    also: tuple[tuple[str, str], ...] = (),
    outside: tuple[tuple[str, str], ...] = (),
    subject: str = "",
) -> Standing:
    """`before` None: the message begins the conversation. All else is what was decided for this message.

    Promised is an answer to who waits for one: not to a member's own, nor to a machine.
    """
    state = STATES[before.state if before else None, voice]
    if before is None:
        waits = state is OPEN
        begun = Standing(labels, 1, state, now if waits else None, also=also, outside=outside, subject=subject)
        return _promised(begun, promise) if waits else begun
    moved = replace(
        before,
        labels=tuple(dict.fromkeys((*before.labels, *labels))),
        messages=before.messages + 1,
        state=state,
        also=tuple({**dict(before.also), **dict(also)}.items()),
        snoozed_until=before.snoozed_until if state is SNOOZED else None,
    )
    if voice is Voice.MEMBER:
        return replace(nobody_waits(moved), answered_at=now)
    if voice is Voice.CUSTOMER:
        waiting = replace(moved, waiting_since=before.waiting_since or now, outside=outside or before.outside)
        return _promised(waiting, promise)
    return moved


def _promised(standing: Standing, promise: Promise | None) -> Standing:
    """The earliest promise counts."""
    if promise is None or (standing.respond_by is not None and standing.respond_by <= promise.respond_by):
        return standing
    return replace(standing, respond_by=promise.respond_by, remind_at=promise.remind_at)
