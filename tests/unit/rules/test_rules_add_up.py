"""How the rules of all files add up to one decision."""

from dataclasses import replace

import pytest
from rule_sets import ALL_GRANTED, facts_of, ruleset_of

from routerd.message.view import MessageView
from routerd.rules.compile import compile_ruleset
from routerd.rules.conditions.truth import Always
from routerd.rules.decision import Priority
from routerd.rules.facts import Seen
from routerd.rules.ruleset import Ruleset


def rule(name: str, then: str, when: str = "{always: true}") -> str:
    return f"  - {{name: {name}, when: {when}, then: {then}}}\n"


def rules(*lines: str, head: str = "") -> str:
    return head + "rules:\n" + "".join(lines)


def matched(ruleset: Ruleset, **message: object) -> list[str]:
    return [str(match.rule) for match in ruleset.decide(facts_of(**message)).trace.matches]


def test_labels_stack_and_the_first_owner_counts() -> None:
    """Labels of all rules, the first assign, all watchers, the highest priority, the first reason."""
    decision = ruleset_of(
        rules(
            rule("a", "{label: [x, y], priority: low, watch: ewa}"),
            rule("b", "{assign: finance, label: y, priority: high, watch: [sales, ewa], hold: first}"),
            rule("c", "{assign: sales, label: z, priority: normal, hold: second, reject: no}"),
        )
    ).decide(facts_of())
    assert decision.labels == ("x", "y", "z")
    assert decision.assign is not None
    assert (decision.assign.target, str(decision.assign.rule)) == ("finance", "1.yaml/b")
    assert decision.priority is Priority.HIGH
    assert decision.watch == ("ewa", "sales")
    assert (decision.hold, decision.reject) == ("first", "no")


def test_no_rule_assigns() -> None:
    """Then the decision names nobody, and the inbox's default owns it."""
    assert ruleset_of(rules(rule("a", "{label: x}"))).decide(facts_of()).assign is None


def test_stop_ends_the_file_or_everything() -> None:
    """`stop: true` ends its file, `stop: all` all files; the trace names what stopped."""
    second = rules(rule("c", "{label: c}"))
    stopped = ruleset_of(rules(rule("a", "{stop: true}"), rule("b", "{label: b}")), second)
    assert matched(stopped) == ["1.yaml/a", "2.yaml/c"]
    ended = ruleset_of(rules(rule("a", "{stop: all}"), rule("b", "{label: b}")), second)
    assert matched(ended) == ["1.yaml/a"]
    assert str(ended.decide(facts_of()).trace.stopped_by) == "1.yaml/a"


def test_labels_are_seen_by_rules_below() -> None:
    """A rule sees labels given above it, also by another file, and none from below."""
    ruleset = ruleset_of(
        rules(rule("early", "{label: e}", "{label: given}"), rule("gives", "{label: given}")),
        rules(rule("late", "{label: l}", "{label: [other, given]}")),
    )
    assert matched(ruleset) == ["1.yaml/gives", "2.yaml/late"]


def test_a_file_reads_only_its_inboxes() -> None:
    """`inbox:` at the top of a file, an alias included."""
    ruleset = ruleset_of(rules(rule("a", "{label: x}"), head="inbox: help@example.com\n"))
    assert matched(ruleset) == ["1.yaml/a"]
    assert matched(ruleset, inbox="billing@example.com") == []


def test_files_in_the_order_of_their_names() -> None:
    """By code point: `10-` before `9-`."""

    files = {name: rules(rule("r", f"{{label: l{name[:1]}}}")).encode() for name in ("9-a.yaml", "10-b.yaml")}
    compiled = compile_ruleset(files, ALL_GRANTED)
    assert compiled.ruleset is not None
    assert compiled.ruleset.decide(facts_of()).labels == ("l1", "l9")


def test_a_rule_that_fails_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named in the trace, and the rules after it count as ever."""

    def fail(self: Always, seen: Seen) -> None:
        raise ZeroDivisionError("of all things")

    ruleset = ruleset_of(rules(rule("bad", "{label: x}"), rule("good", "{label: y}", "{subject: hello}")))
    monkeypatch.setattr(Always, "truth", fail)
    decision = ruleset.decide(facts_of())
    assert decision.labels == ("y",)
    (skipped,) = decision.trace.failed
    assert (str(skipped.rule), skipped.reason) == ("1.yaml/bad", "ZeroDivisionError: of all things")


def test_the_revision_follows_the_files() -> None:
    """The same files have the same revision, in any order; another byte has another."""
    one, other = rules(rule("a", "{label: x}")), rules(rule("a", "{label: y}"))
    assert ruleset_of(one).revision == ruleset_of(one).revision == ruleset_of(one).decide(facts_of()).revision
    assert ruleset_of(one).revision != ruleset_of(other).revision


def test_an_untouched_field_is_not_decoded() -> None:
    """A rule on the subject leaves the text alone; a second inbox folds nothing again."""
    ruleset = ruleset_of(rules(rule("a", "{label: x}", "{subject: hello}")))
    facts = facts_of()
    ruleset.decide(facts)
    assert "body" not in facts.texts._parts
    assert facts.at_inbox("billing@example.com", ()).texts is facts.texts


def test_text_that_was_cut_is_noted() -> None:
    """A text cut at limits.rule_text is in the trace, where a rule asked for it."""

    facts = facts_of()
    long = MessageView(b"From: a@b.example\r\nSubject: x\r\n\r\n" + b"word " * 4000 + b"\r\n", text_limit=1000)
    cut = replace(facts, view=long, texts=None)  # type: ignore[arg-type]
    asks = ruleset_of(rules(rule("a", "{label: x}", "{body: nothing}")))
    assert asks.decide(cut).trace.notes
    assert not asks.decide(facts_of()).trace.notes
    assert not ruleset_of(rules(rule("a", "{label: x}", "{subject: y}"))).decide(replace(cut, texts=None)).trace.notes  # type: ignore[arg-type]
