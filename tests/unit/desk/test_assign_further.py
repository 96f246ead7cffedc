"""Plans: owners that rules move, the way to pick `last`, deadlines, headers, forwards, what is rejected."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from test_assign import BILLING, NOW, RULE, SUPPORT, State, away, roster, to

from routerd.desk.assign import assign, stand_in
from routerd.desk.changes import Role
from routerd.desk.plan import (
    SOMEBODY,
    Author,
    Conversation,
    ConversationId,
    ConversationState,
    Plan,
    Standing,
    Twin,
    Voice,
)
from routerd.desk.roster import Roster
from routerd.desk.standing import STATES, Promise, after_message
from routerd.rules.decision import Assign, Decision, Priority

ANNA = Author(Voice.CUSTOMER, "anna@klient.pl")
KNOWN = Conversation(ConversationId(7), SUPPORT, "ewa", "finance", 3, Standing(("old",), 2, waiting_since=NOW))
HOUR = timedelta(hours=1)
SOON = NOW + timedelta(minutes=45)


def plan(
    *decisions: Decision, people: Roster | None = None, state: State | None = None, author: Author = SOMEBODY
) -> Plan:
    return assign(decisions, people or roster(), state or State(), NOW, lambda names: names[-1], author)


def again(target: str, inbox: str = SUPPORT, **more: object) -> Decision:
    given = Assign(target, RULE)
    return Decision(inbox, assign=given, reassign=given, **more)  # type: ignore[arg-type]


def with_copies(made: Plan) -> list[tuple[str, Role]]:
    return [(copy.member, copy.role) for copy in made.copies]


# Owners.


def test_a_rule_that_reassigns_moves_the_owner_and_the_former_one_watches() -> None:
    """He sees who has it now; and the history says that it was moved, and why."""
    made = plan(again("omar"), state=State(conversation=KNOWN))
    assert (made.owner, made.team, made.joins) == ("omar", None, KNOWN.id)
    assert made.why == "owner: omar, reassigned from ewa by invoices"
    assert with_copies(made) == [("omar", Role.OWNER), ("ewa", Role.WATCHER)]
    [_, changed] = made.events
    assert (changed.kind, changed.data["from"], changed.data["to"]) == ("owner_changed", "ewa", "omar")


@pytest.mark.parametrize("target", ["ewa", "finance"])
def test_reassigning_to_whom_has_it_already_changes_nothing(target: str) -> None:
    """That member, or a team that he is in: no rotation moves."""
    made = plan(again(target), state=State(conversation=KNOWN))
    assert (made.owner, made.team, made.turns, len(made.events)) == ("ewa", "finance", (), 1)


def test_only_rules_that_reassign_count_in_a_known_conversation() -> None:
    made = plan(to("omar"), state=State(conversation=KNOWN))
    assert made.owner == "ewa"


def test_when_nobody_is_there_to_take_it_the_owner_stays() -> None:
    people = away("omar")
    assert plan(again("omar"), people=people, state=State(conversation=KNOWN)).owner == "ewa"


def test_a_first_message_goes_to_whom_the_first_rule_assigns() -> None:
    """What reassigns matters to known conversations only."""
    decision = Decision(SUPPORT, assign=Assign("ewa", RULE), reassign=Assign("omar", RULE))
    assert plan(decision).owner == "ewa"


def test_who_watches_for_another_inbox_goes_on_doing_so() -> None:
    """Its rotation does not move with each answer; while he is away, it does."""
    first = plan(to("ewa"), to("finance", BILLING), state=State(turns={"finance": "ewa"}))
    assert (first.also, first.standing.also) == (((BILLING, "jan"),), ((BILLING, "jan"),))
    known = Conversation(ConversationId(7), SUPPORT, "ewa", None, 1, first.standing)
    state = State(conversation=known, turns={"finance": "jan"})
    second = plan(to("omar"), to("finance", BILLING), state=state)
    assert (second.owner, second.also, second.turns) == ("ewa", ((BILLING, "jan"),), ())
    third = plan(to("omar"), to("finance", BILLING), state=state, people=away("jan"))
    assert (third.also, third.standing.also) == (((BILLING, "omar"),), ((BILLING, "omar"),))
    fourth = plan(to("omar"), again("adam", BILLING), state=state)
    assert (fourth.owner, fourth.also) == ("ewa", ((BILLING, "adam"),))


def test_a_known_conversations_own_inbox_is_at_home_whichever_is_named_first() -> None:
    """The other one's owner watches, and no second person of the home inbox gets it."""
    made = plan(to("jan", BILLING), to("finance"), state=State(conversation=KNOWN))
    assert (made.owner, made.also, made.turns) == ("ewa", ((BILLING, "jan"),), ())
    moved = plan(to("jan", BILLING), again("omar"), state=State(conversation=KNOWN))
    assert moved.owner == "omar"


# The way to pick.


def last(target: str = "finance") -> Decision:
    return Decision(SUPPORT, assign=Assign(target, RULE, "last"))


def test_last_is_who_last_had_this_customer() -> None:
    """No rotation moves for it."""
    made = plan(last(), state=State(owners={"anna@klient.pl": "omar"}), author=ANNA)
    assert (made.owner, made.why, made.turns) == ("omar", "owner by finance/last", ())


@pytest.mark.parametrize(
    ("state", "author", "people"),
    [
        (State(), ANNA, roster()),
        (State(owners={"anna@klient.pl": "adam"}), ANNA, roster()),
        (State(owners={"anna@klient.pl": "omar"}), SOMEBODY, roster()),
    ],
)
def test_a_new_customer_and_one_of_another_team_go_the_teams_way(state: State, author: Author, people: Roster) -> None:
    made = plan(last(), state=state, author=author, people=people)
    assert (made.owner, made.why, made.turns) == ("ewa", "owner by finance/round_robin", (("finance", "ewa"),))


def test_who_last_had_the_customer_is_passed_over_while_away() -> None:
    made = plan(last(), people=away("omar"), state=State(owners={"anna@klient.pl": "omar"}), author=ANNA)
    assert made.owner == "ewa"


def test_last_may_be_a_teams_own_way_with_a_rotation_behind_it() -> None:
    people = roster(
        teams={"finance": {"members": ["ewa", "omar"], "pick": "last"}, "duty": {"members": ["adam"], "pick": "first"}}
    )
    assert (
        plan(to("finance"), people=people, state=State(owners={"anna@klient.pl": "omar"}), author=ANNA).owner == "omar"
    )
    assert plan(to("finance"), people=people, author=ANNA).turns == (("finance", "ewa"),)


def test_a_rules_way_is_not_that_of_the_team_that_it_falls_back_on() -> None:
    decision = Decision(SUPPORT, assign=Assign("finance", RULE, "random"))
    assert plan(decision).owner == "omar"  # the last of those to choose from
    made = plan(decision, people=away("ewa", "jan", "omar"))
    assert made.why == "owner by duty/first; all of finance are away"


# What is promised, given and sent outside.


def test_of_several_promises_the_shortest_counts_by_the_clock_where_there_is_no_calendar() -> None:
    made = plan(to("ewa", respond_within=5 * HOUR), to("jan", BILLING, respond_within=4 * HOUR))
    assert made.respond_by == made.standing.respond_by == NOW + 4 * HOUR


@pytest.mark.parametrize(("target", "hour"), [("finance", 9), ("jan", 12), ("adam", 4)])
def test_a_promise_counts_in_working_hours_of_the_team_else_of_the_member(target: str, hour: int) -> None:
    """Thursday 12:00 UTC is past both calendars' hours; the next working day is Friday."""
    people = roster(
        calendars={
            "early": {"zone": "UTC", "hours": "05:00-09:00"},
            "late": {"zone": "UTC", "hours": "08:00-12:00"},
        },
        members={
            "ewa": {"mailbox": "ewa@example.com"},
            "jan": {"mailbox": "jan@example.com", "calendar": "late"},
            "omar": {"mailbox": "omar@example.com"},
            "adam": {"mailbox": "adam@example.com"},
        },
        teams={
            "finance": {"members": ["ewa", "jan", "omar"], "calendar": "early"},
            "duty": {"members": ["adam"], "pick": "first"},
        },
    )
    by = plan(to(target, respond_within=4 * HOUR), people=people).respond_by
    assert by is not None
    assert by == (NOW + 4 * HOUR if target == "adam" else datetime(2026, 12, 25, hour, tzinfo=UTC))


def test_an_earlier_promise_that_is_open_stands() -> None:
    """What a later message would allow comes later; so does a message without one."""
    open_promise = Conversation(
        ConversationId(7), SUPPORT, "ewa", None, 3, Standing(waiting_since=NOW, respond_by=NOW + HOUR)
    )
    for decision in (to("ewa", respond_within=4 * HOUR), to("ewa")):
        assert plan(decision, state=State(conversation=open_promise)).respond_by == NOW + HOUR


def test_of_headers_of_one_name_the_home_inboxes_counts() -> None:
    made = plan(to("ewa", headers=(("X-Class", "a"),)), to("jan", BILLING, headers=(("x-class", "b"), ("X-More", "c"))))
    assert made.headers == (("X-Class", "a"), ("X-More", "c"))


def test_a_forward_is_a_copy_of_its_own_once_and_held_with_its_part() -> None:
    made = plan(
        to("ewa", forward=("log@out.example",)),
        to("jan", BILLING, forward=("log@out.example", "more@out.example"), hold="look first"),
    )
    assert [(copy.member, copy.role, copy.held) for copy in made.copies] == [
        ("ewa", Role.OWNER, None),
        ("jan", Role.WATCHER, "look first"),
        ("log@out.example", Role.FORWARD, None),
        ("more@out.example", Role.FORWARD, "look first"),
    ]


def test_the_same_message_again_is_not_forwarded_again() -> None:
    twin = Twin(1, "01J", (SUPPORT,), ("log@out.example", "ewa"))
    made = plan(to("jan", BILLING, forward=("log@out.example", "b@out.example")), state=State(twin=twin))
    assert (made.owner, with_copies(made)) == ("ewa", [("jan", Role.WATCHER), ("b@out.example", Role.FORWARD)])


# What is rejected, and what is held.


def test_what_is_rejected_takes_no_turn_also_where_it_could_only_be_held() -> None:
    made = plan(to("finance", reject="no"), to("finance", BILLING))
    assert made.turns == (("finance", "ewa"),)  # the other inbox's
    assert plan(to("finance", reject="no")).turns == ()


def test_a_held_copy_of_an_owner_who_is_away_goes_to_who_is_there() -> None:
    """His deputy first; of an owner who is there, nobody takes it."""
    people = away("ewa", ewa="jan")
    taker = stand_in(people, "ewa", "finance", SUPPORT, NOW)
    assert taker is not None
    assert (taker.member, taker.why) == ("jan", "jan, next in line while ewa is away")
    assert stand_in(people, "omar", "finance", SUPPORT, NOW) is None
    everybody = away("ewa", "jan", "omar", "adam")
    assert stand_in(everybody, "ewa", "finance", SUPPORT, NOW) is None


# How a conversation stands.


def test_every_state_and_voice_has_its_answer() -> None:
    assert STATES.keys() == {(state, voice) for state in (None, *ConversationState) for voice in Voice}


def test_a_customer_waits_from_his_first_unanswered_message() -> None:
    first = after_message(None, Voice.CUSTOMER, NOW, labels=("a",), promise=Promise(NOW + HOUR, SOON))
    second = after_message(first, Voice.CUSTOMER, NOW + HOUR, labels=("b", "a"))
    assert second == Standing(("a", "b"), 2, ConversationState.OPEN, NOW, NOW + HOUR, remind_at=SOON)
    answered = after_message(second, Voice.MEMBER, NOW + 2 * HOUR)
    assert (answered.messages, answered.waiting_since, answered.respond_by) == (3, None, None)
    third = after_message(answered, Voice.CUSTOMER, NOW + 3 * HOUR)
    assert third.waiting_since == NOW + 3 * HOUR


def test_what_machines_send_begins_closed_until_a_customer_writes() -> None:
    newsletter = after_message(None, Voice.ASIDE, NOW)
    assert (newsletter.state, newsletter.waiting_since) == (ConversationState.CLOSED, None)
    assert after_message(newsletter, Voice.ASIDE, NOW).state is ConversationState.CLOSED
    assert after_message(newsletter, Voice.CUSTOMER, NOW).state is ConversationState.OPEN


def test_a_plan_says_whose_conversation_it_begins() -> None:
    """A machine is nobody's customer."""
    assert plan(to("ewa"), author=ANNA).customer == "anna@klient.pl"
    assert plan(to("ewa"), author=Author(Voice.ASIDE, "news@shop.example")).customer is None


def test_a_repetition_counts_as_no_message() -> None:
    twin = Twin(1, "01J", (SUPPORT,), ("ewa",))
    made = plan(to("jan", BILLING, labels=("new",)), state=State(twin=twin, conversation=KNOWN), author=ANNA)
    assert made.standing == Standing(("old", "new"), 2, waiting_since=NOW, also=((BILLING, "jan"),))


def test_who_must_approve_stays_with_the_conversation() -> None:
    """A later message adds to it, and takes nothing back."""
    wants_lead = Decision(SUPPORT, approve=("lead",))
    known = State(replace(KNOWN, standing=replace(KNOWN.standing, approve=("jan",))))
    assert plan(wants_lead).standing.approve == ("lead",)
    assert plan(wants_lead, state=known).standing.approve == ("jan", "lead")
    assert plan(Decision(SUPPORT), state=known).standing.approve == ("jan",)


def test_a_priority_that_was_set_by_hand_goes_before_what_rules_give() -> None:
    """Also the lower one, from the next message on."""
    rules_say = Decision(SUPPORT, priority=Priority.HIGH)
    by_hand = State(replace(KNOWN, standing=replace(KNOWN.standing, priority=Priority.LOW)))
    assert plan(rules_say, state=State(KNOWN)).priority is Priority.HIGH
    assert plan(rules_say, state=by_hand).priority is Priority.LOW
