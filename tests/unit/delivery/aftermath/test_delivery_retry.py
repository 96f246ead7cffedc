"""What follows on each outcome: the table of the design, row by row."""

from datetime import timedelta

import pytest
from copies import NOW, a_copy, older

from routerd.config.settings import Retry
from routerd.delivery.aftermath.retry import conclude_for
from routerd.delivery.outcome import Deferred, Delivered, Failed, Stage
from routerd.desk.changes import Role
from routerd.store.base import Done, Forgo, Hold, NewCopy, Reroute, RetryAt

RETRY = Retry()
JAN = NewCopy("jan", "jan@example.com", "maildir", Role.OWNER)


def concluded(copy, outcome, retry=RETRY):
    return conclude_for(copy, outcome, NOW, retry, line=lambda copy, reason, tried: JAN, jitter=0.5)


def failed(stage, code, status=""):
    return Failed("next hop refused", stage, f"{code} {status} words", code, status)


def deferred(stage, code=0, status=""):
    return Deferred("next hop is not well", stage, f"{code} {status} words" if code else "", code, status)


def test_a_delivered_copy_is_done_with_the_next_hops_words():
    """What the next hop said is kept."""
    assert concluded(a_copy(), Delivered("taken", Stage.CONTENT, "250 queued as X")) == Done("250 queued as X")


@pytest.mark.parametrize(
    "outcome",
    [
        failed(Stage.RCPT, 550, "5.1.1"),
        failed(Stage.RCPT, 552, "5.2.2"),
        failed(Stage.RCPT, 550),
        failed(Stage.RCPT, 550, "5.0.0"),
        failed(Stage.RCPT, 550, "5.4.1"),  # Exchange Online's "no such user"
        failed(Stage.CONTENT, 550, "5.2.2"),
        failed(Stage.DATA, 550, "5.1.1"),
    ],
)
def test_a_refused_mailbox_sends_the_copy_to_the_next_in_line(outcome):
    """5.1.x, 5.2.x, and a 5xx at RCPT without a code that says otherwise: reroute, and the reason goes along."""
    conclusion = concluded(a_copy(), outcome)
    assert isinstance(conclusion, Reroute)
    assert conclusion.reason == outcome.reason
    assert conclusion.line(frozenset({"ewa"})) == JAN


@pytest.mark.parametrize(
    "outcome",
    [
        failed(Stage.RCPT, 550, "5.7.1"),
        failed(Stage.MAIL, 552, "5.3.4"),
        failed(Stage.CONTENT, 554, "5.6.0"),
        failed(Stage.CONTENT, 554, "5.7.1"),
        failed(Stage.CONTENT, 554),
        failed(Stage.DATA, 554),
        failed(Stage.MAILDIR, 0, "5.3.5"),
    ],
)
def test_what_would_fail_for_everybody_is_held(outcome):
    """Size, content and policy do not tour the team."""
    assert concluded(a_copy(), outcome) == Hold(outcome.reason, status=outcome.status)


@pytest.mark.parametrize(
    "outcome",
    [
        deferred(Stage.CONNECT),
        deferred(Stage.MAIL, 550, "5.7.1"),
        deferred(Stage.RCPT, 450, "4.2.1"),
        deferred(Stage.CONTENT),
        deferred(Stage.CONTENT, 451),
    ],
)
def test_a_deferred_copy_is_tried_again(outcome):
    """Whatever is temporary or unknown waits, with its reason."""
    assert concluded(a_copy(), outcome) == RetryAt(NOW + RETRY.first, outcome.reason, status=outcome.status)


def test_a_mailbox_that_defers_too_long_loses_the_copy_to_the_next_in_line():
    """After `reroute_after` a 4xx of the mailbox reroutes; trouble of the destination never does."""
    copy = older(a_copy(), RETRY.reroute_after)
    for outcome in (
        deferred(Stage.RCPT, 450),
        deferred(Stage.CONTENT, 452, "4.2.2"),
        deferred(Stage.MAILDIR, 0, "4.2.2"),
    ):
        assert isinstance(concluded(copy, outcome), Reroute)
    for outcome in (
        deferred(Stage.CONNECT),
        deferred(Stage.MAIL, 450),
        deferred(Stage.RCPT, 421),
        deferred(Stage.RCPT, 452, "4.3.1"),
        deferred(Stage.RCPT),
        deferred(Stage.CONTENT, 451),
    ):
        assert isinstance(concluded(copy, outcome), RetryAt)


def test_a_copy_is_held_when_it_was_tried_long_enough():
    """At `give_up` the owner's copy is held and says for how long it was tried."""
    conclusion = concluded(older(a_copy(), RETRY.give_up), deferred(Stage.CONNECT))
    assert isinstance(conclusion, Hold)
    assert "120 h" in conclusion.reason


def test_age_alone_gives_nothing_up():
    """After a long stop, or a jump of the clock, a copy is tried before it is rerouted or held."""
    for attempts in (0, 2, 3):
        copy = older(a_copy(), timedelta(days=4000), attempts)
        assert isinstance(concluded(copy, deferred(Stage.CONNECT)), RetryAt)
        assert isinstance(concluded(copy, deferred(Stage.RCPT, 450)), RetryAt)


def test_a_greylisted_copy_is_tried_again_soon():
    """Earlier than `retry.first`, while other trouble waits for it."""
    conclusion = concluded(a_copy(), deferred(Stage.RCPT, 451, "4.7.1"))
    assert isinstance(conclusion, RetryAt)
    assert timedelta(minutes=1) <= conclusion.at - NOW < RETRY.first


@pytest.mark.parametrize("role", [Role.WATCHER, Role.TEAMMATE])
def test_a_failing_copy_of_a_watcher_or_teammate_is_let_go(role):
    """They are neither rerouted nor held, but they are retried as any other."""
    copy = a_copy(role=role)
    for outcome in (failed(Stage.RCPT, 550, "5.1.1"), failed(Stage.CONTENT, 554, "5.7.1")):
        assert concluded(copy, outcome) == Forgo(outcome.reason, status=outcome.status)
    assert isinstance(concluded(copy, deferred(Stage.RCPT, 450)), RetryAt)
    assert isinstance(concluded(older(copy, RETRY.reroute_after), deferred(Stage.RCPT, 450)), RetryAt)
    assert isinstance(concluded(older(copy, RETRY.give_up), deferred(Stage.RCPT, 450)), Forgo)


def test_an_outcome_says_why():
    """No outcome without a reason."""
    with pytest.raises(ValueError, match="says why"):
        Deferred("", Stage.CONNECT)


def test_a_copy_from_the_future_is_young():
    """Its age is nothing, not less; it is tried as any other."""
    copy = a_copy(created_at=NOW + timedelta(days=4000), attempts=50)
    assert isinstance(concluded(copy, deferred(Stage.CONNECT)), RetryAt)
    assert isinstance(concluded(copy, deferred(Stage.RCPT, 450)), RetryAt)


@pytest.mark.parametrize("role", list(Role))
def test_a_damaged_copy_is_held_whoever_it_is_for(role):
    """That we cannot read it is no refusal of anybody's."""
    copy = a_copy(role=role, damage="the stored row is damaged: role")
    for outcome in (failed(Stage.PREPARE, 0), deferred(Stage.CONNECT)):
        assert concluded(copy, outcome) == Hold(copy.damage)
