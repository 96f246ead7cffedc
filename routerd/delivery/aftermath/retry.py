"""What follows on each outcome of an attempt. Pure."""

from collections.abc import Callable
from datetime import datetime, timedelta

from routerd.config.settings import Retry
from routerd.delivery.aftermath.schedule import (
    is_greylisted,
    next_attempt,
    next_attempt_at_rest,
    next_attempt_if_greylisted,
    waited,
)
from routerd.delivery.outcome import Deferred, Delivered, Failed, Outcome, Stage
from routerd.desk.changes import Role
from routerd.store.base import Conclusion, Copy, Done, Forgo, Hold, NewCopy, Reroute, RetryAt

# A copy that waited because we stood still, or only by a clock that jumped, is tried before it is given up.
LEAST_ATTEMPTS_BEFORE_REROUTE = 2
LEAST_ATTEMPTS_BEFORE_HOLD = 3

_OF_MAILBOX = ("5.1.", "5.2.")
_OF_MESSAGE = ("5.3.4", "5.6.", "5.7.")

NextInLine = Callable[[Copy, str, frozenset[str]], NewCopy | None]
"""Given the copy, why it goes elsewhere, and the members tried already: the copy that takes its place."""


def is_refused_mailbox(outcome: Failed) -> bool:
    """The next in line may do better: the table of the design, "when a copy cannot be delivered".

    By the enhanced code; without one, or with one that says nothing of whose fault it is, by the stage.
    """
    if outcome.status.startswith(_OF_MAILBOX):
        return True
    if outcome.status.startswith(_OF_MESSAGE):
        return False
    return outcome.stage is Stage.RCPT


def conclude_for(
    copy: Copy,
    outcome: Outcome,
    now: datetime,
    retry: Retry,
    *,
    line: NextInLine,
    jitter: float,
    was_tried: bool = True,
) -> Conclusion:
    """What is written of an attempt that ended with `outcome`.

    `was_tried`: it was this copy's own attempt, not another's at the same destination.
    """
    if copy.damage:
        return Hold(copy.damage)
    match outcome:
        case Delivered():
            return Done(outcome.reply or outcome.reason, host=outcome.host, status=outcome.status)
        case Failed():
            return _after_failure(copy, outcome, line)
        case Deferred():
            at = _schedule(outcome, was_tried)(copy.attempts + 1, now, retry, jitter)
            return _after_deferral(copy, outcome, now, retry, line, at)


def _after_failure(copy: Copy, outcome: Failed, line: NextInLine) -> Conclusion:
    if copy.role is not Role.OWNER:
        return Forgo(outcome.reason, host=outcome.host, status=outcome.status)
    if is_refused_mailbox(outcome):
        return _reroute(copy, outcome, outcome.reason, line)
    return Hold(outcome.reason, host=outcome.host, status=outcome.status)


def _schedule(outcome: Deferred, was_tried: bool) -> Callable[[int, datetime, Retry, float], datetime]:
    if not was_tried:
        return next_attempt_at_rest
    return next_attempt_if_greylisted if is_greylisted(outcome) else next_attempt


def _after_deferral(
    copy: Copy, outcome: Deferred, now: datetime, retry: Retry, line: NextInLine, at: datetime
) -> Conclusion:
    """`at`: when it is tried again, if it is."""
    attempts = copy.attempts + 1
    age = waited(copy.created_at, copy.attempts, now, retry)
    is_owner = copy.role is Role.OWNER
    late = age >= retry.reroute_after and attempts >= LEAST_ATTEMPTS_BEFORE_REROUTE
    if is_owner and outcome.of_mailbox and late:
        return _reroute(copy, outcome, f"the mailbox takes no mail for {_hours(age)}: {outcome.reason}", line)
    if age >= retry.give_up and attempts >= LEAST_ATTEMPTS_BEFORE_HOLD:
        why = f"given up after {_hours(age)} and {attempts} attempts: {outcome.reason}"
        give_up = Hold if is_owner else Forgo
        return give_up(why, host=outcome.host, status=outcome.status)
    in_trouble = copy.mailbox if outcome.of_mailbox else copy.destination
    late_for = in_trouble if age >= retry.warn else ""
    return RetryAt(at, outcome.reason, late=late_for, host=outcome.host, status=outcome.status)


def _reroute(copy: Copy, outcome: Deferred | Failed, reason: str, line: NextInLine) -> Reroute:
    return Reroute(reason, lambda tried: line(copy, reason, tried), host=outcome.host, status=outcome.status)


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.0f} h"
