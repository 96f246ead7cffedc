"""What holds of a ruleset's decision on any message, whatever the rules and the message say."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

from routerd.rules.actions import AssignBy
from routerd.rules.decision import Decision
from routerd.rules.explaining.explain import Outcome, explain_decision
from routerd.rules.facts import Facts, Seen
from routerd.rules.ruleset import MAX_EVIDENCE, Rule, RuleFile, Ruleset

_LONGEST_EVIDENCE = 2_000  # characters of what was found; the term is as long as the rule writes it


class _Everything:
    """Stands where the index stands, and has every rule asked."""

    def __init__(self, files: Sequence[RuleFile]) -> None:
        self._files = files

    def asked_of(self, _seen: Seen) -> "_Everything":
        return self

    def to_ask(self, file: int) -> list[int]:
        return list(range(len(self._files[file].rules)))


def without_index(ruleset: Ruleset) -> Ruleset:
    """The same rules, asked one by one."""
    plain = copy.copy(ruleset)
    object.__setattr__(plain, "_index", _Everything(ruleset.files))
    return plain


def check_decision(ruleset: Ruleset, facts: Facts) -> Decision:
    """The decision. Raises AssertionError where it differs without the index, or does not add up."""
    decision = ruleset.decide(facts)
    plain = without_index(ruleset).decide(replace(facts, texts=None))  # type: ignore[arg-type]
    if decision != plain:
        raise AssertionError(f"by the index:\n{decision}\none by one:\n{plain}")
    wrong = [*_wrong_in_trace(ruleset, facts, decision), *_wrong_in_sum(ruleset, decision)]
    wrong += _wrong_in_explanation(ruleset, facts, decision)
    if wrong:
        raise AssertionError("\n".join([*wrong, str(decision)]))
    return decision


def _wrong_in_trace(ruleset: Ruleset, facts: Facts, decision: Decision) -> Iterator[str]:
    trace = decision.trace
    yield from (f"{skipped.rule} failed: {skipped.reason}" for skipped in trace.failed)
    order = {rule.ref: place for place, rule in enumerate(_rules(ruleset))}
    named = [[one.rule for one in part] for part in (trace.matches, trace.unknown, trace.trials)]
    for refs in named:
        if [order[ref] for ref in refs] != sorted({order[ref] for ref in refs}):
            yield f"not in the order of the rules: {refs}"
    together = [ref for refs in named for ref in refs]
    if len(set(together)) != len(together):
        yield "a rule is named twice"
    read = {file.name for file in ruleset.files if file.reads(facts.inbox.lower())}
    for ref in together:
        if ref.file not in read:
            yield f"{ref} does not read {facts.inbox}"
    by_ref = {rule.ref: rule for rule in _rules(ruleset)}
    stopped_at: dict[str, int] = {}
    for match in trace.matches:
        if by_ref[match.rule].then.stop is not None:
            stopped_at[match.rule.file] = order[match.rule]
    for ref in together:
        if order[ref] > stopped_at.get(ref.file, order[ref]):
            yield f"{ref} was asked behind a stop"
    last = by_ref[trace.matches[-1].rule] if trace.matches else None
    if trace.stopped_by != (last.ref if last and last.then.stop == "all" else None):
        yield f"stopped by {trace.stopped_by}"
    for one in (*trace.matches, *trace.trials):
        if not 0 < len(one.evidence) <= MAX_EVIDENCE:
            yield f"{one.rule} matches with {len(one.evidence)} pieces of evidence"
        for evidence in one.evidence:
            if len(evidence.found) > _LONGEST_EVIDENCE or not evidence.found.replace("\n", "\0").isprintable():
                yield f"{one.rule}: what was found is too long, or not printable: {evidence.found[:100]!r}"


def _wrong_in_sum(ruleset: Ruleset, decision: Decision) -> Iterator[str]:
    by_ref = {rule.ref: rule for rule in _rules(ruleset)}
    then = [by_ref[match.rule].then for match in decision.trace.matches]
    labels = tuple(dict.fromkeys(label for actions in then for label in actions.labels))
    if decision.labels != labels:
        yield f"the labels of all are {labels}"
    watch = tuple(dict.fromkeys(target for actions in then for target in actions.watch))
    if decision.watch != watch:
        yield f"the watchers of all are {watch}"
    forward = tuple(dict.fromkeys(address for actions in then for address in actions.forward))
    if decision.forward != forward:
        yield f"the addresses of all are {forward}"
    ranks = ["low", "normal", "high"]
    priority = max((actions.priority for actions in then if actions.priority), key=ranks.index, default=None)
    if decision.priority != priority:
        yield f"the highest priority is {priority}"
    respond = min((actions.respond_within for actions in then if actions.respond_within), default=None)
    if decision.respond_within != respond:
        yield f"the shortest respond_within is {respond}"
    for said, wanted in (("hold", decision.hold), ("reject", decision.reject)):
        first = next((reason for actions in then if (reason := getattr(actions, said))), None)
        if first != wanted:
            yield f"the first {said} is {first}"
    names = [name.lower() for name, _ in decision.headers]
    if sorted(names) != sorted({name.lower() for actions in then for name, _ in actions.headers}):
        yield f"of the headers there are {names}"
    assigns = [match.rule for match, actions in zip(decision.trace.matches, then, strict=True) if actions.assign]
    if decision.assign and decision.assign.rule not in assigns:
        yield f"the owner comes from {decision.assign.rule}"
    looks_up = any(isinstance(actions.assign, AssignBy) for actions in then)  # which may find nobody
    if not looks_up and ([decision.assign.rule] if decision.assign else []) != assigns[:1]:
        yield f"the first that assigns is {assigns[:1]}"


def _wrong_in_explanation(ruleset: Ruleset, facts: Facts, decision: Decision) -> Iterator[str]:
    explained = explain_decision(ruleset, facts, decision)
    if [one.rule for one in explained] != [rule.ref for rule in _rules(ruleset)]:
        yield "not every rule is explained"
    matched = [one.rule for one in explained if one.outcome is Outcome.MATCHED]
    if matched != [match.rule for match in decision.trace.matches]:
        yield f"explained as matching: {matched}"
    for one in explained:
        if one.outcome is Outcome.NOT_MATCHED and not one.failing:
            yield f"{one.rule} is not explained: {one.reason}"


def _rules(ruleset: Ruleset) -> Iterator[Rule]:
    return (rule for file in ruleset.files for rule in file.rules)
