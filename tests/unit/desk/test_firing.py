"""What follows when a timer fires."""

from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from desk_house import ANNA, KNOWN, NOW, SUPPORT, FullState, house

from routerd.desk.changes import (
    Absence,
    AbsenceSource,
    Authored,
    Back,
    Held,
    HeldEnd,
    HeldEnded,
    HeldId,
    HeldKind,
    Part,
    Role,
    Timer,
    TimerKind,
)
from routerd.desk.firing import fire
from routerd.desk.matter import House
from routerd.desk.plan import Conversation, ConversationState, Past, Plan, Standing
from routerd.message.envelope import QueueId

HOUR = timedelta(hours=1)
PROMISED = replace(KNOWN.standing, respond_by=NOW, remind_at=NOW - HOUR)
OVERDUE = replace(PROMISED, overdue=True, remind_at=None, labels=("overdue",))
CALENDARS = {"office": {"zone": "Europe/Warsaw", "hours": "08:00-17:00"}}
MESSAGE = Past(3, QueueId("01J"), Part.CUSTOMER, None, NOW - 2 * HOUR, "a@klient.pl", has_bytes=True)


def known(standing: Standing, owner: str = "ewa") -> Conversation:
    return replace(KNOWN, standing=standing, owner=owner)


def fired(
    kind: TimerKind, standing: Standing, *, data: str = "", house: House | None = None, at: datetime = NOW, **more: Any
) -> Plan | None:
    state = FullState(conversation=known(standing), messages=(MESSAGE,), contents={3: b"x"}, **more)
    return fire(Timer(kind, NOW, data), state, house or desk(), at)


def desk(*steps: dict[str, str], close_after: str = "14d") -> House:
    return house(inboxes={SUPPORT: {"default": "duty", "escalate": list(steps), "close_after": close_after}})


def text_of(mail: Authored) -> tuple[str, str]:
    read = message_from_bytes(mail.raw, policy=default)
    return str(read["Subject"]), read.get_content()


def members(mail: Authored) -> list[str]:
    assert {copy.role for copy in mail.copies} == {Role.DESK}
    return [copy.member for copy in mail.copies]


# Reminders.


def test_the_owner_is_reminded_once_in_the_thread_of_the_conversation() -> None:
    plan = fired(TimerKind.REMIND, replace(PROMISED, respond_by=NOW + HOUR))
    assert plan is not None
    [mail] = plan.authored
    subject, text = text_of(mail)
    assert members(mail) == ["ewa"]
    assert subject == "[reminder] Skarga na fakturę"
    assert "Anna Klient has been waiting for an answer since 2026-12-24 10:00 UTC" in text
    assert "it is to be given by 2026-12-24 13:00 UTC" in text
    assert message_from_bytes(mail.raw)["In-Reply-To"] == "<a@klient.pl>"
    assert plan.timers == (Timer(TimerKind.OVERDUE, NOW + HOUR),)
    assert [event.kind for event in plan.events] == ["owner_reminded"]
    assert fired(TimerKind.REMIND, plan.standing) is None


@pytest.mark.parametrize("standing", [replace(PROMISED, respond_by=NOW + HOUR), PROMISED], ids=["reminder", "overdue"])
def test_whose_word_an_answer_waits_for_is_reminded_with_the_owner(standing: Standing) -> None:
    """Of those who are there. Who has not got it, as he stands in since somebody went away, gets it, too."""
    told = house(
        members={
            "ewa": {"mailbox": "ewa@example.com"},
            "jan": {"mailbox": "jan@example.com"},
            "omar": {"mailbox": "omar@example.com", "away": "2026-12-20..2026-12-31", "deputy": "adam"},
            "adam": {"mailbox": "adam@example.com"},
        }
    )
    waiting = (
        Held(HeldId(5), HeldKind.APPROVAL, "jan", 3, NOW, ("omar",)),
        Held(HeldId(6), HeldKind.DRAFT, "ewa", 3, NOW),
    )
    kind = TimerKind.OVERDUE if standing is PROMISED else TimerKind.REMIND
    plan = fired(kind, standing, house=told, waiting=waiting)
    assert plan is not None
    owner, approver = plan.authored
    assert (members(owner), members(approver)) == (["ewa"], ["adam"])
    assert "What jan wrote waits for your #send" in text_of(approver)[1]
    assert [(one.message, one.copy.member) for one in plan.resent] == [(3, "adam")]
    assert b"Subject: [approve]" in plan.resent[0].copy.head


def test_who_is_there_is_reminded_while_the_owner_is_away() -> None:
    away = (Absence("ewa", AbsenceSource.COMMAND, NOW - HOUR, None, "jan"),)
    plan = fired(TimerKind.REMIND, replace(PROMISED, respond_by=NOW + HOUR), away=away)
    assert plan is not None
    assert members(plan.authored[0]) == ["jan"]


@pytest.mark.parametrize(
    "standing",
    [
        replace(PROMISED, remind_at=None, respond_by=NOW + HOUR),
        replace(PROMISED, respond_by=None),
        OVERDUE,
        PROMISED,
        *(replace(PROMISED, respond_by=NOW + HOUR, state=state) for state in ConversationState if state != "open"),
    ],
)
def test_nobody_is_reminded_of_what_needs_no_reminder(standing: Standing) -> None:
    """Nor of what is overdue by now: that is said next."""
    assert fired(TimerKind.REMIND, standing) is None


def test_moments_are_told_in_the_owners_time() -> None:
    teams = {"finance": {"members": ["ewa"], "calendar": "office"}, "duty": {"members": ["adam"]}}
    plan = fired(TimerKind.OVERDUE, PROMISED, house=house(teams=teams, calendars=CALENDARS))
    assert plan is not None
    assert "since 2026-12-24 11:00 CET; it was to be given by 2026-12-24 13:00 CET" in text_of(plan.authored[0])[1]


# Overdue.


def test_what_is_overdue_says_so_once_and_goes_to_the_first_step() -> None:
    standing = replace(PROMISED, remind_at=None)
    plan = fired(TimerKind.OVERDUE, standing, house=desk({"watch": "jan"}))
    assert plan is not None
    assert (plan.standing.overdue, plan.standing.labels) == (True, ("overdue",))
    assert plan.authored == ()
    assert plan.timers == (Timer(TimerKind.ESCALATE, NOW, "0"),)
    assert fired(TimerKind.OVERDUE, plan.standing) is None


def test_an_owner_who_was_never_reminded_hears_that_it_is_overdue() -> None:
    """As after a night in which nothing ran: one mail, not two."""
    plan = fired(TimerKind.OVERDUE, PROMISED)
    assert plan is not None
    assert text_of(plan.authored[0])[0] == "[overdue] Skarga na fakturę"
    assert plan.standing.remind_at is None


@pytest.mark.parametrize("state", [state for state in ConversationState if state is not ConversationState.OPEN])
def test_what_nobody_waits_for_is_never_overdue(state: ConversationState) -> None:
    assert fired(TimerKind.OVERDUE, replace(PROMISED, state=state)) is None


# Escalation.


def test_a_step_that_names_a_watcher_shows_him_the_conversation() -> None:
    plan = fired(TimerKind.ESCALATE, OVERDUE, data="0", house=desk({"watch": "jan"}, {"after": "4h", "assign": "duty"}))
    assert plan is not None
    assert plan.standing.watchers == ("jan",)
    assert [(one.message, one.copy.member, one.copy.role) for one in plan.resent] == [(3, "jan", Role.WATCHER)]
    [mail] = plan.authored
    assert members(mail) == ["jan"]
    assert "Ewa Nowak has it." in text_of(mail)[1]
    assert "#assign NAME or #unwatch" in " ".join(text_of(mail)[1].split())
    assert (plan.owner, plan.timers) == ("ewa", (Timer(TimerKind.ESCALATE, NOW + 4 * HOUR, "1"),))


def test_a_step_that_assigns_gives_it_to_somebody_else_and_tells_who_had_it() -> None:
    plan = fired(TimerKind.ESCALATE, OVERDUE, data="0", house=desk({"assign": "duty"}))
    assert plan is not None
    assert (plan.owner, plan.team, plan.why) == ("adam", "duty", "owner by duty/first")
    assert sorted(tuple(members(mail)) for mail in plan.authored) == [("adam",), ("ewa",)]
    assert {event.kind for event in plan.events} == {"conversation_escalated", "owner_changed"}
    assert plan.timers == ()


def test_steps_that_are_all_due_by_now_are_taken_at_once() -> None:
    """One mail for each who is concerned, however long nothing ran."""
    steps = ({"watch": "jan"}, {"after": "4h", "watch": "duty"}, {"after": "8h", "assign": "omar"}, {"after": "9d"})
    plan = fired(TimerKind.ESCALATE, OVERDUE, data="0", house=desk(*steps), at=NOW + 100 * HOUR)
    assert plan is not None
    assert (plan.owner, plan.standing.escalated, plan.standing.watchers) == ("omar", 3, ("jan", "adam"))
    told = [member for mail in plan.authored for member in members(mail)]
    assert sorted(told) == ["adam", "ewa", "jan", "omar"]


@pytest.mark.parametrize(
    ("standing", "data"),
    [(PROMISED, "0"), (OVERDUE, "1"), (replace(OVERDUE, escalated=1), "0"), (replace(OVERDUE, respond_by=None), "0")],
)
def test_a_step_out_of_its_turn_is_none(standing: Standing, data: str) -> None:
    assert fired(TimerKind.ESCALATE, standing, data=data, house=desk({"watch": "jan"})) is None


def test_a_step_that_the_config_has_no_more_is_none() -> None:
    assert fired(TimerKind.ESCALATE, OVERDUE, data="0") is None


def test_who_is_of_the_team_that_should_own_it_keeps_it() -> None:
    plan = fired(TimerKind.ESCALATE, OVERDUE, data="0", house=desk({"assign": "finance"}))
    assert plan is not None
    assert (plan.owner, plan.resent, plan.authored) == ("ewa", (), ())


# All else.


def test_a_snooze_that_is_over_opens_it_and_says_so() -> None:
    snoozed = replace(PROMISED, state=ConversationState.SNOOZED, snoozed_until=NOW, respond_by=NOW - HOUR)
    plan = fired(TimerKind.WAKE, snoozed)
    assert plan is not None
    assert (plan.standing.state, plan.standing.snoozed_until) == (ConversationState.OPEN, None)
    assert members(plan.authored[0]) == ["ewa"]
    assert Timer(TimerKind.OVERDUE, NOW - HOUR) in (plan.timers or ())
    assert fired(TimerKind.WAKE, plan.standing) is None


def test_silence_after_an_answer_closes_it() -> None:
    answered = Standing(state=ConversationState.ANSWERED, answered_at=NOW - timedelta(days=14))
    plan = fired(TimerKind.CLOSE, answered)
    assert plan is not None
    assert (plan.standing.state, plan.timers, plan.authored) == (ConversationState.CLOSED, (), ())
    assert plan.events[0].data["why"] == "no word for 14d since the answer"
    assert fired(TimerKind.CLOSE, replace(answered, state=ConversationState.OPEN)) is None


def test_a_held_answer_is_dropped_and_its_author_told() -> None:
    held = Held(HeldId(9), HeldKind.CONFLICT, "jan", 4, NOW - timedelta(days=1))
    plan = fired(TimerKind.DROP, PROMISED, data="9", waiting=(held,))
    assert plan is not None
    assert plan.held_ended == (HeldEnded(HeldId(9), HeldEnd.DROPPED),)
    assert members(plan.authored[0]) == ["jan"]
    assert fired(TimerKind.DROP, PROMISED, data="9") is None


def test_an_absence_ends_when_it_was_to_end() -> None:
    away = (Absence("jan", AbsenceSource.NOTICED, NOW - HOUR, NOW),)
    timer = Timer(TimerKind.BACK, NOW, "jan")
    plan = fire(timer, FullState(conversation=None, away=away), house(), NOW)
    assert plan is not None
    assert plan.absences == (Back("jan"),)
    assert fire(timer, FullState(conversation=None), house(), NOW) is None
    longer = (replace(away[0], until=NOW + HOUR),)
    assert fire(timer, FullState(conversation=None, away=longer), house(), NOW) is None


def test_a_timer_of_a_conversation_that_is_gone_does_nothing() -> None:
    for kind in TimerKind:
        assert fire(Timer(kind, NOW, "0"), FullState(conversation=None), house(), NOW) is None


def test_names_in_mails_are_those_of_people() -> None:
    nameless = replace(PROMISED, outside=(("", ANNA[1]),), subject="")
    plan = fired(TimerKind.OVERDUE, nameless)
    assert plan is not None
    subject, text = text_of(plan.authored[0])
    assert subject == "[overdue] (no subject)"
    assert text.startswith("anna@klient.pl has been waiting")


# Of a time that is not yet.


def test_what_the_config_puts_off_by_now_waits_on() -> None:
    """It was two weeks when the timer was set; it is a month now."""
    answered = Standing(state=ConversationState.ANSWERED, answered_at=NOW - timedelta(days=14))
    plan = fired(TimerKind.CLOSE, answered, house=desk(close_after="30d"))
    assert plan is not None
    assert plan.standing == answered
    assert plan.timers == (Timer(TimerKind.CLOSE, NOW + timedelta(days=16)),)
    plan = fired(TimerKind.ESCALATE, OVERDUE, data="0", house=desk({"after": "2h", "watch": "jan"}))
    assert plan is not None
    assert (plan.standing, plan.timers) == (OVERDUE, (Timer(TimerKind.ESCALATE, NOW + 2 * HOUR, "0"),))


def test_what_was_promised_while_the_clock_was_ahead_is_brought_back() -> None:
    """The store brought the timer back, by which the promise is known."""
    ahead = timedelta(days=3653)
    promised = replace(PROMISED, waiting_since=NOW + ahead, remind_at=NOW + ahead, respond_by=NOW + ahead + HOUR)
    plan = fired(TimerKind.REMIND, promised)
    assert plan is not None
    assert (plan.standing.waiting_since, plan.standing.respond_by) == (NOW, NOW + HOUR)
    assert plan.timers == (Timer(TimerKind.OVERDUE, NOW + HOUR),)


def test_a_snooze_until_a_time_that_is_not_yet_leaves_the_promise() -> None:
    snoozed = replace(PROMISED, state=ConversationState.SNOOZED, snoozed_until=NOW + HOUR, respond_by=NOW + 2 * HOUR)
    plan = fired(TimerKind.WAKE, snoozed)
    assert plan is not None
    assert plan.standing.respond_by == NOW + 2 * HOUR


def test_who_is_gone_is_followed_before_anything_fires() -> None:
    """Or nothing would fire in his conversations any more."""
    state = FullState(conversation=known(replace(PROMISED, respond_by=NOW + HOUR), owner="gone"), messages=(MESSAGE,))
    plan = fire(Timer(TimerKind.REMIND, NOW), state, desk(), NOW)
    assert plan is not None
    assert (plan.owner, plan.team) == ("adam", "duty")
    assert [event.kind for event in plan.events].count("owner_changed") == 1
    assert {member for mail in plan.authored for member in members(mail)} == {"adam"}
