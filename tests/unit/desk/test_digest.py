"""The daily summary: when it comes, and what it says."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from desk_house import ANNA, KNOWN, SUPPORT, FullState, house

from routerd.desk.changes import Absence, AbsenceSource, Held, HeldId, HeldKind, Timer, TimerKind
from routerd.desk.digest import digest_plan, digest_timers
from routerd.desk.firing import fire
from routerd.desk.matter import House
from routerd.desk.plan import Conversation, ConversationId, Standing, Went

HOUR = timedelta(hours=1)
FRIDAY = datetime(2026, 1, 16, 12, tzinfo=UTC)
OFFICE = {"zone": "Europe/Warsaw", "days": ["mon-fri"], "hours": "08:00-17:00", "holidays": ["2026-01-19"]}
CALENDARS = {"office": OFFICE, "gulf": {"zone": "Asia/Dubai", "days": ["sun-thu"], "hours": "08:00-17:00"}}
MEMBERS = {
    "ewa": {"name": "Ewa Nowak", "mailbox": "ewa@example.com"},
    "jan": {"name": "Jan Wójcik", "mailbox": "jan@example.com"},
    "omar": {"name": "عمر", "mailbox": "omar@far.example", "calendar": "gulf"},
    "adam": {"mailbox": "adam@example.com"},
}
TEAMS = {
    "finance": {"members": ["ewa", "omar"], "calendar": "office", "lead": "jan"},
    "duty": {"members": ["adam"]},
}


def desk(**more: Any) -> House:
    return house(**{"digest": "08:00", "members": MEMBERS, "teams": TEAMS, "calendars": CALENDARS, **more})


def one(number: int, owner: str, **standing: Any) -> Conversation:
    values = {"outside": (ANNA,), "subject": f"Sprawa {number}", **standing}
    return replace(KNOWN, id=ConversationId(number), owner=owner, standing=Standing(**values))


HELD = Held(HeldId(7), HeldKind.APPROVAL, "ewa", 12, FRIDAY, ("jan",))
WAITING = {"waiting_since": FRIDAY - 5 * HOUR, "respond_by": FRIDAY - HOUR}
OPEN = (
    one(1, "ewa", **WAITING, overdue=True),
    one(2, "ewa", waiting_since=FRIDAY - HOUR),
    one(3, "ewa"),
    one(4, "omar", waiting_since=FRIDAY),
)


@dataclass
class State(FullState):
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)

    def open_conversations(
        self, *, owner: str | None = None, inbox: str | None = None, limit: int = 200
    ) -> tuple[Conversation, ...]:
        del inbox
        return tuple(one for one in OPEN if one.owner == owner)[:limit]

    def went(self, since: datetime, until: datetime, *, team: str | None = None, member: str | None = None) -> Went:
        self.asked.append((since, until))
        if team == "finance":
            return Went(5, 4, (HOUR * 0.75, HOUR * 3 + timedelta(minutes=5)))
        return Went(3, 1, None) if member == "ewa" else Went(0, 0, None)


def mails(member: str, state: FullState | None = None, desk_: House | None = None) -> list[tuple[str, str]]:
    plan = digest_plan(member, state or State(conversation=None), desk_ or desk(), FRIDAY)
    assert plan is not None
    read = [message_from_bytes(mail.raw, policy=default) for mail in plan.authored]
    return [(str(mail["Subject"]), mail.get_content()) for mail in read]


@pytest.mark.parametrize(
    ("member", "moment"),
    [
        ("ewa", datetime(2026, 1, 20, 7, tzinfo=UTC)),
        ("jan", datetime(2026, 1, 20, 7, tzinfo=UTC)),
        ("omar", datetime(2026, 1, 18, 4, tzinfo=UTC)),
        ("adam", datetime(2026, 1, 17, 8, tzinfo=UTC)),
    ],
    ids=["team's, over a holiday", "of a team that he leads", "own", "none"],
)
def test_it_comes_on_working_days_in_the_members_time(member: str, moment: datetime) -> None:
    timers = digest_timers(desk().settings, desk().roster, FRIDAY)
    assert Timer(TimerKind.DIGEST, moment, member) in timers
    assert len(timers) == len(MEMBERS)


def test_it_comes_at_the_same_hour_when_the_clocks_change() -> None:
    """On Sunday the 29th of March they are put forward in Warsaw."""
    friday = datetime(2026, 3, 27, 12, tzinfo=UTC)
    assert Timer(TimerKind.DIGEST, datetime(2026, 3, 30, 6, tzinfo=UTC), "ewa") in digest_timers(
        desk().settings, desk().roster, friday
    )


def test_without_the_key_there_is_none() -> None:
    quiet = desk(digest=None)
    assert digest_timers(quiet.settings, quiet.roster, FRIDAY) == ()
    assert digest_plan("ewa", State(conversation=None), quiet, FRIDAY) is None
    assert digest_plan("gone", State(conversation=None), desk(), FRIDAY) is None


def test_a_calendar_that_never_works_sends_none() -> None:
    never = {**OFFICE, "holidays": [f"{date(2026, 1, 1)}..{date(2026, 12, 31)}", "2027-01-01..2027-12-31"]}
    assert not [
        t
        for t in digest_timers(
            desk(calendars={**CALENDARS, "office": never}).settings,
            desk(calendars={**CALENDARS, "office": never}).roster,
            FRIDAY,
        )
        if t.data == "ewa"
    ]


def test_it_says_what_is_overdue_first() -> None:
    [(subject, text)] = mails("ewa")
    assert subject == "[summary] 3 open, 1 overdue"
    assert text == (
        "Overdue (1):\n"
        "  Sprawa 1, Anna Klient, since 2026-01-16 08:00 CET, was due 2026-01-16 12:00 CET (1, support@example.com)\n"
        "\n"
        "Waiting for your answer (1):\n"
        "  Sprawa 2, Anna Klient, since 2026-01-16 12:00 CET (2, support@example.com)\n"
        "\n"
        "Open (1):\n"
        "  Sprawa 3, Anna Klient (3, support@example.com)\n"
        "\n"
    )


def test_what_waits_for_a_word_is_no_answer_that_is_missing() -> None:
    """Its owner is told whose word it waits for, and they that it waits for theirs."""
    waiting = {"approve": ("jan",), "waiting_since": FRIDAY - HOUR}

    @dataclass
    class Asked(State):
        def waiting_for_a_word(self, limit: int = 1_000) -> tuple[tuple[Conversation, Held], ...]:
            del limit
            conflict = Held(HeldId(8), HeldKind.CONFLICT, "ewa", 13, FRIDAY)
            return ((one(3, "ewa"), conflict), (one(2, "ewa", **waiting), HELD))

    [(_, text)] = mails("ewa", Asked(conversation=None))
    assert "Waiting for your answer" not in text
    line = "Sprawa 2, Anna Klient, since 2026-01-16 12:00 CET"
    assert f"Answered, and not sent yet (1):\n  {line}, waits for Jan Wójcik (2, support@example.com)\n" in text
    [(subject, text)] = mails("jan", Asked(conversation=None))
    assert subject == "[summary] 1 for your word; finance: 4 open, 3 waiting, 1 overdue"
    assert f"Waiting for your word (1):\n  {line}, what Ewa Nowak wrote waits for your word (2, " in text


def test_who_leads_a_team_hears_how_it_stands_and_went() -> None:
    """Since the summary before: that of Thursday, as this one is due on Friday at 8."""
    [(subject, text)] = mails("jan")
    assert subject == "[summary] finance: 4 open, 3 waiting, 1 overdue"
    assert text.startswith(
        "Team finance: 4 open, 3 waiting, 1 overdue\n"
        "  since 2026-01-15 08:00 CET: 5 received, 4 answered, first answer 45m (median) and 3h 05m (90 %)\n"
        "  Ewa Nowak: 3 open, 2 waiting, 1 overdue; 3 received, 1 answered\n"
        "  عمر: 1 open, 1 waiting, 0 overdue; 0 received, 0 answered\n"
    )


def test_what_a_lead_hears_starts_behind_a_weekend_and_holidays() -> None:
    """On Tuesday the 20th, after the holiday of Monday, it is what was since Friday's summary."""
    state = State(conversation=None)
    digest_plan("jan", state, desk(), datetime(2026, 1, 20, 9, tzinfo=UTC))
    eight = datetime(2026, 1, 16, 7, tzinfo=UTC)
    assert set(state.asked) == {(eight, eight + timedelta(days=4))}


def test_where_reports_leave_persons_out_a_lead_hears_of_none() -> None:
    [(_, text)] = mails("jan", desk_=desk(reports={"per_member": False}))
    assert "Team finance: 4 open" in text
    assert "since 2026-01-15 08:00 CET: 5 received" in text
    assert "Ewa" not in text


def test_nobody_hears_that_there_is_nothing() -> None:
    assert mails("adam") == []


def test_who_is_away_hears_nothing_and_the_next_one_stands() -> None:
    away = State(conversation=None, away=(Absence("ewa", AbsenceSource.COMMAND, FRIDAY, None),))
    plan = fire(Timer(TimerKind.DIGEST, FRIDAY, "ewa"), away, desk(), FRIDAY)
    assert plan is not None
    assert plan.authored == ()
    assert plan.timers == (Timer(TimerKind.DIGEST, datetime(2026, 1, 20, 7, tzinfo=UTC), "ewa"),)
    assert (plan.inbox, plan.joins) == (SUPPORT, None)
