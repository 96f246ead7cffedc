"""What changes between two rulesets, by the rule that changes it."""

from hypothesis import given, settings
from hypothesis import strategies as st
from rule_sets import facts_of, ruleset_of

from routerd.rules.trying.replay_diff import (
    Change,
    Example,
    Figures,
    RuleBook,
    Ruled,
    Tally,
    changes_between,
    never_matched,
)


def ruled(*rules: str, subject: str = "Hello", inboxes: tuple[str, ...] = ("support@example.com",)) -> Ruled:
    """What rules `- {…}` make of a message to these inboxes."""
    ruleset = ruleset_of("rules:\n" + "".join(f"  - {rule}\n" for rule in rules))
    facts = facts_of(subject=subject)
    return RuleBook(ruleset).ruled([ruleset.decide(facts.at_inbox(inbox, (inbox,))) for inbox in inboxes])


def rule(name: str, then: str, when: str = "always: true") -> str:
    return f"{{name: {name}, when: {{{when}}}, then: {{{then}}}}}"


def said(before: tuple[str, ...], after: tuple[str, ...]) -> list[str]:
    """As `RULE: CHANGE`."""
    return [f"{one.rule}: {one.what}" for one in changes_between(ruled(*before), ruled(*after))]


def test_nothing_changes_where_both_say_the_same() -> None:
    """Also where another rule says it."""
    assert said((rule("a", "assign: finance"),), (rule("b", "assign: finance"),)) == []
    assert said((rule("a", "label: x"),), (rule("b", "label: x"),)) == []


def test_a_rule_that_takes_over() -> None:
    """From the default, from another rule below it, from itself with another target."""
    taken = "1.yaml/a: assigned to finance instead of "
    assert said((rule("z", "label: x"),), (rule("z", "label: x"), rule("a", "assign: finance"))) == [taken + "duty"]
    below = rule("b", "assign: sales")
    assert said((below,), (rule("a", "assign: finance"), below)) == [taken + "sales"]
    assert said((rule("a", "assign: sales"),), (rule("a", "assign: finance"),)) == [taken + "sales"]


def test_a_rule_that_lets_go() -> None:
    """The rule that no longer matches is named: whoever is next had been there before."""
    below = rule("b", "assign: sales")
    was = (rule("a", "assign: finance"), below)
    assert said(was, (rule("a", "assign: finance", "subject: no"), below)) == [
        "1.yaml/a: no longer assigned to finance; sales has it"
    ]
    assert said(was, (rule("c", "label: x", "subject: no"),)) == [
        "1.yaml/a: no longer assigned to finance; duty has it by default"
    ]


def test_each_kind_of_change() -> None:
    """Labels, priority, watchers, held, rejected, deadlines, headers and copies outside; each by its rule."""
    before = (
        rule("a", "label: [x, y], priority: high, watch: ewa, hold: why"),
        rule("b", "respond_within: 4h, header: {X-A: one}, forward: out@far.example"),
    )
    after = (
        rule("a", "label: [x, z], priority: low, watch: [jan], hold: other"),
        rule("b", "respond_within: 2h, header: {X-A: two}, reject: go away"),
    )
    assert said(before, after) == [
        "1.yaml/a: priority low instead of high",
        "1.yaml/a: held: other (was: why)",
        "1.yaml/b: rejected: go away",
        "1.yaml/b: respond_within 2h instead of 4h",
        "1.yaml/a: label z added",
        "1.yaml/a: label y gone",
        "1.yaml/a: watcher jan added",
        "1.yaml/a: watcher ewa gone",
        "1.yaml/b: forward out@far.example gone",
        "1.yaml/b: header X-A: two added",
        "1.yaml/b: header X-A: one gone",
    ]


def test_the_rule_that_gives_the_highest_priority_is_named() -> None:
    """Not the first that gives any."""
    found = ruled(rule("a", "priority: low"), rule("b", "priority: high"))
    assert found.one["priority"] == ("high", "1.yaml/b")


def test_owners_of_other_inboxes_watch() -> None:
    """As the desk has it: the home inbox's owner owns, the others' watch."""
    found = ruled(rule("a", "label: x"), inboxes=("support@example.com", "billing@example.com"))
    assert found.one["owner"] == ("duty", "")
    assert found.many["watchers"] == {"finance": ""}


def test_rules_that_met_nothing() -> None:
    """In their order; a rule on trial that met something is none of them."""
    ruleset = ruleset_of(
        f"rules:\n  - {rule('a', 'label: x')}\n  - {rule('b', 'label: x', 'subject: no')}\n"
        "  - {name: c, mode: trial, when: {subject: no}, then: {label: x}}\n"
        "  - {name: d, mode: trial, when: {always: true}, then: {label: x}}\n"
    )
    figures = Figures()
    figures.add(RuleBook(ruleset).ruled([ruleset.decide(facts_of())]), Example("x", "y"), 1)
    assert [one.ref.name for one in never_matched(ruleset, figures)] == ["b", "c"]


def test_a_trial_is_counted_and_changes_nothing() -> None:
    """How many messages it met, with the first of them; what it would do is no change."""
    tally = Tally(max_examples=1)
    without = ruled(rule("a", "label: x", "subject: no"))
    tried = ruled("{name: a, mode: trial, when: {always: true}, then: {label: x}}")
    for number in range(3):
        tally.add(without, tried, Example("subject", f"place {number}"))
    assert (tally.changed, tally.before.trials) == (0, {})
    seen = tally.after.trials["1.yaml/a"]
    assert (seen.messages, seen.examples) == (3, [Example("subject", "place 0")])


RULED = [
    ruled(
        rule("a", "assign: finance, label: x", "subject: one"), rule("b", "priority: high", "subject: two"), subject=s
    )
    for s in ("one", "two", "one two", "none")
]


@given(
    st.lists(st.tuples(st.sampled_from(RULED), st.sampled_from(RULED), st.integers(0, 9)), max_size=30),
    st.integers(1, 10),
    st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_pieces_add_up_to_the_whole(pairs: list[tuple[Ruled, Ruled, int]], piece: int, most: int) -> None:
    """However the messages are shared out: counts, examples and their order."""

    def tally(some: list[tuple[Ruled, Ruled, int]]) -> Tally:
        found = Tally(most)
        for number, (before, after, kind) in enumerate(some):
            if kind == 0:
                found.add_broken(Example("broken", str(number)))
            elif kind == 1:
                found.add_not_ours()
            else:
                found.add(before, after, Example("subject", str(id(before))))
        return found

    whole, merged = tally(pairs), Tally(most)
    for start in range(0, len(pairs), piece):
        merged.merge(tally(pairs[start : start + piece]))
    assert [(one, seen) for _, found in merged.by_rule() for one, seen in found] == [
        (one, seen) for _, found in whole.by_rule() for one, seen in found
    ]
    assert (merged.before, merged.after, merged.aspects) == (whole.before, whole.after, whole.aspects)
    assert (merged.messages, merged.changed, merged.broken) == (whole.messages, whole.changed, whole.broken)
    assert merged.decided == merged.changed + merged.unchanged == sum(merged.before.owners.values())
    assert all(isinstance(one, Change) and len(seen.examples) <= most for one, seen in merged.changes.items())
