"""Moments in mail to members are in the reader's time, and say in whose."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from desk_house import KNOWN, NOW, FullState, house, mail, matter, text_of

from routerd.desk.changes import Held, HeldId, HeldKind, Part, Timer, TimerKind
from routerd.desk.firing import fire
from routerd.desk.moments import by_zone, moment_told, zone_of
from routerd.desk.noting import note_plan
from routerd.desk.owning import hand_over
from routerd.desk.plan import Happened, Past
from routerd.desk.said import Kind
from routerd.message.envelope import QueueId

CALENDARS = {
    "office": {"zone": "Europe/Warsaw", "days": "mon-fri", "hours": "08:00-17:00"},
    "gulf": {"zone": "Asia/Dubai", "days": "sun-thu", "hours": "08:00-17:00"},
    "london": {"zone": "Europe/London", "days": "mon-fri", "hours": "08:00-17:00"},
}
TEAMS = {
    "finance": {"members": ["ewa", "jan"], "lead": "omar", "calendar": "office"},
    "duty": {"members": ["adam"], "calendar": "london"},
    "free": {"members": ["tom"]},
}
MEMBERS = {
    "ewa": {"name": "Ewa Nowak", "mailbox": "ewa@example.com"},
    "jan": {"mailbox": "jan@example.com", "calendar": "gulf"},
    "omar": {"mailbox": "omar@far.example"},
    "adam": {"mailbox": "adam@example.com"},
    "tom": {"mailbox": "tom@example.com"},
}
DESK = {"members": MEMBERS, "teams": TEAMS, "calendars": CALENDARS}


def test_whose_time_it_is() -> None:
    """His own calendar's, else his team's, else the conversation's team's, else the inbox's, else UTC."""
    roster = house(**DESK).roster
    assert [zone_of(name, roster).key for name in ("jan", "ewa", "omar", "tom")] == [
        "Asia/Dubai",
        "Europe/Warsaw",
        "Europe/Warsaw",
        "UTC",
    ]
    assert zone_of("tom", roster, KNOWN).key == "Europe/Warsaw"
    assert zone_of("tom", roster, replace(KNOWN, team=None)).key == "Europe/London"
    assert [names for _, names in by_zone(("ewa", "jan", "omar"), roster, KNOWN)] == [("ewa", "omar"), ("jan",)]
    assert moment_told("soon", zone_of("tom", roster)) == "soon"
    assert moment_told(7, zone_of("tom", roster)) == "7"


@pytest.mark.parametrize(("said", "told"), [("#away until friday", "until 2026-12-25 00:00 CET"), ("#history", "")])
def test_commands_are_answered_in_the_speakers_time(said: str, told: str) -> None:
    """As they are meant; and with the moments that stand in events."""
    snoozed = Happened(NOW, "conversation_snoozed", {"until": (NOW + timedelta(days=1)).isoformat()})
    here = house(**DESK)
    plan = note_plan(matter(Kind.NOTE, mail(said), here, "ewa"), FullState(events=(snoozed,)), here)
    text = text_of(plan.authored[0].raw)
    assert (told or "2026-12-24 13:00 CET  snoozed until 2026-12-25 13:00 CET") in text
    assert "UTC" not in text


def test_what_comes_by_itself_is_in_the_readers_time() -> None:
    here = house(**DESK)
    held = Held(HeldId(9), HeldKind.CONFLICT, "ewa", 4, NOW)
    plan = fire(Timer(TimerKind.DROP, NOW, "9"), FullState(waiting=(held,)), here, NOW)
    assert plan is not None
    assert "of 2026-12-24 13:00 CET was not sent" in text_of(plan.authored[0].raw)
    past = Past(1, QueueId("A"), Part.CUSTOMER, None, datetime(2026, 12, 24, 9, tzinfo=NOW.tzinfo), None, True)
    [summary] = hand_over(KNOWN, "jan", "x", FullState(messages=(past,)), here, NOW).authored
    text = text_of(summary.raw)
    assert "2026-12-24 13:00 +04  the customer wrote" in text
    assert "waiting since 2026-12-24 14:00 +04" in text
