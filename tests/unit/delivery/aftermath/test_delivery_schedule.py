"""When a copy is tried again, and how old it counts as."""

from datetime import timedelta

import pytest
from copies import NOW
from hypothesis import given
from hypothesis import strategies as st

from routerd.config.settings import Retry
from routerd.delivery.aftermath.schedule import (
    LONGEST_ATTEMPT,
    is_greylisted,
    longest_wait,
    next_attempt,
    next_attempt_at_rest,
    next_attempt_if_greylisted,
    waited,
)
from routerd.delivery.outcome import Deferred, Stage

RETRY = Retry()
retries = st.builds(
    Retry,
    first=st.timedeltas(timedelta(seconds=1), timedelta(days=1)),
    factor=st.floats(1, 10),
    max=st.timedeltas(timedelta(seconds=1), timedelta(days=2)),
)


def deferred(stage: Stage, reply: str, status: str = "") -> Deferred:
    return Deferred(f"next hop refused: {reply}", stage, reply, int(reply[:3]), status)


def test_waits_grow_to_the_longest_and_no_further():
    """5m, 10m, 20m … 4h by default, half-way through the jitter."""
    waits = [next_attempt(attempts, NOW, RETRY, 0.5) - NOW for attempts in range(1, 9)]
    assert waits[:3] == [timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20)]
    assert waits[-1] == timedelta(hours=4)


@given(st.integers(1, 10**9), retries, st.floats(0, 1))
def test_no_wait_is_longer_than_the_longest(attempts, retry, jitter):
    """Whatever lies further ahead was not put there by this clock; and none is shorter than 80 % of the first."""
    for when in (next_attempt, next_attempt_if_greylisted, next_attempt_at_rest):
        assert timedelta(0) < when(attempts, NOW, retry, jitter) - NOW <= longest_wait(retry)
    shortest = min(retry.first, retry.max) * 0.8
    assert next_attempt(attempts, NOW, retry, jitter) - NOW >= shortest - timedelta(microseconds=1)


def test_a_burst_that_failed_together_does_not_come_again_together():
    """Copies of one moment are spread over two minutes after the first attempt, and wider with each."""
    for attempts, spread in ((1, timedelta(minutes=2)), (3, timedelta(minutes=8))):
        moments = [next_attempt(attempts, NOW, RETRY, number / 100) for number in range(101)]
        assert max(moments) - min(moments) == spread
        assert len(set(moments)) == 101


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_who_greylists_sees_the_copy_as_soon_as_it_may_pass(jitter):
    """A little later than 0, 5, 10 and 25 minutes after the first attempt; from then on as any other."""
    at, seen = NOW, []
    for attempts in range(1, 5):
        at = next_attempt_if_greylisted(attempts, at, RETRY, jitter)
        seen.append(at - NOW)
    for moment, passes in zip(seen, (0, 5, 10, 25), strict=True):
        assert timedelta(minutes=passes) < moment < timedelta(minutes=passes * 1.3 + 2)
    assert next_attempt_if_greylisted(5, at, RETRY, jitter) == next_attempt(5, at, RETRY, jitter)


def test_who_only_waits_for_a_destination_is_there_when_it_is_back():
    """Within the hour or so, spread by the jitter; at first as any other."""
    assert next_attempt_at_rest(1, NOW, RETRY, 0.3) == next_attempt(1, NOW, RETRY, 0.3)
    waits = [next_attempt_at_rest(50, NOW, RETRY, jitter) - NOW for jitter in (0.0, 0.5, 1.0)]
    assert waits == [timedelta(minutes=48), timedelta(hours=1), timedelta(minutes=72)]


def test_greylisting_makes_no_attempt_later_than_it_would_have_been():
    """Whose `retry.first` is shorter keeps it."""
    quick = Retry(first=timedelta(seconds=1), max=timedelta(seconds=1))
    assert next_attempt_if_greylisted(1, NOW, quick, 0.5) == next_attempt(1, NOW, quick, 0.5)


@pytest.mark.parametrize(
    "outcome",
    [
        deferred(Stage.RCPT, "450 4.2.0 <ewa@x>: Recipient address rejected: Greylisted", "4.2.0"),
        deferred(Stage.RCPT, "451 4.7.1 Please try again later", "4.7.1"),
        deferred(Stage.RCPT, "450 try again"),
        deferred(Stage.MAIL, "450 4.7.1 come back", "4.7.1"),
        deferred(Stage.DATA, "451 4.7.1 grey-listed", "4.7.1"),
        deferred(Stage.CONTENT, "451 Greylisting in action"),
    ],
)
def test_what_greylisters_say_is_understood(outcome):
    """By their word for it, by 4.7.x, or by a bare 450 or 451 at RCPT."""
    assert is_greylisted(outcome)


@pytest.mark.parametrize(
    "outcome",
    [
        deferred(Stage.RCPT, "452 4.2.2 mailbox full", "4.2.2"),
        deferred(Stage.RCPT, "450 4.2.1 busy", "4.2.1"),
        deferred(Stage.RCPT, "451 4.3.0 local error", "4.3.0"),
        deferred(Stage.RCPT, "450 4.1.8 sender's domain not found", "4.1.8"),
        deferred(Stage.RCPT, "421 4.7.0 closing", "4.7.0"),
        deferred(Stage.CONTENT, "451 local error"),
        deferred(Stage.GREETING, "450 4.7.1 busy", "4.7.1"),
        Deferred("closed the connection", Stage.RCPT),
    ],
)
def test_other_trouble_waits_as_it_would(outcome):
    """A full mailbox or a server in trouble is not served by asking more often."""
    assert not is_greylisted(outcome)


@given(retries, st.lists(st.floats(0, 1), max_size=60), st.floats(0, 1))
def test_where_the_clock_is_right_a_copy_is_as_old_as_it_is(retry, jitters, slowness):
    """However the jitter falls, and however long attempts take: no copy is given up later than `retry` says."""
    now = NOW
    for attempts, jitter in enumerate(jitters, 1):
        now = next_attempt(attempts, now, retry, jitter) + LONGEST_ATTEMPT * slowness
        age = waited(NOW, attempts, now, retry)
        assert abs(age - (now - NOW)) <= timedelta(microseconds=100 * attempts)


def test_a_jump_of_the_clock_makes_no_copy_old():
    """What was tried twice has waited for minutes, not for years, whatever the clock says now."""
    later = NOW + timedelta(days=4000)
    assert waited(NOW, 0, later, RETRY) == timedelta(0)
    assert waited(NOW, 2, later, RETRY) < timedelta(hours=1)
    assert waited(NOW, 10**9, later, RETRY) == later - NOW
    assert waited(later, 2, NOW, RETRY) == timedelta(0)
