"""What the figures that Prometheus scrapes say of accepted messages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from routerd.desk.changes import Answered, HeldKind, NewHeld, Part, PlannedCopy, Role
from routerd.desk.plan import Event, Plan
from routerd.message.address import parse_address
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, QueueId, Received, Recipient
from routerd.ops.acceptance import tell_accepted
from routerd.ops.metrics import Metrics
from routerd.rules.decision import Decision

INBOX = "support@example.com"
CLIENT = Client("192.0.2.7", 40000, "mx.klient.pl", Protocol.SMTP, "0.0.0.0:25")
RECEIVED = Received(
    QueueId("01JQ"),
    Envelope("anna@klient.pl", (Recipient(parse_address(INBOX), Purpose.INBOX, INBOX),)),
    CLIENT,
    b"Subject: x\r\n\r\n",
    datetime(2026, 3, 4, tzinfo=UTC),
)
PLAN = Plan(INBOX, "ewa", "duty", "owner by duty/first", copies=(PlannedCopy("ewa", Role.OWNER),))
ANSWER = replace(PLAN, part=Part.ANSWER, member="ewa", copies=(PlannedCopy("anna@klient.pl", Role.ANSWER),))


def told(*plans: Plan, metrics: Metrics | None = None) -> dict[str, float]:
    """The desk's samples that are not zero, without buckets."""
    metrics = metrics or Metrics()
    for plan in plans:
        tell_accepted(RECEIVED, plan, (Decision(INBOX),), len(plan.copies), metrics)
    lines = metrics.exposition().decode().splitlines()
    samples = dict(line.rsplit(" ", 1) for line in lines if line.startswith("routerd_") and "_bucket" not in line)
    names = ("answers", "first_response", "assignments", "unowned", "said_by_itself")
    return {
        name.removeprefix("routerd_"): float(value)
        for name, value in samples.items()
        if name.removeprefix("routerd_").startswith(names) and float(value)
    }


def test_answers_are_counted_and_the_first_is_measured() -> None:
    """By the clock. What nobody waited for has no time."""
    first = Answered("ewa", timedelta(hours=2), timedelta(hours=1), is_first=True)
    later = replace(first, is_first=False)
    unasked = Answered("ewa", None, None, is_first=True)
    assert told(*(replace(ANSWER, answered=answered) for answered in (first, later, unasked))) == {
        f'answers_total{{inbox="{INBOX}"}}': 3,
        f'first_response_seconds_count{{inbox="{INBOX}",team="duty"}}': 1,
        f'first_response_seconds_sum{{inbox="{INBOX}",team="duty"}}': 7_200,
    }


def test_an_answer_that_a_command_lets_go_counts() -> None:
    """It is the mail with #send that is accepted then."""
    answered = Answered("ewa", timedelta(hours=2), None, is_first=False)
    assert told(replace(PLAN, part=Part.NOTE, copies=(), answered=answered)) == {f'answers_total{{inbox="{INBOX}"}}': 1}


def test_second_answers_are_counted_when_they_are_held() -> None:
    """What is held for other reasons is no second answer."""
    held = [replace(ANSWER, copies=(), new_held=NewHeld(kind)) for kind in HeldKind]
    assert told(*held) == {"answers_held_total": 1, 'said_by_itself_total{what="answer"}': 1}


def test_notes_that_are_kept_back_are_counted() -> None:
    kept_back = replace(PLAN, part=Part.NOTE, copies=(), events=(Event("note_kept_back", {"member": "ewa"}),))
    assert told(kept_back) == {'said_by_itself_total{what="note"}': 1}


def test_only_what_customers_write_is_given_to_somebody() -> None:
    """A note has no copy for its conversation's owner where he wrote it himself, and is not unowned."""
    others = [
        replace(PLAN, part=part, copies=()) for part in Part if part not in (Part.CUSTOMER, Part.ASIDE, Part.REPLY)
    ]
    assert told(*others) == {}
    assert told(PLAN, replace(PLAN, copies=())) == {
        f'assignments_total{{inbox="{INBOX}",member="ewa"}}': 2,
        "unowned_messages_total": 1,
    }


def test_what_is_refused_of_a_members_mail_belongs_to_nobody() -> None:
    """He is told, and nobody else has to do with it."""
    assert told(replace(PLAN, part=Part.ASIDE, member="ewa", copies=())) == {}


def test_series_name_nobody_where_reports_may_not() -> None:
    """Those that did before a reload are gone."""
    metrics = Metrics()
    told(PLAN, metrics=metrics)
    metrics.name_members(False)
    assert told(PLAN, metrics=metrics) == {f'assignments_total{{inbox="{INBOX}",member=""}}': 1}
    metrics.name_members(True)
    assert told(PLAN, metrics=metrics) == {
        f'assignments_total{{inbox="{INBOX}",member=""}}': 1,
        f'assignments_total{{inbox="{INBOX}",member="ewa"}}': 1,
    }
