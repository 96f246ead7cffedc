"""Who gets a message: the plan, on a state given by hand."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from routerd.config.settings import Settings
from routerd.desk.assign import assign, last_resort_plan, next_in_line
from routerd.desk.changes import Role
from routerd.desk.plan import Conversation, ConversationId, Plan, Twin
from routerd.desk.roster import Roster
from routerd.rules.decision import Assign, Decision, Priority, RuleRef

NOW = datetime(2026, 12, 24, 12, tzinfo=UTC)
RULE = RuleRef("20-finance.yaml", "invoices")
SUPPORT = "support@example.com"
BILLING = "billing@example.com"


@dataclass
class State:
    conversation: Conversation | None = None
    twin: Twin | None = None
    turns: dict[str, str] = field(default_factory=dict)
    loads: dict[str, int] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)  # by customer

    def last_turn(self, team: str) -> str | None:
        return self.turns.get(team)

    def load(self, member: str) -> int:
        return self.loads.get(member, 0)

    def last_owner(self, customer: str) -> str | None:
        return self.owners.get(customer)


def roster(**changes: object) -> Roster:
    values: dict[str, object] = {
        "hostname": "mx1.example.com",
        "postmaster": "duty",
        "members": {
            "ewa": {"name": "Ewa Nowak", "mailbox": "ewa@example.com"},
            "jan": {"mailbox": "jan@example.com"},
            "omar": {"mailbox": "omar@example.com"},
            "adam": {"mailbox": "adam@example.com"},
        },
        "teams": {
            "finance": {"members": ["ewa", "jan", "omar"], "pick": "round_robin", "fallback": "duty"},
            "sales": {"members": ["omar", "ewa"], "pick": "least_loaded"},
            "duty": {"members": ["adam"], "pick": "first"},
        },
        "inboxes": {SUPPORT: {"default": "duty"}, BILLING: {"default": "finance"}},
        "delivery": [{"domain": "*", "maildir": "/var/mail/{local}"}],
    }
    values.update(changes)
    return Roster(Settings.model_validate(values))


def away(*members: str, **deputies: str) -> Roster:
    people = {
        name: {
            "mailbox": f"{name}@example.com",
            **({"away": "2026-12-20..2026-12-31"} if name in members else {}),
            **({"deputy": deputies[name]} if name in deputies else {}),
        }
        for name in ("ewa", "jan", "omar", "adam")
    }
    return roster(members=people)


def plan(*decisions: Decision, people: Roster | None = None, state: State | None = None, now: datetime = NOW) -> Plan:
    return assign(decisions, people or roster(), state or State(), now, lambda names: names[-1])


def to(target: str, inbox: str = SUPPORT, **more: object) -> Decision:
    return Decision(inbox, assign=Assign(target, RULE), **more)  # type: ignore[arg-type]


def test_a_rotation_goes_round_in_the_teams_order() -> None:
    """Each turn goes to the one after the last, and the plan moves the rotation on."""
    order = []
    turns: dict[str, str] = {}
    for _ in range(4):
        made = plan(to("finance"), state=State(turns=turns))
        order.append(made.owner)
        turns = dict(made.turns)
    assert order == ["ewa", "jan", "omar", "ewa"]
    assert made.why == "owner by finance/round_robin"
    assert made.team == "finance"


def test_a_rotation_passes_over_who_is_away_and_who_left() -> None:
    """An absent member loses the turn; a last turn of somebody who left starts from the top."""
    assert plan(to("finance"), people=away("jan"), state=State(turns={"finance": "ewa"})).owner == "omar"
    assert plan(to("finance"), state=State(turns={"finance": "gone"})).owner == "ewa"


def test_least_loaded_takes_the_one_with_fewest() -> None:
    """Equal loads go to who stands first."""
    assert plan(to("sales"), state=State(loads={"omar": 2, "ewa": 1})).owner == "ewa"
    assert plan(to("sales"), state=State(loads={"omar": 1, "ewa": 1})).owner == "omar"


def test_an_absent_member_is_covered_by_the_chain_of_deputies() -> None:
    """ewa → jan (away too) → omar, and the reason says so."""
    made = plan(to("ewa"), people=away("ewa", "jan", ewa="jan", jan="omar"))
    assert made.owner == "omar"
    assert made.why == "owner: omar, deputy of ewa who is away"


@pytest.mark.parametrize(
    ("gone", "owner", "reason"),
    [
        (("ewa", "jan", "omar"), "adam", "owner by duty/first; all of finance are away"),
        (
            ("ewa", "jan", "omar", "adam"),
            "adam",
            "owner by default: adam, the last in line; nobody of finance is there",
        ),
    ],
)
def test_a_team_that_is_away_falls_back_and_at_last_the_postmaster_owns(
    gone: tuple[str, ...], owner: str, reason: str
) -> None:
    """Every message has an owner, even when nobody is there."""
    made = plan(to("finance"), people=away(*gone))
    assert (made.owner, made.why) == (owner, reason)


def test_absence_ends_with_its_last_day() -> None:
    """Both ends of the range are days of absence, in UTC."""
    people = away("ewa")
    assert plan(to("ewa"), people=people, now=datetime(2026, 12, 31, 23, 59, tzinfo=UTC)).owner == "adam"
    assert plan(to("ewa"), people=people, now=datetime(2027, 1, 1, tzinfo=UTC)).owner == "ewa"


def test_no_rule_assigns_the_inboxs_default_owns() -> None:
    made = plan(Decision(SUPPORT))
    assert (made.owner, made.team, made.why) == ("adam", "duty", "owner by default: duty/first")


def test_two_inboxes_have_one_owner_and_the_other_watches() -> None:
    """The home inbox's decision gives the owner; labels join; nobody gets two copies."""
    made = plan(
        to("ewa", labels=("complaint",), priority=Priority.LOW),
        to("jan", BILLING, labels=("invoice", "complaint"), priority=Priority.HIGH, watch=("finance",)),
    )
    assert made.owner == "ewa"
    assert made.also == ((BILLING, "jan"),)
    assert made.labels == ("complaint", "invoice")
    assert made.priority is Priority.HIGH
    assert [(copy.member, copy.role) for copy in made.copies] == [
        ("ewa", Role.OWNER),
        ("jan", Role.WATCHER),
        ("omar", Role.WATCHER),
    ]


def test_a_rejecting_inbox_holds_its_part_only() -> None:
    """The owner's copy goes out, the other inbox's waits with the reason."""
    made = plan(to("ewa"), to("jan", BILLING, reject="no thanks"))
    assert [(copy.member, copy.held) for copy in made.copies] == [("ewa", None), ("jan", "rejected: no thanks")]


def test_a_copy_that_one_inbox_lets_through_is_not_held_by_another() -> None:
    made = plan(to("ewa", hold="look first"), to("ewa", BILLING))
    assert [(copy.member, copy.held) for copy in made.copies] == [("ewa", None)]


def test_copies_team_sends_to_everyone_of_the_team_that_was_picked() -> None:
    people = roster(inboxes={SUPPORT: {"default": "duty", "copies": "team"}, BILLING: {"default": "finance"}})
    made = plan(to("finance"), people=people)
    assert {(copy.member, copy.role) for copy in made.copies} == {
        ("ewa", Role.OWNER),
        ("jan", Role.TEAMMATE),
        ("omar", Role.TEAMMATE),
    }


def test_in_a_known_conversation_the_owner_stays() -> None:
    """Whatever the rules say now; and no rotation moves."""
    known = Conversation(ConversationId(7), BILLING, "omar", "finance", 3)
    made = plan(to("finance"), state=State(conversation=known))
    assert (made.owner, made.team, made.joins, made.inbox, made.turns) == ("omar", "finance", 7, BILLING, ())


def test_an_absent_owner_of_a_conversation_is_covered_and_keeps_a_copy() -> None:
    known = Conversation(ConversationId(7), SUPPORT, "ewa", None, 3)
    made = plan(to("finance"), people=away("ewa", ewa="jan"), state=State(conversation=known))
    assert made.owner == "jan"
    assert [(copy.member, copy.role) for copy in made.copies] == [("jan", Role.OWNER), ("ewa", Role.WATCHER)]
    assert made.why == "owner by the conversation: jan, deputy of ewa who is away"


def test_an_owner_who_left_the_config_is_replaced_by_the_rules_choice() -> None:
    known = Conversation(ConversationId(7), SUPPORT, "gone", None, 3)
    made = plan(to("ewa"), state=State(conversation=known))
    assert (made.owner, made.joins) == ("ewa", 7)


def test_the_same_message_again_makes_no_second_copy() -> None:
    twin = Twin(1, "01J", (SUPPORT,), ("ewa",))
    made = plan(to("ewa"), state=State(twin=twin))
    assert made.copies == ()
    assert made.owner == "ewa"


def test_the_same_message_to_another_inbox_joins_and_its_owner_watches() -> None:
    twin = Twin(1, "01J", (SUPPORT,), ("ewa",))
    known = Conversation(ConversationId(7), SUPPORT, "ewa", None, 3)
    made = plan(to("jan", BILLING), state=State(twin=twin, conversation=known))
    assert [(copy.member, copy.role) for copy in made.copies] == [("jan", Role.WATCHER)]
    assert (made.owner, made.also, made.joins) == ("ewa", ((BILLING, "jan"),), 7)


def test_the_line_is_deputy_then_team_then_fallback_then_default_then_postmaster_each_once() -> None:
    people = away(ewa="omar")
    line = []
    tried: frozenset[str] = frozenset({"ewa"})
    member = "ewa"
    while (following := next_in_line(people, member, "finance", SUPPORT, tried, NOW)) is not None:
        line.append(following.member)
        tried |= {following.member}
        member = following.member
    assert line == ["omar", "jan", "adam"]


def test_the_line_takes_the_absent_last() -> None:
    """Better somebody on holiday than a copy that is held."""
    people = away("jan")
    assert next_in_line(people, "ewa", "finance", SUPPORT, frozenset({"ewa"}), NOW).member == "omar"  # type: ignore[union-attr]
    late = next_in_line(people, "ewa", "finance", SUPPORT, frozenset({"ewa", "omar", "adam"}), NOW)
    assert late is not None
    assert late.member == "jan"


def test_the_last_resort_names_the_inboxs_default() -> None:
    made = last_resort_plan(BILLING, "routerd-error", roster(), NOW)
    assert (made.owner, made.labels) == ("ewa", ("routerd-error",))
    assert [copy.role for copy in made.copies] == [Role.OWNER]
