"""What a ruleset reads of a message, and what it notes of that."""

from dataclasses import replace

from mailed import rule, rules
from rule_sets import facts_of, ruleset_of

from routerd.message.view import MessageView


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
