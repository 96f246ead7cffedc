"""What the postmaster drops for good is told in its conversation, which does not go on as if somebody had it."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click.testing
import pytest
from desk_at_work import HOUR, MONDAY, DeskAtWork

from routerd.cli.main import routerd
from routerd.desk.changes import Part, PlannedCopy, Role, Timer, TimerKind
from routerd.desk.plan import ConversationState, Standing

ANNA = "anna@klient.pl"
DUE = MONDAY + timedelta(hours=4)
WAITS = Standing(waiting_since=MONDAY, respond_by=DUE, remind_at=DUE - HOUR, messages=1)
TIMERS = (Timer(TimerKind.REMIND, DUE - HOUR), Timer(TimerKind.OVERDUE, DUE))


class Desk(DeskAtWork):
    def drop(self, *ids: str) -> None:
        arguments = ["queue", "drop", "-c", str(self.config), "--yes", "--reason", "spam", *ids]
        result = click.testing.CliRunner().invoke(routerd, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.stderr

    def first(self) -> dict[str, Any]:
        found = json.loads(self.run("conversation", "--json", "1").stdout)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_conversation_that_nobody_has_is_closed(desk: Desk) -> None:
    """Nobody is reminded of mail that he never gets; both timelines say what became of it."""
    held = desk.came(standing=WAITS, customer=ANNA, timers=TIMERS)
    desk.drop(held.copies[0].id)
    stands = desk.first()
    assert (stands["state"], stands["waiting_since"], stands["timers"]) == ("closed", None, [])
    told = desk.run("conversation", "1").stdout
    assert "the copy for ewa was dropped by the postmaster: spam" in told
    assert "closed: whatever the customer wrote in it was dropped by the postmaster, and nobody has it" in told
    assert "dropped" in desk.run("trace", held.id).stdout
    desk.came(MONDAY + HOUR, 1, standing=WAITS, customer=ANNA)  # he writes again
    assert desk.first()["state"] == "open"


def test_one_that_somebody_has_stays_as_it_was(desk: Desk) -> None:
    """A watcher has the message, or the owner another one of the same customer."""
    both = (PlannedCopy("ewa", Role.OWNER), PlannedCopy("jan", Role.WATCHER))
    first = desk.came(standing=WAITS, customer=ANNA, timers=TIMERS, copies=both)
    desk.drop(first.copies[0].id)
    assert desk.first()["state"] == "open"
    second = desk.came(MONDAY + HOUR, 1, customer=ANNA)
    desk.drop(first.copies[1].id)
    stands = desk.first()
    assert stands["state"] == "open"
    assert len(stands["timers"]) == 2
    desk.drop(second.copies[0].id)
    assert desk.first()["state"] == "closed"


def test_one_whose_answer_never_leaves_is_open_again(desk: Desk) -> None:
    """The customer waits still, from when it is known that nothing comes."""
    desk.came(standing=WAITS, customer=ANNA)
    answered = Standing(state=ConversationState.ANSWERED, messages=2, answers=1)
    to_anna = (PlannedCopy(ANNA, Role.ANSWER), PlannedCopy("bob@klient.pl", Role.ANSWER))
    answer = desk.came(
        MONDAY + HOUR, 1, to_anna, sender="ewa@example.com", part=Part.ANSWER, member="ewa", standing=answered
    )
    desk.drop(answer.copies[0].id)
    assert desk.first()["state"] == "answered"
    desk.drop(answer.copies[1].id)
    stands = desk.first()
    assert stands["state"] == "open"
    assert datetime.fromisoformat(stands["waiting_since"]) > MONDAY + HOUR
    told = desk.run("conversation", "1").stdout
    assert "the answer of ewa could not be delivered to bob@klient.pl: dropped by the postmaster" in told
