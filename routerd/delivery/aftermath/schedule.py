"""When a copy is tried again, and how long it has been waited for. Pure."""

import re
from datetime import datetime, timedelta

from routerd.config.settings import Retry
from routerd.delivery.outcome import Deferred, Stage

SHORTEST_SHARE, LONGEST_SHARE = 0.8, 1.2  # of a wait, by its jitter

# Whoever greylists wants to see the same copy again, after a while: postscreen at once, Postgrey, sqlgrey and rspamd
# after 5 minutes, greylistd after 10, spamd after 25. Each of these waits ends a little later than one of them, counted
# from the first attempt, and the jitter only makes them longer.
GREYLIST_WAITS = tuple(timedelta(seconds=seconds) for seconds in (60, 260, 310, 900))

LONGEST_WAIT_AT_REST = timedelta(hours=1)  # of a copy that was not tried itself: its destination may soon be back

# What an attempt may add to a wait: the time-outs of RFC 5321 4.5.3.2, the rest of a destination.
LONGEST_ATTEMPT = timedelta(minutes=15)

_MOST_GROWTHS = 100
_TO_BE_SEEN_AGAIN = frozenset({Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.CONTENT})
_SAYS_SO = re.compile(r"gr[ae]y[ -]?list", re.IGNORECASE)
_SAYS_NOTHING = frozenset({"", "4.0.0", "4.2.0"})  # Postgrey says 4.2.0, others no code at all


def next_attempt(attempts: int, now: datetime, retry: Retry, jitter: float) -> datetime:
    """After `attempts` (at least 1) tries. `jitter` in 0..1 spreads over ±20 % of the wait."""
    share = SHORTEST_SHARE + (LONGEST_SHARE - SHORTEST_SHARE) * jitter
    return now + timedelta(seconds=_wait_seconds(attempts, retry) * share)


def next_attempt_if_greylisted(attempts: int, now: datetime, retry: Retry, jitter: float) -> datetime:
    """The same for a copy that the next hop wants to see again: earlier at first, never later."""
    ordinary = next_attempt(attempts, now, retry, jitter)
    if attempts > len(GREYLIST_WAITS):
        return ordinary
    return min(ordinary, now + GREYLIST_WAITS[attempts - 1] * (1 + (LONGEST_SHARE - 1) * jitter))


def next_attempt_at_rest(attempts: int, now: datetime, retry: Retry, jitter: float) -> datetime:
    """The same for a copy that was not tried, for its destination rests: never so long as to be late for its return."""
    share = SHORTEST_SHARE + (LONGEST_SHARE - SHORTEST_SHARE) * jitter
    return min(next_attempt(attempts, now, retry, jitter), now + LONGEST_WAIT_AT_REST * share)


def longest_wait(retry: Retry) -> timedelta:
    """No next attempt is further away."""
    return retry.max * LONGEST_SHARE


def is_greylisted(outcome: Deferred) -> bool:
    """Whether it may mean "come again": in words, by its code (4.7.x), or by a 450 or 451 at RCPT that says no more."""
    if outcome.stage not in _TO_BE_SEEN_AGAIN or outcome.code // 100 != 4 or outcome.code == 421:
        return False
    if outcome.status.startswith("4.7.") or _SAYS_SO.search(outcome.reply):
        return True
    return outcome.stage is Stage.RCPT and outcome.code in (450, 451) and outcome.status in _SAYS_NOTHING


def waited(created_at: datetime, attempts: int, now: datetime, retry: Retry) -> timedelta:
    """How long a copy has been waited for, after `attempts` tries (the present one not counted).

    Since it was made, but no longer than the waits between so many attempts can have been: neither a clock that was set
    nor the time in which nothing ran makes a copy old.
    """
    age = max(now - created_at, timedelta(0))  # the clock may have been set back
    growing = min(attempts, _MOST_GROWTHS)
    seconds = sum(_wait_seconds(number, retry) for number in range(1, growing + 1))
    seconds += (attempts - growing) * _wait_seconds(attempts, retry) if attempts > growing else 0
    seconds = seconds * LONGEST_SHARE + attempts * LONGEST_ATTEMPT.total_seconds()
    return min(age, timedelta(seconds=min(seconds, timedelta.max.total_seconds() / 2)))


def _wait_seconds(attempts: int, retry: Retry) -> float:
    """Before its jitter."""
    wait = retry.first.total_seconds()
    longest = retry.max.total_seconds()
    if wait < longest:
        wait *= retry.factor ** min(attempts - 1, _MOST_GROWTHS)
    return min(wait, longest)
