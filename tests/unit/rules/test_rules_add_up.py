"""How rules add up, from rule files to who gets what: twelve sentences in their order, each with its limit."""

from datetime import timedelta
from typing import Any

import pytest
from mailed import BILLING, SUPPORT, State, decided, mailed, matched, recipient, rule, rules
from rule_sets import ALL_GRANTED, AT, facts_of, problems_of, ruleset_of

from routerd.desk.plan import Conversation, ConversationId, Standing
from routerd.desk.refusal import for_each, refusals
from routerd.message.envelope import Accepted, Client, Envelope, Protocol, Purpose, QueueId, Received, Refused
from routerd.rules.compile import compile_ruleset
from routerd.rules.conditions.truth import Always
from routerd.rules.decision import Decision, Priority
from routerd.rules.facts import ConversationFacts, Seen

KNOWN = State(Conversation(ConversationId(7), SUPPORT, "ewa", "finance", 1, Standing(("old",), 2)))


# 1. From top to bottom: labels stack, the first that assigns gives the owner.


def test_1_labels_stack_and_the_first_owner_counts() -> None:
    """Labels of all, the first assign, all watchers, the highest priority, the shortest time, the first header."""
    decision = decided(
        rules(
            rule("a", "{label: [x, y], priority: low, watch: ewa, respond_within: 2d}"),
            rule("b", "{assign: finance, label: y, priority: high, watch: [sales, ewa], hold: one, header: {X-A: 1}}"),
        ),
        rules(
            rule("c", "{assign: sales, label: z, priority: normal, respond_within: 4h, hold: two, header: {x-a: 2}}"),
            rule("d", "{respond_within: 5h, reject: no, forward: a@out.example}"),
        ),
    )
    assert decision.labels == ("x", "y", "z")
    assert decision.assign is not None
    assert (decision.assign.target, str(decision.assign.rule)) == ("finance", "1.yaml/b")
    assert decision.priority is Priority.HIGH
    assert decision.watch == ("ewa", "sales")
    assert decision.respond_within == timedelta(hours=4)
    assert decision.headers == (("X-A", "1"),)
    assert (decision.hold, decision.reject, decision.forward) == ("one", "no", ("a@out.example",))


def test_1_a_rule_that_does_not_match_adds_nothing() -> None:
    """Nor does a lower one take the owner, lower the priority or prolong the time."""
    other = rule("a", "{assign: sales, label: a, watch: omar, priority: high, hold: x}", "{subject: nothing}")
    counts = rule("b", "{assign: finance, priority: normal, respond_within: 4h}")
    late = rule("c", "{assign: omar, priority: low, respond_within: 5h}")
    decision = decided(rules(other, counts, late))
    assert decision.assign is not None
    assert (decision.assign.target, decision.priority) == ("finance", Priority.NORMAL)
    assert (decision.labels, decision.watch, decision.hold) == ((), (), None)
    assert decision.respond_within == timedelta(hours=4)


def test_1_files_in_the_order_of_their_names() -> None:
    """By code point: `10-` before `9-`."""
    files = {name: rules(rule("r", f"{{label: l{name[:1]}}}")).encode() for name in ("9-a.yaml", "10-b.yaml")}
    compiled = compile_ruleset(files, ALL_GRANTED)
    assert compiled.ruleset is not None
    assert compiled.ruleset.decide(facts_of()).labels == ("l1", "l9")


def test_1_a_file_reads_only_its_inboxes() -> None:
    """`inbox:` at the top of a file, an alias included."""
    text = rules(rule("a", "{label: x}"), head="inbox: help@example.com\n")
    assert matched(text) == ["1.yaml/a"]
    assert matched(text, inbox=BILLING) == []


# 2. `stop: true` ends the file, `stop: all` everything.


def test_2_stop_ends_the_file_or_everything() -> None:
    """The trace names what stopped."""
    second = rules(rule("c", "{label: c}"))
    assert matched(rules(rule("a", "{stop: true}"), rule("b", "{label: b}")), second) == ["1.yaml/a", "2.yaml/c"]
    ended = decided(rules(rule("a", "{stop: all}"), rule("b", "{label: b}")), second)
    assert [str(match.rule) for match in ended.trace.matches] == [str(ended.trace.stopped_by)] == ["1.yaml/a"]


def test_2_only_a_rule_that_matches_and_has_effect_stops() -> None:
    """Neither one that does not match, nor one that cannot be told, nor one on trial."""
    stops = (
        rule("a", "{stop: all}", "{subject: nothing}"),
        rule("b", "{stop: all}", "{is: internal}"),
        rule("c", "{stop: all}", more=", mode: trial"),
    )
    assert matched(rules(*stops, rule("d", "{label: x}")), internal=None) == ["1.yaml/d"]


def test_2_a_stop_ends_it_for_this_inbox_only() -> None:
    """Another inbox's rules go on."""
    stops = rules(rule("a", "{stop: all}"), head=f"inbox: {SUPPORT}\n")
    home, other = mailed(stops, rules(rule("b", "{label: x}")), rcpt=(SUPPORT, BILLING)).decisions
    assert (home.labels, other.labels) == ((), ("x",))


# 3. A rule sees the message as it came, and the labels given above.


def test_3_labels_are_seen_by_rules_below() -> None:
    """Also by another file, and none from below."""
    assert matched(
        rules(rule("early", "{label: e}", "{label: given}"), rule("gives", "{label: given}")),
        rules(rule("late", "{label: l}", "{label: [other, given]}")),
    ) == ["1.yaml/gives", "2.yaml/late"]


def test_3_labels_of_a_trial_of_another_inbox_and_of_the_conversation_are_not() -> None:
    trial = rule("a", "{label: x}", more=", mode: trial")
    assert matched(rules(trial, rule("b", "{label: y}", "{label: x}"))) == []
    whole = rules(rule("a", "{label: x}"), head="mode: trial\n")
    assert matched(whole, rules(rule("b", "{label: y}", "{label: x}"))) == []
    for_home = rules(rule("a", "{label: x}"), head=f"inbox: {SUPPORT}\n")
    _, other = mailed(for_home, rules(rule("b", "{label: y}", "{label: x}")), rcpt=(SUPPORT, BILLING)).decisions
    assert other.labels == ()
    known = ConversationFacts("ewa", None, frozenset({"x"}), "open", 1, None)
    assert matched(rules(rule("b", "{label: y}", "{label: x}")), conversation=known) == []


def test_3_nothing_else_that_another_rule_did_is_seen() -> None:
    """What comes in bearing our names is not seen either: both are errors, for such a condition never holds."""
    gives = rule("a", "{header: {X-Class: B2B}}")
    [given] = problems_of(rules(gives, rule("b", "{label: y}", "{header: {X-Class: B2B}}")), ALL_GRANTED)
    assert "is cut from what comes in, because a.yaml/a gives it" in given
    [ours] = problems_of(rules(rule("b", "{label: y}", "{header: {X-Labels: x}}")))
    assert "X-Labels is cut from what comes in" in ours


# 4. No rule assigns: the inbox's default owns it.


def test_4_where_no_rule_assigns_the_inboxs_default_owns() -> None:
    """Each inbox has its own."""
    assert mailed(rules(rule("a", "{label: x}"))).plan.owner == "jan"
    assert mailed(rcpt=(BILLING,)).plan.owner == "ewa"


def test_4_a_rule_that_assigns_takes_it_from_the_default() -> None:
    """But not one that only watches, is on trial, or whose table has no row."""
    assert mailed(rules(rule("a", "{assign: omar}"))).plan.owner == "omar"
    assert (
        mailed(rules(rule("a", "{watch: omar}"), rule("b", "{assign: ewa}", more=", mode: trial"))).plan.owner == "jan"
    )


# 5. In a known conversation the owner stays.


def test_5_in_a_known_conversation_the_owner_stays_and_the_rest_works_as_ever() -> None:
    made = mailed(rules(rule("a", "{assign: omar, label: x, priority: high, watch: jan}")), state=KNOWN).plan
    assert (made.owner, made.labels, made.priority) == ("ewa", ("x",), Priority.HIGH)
    assert [copy.member for copy in made.copies] == ["ewa", "jan"]


def test_5_the_first_that_reassigns_counts_there() -> None:
    """Whatever assigns above it; one on trial, or that does not match, does not."""
    moves = rules(
        rule("a", "{assign: jan}"),
        rule("b", "{assign: jan, reassign: true}", "{subject: nothing}"),
        rule("c", "{assign: jan, reassign: true}", more=", mode: trial"),
        rule("d", "{assign: omar, reassign: true}"),
        rule("e", "{assign: duty, reassign: true}"),
    )
    assert mailed(moves, state=KNOWN).plan.owner == "omar"
    assert mailed(moves).plan.owner == "jan"


@pytest.mark.parametrize("target", ["ewa", "finance", "sales"])
def test_5_nothing_changes_where_he_is_that_member_or_in_that_team(target: str) -> None:
    """And no rule below it gets its turn."""
    moves = rules(rule("a", f"{{assign: {target}, reassign: true}}"), rule("b", "{assign: jan, reassign: true}"))
    made = mailed(moves, state=KNOWN).plan
    assert (made.owner, made.team, made.turns) == ("ewa", "finance", ())


def test_5_reassign_without_assign_is_an_error() -> None:
    [problem] = problems_of(rules(rule("a", "{reassign: true, label: x}")), ALL_GRANTED)
    assert "reassign without assign" in problem


# 6. Several inboxes, one owner.

FOR_BOTH = (
    rules(rule("a", "{assign: omar, label: s}"), head=f"inbox: {SUPPORT}\n"),
    rules(rule("b", "{assign: ewa, label: b}"), head=f"inbox: {BILLING}\n"),
)


def test_6_each_inbox_is_decided_by_its_own_rules_and_one_owner_has_it() -> None:
    """The other's owner watches, labels join, and it is said whom the other inbox has it from."""
    both = mailed(*FOR_BOTH, rcpt=(SUPPORT, BILLING))
    assert both.copies == [("omar", "owner"), ("ewa", "watcher")]
    assert (both.plan.inbox, both.plan.labels, both.plan.also) == (SUPPORT, ("s", "b"), ((BILLING, "ewa"),))


@pytest.mark.parametrize(
    ("to", "cc", "home"),
    [
        ((BILLING, SUPPORT), "", BILLING),
        (("a@b.example", SUPPORT), BILLING, SUPPORT),
        (("a@b.example",), BILLING, BILLING),
        (("a@b.example",), "", SUPPORT),  # RCPT names it first
    ],
)
def test_6_it_lives_where_to_or_cc_names_first_else_the_first_recipient(
    to: tuple[str, ...], cc: str, home: str
) -> None:
    message: dict[str, Any] = {"to": to, "headers": (("Cc", cc),) if cc else ()}
    plan = mailed(*FOR_BOTH, rcpt=(SUPPORT, BILLING), **message).plan
    assert (plan.inbox, plan.owner) == (home, "omar" if home == SUPPORT else "ewa")


def test_6_nobody_gets_two_copies() -> None:
    same = rules(rule("a", "{assign: ewa, watch: [finance, jan]}"))
    assert mailed(same, rcpt=(SUPPORT, BILLING)).copies == [("ewa", "owner"), ("jan", "watcher")]


# 7. `reject` wins over `hold`, `hold` over delivery.


def test_7_reject_wins_over_hold_and_hold_over_delivery() -> None:
    """What cannot be refused any more is held, for each of its copies, and takes no turn in a rotation."""
    held = rule("a", "{assign: finance, hold: look first, watch: omar}")
    assert mailed(rules(held)).held == {"ewa": "look first", "omar": "look first"}
    assert mailed(rules(held)).plan.turns == (("finance", "ewa"),)
    rejected = mailed(rules(held, rule("b", "{reject: no thanks}")))
    assert rejected.held == {"ewa": "rejected: no thanks", "omar": "rejected: no thanks"}
    assert rejected.plan.turns == ()


def test_7_of_two_inboxes_the_one_that_rejects_holds_its_part() -> None:
    rejects = rules(rule("c", "{reject: no thanks}"), head=f"inbox: {BILLING}\n")
    both = mailed(*FOR_BOTH, rejects, rcpt=(SUPPORT, BILLING))
    assert both.held == {"ewa": "rejected: no thanks"}
    assert answers(both.decisions, Protocol.SMTP) == ["taken"]
    assert answers(both.decisions, Protocol.LMTP) == ["taken", "550 5.7.1 no thanks"]
    assert answers(both.decisions[1:], Protocol.SMTP) == ["550 5.7.1 no thanks"]


def test_7_through_a_trusted_hop_and_in_a_known_conversation_nobody_is_refused() -> None:
    """But through a hop whose listener is set to `reject_through`, and there not in a known conversation either."""
    decisions = mailed(rules(rule("a", "{reject: no thanks}"))).decisions
    assert answers(decisions, trusted=True) == ["taken"]
    assert answers(decisions, trusted=True, reject_through=True) == ["550 5.7.1 no thanks"]
    assert answers(decisions, is_known=True) == answers(decisions, is_known=True, reject_through=True) == ["taken"]


def answers(
    decisions: tuple[Decision, ...],
    protocol: Protocol = Protocol.SMTP,
    trusted: bool = False,
    is_known: bool = False,
    reject_through: bool = False,
) -> list[str]:
    client = Client("192.0.2.1", 1, "c", protocol, "l", trusted=trusted)
    envelope = Envelope("a@b.example", tuple(recipient(decision.inbox) for decision in decisions))
    received = Received(QueueId("q"), envelope, client, b"", AT)
    refused = refusals(received, decisions, is_known=is_known, reject_through=reject_through)
    verdicts = for_each(received, refused, Accepted(QueueId("q")))
    return [
        f"{verdict.code} {verdict.status} {verdict.text}" if isinstance(verdict, Refused) else "taken"
        for verdict in verdicts
    ]


# 8 and 9, of what is not there or not known: test_rules_missing_facts.py

# 10. A rule that fails while it runs is skipped. That it is counted and logged is shown with the router.


def test_10_a_rule_that_fails_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named in the trace, and the rules after it count as ever."""
    ruleset = ruleset_of(rules(rule("bad", "{label: x, stop: all}"), rule("good", "{label: y}", "{subject: hello}")))
    monkeypatch.setattr(Always, "truth", fail)
    decision = ruleset.decide(facts_of())
    assert decision.labels == ("y",)
    [skipped] = decision.trace.failed
    assert (str(skipped.rule), skipped.reason) == ("1.yaml/bad", "ZeroDivisionError: of all things")


def test_10_one_that_matched_and_cannot_say_why_is_skipped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its actions are not taken: what cannot be explained is not done."""
    ruleset = ruleset_of(rules(rule("bad", "{label: x}"), rule("good", "{label: y}", "{subject: hello}")))
    monkeypatch.setattr(Always, "evidence", fail)
    assert ruleset.decide(facts_of()).labels == ("y",)


def fail(self: Always, seen: Seen) -> None:
    raise ZeroDivisionError("of all things")


# 11. A set takes effect whole or not at all. What a daemon does with it is shown where rules change while it runs.


def test_11_one_bad_rule_and_there_is_no_set() -> None:
    """Nor is there one where a list is not to be had; its good files say nothing by themselves."""
    good = rules(rule("a", "{label: x}")).encode()
    for bad in (
        rules(rule("b", "{assign: nobody}")),
        rules(rule("b", "{label: x}", "{subject: {in: lists/gone.txt}}")),
    ):
        assert compile_ruleset({"1.yaml": good, "2.yaml": bad.encode()}, ALL_GRANTED).ruleset is None
    assert compile_ruleset({"1.yaml": good}, ALL_GRANTED).ruleset is not None


def test_11_the_revision_follows_the_files() -> None:
    """The same files have the same revision, in any order; another byte has another."""
    one, other = rules(rule("a", "{label: x}")), rules(rule("a", "{label: y}"))
    assert ruleset_of(one).revision == ruleset_of(one).revision == ruleset_of(one).decide(facts_of()).revision
    assert ruleset_of(one).revision != ruleset_of(other).revision


# 12. Rules read mail that comes to inboxes.


@pytest.mark.parametrize("purpose", [Purpose.POSTMASTER, Purpose.RETURN_PATH])
def test_12_what_comes_to_other_addresses_of_ours_is_not_read(purpose: Purpose) -> None:
    """It is the postmaster's; what comes to an inbox beside them is read."""
    reads = rules(rule("a", "{assign: omar, label: x, reject: no thanks}"))
    [decision] = mailed(reads, rcpt=(recipient("postmaster@example.com", purpose, SUPPORT),)).decisions
    assert decision.assign is not None
    assert (decision.assign.target, decision.reject, decision.trace.matches) == ("duty", None, ())
    [read] = mailed(reads, rcpt=(SUPPORT, recipient("postmaster@example.com", purpose, SUPPORT))).decisions
    assert read.labels == ("x",)
