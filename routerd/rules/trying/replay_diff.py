"""What two rulesets say of the same mail: the differences, each with the rule that makes it, and the sums of many.

Owners are compared by the member or team that is named, never by whose turn a rotation would be.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from routerd.config.values import format_duration
from routerd.rules.actions import Actions
from routerd.rules.decision import Decision, RuleRef
from routerd.rules.ruleset import Rule, Ruleset

OWNER = "owner"
ONE_VALUE = (OWNER, "priority", "held", "rejected", "respond_within", "reply")
MANY_VALUES = ("labels", "watchers", "forward", "header", "approve")
ASPECTS = (
    OWNER,
    "labels",
    "priority",
    "watchers",
    "held",
    "rejected",
    "respond_within",
    "forward",
    "header",
    "approve",
    "reply",
)
BY_DEFAULT = ""  # in place of a rule: the inbox's default
_NOTHING = "none"


@dataclass(frozen=True, slots=True)
class Ruled:
    """What one ruleset makes of one message, each part with the rule that gives it."""

    matched: tuple[str, ...]  # rules, as FILE/NAME
    on_trial: tuple[str, ...]  # rules on trial that matched
    unknown: tuple[str, ...]
    failed: tuple[str, ...]
    one: Mapping[str, tuple[str, str]]  # aspect → value, rule; an aspect without a value is not in it
    many: Mapping[str, Mapping[str, str]]  # aspect → value → rule

    def value(self, aspect: str) -> str:
        return self.one.get(aspect, (_NOTHING, ""))[0]

    def giver(self, aspect: str) -> str:
        return self.one.get(aspect, (_NOTHING, ""))[1]


class RuleBook:
    """Reads decisions of one ruleset: who gave what."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self._rules: dict[RuleRef, Rule] = {rule.ref: rule for file in ruleset.files for rule in file.rules}

    def ruled(self, decisions: Sequence[Decision]) -> Ruled:
        """`decisions`: one for each inbox, the home inbox's first."""
        home = decisions[0]
        one: dict[str, tuple[str, str]] = {OWNER: self._owner(home)}
        many: dict[str, dict[str, str]] = {aspect: {} for aspect in MANY_VALUES}
        for other in decisions[1:]:
            target, giver = self._owner(other)
            many["watchers"].setdefault(target, giver)
        for decision in decisions:
            self._take(decision, one, many)
        many["watchers"].pop(one[OWNER][0], None)
        traces = [decision.trace for decision in decisions]
        return Ruled(
            tuple(dict.fromkeys(str(match.rule) for trace in traces for match in trace.matches)),
            tuple(dict.fromkeys(str(trial.rule) for trace in traces for trial in trace.trials)),
            tuple(dict.fromkeys(str(skipped.rule) for trace in traces for skipped in trace.unknown)),
            tuple(dict.fromkeys(str(skipped.rule) for trace in traces for skipped in trace.failed)),
            one,
            many,
        )

    def _owner(self, decision: Decision) -> tuple[str, str]:
        if decision.assign is not None:
            return decision.assign.target, str(decision.assign.rule)
        return self.ruleset.names.defaults[decision.inbox], BY_DEFAULT

    def _take(self, decision: Decision, one: dict[str, tuple[str, str]], many: Mapping[str, dict[str, str]]) -> None:
        given = [(self._rules[match.rule].then, str(match.rule)) for match in decision.trace.matches]
        for then, rule in given:
            for aspect, values in _sums(then):
                for value in values:
                    many[aspect].setdefault(value, rule)
            for name, value in then.headers:
                if (name, value) in decision.headers:
                    many["header"].setdefault(f"{name}: {value}", rule)
            if then.priority is not None and then.priority == decision.priority:
                one.setdefault("priority", (then.priority.value, rule))
            if then.respond_within is not None and then.respond_within == decision.respond_within:
                one.setdefault("respond_within", (format_duration(then.respond_within), rule))
            if then.reply is not None:
                one.setdefault("reply", (then.reply.describe(), rule))
            if then.hold is not None:
                one.setdefault("held", (then.hold, rule))
            if then.reject is not None:
                one.setdefault("rejected", (then.reject, rule))


def _sums(then: Actions) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What adds up over all rules that match."""
    return (
        ("labels", then.labels),
        ("watchers", then.watch),
        ("forward", then.forward),
        ("approve", then.approve),
    )


class Change(NamedTuple):
    """One difference that a rule makes; the same for all messages that it concerns."""

    rule: str  # FILE/NAME
    aspect: str  # of ASPECTS
    what: str  # "assigned to finance instead of duty"


def changes_between(before: Ruled, after: Ruled) -> tuple[Change, ...]:
    """Every difference; none where both say the same."""
    return tuple((*_in_one_value(before, after), *_in_many_values(before, after)))


def _in_one_value(before: Ruled, after: Ruled) -> Iterator[Change]:
    for aspect in ONE_VALUE:
        was, now = before.value(aspect), after.value(aspect)
        if was == now:
            continue
        rule, by_ending = _maker(before, after, aspect)
        yield Change(rule, aspect, _said(aspect, was, now, by_ending, after.giver(aspect) == BY_DEFAULT))


def _maker(before: Ruled, after: Ruled, aspect: str) -> tuple[str, bool]:
    """The rule that makes the difference, and whether it does so by no longer matching."""
    was_by, is_by = before.giver(aspect), after.giver(aspect)
    if not is_by:
        return was_by, True
    ended = bool(was_by) and was_by not in after.matched
    return (was_by, True) if ended and is_by in before.matched else (is_by, False)


def _said(aspect: str, was: str, now: str, by_ending: bool, by_default: bool) -> str:
    if aspect == OWNER:
        if by_ending:
            return f"no longer assigned to {was}; {now} has it" + (" by default" if by_default else "")
        return f"assigned to {now} instead of {was}"
    if aspect in ("held", "rejected"):
        if now == _NOTHING:
            return f"no longer {aspect}: {was}"
        return f"{aspect}: {now}" if was == _NOTHING else f"{aspect}: {now} (was: {was})"
    return f"{aspect} {now} instead of {was}"


def _in_many_values(before: Ruled, after: Ruled) -> Iterator[Change]:
    for aspect in MANY_VALUES:
        was, now = before.many[aspect], after.many[aspect]
        noun = {"labels": "label", "watchers": "watcher"}.get(aspect, aspect)
        for value, giver in now.items():
            if value not in was:
                yield Change(giver, aspect, f"{noun} {value} added")
        for value, giver in was.items():
            if value not in now:
                yield Change(giver, aspect, f"{noun} {value} gone")


class Example(NamedTuple):
    subject: str
    place: str


@dataclass(slots=True)
class Seen:
    """How often a change was seen, or a rule on trial met, and the first messages that show it."""

    messages: int = 0
    examples: list[Example] = field(default_factory=list)

    def add(self, example: Example, max_examples: int) -> None:
        self.messages += 1
        if len(self.examples) < max_examples:
            self.examples.append(example)

    def merge(self, other: "Seen", max_examples: int) -> None:
        self.messages += other.messages
        self.examples.extend(other.examples[: max_examples - len(self.examples)])


@dataclass(slots=True)
class Figures:
    """The sums of one ruleset."""

    owners: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    priorities: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)  # messages that each matched
    trials: dict[str, Seen] = field(default_factory=dict)  # of each rule on trial that matched
    unknown: Counter[str] = field(default_factory=Counter)  # messages of which each could not tell
    failed: Counter[str] = field(default_factory=Counter)
    by_default: int = 0
    held: int = 0
    rejected: int = 0

    def add(self, ruled: Ruled, example: Example, max_examples: int) -> None:
        for rule in ruled.on_trial:
            self.trials.setdefault(rule, Seen()).add(example, max_examples)
        self.owners[ruled.value(OWNER)] += 1
        self.labels.update(ruled.many["labels"].keys())
        self.priorities[ruled.value("priority")] += 1
        self.rules.update(ruled.matched)
        self.unknown.update(ruled.unknown)
        self.failed.update(ruled.failed)
        self.by_default += ruled.giver(OWNER) == BY_DEFAULT
        self.held += "held" in ruled.one and "rejected" not in ruled.one
        self.rejected += "rejected" in ruled.one

    def merge(self, other: "Figures", max_examples: int) -> None:
        for rule, theirs in other.trials.items():
            self.trials.setdefault(rule, Seen()).merge(theirs, max_examples)
        for mine, others in (
            (self.owners, other.owners),
            (self.labels, other.labels),
            (self.priorities, other.priorities),
            (self.rules, other.rules),
            (self.unknown, other.unknown),
            (self.failed, other.failed),
        ):
            mine.update(others)
        self.by_default += other.by_default
        self.held += other.held
        self.rejected += other.rejected


@dataclass(slots=True)
class Tally:
    """The sums of many messages. Merging those of pieces, in their order, gives that of the whole."""

    max_examples: int
    messages: int = 0  # all that were found
    not_ours: int = 0  # that name no inbox
    broken: int = 0
    changed: int = 0
    broken_examples: list[Example] = field(default_factory=list)  # what is wrong, and where
    changes: dict[Change, Seen] = field(default_factory=dict)
    aspects: Counter[str] = field(default_factory=Counter)  # messages in which each changed
    before: Figures = field(default_factory=Figures)
    after: Figures = field(default_factory=Figures)

    @property
    def decided(self) -> int:
        return self.messages - self.not_ours - self.broken

    @property
    def unchanged(self) -> int:
        return self.decided - self.changed

    def add_broken(self, wrong: Example) -> None:
        self.messages += 1
        self.broken += 1
        if len(self.broken_examples) < self.max_examples:
            self.broken_examples.append(wrong)

    def add_not_ours(self) -> None:
        self.messages += 1
        self.not_ours += 1

    def add(self, before: Ruled, after: Ruled | None, example: Example) -> None:
        """`after` None: there is one ruleset only."""
        self.messages += 1
        self.before.add(before, example, self.max_examples)
        if after is None:
            return
        self.after.add(after, example, self.max_examples)
        changes = changes_between(before, after)
        if not changes:
            return
        self.changed += 1
        self.aspects.update({change.aspect for change in changes})
        for change in changes:
            self.changes.setdefault(change, Seen()).add(example, self.max_examples)

    def merge(self, other: "Tally") -> None:
        self.messages += other.messages
        self.not_ours += other.not_ours
        self.broken += other.broken
        self.changed += other.changed
        self.broken_examples.extend(other.broken_examples[: self.max_examples - len(self.broken_examples)])
        for change, theirs in other.changes.items():
            self.changes.setdefault(change, Seen()).merge(theirs, self.max_examples)
        self.aspects.update(other.aspects)
        self.before.merge(other.before, self.max_examples)
        self.after.merge(other.after, self.max_examples)

    def by_rule(self) -> list[tuple[str, list[tuple[Change, Seen]]]]:
        """The changes of each rule; the rules that change most come first, and of a rule the changes that are most."""
        grouped: dict[str, list[tuple[Change, Seen]]] = {}
        for change, seen in sorted(self.changes.items(), key=lambda item: (-item[1].messages, item[0])):
            grouped.setdefault(change.rule, []).append((change, seen))
        return list(grouped.items())


def never_matched(ruleset: Ruleset, figures: Figures) -> tuple[Rule, ...]:
    """The rules that no message met, in their order; also those on trial."""
    rules = (rule for file in ruleset.files for rule in file.rules)
    return tuple(rule for rule in rules if str(rule.ref) not in (figures.trials if rule.trial else figures.rules))


def on_trial(ruleset: Ruleset) -> dict[str, Rule]:
    """The rules on trial in their order, as FILE/NAME."""
    return {str(rule.ref): rule for file in ruleset.files for rule in file.rules if rule.trial}
