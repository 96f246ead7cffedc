"""What follows on a report that comes back, and of which waiting copy the postmaster hears."""

from datetime import timedelta

import pytest
from copies import NOW, a_copy, older

from routerd.config.settings import Retry
from routerd.delivery.aftermath.bounce_table import conclude_bounce, part_about, reason_of
from routerd.delivery.aftermath.retry import conclude_for
from routerd.delivery.outcome import Deferred, Stage
from routerd.desk.changes import Role
from routerd.message.delivery_report import Action, DeliveryReport, Form, RecipientReport
from routerd.store.base import Copy, Forgo, Hold, NewCopy, Reroute, RetryAt


def _line(copy: Copy, reason: str, tried: frozenset[str]) -> NewCopy | None:
    return NewCopy("jan", reason, ",".join(sorted(tried)), Role.OWNER)


def _said(status: str = "5.1.1", diagnostic: str = "550 5.1.1 unknown", **more: str) -> RecipientReport:
    return RecipientReport("ewa@example.com", Action(more.get("action", "failed")), status, diagnostic)


@pytest.mark.parametrize(
    ("status", "diagnostic", "conclusion"),
    [
        ("5.1.1", "550 5.1.1 unknown", Reroute),
        ("5.1.10", "550 5.1.10 null MX", Reroute),
        ("5.2.1", "550 5.2.1 disabled", Reroute),
        ("5.2.2", "552 5.2.2 full", Reroute),
        ("4.4.1", "connection timed out", Reroute),
        ("5.4.6", "554 5.4.6 loop", Reroute),
        ("", "550 no", Reroute),
        ("", "", Reroute),
        ("5.3.4", "552 5.3.4 too large", Hold),
        ("5.6.1", "554 5.6.1 no", Hold),
        ("5.7.26", "550 5.7.26 unauthenticated", Hold),
        ("4.7.1", "451 4.7.1 not now, and given up", Hold),
        ("5.0.0", "554 no (in reply to end of DATA command)", Hold),
        ("5.2.2", "552 5.2.2 full (in reply to end of DATA command)", Reroute),
    ],
)
def test_a_failure_of_the_mailbox_goes_on_one_of_the_message_is_held(
    status: str, diagnostic: str, conclusion: type
) -> None:
    assert isinstance(conclude_bounce(a_copy(), _said(status, diagnostic), "mx.test", _line), conclusion)


def test_the_next_in_line_is_told_why() -> None:
    concluded = conclude_bounce(a_copy(), _said(), "mx.test", _line)
    assert isinstance(concluded, Reroute)
    new = concluded.line(frozenset({"ewa"}))
    assert new is not None
    assert (new.mailbox, new.destination) == ("a bounce came back from mx.test: 550 5.1.1 unknown", "ewa")


@pytest.mark.parametrize("role", [Role.WATCHER, Role.TEAMMATE, Role.FORWARD])
def test_what_is_nobodys_own_is_only_noted(role: Role) -> None:
    for status in ("5.1.1", "5.7.1"):
        assert isinstance(conclude_bounce(a_copy(role=role), _said(status), "", _line), Forgo)


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_nothing_follows_where_nothing_failed(action: str) -> None:
    assert conclude_bounce(a_copy(), _said("5.1.1", action=action), "", _line) is None


def test_a_report_is_read_for_the_copys_own_mailbox() -> None:
    """In any case, under an earlier name too, and its failure before whatever else it says of it."""
    others = RecipientReport("omar@example.com", Action.FAILED)
    relayed = RecipientReport("EWA@example.com", Action.RELAYED)
    failed = RecipientReport("x@store.internal", Action.FAILED, original="ewa@example.com")
    report = DeliveryReport((others, relayed, failed), Form.REPORT)
    assert part_about(a_copy(), report) is failed
    assert part_about(a_copy(mailbox="jan@example.com"), report) is None


def test_a_reason_says_the_status_once() -> None:
    assert reason_of(_said("5.1.1", "550 5.1.1 unknown"), "") == "a bounce came back: 550 5.1.1 unknown"
    assert reason_of(_said("5.1.1", "unknown"), "mx") == "a bounce came back from mx: 5.1.1 unknown"
    assert reason_of(_said("", ""), "") == "a bounce came back: without a reason"


@pytest.mark.parametrize(
    ("outcome", "about"),
    [
        (Deferred("450 4.2.1 busy", Stage.RCPT, "450 4.2.1 busy", 450, "4.2.1"), "ewa@example.com"),
        (Deferred("connection refused", Stage.CONNECT), "smtp:mail.example.com:25"),
    ],
)
def test_a_copy_that_waits_too_long_is_late(outcome: Deferred, about: str) -> None:
    """What is in trouble is its mailbox, or where the next hop is down all that goes there."""
    retry = Retry(warn=timedelta(hours=4), reroute_after=timedelta(days=1))
    for age, late in ((3, ""), (5, about)):
        concluded = conclude_for(older(a_copy(), timedelta(hours=age)), outcome, NOW, retry, line=_line, jitter=0.5)
        assert isinstance(concluded, RetryAt)
        assert concluded.late == late
