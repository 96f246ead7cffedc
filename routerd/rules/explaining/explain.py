"""Why every rule did or did not match: the same ruleset, asked again in more words."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from routerd.config.yaml_source import Mark
from routerd.rules.conditions.truth import All, AnyOf, Condition, NoneOf, Truth
from routerd.rules.decision import Decision, Evidence, RuleRef, Skipped
from routerd.rules.explaining.context import Context, context_of
from routerd.rules.explaining.near_miss import near_miss
from routerd.rules.facts import Facts, Seen
from routerd.rules.ruleset import Rule, Ruleset


class Outcome(StrEnum):
    MATCHED = "matched"
    TRIAL = "on trial"  # matched, without effect
    NOT_MATCHED = "not matched"
    UNKNOWN = "unknown"
    FAILED = "failed"
    NOT_REACHED = "not reached"  # a rule above stopped
    OTHER_INBOX = "other inbox"


@dataclass(frozen=True, slots=True)
class Failing:
    """A condition that did not hold (or could not be told), and what the message has there."""

    condition: str
    saw: str

    def __str__(self) -> str:
        return f"`{self.condition}` does not hold" + (f": {self.saw}" if self.saw else "")


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    rule: RuleRef
    mark: Mark
    outcome: Outcome
    evidence: tuple[Evidence, ...] = ()
    failing: tuple[Failing, ...] = ()
    near_miss: str = ""  # "all but `not from .example.com` held"
    reason: str = ""  # of on trial, unknown, failed, not reached, other inbox
    contexts: tuple[Context | None, ...] = ()  # of each evidence: where it stands
    does: str = ""  # of a rule that matched: "assign finance, label invoice"


def explain_decision(ruleset: Ruleset, facts: Facts, decision: Decision) -> list[RuleExplanation]:
    """Every rule in its order. `decision` is what `ruleset.decide(facts)` gave; never raises."""
    return list(_Explainer(ruleset, facts, decision).explain())


class _Explainer:
    def __init__(self, ruleset: Ruleset, facts: Facts, decision: Decision) -> None:
        self._ruleset = ruleset
        self._inbox = facts.inbox.lower()
        self._seen = Seen(facts)
        trace = decision.trace
        self._matched = {match.rule: match.evidence for match in trace.matches}
        self._trials = {trial.rule: trial for trial in trace.trials}
        self._unknown = {skipped.rule: skipped for skipped in trace.unknown}
        self._failed = {skipped.rule: skipped for skipped in trace.failed}

    def explain(self) -> Iterator[RuleExplanation]:
        ended = ""  # why nothing further is read
        for file in self._ruleset.files:
            if ended or not file.reads(self._inbox):
                outcome = Outcome.NOT_REACHED if ended else Outcome.OTHER_INBOX
                reason = ended or f"only mail to {', '.join(sorted(file.inboxes or ()))}"
                for rule in file.rules:
                    yield RuleExplanation(rule.ref, rule.mark, outcome, reason=reason)
                continue
            stopper = None
            for rule in file.rules:
                if stopper is not None:
                    reason = ended or f"{stopper.ref} stops this file"
                    yield RuleExplanation(rule.ref, rule.mark, Outcome.NOT_REACHED, reason=reason)
                    continue
                yield self._rule(rule)
                if rule.ref in self._matched:
                    self._seen.labels.update(dict.fromkeys(rule.then.labels))
                    stopper = rule if rule.then.stop is not None else None
                    ended = f"{rule.ref} stops everything" if rule.then.stop == "all" else ""

    def _rule(self, rule: Rule) -> RuleExplanation:
        evidence = self._matched.get(rule.ref)
        if evidence is not None:
            contexts = self._contexts(evidence)
            return RuleExplanation(
                rule.ref, rule.mark, Outcome.MATCHED, evidence, contexts=contexts, does=rule.then.describe()
            )
        trial = self._trials.get(rule.ref)
        if trial is not None:
            reason, contexts = f"would {trial.would}", self._contexts(trial.evidence)
            return RuleExplanation(rule.ref, rule.mark, Outcome.TRIAL, trial.evidence, reason=reason, contexts=contexts)
        for outcome, skipped in ((Outcome.UNKNOWN, self._unknown), (Outcome.FAILED, self._failed)):
            found: Skipped | None = skipped.get(rule.ref)
            if found is not None:
                return RuleExplanation(rule.ref, rule.mark, outcome, reason=found.reason)
        try:
            failing = tuple(_failing(rule.when, self._seen))
            lacked = near_miss(rule.when, self._seen)
        except Exception as error:  # explaining must not fail where deciding did not
            return RuleExplanation(rule.ref, rule.mark, Outcome.NOT_MATCHED, reason=f"{type(error).__name__}: {error}")
        nearly = f"all but `{lacked}` held" if lacked else ""
        return RuleExplanation(rule.ref, rule.mark, Outcome.NOT_MATCHED, (), failing, nearly)

    def _contexts(self, evidence: tuple[Evidence, ...]) -> tuple[Context | None, ...]:
        return tuple(context_of(one, self._seen.texts) for one in evidence)


def _failing(condition: Condition, seen: Seen) -> Iterator[Failing]:
    """The smallest conditions that keep this one from holding."""
    if condition.truth(seen) is Truth.YES:
        return
    if isinstance(condition, All | AnyOf):
        for part in condition.parts:
            yield from _failing(part, seen)
    elif isinstance(condition, NoneOf):
        held = [part for part in condition.parts if part.truth(seen) is not Truth.NO]
        for part in held:
            one = NoneOf((part,))
            yield Failing(one.describe(), one.saw(seen))
    else:
        yield Failing(condition.describe(), condition.saw(seen))
