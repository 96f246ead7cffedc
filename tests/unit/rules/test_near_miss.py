"""How near a rule came, and where what was found stands."""

import pytest
from rule_sets import facts_of, ruleset_of

from routerd.message.view import MessageView
from routerd.rules.decision import Evidence
from routerd.rules.explaining.context import AROUND, context_of
from routerd.rules.explaining.explain import Outcome, explain_decision
from routerd.rules.explaining.near_miss import near_miss
from routerd.rules.facts import FieldText, Seen


def missed(when: str, **message: object) -> str:
    ruleset = ruleset_of(f"rules: [{{name: r, when: {when}, then: {{label: x}}}}]")
    (rule,) = ruleset.files[0].rules
    return near_miss(rule.when, Seen(facts_of(**message)))


@pytest.mark.parametrize(
    ("when", "lacked"),
    [
        ("{subject: hello, from: other.example}", "from other.example"),
        ("{subject: hello, not: {from: .pl}}", "not from .pl"),
        ("{subject: hello, not: [{from: .pl}, {subject: zzz}]}", "not from .pl"),
        ("{subject: hello, not: [{from: .pl}, {subject: hello}]}", ""),
        ("{subject: hello, any: [{from: a.example}, {from: b.example}]}", "any of (from a.example; from b.example)"),
        ("{any: [{subject: hello, from: a.example}, {subject: zzz, from: b.example}]}", "from a.example"),
        ("{subject: hello, any: [{from: .pl, subject: zzz}, {from: b.example}]}", "subject contains zzz"),
        ("{all: [{subject: hello}, {all: [{from: .pl}, {label: x}]}]}", "label x"),
        ("{subject: hello, not: {all: [{from: .pl}, {size: {over: 1}}]}}", "not all of (from .pl; size over 1)"),
        ("{subject: zzz, not: {from: other.example}}", ""),
        ("{subject: zzz, always: true}", ""),
        ("{subject: zzz}", ""),
        ("{any: [{subject: zzz}, {from: b.example}]}", ""),
        ("{subject: zzz, from: b.example, to: support@example.com}", ""),
    ],
)
def test_what_one_thing_was_lacking(when: str, lacked: str) -> None:
    """Through `all`, `any` and `not`; none where two things lack, or nothing held that had to be there."""
    assert missed(when) == lacked


def context(text: str, found: str, field: str = "subject") -> str | None:
    head = f"From: a@b.example\r\nX-Note: {text}\r\nSubject: {text}\r\nContent-Type: text/plain; charset=utf-8"
    raw = f"{head}\r\n\r\n{text}\r\n"
    context = context_of(Evidence(field, found, "contains x"), FieldText(MessageView(raw.encode())))
    return str(context) if context else None


@pytest.mark.parametrize("field", ["subject", "body", "header x-note", "text", "everything"])
def test_the_words_around(field: str) -> None:
    """In every text; whole words, one line, and where it is cut one sees it."""
    assert context("moja skargę dotyczy faktury", "skargę", field) == "moja [skargę] dotyczy faktury"


def test_a_long_text_is_cut_between_words() -> None:
    text = "word " * 50 + "needle" + " word" * 50
    found = context(text, "needle", "body")
    assert found is not None
    before, _, after = found.partition("[needle]")
    assert before.startswith("…word")
    assert after.endswith("word…")
    assert max(len(before), len(after)) <= AROUND + 1


def test_what_is_all_of_its_text_has_nothing_around() -> None:
    assert context("needle", "needle") is None
    assert context("x", "a@b.example", "from") is None
    assert context("x", "", "subject") is None


def test_it_is_safe_to_print() -> None:
    """A text that would steer the terminal is shown as what it is."""
    found = context("a \x1b[2J \u202e needle b", "needle", "body")
    assert found is not None
    assert "\x1b" not in found
    assert "<U+202E>" in found


def test_every_match_with_its_context() -> None:
    """Found text of any operator is found again in the message, as it was written."""
    when = "{subject: {word: hello}, body: {regex: 'w.r.d'}, from_name: nn}"
    ruleset = ruleset_of(f"rules: [{{name: r, when: {when}, then: {{label: x, stop: true}}}}]")
    facts = facts_of(subject="Well HELLO there", text="my wörld\nand yours")
    (explained,) = explain_decision(ruleset, facts, ruleset.decide(facts))
    assert [str(one) for one in explained.contexts] == ["Well [HELLO] there", "my [wörld] and yours", "[Anna] Nowak"]
    assert explained.does == "label x, stop"


def test_a_rule_on_trial_shows_why_it_matched() -> None:
    ruleset = ruleset_of("rules: [{name: r, mode: trial, when: {subject: hell}, then: {assign: finance}}]")
    facts = facts_of()
    (explained,) = explain_decision(ruleset, facts, ruleset.decide(facts))
    assert (explained.outcome, explained.reason) == (Outcome.TRIAL, "would assign finance")
    assert explained.evidence
