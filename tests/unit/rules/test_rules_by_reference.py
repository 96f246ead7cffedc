"""The compiled ruleset and the plain reference say the same of generated rules and messages."""

import json
from dataclasses import replace
from typing import Any

import made_circumstances
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_sets import ALL_GRANTED, facts_of

from routerd.rules.compile import compile_ruleset
from routerd.rules.facts import Facts
from routerd.rules.ruleset import Ruleset

WORDS = [
    "skarga",
    "SKARGĘ",
    "na",
    "fakturę",
    "faktura",
    "Straße",
    "شكوى",
    "بالشكوى",
    "وللشكوى",
    "الفاتورة",
    "fi",
    "x-y",
    "!",
    "skargą",
    "Fakturze",
    "INVOICES",
    "ЖАЛОБУ",
    "المشكله",
    "شكوك",
    "发票",
    "skar\u00adga",
    "Lo\u0301dz\u0301",
]
TERMS = [
    "skarg",
    "skarge",
    "na faktur",
    "STRASSE",
    "شكوى",
    "فاتورة",
    "f",
    "x-y",
    "y x",
    "من شكوى",
    "faktura na",
    "invoice",
    "жалоба",
    "مشكلة",
    "发票",
    "Łódź",
]
LISTS = {
    "lists/a.txt": ["faktura", "skargi", "жалоба"],
    "lists/b.txt": ["شكوى", "Łódź", "nothing", *"abcdeghijklmnopqrs"],
}
LANGUAGES = ["en", "pl"]
ADDRESSES = ["anna@klient.pl", "klient.pl", ".pl", "other.example"]
LABELS = ["red", "green", "blue"]
terms = st.lists(
    st.sampled_from(TERMS) | st.sampled_from(sorted(LISTS)).map(lambda path: {"in": path}), min_size=1, max_size=3
)
operators = st.sampled_from(["contains", "word", "stem", "equals", "starts_with", "ends_with"])
text_values = (
    terms
    | st.builds(lambda name, found: {name: found}, operators, terms)
    | st.builds(lambda name, found, also: {name: found, "also": also}, operators, terms, terms)
    | st.builds(
        lambda name, found, beside: {name: found, "exact": True, **beside},
        operators.filter(lambda name: name != "stem"),
        terms,
        st.just({}) | terms.map(lambda also: {"also": also}),
    )
    | st.builds(lambda wanted: {"exists": wanted}, st.booleans())
)
leaves = st.one_of(
    st.builds(lambda key, value: {key: value}, st.sampled_from(["subject", "body", "text", "everything"]), text_values),
    st.builds(lambda value: {"header": {"X-Test": value}}, text_values),
    st.builds(lambda found: {"label": found}, st.lists(st.sampled_from(LABELS), min_size=1, max_size=2)),
    st.builds(
        lambda found: {"from": found},
        st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=2)
        | st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=2).map(lambda found: {"other_than": found}),
    ),
    st.builds(
        lambda kinds: {"is": kinds}, st.lists(st.sampled_from(["internal", "reply", "auto"]), min_size=1, max_size=2)
    ),
    st.just({"always": True}),
    made_circumstances.conditions,
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"not": parts}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda part: {"not": part}, inner.filter(lambda part: len(part) == 1)),
        st.builds(lambda one, other: {**one, **other}, inner, inner),
    ),
    max_leaves=6,
)
actions = st.fixed_dictionaries(
    {"label": st.lists(st.sampled_from(LABELS), min_size=1, max_size=2, unique=True)},
    optional={
        "assign": st.sampled_from(["ewa", "finance"]),
        "priority": st.sampled_from(["high", "normal", "low"]),
        "watch": st.lists(st.sampled_from(["jan", "sales"]), min_size=1, max_size=2, unique=True),
        "stop": st.sampled_from([True, "all"]),
    },
)
rulesets = st.lists(st.lists(st.tuples(conditions, actions), min_size=1, max_size=4), min_size=1, max_size=2).map(
    lambda files: [
        [{"name": f"r{number}", "when": when, "then": then} for number, (when, then) in enumerate(rules)]
        for rules in files
    ]
)
texts = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
messages = st.builds(
    lambda subject, text, prefix, header, sender, internal, circumstances: facts_of(
        subject=prefix + subject,
        text=text + "\n\n> skarga\n",
        sender=sender,
        headers=(("X-Test", header),) if header else (),
        internal=internal,
        **circumstances,
    ),
    texts,
    texts,
    st.sampled_from(["", "Re: "]),
    texts,
    st.sampled_from(["anna@klient.pl", "jan@sub.klient.pl", "x@other.example"]),
    st.sampled_from([True, False, None]),
    made_circumstances.circumstances,
)


def read_beside(path: str) -> bytes:
    return "\n".join(LISTS[path]).encode()


def compiled(files: list[list[dict[str, Any]]]) -> Ruleset:
    found = compile_ruleset(
        {
            f"{number}.yaml": json.dumps({"lang": LANGUAGES, "rules": rules}).encode()
            for number, rules in enumerate(files, 1)
        },
        ALL_GRANTED,
        read_beside=read_beside,
    )
    assert found.ruleset is not None, found.problems
    return found.ruleset


def summary(ruleset: Ruleset, facts: Facts) -> dict[str, Any]:
    decision = ruleset.decide(facts)
    assert not decision.trace.failed
    return {
        "matched": [str(match.rule) for match in decision.trace.matches],
        "labels": list(decision.labels),
        "owner": decision.assign.target if decision.assign else None,
        "priority": decision.priority,
        "watch": list(decision.watch),
    }


@given(rulesets, messages)
@settings(max_examples=80, deadline=None)
def test_same_as_the_reference(files: list[list[dict[str, Any]]], facts: Facts) -> None:
    """Matching rules, labels, owner, priority and watchers are the same, and every match can say why."""
    ruleset = compiled(files)
    assert summary(ruleset, facts) == reference.decide(files, facts, LANGUAGES, LISTS)


@given(conditions, conditions, messages)
@settings(max_examples=30, deadline=None)
def test_de_morgan(one: dict[str, Any], other: dict[str, Any], facts: Facts) -> None:
    """None of two is both not; not all of two is one of them not; unknown included."""

    def truth(when: dict[str, Any]) -> object:
        decision = compiled([[{"name": "r", "when": when, "then": {"label": ["red"]}}]]).decide(facts)
        return "unknown" if decision.trace.unknown else bool(decision.labels)

    assert truth({"not": [one, other]}) == truth({"all": [{"not": [one]}, {"not": [other]}]})
    assert truth({"not": [{"all": [one, other]}]}) == truth({"any": [{"not": [one]}, {"not": [other]}]})
    assert truth({"not": [{"not": [one]}]}) == truth(one)


@given(rulesets, messages)
@settings(max_examples=20, deadline=None)
def test_an_unrelated_rule_changes_nothing(files: list[list[dict[str, Any]]], facts: Facts) -> None:
    """A rule that does not match, put in front, leaves the decision as it was."""
    unrelated = {
        "name": "unrelated",
        "when": {"subject": "nowhere to be found"},
        "then": {"assign": "jan", "stop": "all"},
    }
    assert summary(compiled([[unrelated, *files[0]], *files[1:]]), facts) == summary(compiled(files), facts)


@given(rulesets, messages)
@settings(max_examples=20, deadline=None)
def test_a_decision_can_be_repeated(files: list[list[dict[str, Any]]], facts: Facts) -> None:
    """Pure: the same facts, whether folded before or afresh, give the same decision, trace included."""
    ruleset = compiled(files)
    fresh = replace(facts, texts=None)  # type: ignore[arg-type]
    assert ruleset.decide(facts) == ruleset.decide(facts) == ruleset.decide(fresh)
