"""`explain`: why every rule did or did not match."""

from rule_sets import facts_of, ruleset_of

from routerd.rules.explaining.explain import Outcome, RuleExplanation, explain_decision

RULES = """
rules:
  - {name: hits, when: {subject: hello}, then: {label: x}}
  - {name: near, when: {subject: hello, label: x, not: {from: .pl}}, then: {label: y}}
  - {name: far, when: {any: [{subject: nothing}, {size: {over: 1GB}}]}, then: {label: y}}
  - {name: unsure, when: {is: internal}, then: {label: y}}
  - {name: stops, when: {always: true}, then: {stop: true}}
  - {name: behind, when: {always: true}, then: {label: y}}
"""
OTHER = "inbox: billing@example.com\nrules: [{name: elsewhere, when: {always: true}, then: {label: z}}]"
LAST = """
rules:
  - {name: ends, when: {always: true}, then: {stop: all}}
  - {name: never, when: {always: true}, then: {label: z}}
"""


def explained() -> dict[str, RuleExplanation]:
    ruleset, facts = ruleset_of(RULES, OTHER, LAST, LAST), facts_of(internal=None)
    found = explain_decision(ruleset, facts, ruleset.decide(facts))
    return {str(one.rule): one for one in found}


def test_every_rule_is_explained_in_order() -> None:
    """Matched, near, far, unknown, not reached, other inbox: each rule once, as the ruleset has them."""
    assert [(name.split("/")[1], one.outcome) for name, one in explained().items()] == [
        ("hits", Outcome.MATCHED),
        ("near", Outcome.NOT_MATCHED),
        ("far", Outcome.NOT_MATCHED),
        ("unsure", Outcome.UNKNOWN),
        ("stops", Outcome.MATCHED),
        ("behind", Outcome.NOT_REACHED),
        ("elsewhere", Outcome.OTHER_INBOX),
        ("ends", Outcome.MATCHED),
        ("never", Outcome.NOT_REACHED),
        ("ends", Outcome.NOT_REACHED),
        ("never", Outcome.NOT_REACHED),
    ]


def test_outcomes() -> None:
    """What each kind of explanation says."""
    found = explained()
    assert [str(one) for one in found["1.yaml/hits"].evidence] == ['subject has "Hello" (contains hello)']
    near = found["1.yaml/near"]
    assert near.near_miss == "all but `not from .pl` held"
    assert [str(one) for one in near.failing] == ['`not from .pl` does not hold: from has "anna@klient.pl" (.pl)']
    far = found["1.yaml/far"]
    assert far.near_miss == ""
    assert str(far.failing[0]) == '`subject contains nothing` does not hold: subject has "Hello"'
    assert str(far.failing[1]).startswith("`size over 1GB` does not hold: size is ")
    assert found["1.yaml/unsure"].reason == "cannot be told now: is internal"
    assert found["1.yaml/behind"].reason == "1.yaml/stops stops this file"
    assert found["2.yaml/elsewhere"].reason == "only mail to billing@example.com"
    assert found["4.yaml/ends"].reason == "3.yaml/ends stops everything"


def test_explaining_agrees_with_deciding() -> None:
    """Exactly the rules of the trace are explained as matched, with the same evidence."""
    ruleset, facts = ruleset_of(RULES, LAST), facts_of()
    decision = ruleset.decide(facts)
    found = explain_decision(ruleset, facts, decision)
    matched = [(one.rule, one.evidence) for one in found if one.outcome is Outcome.MATCHED]
    assert matched == [(match.rule, match.evidence) for match in decision.trace.matches]
