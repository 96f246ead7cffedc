"""Who is away, how that is noticed, how it ends, and what becomes of his conversations."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from desk_house import ANNA, KNOWN, NOW, SUPPORT, FullState, house, mail, matter, settings, text_of

from routerd.desk.absence import NOTICED_FOR, away_plan, hand_over_now, return_of, with_return
from routerd.desk.assign import assign
from routerd.desk.changes import Absence, AbsenceSource, Back, Part, Role, Timer, TimerKind
from routerd.desk.matter import House, Matter
from routerd.desk.pick import Picker
from routerd.desk.plan import Author, Conversation, ConversationState, Past, Plan, Voice
from routerd.desk.roster import Roster
from routerd.desk.said import Kind, Said
from routerd.desk.settle import settle
from routerd.message.envelope import QueueId
from routerd.rules.decision import Assign, Decision, RuleRef

WEEK = timedelta(days=7)
NOTICED = Absence("ewa", AbsenceSource.NOTICED, NOW - WEEK, NOW + WEEK)
UNTIL = Absence("ewa", AbsenceSource.COMMAND, NOW - WEEK, NOW + WEEK)
UNSAID = Absence("ewa", AbsenceSource.COMMAND, NOW - WEEK, None)
OVER = Absence("ewa", AbsenceSource.COMMAND, NOW - WEEK, NOW - timedelta(days=1))


def people(**changes: Mapping[str, object]) -> dict[str, object]:
    """Members, with options of some."""
    return {
        name: {"mailbox": f"{name}@example.com", **changes.get(name, {})} for name in ("ewa", "jan", "omar", "adam")
    }


def out_of_office(told: House, member: str = "ewa") -> Matter:
    heard = matter(Kind.NOTE, mail("I am away.", f"{member}@example.com"), told, member)
    return replace(heard, said=Said(Kind.AWAY, member))


def word_of(member: str, told: House, kind: Kind = Kind.MAIL) -> Matter:
    heard = matter(Kind.NOTE, mail("Good morning.", f"{member}@example.com"), told, member)
    return replace(heard, said=Said(kind, member))


def owner_of(told: House, *, conversation: Conversation | None = None, team: str = "ewa") -> Plan:
    decision = Decision(SUPPORT, assign=Assign(team, RuleRef("10.yaml", "all")))
    state = FullState(conversation=conversation)
    return assign((decision,), told.roster, state, NOW, told.choose, Author(Voice.CUSTOMER, ANNA[1]))


def test_an_out_of_office_makes_away_and_says_so() -> None:
    """Nobody gets a copy of it; he himself is told how it ends."""
    told = house(members=people(ewa={"deputy": "jan"}))
    plan = away_plan(out_of_office(told), "ewa", FullState(conversation=None), told)
    assert plan.absences == (Absence("ewa", AbsenceSource.NOTICED, NOW, NOW + NOTICED_FOR),)
    assert (plan.part, plan.copies, plan.joins) == (Part.AWAY, (), None)
    (notice,) = plan.authored
    assert [copy.member for copy in notice.copies] == ["ewa"]
    said = text_of(notice.raw)
    assert "#back" in said
    assert "jan" in said


def test_it_changes_nothing_else_in_its_conversation() -> None:
    told = house()
    plan = away_plan(out_of_office(told), "ewa", FullState(), told)
    assert (plan.joins, plan.owner, plan.team, plan.standing) == (KNOWN.id, KNOWN.owner, KNOWN.team, KNOWN.standing)


def test_it_is_told_once() -> None:
    """Each further one only puts off the end."""
    told = house().as_of(FullState(away=(NOTICED,)))
    plan = away_plan(out_of_office(told), "ewa", FullState(away=(NOTICED,)), told)
    assert plan.authored == ()
    assert plan.absences == (replace(NOTICED, until=NOW + NOTICED_FOR),)


@pytest.mark.parametrize("known", [UNTIL, UNSAID])
def test_who_said_himself_until_when_is_not_asked(known: Absence) -> None:
    told = house().as_of(FullState(away=(known,)))
    plan = away_plan(out_of_office(told), "ewa", FullState(away=(known,)), told)
    assert (plan.authored, plan.absences) == ((), ())


def test_nor_who_is_away_by_the_config() -> None:
    told = house(members=people(ewa={"away": "2026-12-20..2026-12-31"}))
    plan = away_plan(out_of_office(told), "ewa", FullState(), told)
    assert (plan.authored, plan.absences) == ((), ())


@pytest.mark.parametrize(
    ("absence", "is_back"), [(NOTICED, True), (UNSAID, True), (UNTIL, False), (OVER, False), (None, False)]
)
def test_who_writes_is_there_again(absence: Absence | None, is_back: bool) -> None:
    """But for who said until when he is away."""
    told, state = house(), FullState(away=(absence,) if absence else ())
    plan = settle(word_of("ewa", told), state, told)
    assert (Back("ewa") in plan.absences) is is_back
    assert ("away_ended" in [event.kind for event in plan.events]) is is_back


def test_what_a_mailbox_says_by_itself_brings_nobody_back() -> None:
    told = house()
    nobody = replace(word_of("ewa", told), said=Said(Kind.MAIL))
    assert return_of(nobody, FullState(away=(NOTICED,))) is None
    plan = settle(out_of_office(told), FullState(away=(NOTICED,)), told)
    assert (plan.absences, plan.authored) == ((replace(NOTICED, until=NOW + NOTICED_FOR),), ())


def test_who_writes_in_his_own_conversation_keeps_it() -> None:
    """He counts as there already when it is asked who gets his mail."""
    told = house(members=people(ewa={"deputy": "jan"}))
    plan = settle(word_of("ewa", told), FullState(away=(NOTICED,)), told)
    assert plan.owner == "ewa"


def test_who_goes_away_by_that_very_mail_does_not_come_back() -> None:
    told = house()
    plan = settle(word_of("ewa", told), FullState(conversation=None), told)
    gone = replace(plan, absences=(UNTIL,))
    assert with_return(gone, Back("ewa")) is gone


def test_who_is_away_is_not_picked() -> None:
    """Whether the config, he himself or his mailbox says so."""
    told = house().as_of(FullState(away=(NOTICED, replace(UNTIL, member="jan"))))
    assert owner_of(told, team="finance").owner == "omar"


def test_an_absence_that_is_over_counts_no_more() -> None:
    told = house().as_of(FullState(away=(OVER,)))
    assert owner_of(told).owner == "ewa"


def test_the_deputy_takes_over_and_says_for_whom() -> None:
    """The owner keeps a copy of what comes."""
    told = house(members=people(ewa={"deputy": "jan"})).as_of(FullState(away=(NOTICED,)))
    plan = owner_of(told, conversation=KNOWN)
    assert plan.owner == "jan"
    assert "jan, deputy of ewa who is away" in plan.why
    assert [(copy.member, copy.role) for copy in plan.copies] == [("jan", Role.OWNER), ("ewa", Role.WATCHER)]
    assert plan.standing.watchers == ("ewa",)


def test_the_deputy_named_at_going_goes_before_the_configs() -> None:
    gone = replace(UNTIL, deputy="omar")
    told = house(members=people(ewa={"deputy": "jan"})).as_of(FullState(away=(gone,)))
    assert owner_of(told, conversation=KNOWN).owner == "omar"


@pytest.mark.parametrize("gone", ["nobody", "ewa"])
def test_a_deputy_who_is_none_is_passed_over(gone: str) -> None:
    """He may have left since; and nobody is his own. Then the config's, or the team."""
    told = house(members=people(ewa={"deputy": "jan"})).as_of(FullState(away=(replace(UNTIL, deputy=gone),)))
    assert owner_of(told, conversation=KNOWN).owner == "jan"


def test_a_chain_of_deputies_then_the_team_then_its_fallback() -> None:
    options = {"ewa": {"deputy": "jan"}, "jan": {"deputy": "omar"}, "omar": {"deputy": "ewa"}}
    away = [NOTICED, replace(NOTICED, member="jan")]
    told = house(members=people(**options))
    assert owner_of(told.as_of(FullState(away=tuple(away))), conversation=KNOWN).owner == "omar"
    away.append(replace(NOTICED, member="omar"))
    plan = owner_of(told.as_of(FullState(away=tuple(away))), conversation=KNOWN)
    assert (plan.owner, plan.team) == ("adam", "duty")
    without = house().as_of(FullState(away=(NOTICED,)))
    plan = owner_of(without, conversation=KNOWN)
    assert (plan.owner, plan.team) == ("jan", "finance")
    assert "ewa is away" in plan.why


def test_where_all_are_away_the_last_in_line_gets_it() -> None:
    """Every message has an owner."""
    told = house().as_of(FullState(away=tuple(replace(NOTICED, member=one) for one in ("ewa", "jan", "omar", "adam"))))
    assert owner_of(told, conversation=KNOWN).owner == "adam"


def test_a_new_owner_gets_the_conversation_so_far() -> None:
    told = house(members=people(ewa={"deputy": "jan"}))
    past = (Past(5, QueueId("Q5"), Part.CUSTOMER, None, NOW - WEEK, "1@klient.pl", True, ("ewa",)),)
    state = FullState(away=(NOTICED,), messages=past, contents={5: b"Subject: x\r\n\r\n"})
    heard = replace(word_of("jan", told), said=Said(Kind.MAIL), author=Author(Voice.CUSTOMER, ANNA[1]))
    plan = settle(heard, state, told)
    assert plan.owner == "jan"
    assert [(one.message, one.copy.member) for one in plan.resent] == [(5, "jan")]
    assert [copy.member for one in plan.authored for copy in one.copies] == ["jan"]


ALL = {"ewa": {"deputy": "jan", "handover": "all"}}
HANDOVER = Timer(TimerKind.HANDOVER, NOW, "ewa")


def test_all_open_conversations_are_handed_over_where_the_config_says_so() -> None:
    told = house(members=people(**ALL))
    assert away_plan(out_of_office(told), "ewa", FullState(), told).hands_over == ("ewa",)
    assert away_plan(out_of_office(house()), "ewa", FullState(), house()).hands_over == ()


def test_each_of_them_goes_to_the_deputy() -> None:
    told = house(members=people(**ALL)).as_of(FullState(away=(NOTICED,)))
    plan = hand_over_now(HANDOVER, KNOWN, FullState(away=(NOTICED,)), told, NOW)
    assert plan is not None
    assert (plan.owner, plan.standing.watchers) == ("jan", ("ewa",))
    assert [event.kind for event in plan.events] == ["owner_changed"]


@pytest.mark.parametrize("state", [ConversationState.CLOSED, ConversationState.ANSWERED])
def test_what_waits_for_nobody_stays(state: ConversationState) -> None:
    told = house(members=people(**ALL)).as_of(FullState(away=(NOTICED,)))
    quiet = replace(KNOWN, standing=replace(KNOWN.standing, state=state))
    assert hand_over_now(HANDOVER, quiet, FullState(), told, NOW) is None


def test_who_is_back_by_then_keeps_it_and_so_does_a_new_owner() -> None:
    told = house(members=people(**ALL))
    assert hand_over_now(HANDOVER, KNOWN, FullState(), told, NOW) is None
    away = told.as_of(FullState(away=(NOTICED,)))
    assert hand_over_now(HANDOVER, replace(KNOWN, owner="omar"), FullState(), away, NOW) is None


OFFICE = {"calendars": {"office": {"zone": "Europe/Warsaw", "hours": "08:00-16:00"}}}


@pytest.mark.parametrize(
    ("at", "picked"),
    [
        (datetime(2026, 11, 23, 9, tzinfo=UTC), ["jan", "ewa", "jan"]),  # in Europe it is 10:00
        (datetime(2026, 11, 23, 17, tzinfo=UTC), ["jan", "jan", "jan"]),
    ],
)
def test_a_team_prefers_who_is_on_duty(at: datetime, picked: list[str]) -> None:
    """By each one's own calendar; a rotation goes on among those."""
    teams = {"finance": {"members": ["ewa", "jan"]}, "duty": {"members": ["adam"], "pick": "first"}}
    roster = Roster(settings(members=people(ewa={"calendar": "office"}), teams=teams, **OFFICE))
    state, found = FullState(turns={"finance": "ewa"}), []
    for _ in picked:
        one = Picker(roster, state, at, lambda names: names[0]).pick("finance")
        assert one is not None
        found.append(one.member)
        state = FullState(turns={"finance": one.member})
    assert found == picked


def test_where_nobody_is_on_duty_whoever_is_there_is_picked() -> None:
    options = {name: {"calendar": "office"} for name in ("ewa", "jan", "omar")}
    roster = Roster(settings(members=people(**options), **OFFICE))
    night = datetime(2026, 11, 23, 2, tzinfo=UTC)
    picked = Picker(roster, FullState(), night, lambda names: names[0]).pick("finance")
    assert picked is not None
    assert (picked.member, picked.why) == ("ewa", "finance/round_robin")
