"""The compiled ruleset and the plain reference say the same of generated rules and messages."""

import re
from dataclasses import replace
from typing import Any

import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rules import LANGUAGES, LISTS, WORD_LISTS, compiled, conditions, messages, rulesets, terms, without_stops
from reference_addresses import ADDRESS_KEYS, ALIASES, addresses_of
from reference_text import any_text

from routerd.rules.decision import Assign, Evidence
from routerd.rules.explaining.explain import Outcome, explain_decision
from routerd.rules.facts import Facts
from routerd.rules.ruleset import Ruleset

File = dict[str, Any]
UNSEEN = re.compile(r"<U\+([0-9A-F]{4,6})>")  # as what is found shows what cannot be seen
OF_TEXT = ("subject", "body", "everything", "from_name", "header x-test", "header subject")


def summary(ruleset: Ruleset, facts: Facts) -> dict[str, Any]:
    """A decision and its trace, as the reference says them."""
    decision = ruleset.decide(facts)
    trace = decision.trace
    assert not trace.failed
    return {
        "matched": [str(match.rule) for match in trace.matches],
        "trials": [str(trial.rule) for trial in trace.trials],
        "unknown": [str(skipped.rule) for skipped in trace.unknown],
        "stopped_by": str(trace.stopped_by) if trace.stopped_by else None,
        "labels": list(decision.labels),
        "assign": owner(decision.assign),
        "reassign": owner(decision.reassign),
        "priority": decision.priority,
        "watch": list(decision.watch),
        "respond_within": decision.respond_within,
        "headers": list(decision.headers),
        "forward": list(decision.forward),
        "approve": list(decision.approve),
        "hold": decision.hold,
        "reject": decision.reject,
        "reply": (decision.reply.template, decision.reply.once_per) if decision.reply else None,
    }


def owner(assign: Assign | None) -> tuple[str, str | None, str] | None:
    return (assign.target, assign.pick, str(assign.rule)) if assign else None


def truth(when: dict[str, Any], facts: Facts) -> bool | None:
    """None: unknown."""
    rule = {"name": "r", "when": when, "then": {"label": ["red"]}}
    decision = compiled([{"rules": [rule]}]).decide(facts)
    assert not decision.trace.failed
    return None if decision.trace.unknown else bool(decision.labels)


@given(rulesets, messages)
@settings(max_examples=40, deadline=None)
def test_same_as_the_reference(files: list[File], facts: Facts) -> None:
    """The whole decision, and which rules matched, would have, or could not be told."""
    assert summary(compiled(files), facts) == reference.decide(files, facts, LANGUAGES, LISTS)


@given(conditions, messages)
@settings(max_examples=40, deadline=None)
def test_what_was_found_stands_in_the_message(when: dict[str, Any], facts: Facts) -> None:
    """Every match says why; what it says was found is in that field, and has there what the term asks."""
    decision = compiled([{"rules": [{"name": "r", "when": when, "then": {"label": ["red"]}}]}]).decide(facts)
    for match in decision.trace.matches:
        assert match.evidence
        for evidence in match.evidence:
            if evidence.field in OF_TEXT and evidence.found:
                check_text_found(evidence, facts)
            elif evidence.field in ADDRESS_KEYS and evidence.found and "exists" not in evidence.term:
                assert evidence.found in addresses_of(evidence.field, facts)


def check_text_found(evidence: Evidence, facts: Facts) -> None:
    found = UNSEEN.sub(lambda code: chr(int(code[1], 16)), evidence.found.removesuffix("…"))
    assert any_text({"contains": found}, reference.texts_of(evidence.field, facts), [])
    operator, _, term = evidence.term.partition(" ")
    exact = {"exact": True} if term.endswith(", exact") else {}
    if operator != "exists" and not evidence.found.endswith("…"):
        asked = {"word" if operator == "also" else operator: term.removesuffix(", exact")}
        assert any_text({**asked, **exact}, [found], LANGUAGES)


@given(rulesets, messages)
@settings(max_examples=20, deadline=None)
def test_explaining_says_of_every_rule_what_was_decided(files: list[File], facts: Facts) -> None:
    """In the order of the rules; those behind a stop, or for another inbox, are not in the trace."""
    ruleset = compiled(files)
    decision = ruleset.decide(facts)
    explained = explain_decision(ruleset, facts, decision)
    assert [one.rule for one in explained] == [rule.ref for file in ruleset.files for rule in file.rules]
    trace = decision.trace
    for outcome, refs in (
        (Outcome.MATCHED, [match.rule for match in trace.matches]),
        (Outcome.TRIAL, [trial.rule for trial in trace.trials]),
        (Outcome.UNKNOWN, [skipped.rule for skipped in trace.unknown]),
        (Outcome.FAILED, []),
    ):
        assert [one.rule for one in explained if one.outcome is outcome] == refs
    assert all(one.failing for one in explained if one.outcome is Outcome.NOT_MATCHED)


@given(conditions, conditions, messages)
@settings(max_examples=20, deadline=None)
def test_de_morgan(one: dict[str, Any], other: dict[str, Any], facts: Facts) -> None:
    """None of two is both not; not all of two is one of them not; unknown included."""
    assert truth({"not": [one, other]}, facts) == truth({"all": [{"not": [one]}, {"not": [other]}]}, facts)
    assert truth({"not": [{"all": [one, other]}]}, facts) == truth({"any": [{"not": [one]}, {"not": [other]}]}, facts)
    assert truth({"not": [{"not": [one]}]}, facts) == truth(one, facts)


@given(conditions, messages)
@settings(max_examples=20, deadline=None)
def test_the_order_of_conditions_and_terms_does_not_matter(when: dict[str, Any], facts: Facts) -> None:
    assert truth(turned_round(when), facts) == truth(when, facts)


def turned_round(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: turned_round(inner) for key, inner in reversed(value.items())}
    return [turned_round(inner) for inner in reversed(value)] if isinstance(value, list) else value


ONE_KEY = {
    "subject": terms,
    "text": terms.map(lambda found: {"stem": found}),
    "body": terms.map(lambda found: {"word": found, "exact": True}),
    "from": st.just(["klient.pl", "x@other.example", ".example"]),
    "is": st.just(["internal", "reply", "list"]),
    "language": st.just(["en", "pl", "ar"]),
    "dnsbl": st.just(["zen.example", "two.example"]),
}


@given(st.sampled_from(sorted(ONE_KEY)).flatmap(lambda key: st.tuples(st.just(key), ONE_KEY[key])), messages)
@settings(max_examples=20, deadline=None)
def test_a_list_means_any_of_its_items(asked: tuple[str, Any], facts: Facts) -> None:
    """In every key and operator."""
    key, value = asked
    operator, *beside = value if isinstance(value, dict) else [None]
    items = value[operator] if operator else value
    ways = [{operator: [item], **{name: value[name] for name in beside}} if operator else [item] for item in items]
    assert truth({key: value}, facts) == truth({"any": [{key: way} for way in ways]}, facts)


@given(terms, terms, messages)
@settings(max_examples=20, deadline=None)
def test_also_is_any_of_these_words_too(found: list[Any], also: list[Any], facts: Facts) -> None:
    """In any of the field's texts."""
    together = {"text": {"stem": found, "also": also}}
    assert truth(together, facts) == truth({"any": [{"text": {"stem": found}}, {"text": {"word": also}}]}, facts)


@given(st.sampled_from(WORD_LISTS), st.sampled_from(["contains", "word", "stem", "equals"]), messages)
@settings(max_examples=20, deadline=None)
def test_a_list_file_stands_for_its_terms(path: str, operator: str, facts: Facts) -> None:
    assert truth({"text": {operator: {"in": path}}}, facts) == truth({"text": {operator: LISTS[path]}}, facts)


@given(rulesets, messages, st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_an_unrelated_rule_changes_nothing(files: list[File], facts: Facts, place: int) -> None:
    """One that does not match, wherever it stands; one on trial that matches leaves only its own trace."""
    never = {"when": {"subject": "nowhere to be found"}, "then": {"assign": "jan", "stop": "all"}}
    tried = {"when": {"always": True}, "then": {"assign": "jan", "label": ["red"], "stop": "all"}, "mode": "trial"}
    before = summary(compiled(files), facts)
    assert summary(compiled(with_rule(files, {"name": "new", **never}, place)), facts) == before
    after = summary(compiled(with_rule(files, {"name": "new", **tried}, place)), facts)
    after["trials"] = [name for name in after["trials"] if not name.endswith("/new")]
    assert after == before


def with_rule(files: list[File], rule: dict[str, Any], place: int) -> list[File]:
    """Put into some file, at some place of it."""
    at = place % len(files)
    rules = files[at]["rules"]
    step = place % (len(rules) + 1)
    return [*files[:at], {**files[at], "rules": [*rules[:step], rule, *rules[step:]]}, *files[at + 1 :]]


@given(without_stops, messages, st.integers(0, 100), st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_a_rule_that_neither_assigns_nor_stops_may_stand_anywhere_in_its_file(
    files: list[File], facts: Facts, place: int, other_place: int
) -> None:
    """What adds up is the same, but for the order in which it is listed: no other rule reads its label."""
    adds = {
        "name": "new",
        "when": {"any": [{"subject": "skarg"}, {"inbox": ["billing@example.com"]}]},
        "then": {"label": ["solo"], "watch": ["omar"], "priority": "high", "respond_within": "3h"},
    }
    at = place % len(files)
    one, other = (
        summary(compiled([*files[:at], *with_rule([files[at]], adds, step), *files[at + 1 :]]), facts)
        for step in (place, other_place)
    )
    assert {key: in_any_order(value) for key, value in one.items()} == {
        key: in_any_order(value) for key, value in other.items()
    }


def in_any_order(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


@given(without_stops, messages, st.integers(0, 100), st.sampled_from([True, "all"]))
@settings(max_examples=20, deadline=None)
def test_behind_a_stop_there_might_be_nothing(files: list[File], facts: Facts, place: int, stop: object) -> None:
    """In its file, or at all; above it nothing changes."""
    at = place % len(files)
    rules = files[at]["rules"]
    step = place % (len(rules) + 1)
    stopping = {"name": "new", "when": {"always": True}, "then": {"label": ["solo"], "stop": stop}}
    going_on = {**stopping, "then": {"label": ["solo"]}}
    stopped = compiled(
        [*files[:at], {**files[at], "rules": [*rules[:step], stopping, *rules[step:]]}, *files[at + 1 :]]
    )
    below = [] if stop == "all" and has_effect(files[at], facts) else files[at + 1 :]
    behind = [] if has_effect(files[at], facts) else rules[step:]
    cut = compiled([*files[:at], {**files[at], "rules": [*rules[:step], going_on, *behind]}, *below])
    assert {**summary(stopped, facts), "stopped_by": None} == summary(cut, facts)


def has_effect(file: File, facts: Facts) -> bool:
    """Whether its rules are asked of the message, and not on trial."""
    inboxes = [ALIASES.get(inbox, inbox) for inbox in file.get("inbox", [facts.inbox])]
    return facts.inbox in inboxes and "mode" not in file


@given(rulesets, messages)
@settings(max_examples=20, deadline=None)
def test_a_decision_can_be_repeated(files: list[File], facts: Facts) -> None:
    """Pure: the same facts, whether folded before or afresh, give the same decision, trace included."""
    ruleset = compiled(files)
    fresh = replace(facts, texts=None)  # type: ignore[arg-type]
    assert ruleset.decide(facts) == ruleset.decide(facts) == ruleset.decide(fresh)
