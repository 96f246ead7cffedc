"""What the tests of a ruleset decide: which rules a test shows matching, and which of their branches.

A branch is one alternative of several, any of which suffices, or one part of a `not`. A test decides an alternative
where the rule matches by it alone; it decides a part of a `not` where only that part keeps the rule from matching. A
test that fails decides nothing, nor does one that is `todo`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from routerd.config.yaml_source import Mark
from routerd.rules.conditions.truth import Truth
from routerd.rules.decision import RuleRef
from routerd.rules.facts import Facts, FieldText, Seen
from routerd.rules.ruleset import Rule, RuleFile, Ruleset
from routerd.rules.trying.cases import CaseResult
from routerd.rules.trying.variants import Kind, Variant, VariantReader, alternatives_of


@dataclass(frozen=True, slots=True)
class Branch:
    """A rule (`said` is "") or one of its branches."""

    rule: RuleRef
    mark: Mark
    said: str
    decided: bool

    def __str__(self) -> str:
        return f"{self.mark}: {self.rule.name}: {self.said or 'no test shows it matching'}"


def percent_of(branches: Sequence[Branch]) -> float:
    """How many of a hundred are decided; 100 where there is none."""
    return 100 * sum(branch.decided for branch in branches) / len(branches) if branches else 100.0


def coverage_of(ruleset: Ruleset, results: Iterable[CaseResult], reader: VariantReader) -> tuple[Branch, ...]:
    """Every rule and branch, in the order of the files. Rules on trial count only where a test takes them live."""
    shown = [_Shown(ruleset, result) for result in results if result.met and not result.case.todo and result.facts]
    found: dict[int, list[Branch]] = {}  # by the rule's place in the order
    blockers: list[_Asked] = []
    rules = [rule for file in ruleset.files for rule in file.rules]
    for number, rule in enumerate(rules):
        matching = [one for one in shown if rule.ref in one.matched]
        if rule.trial and not matching:
            continue
        found[number] = [Branch(rule.ref, rule.mark, "", bool(matching))]
        for variant in alternatives_of(reader.when_of(rule)):
            if variant.kind is Kind.BLOCKER:
                blockers.append(_Asked(number, rule, variant))
                continue
            decided = bool(matching) and _holds_for_any(reader.read(rule, variant.when), matching, number)
            found[number].append(Branch(rule.ref, variant.mark, variant.said, decided))
    for asked, decided in zip(blockers, _decided_blockers(blockers, shown, ruleset, reader), strict=True):
        found[asked.number].append(Branch(asked.rule.ref, asked.variant.mark, asked.variant.said, decided))
    return tuple(branch for branches in found.values() for branch in sorted(branches, key=_in_file))


def _in_file(branch: Branch) -> tuple[bool, int, int]:
    return bool(branch.said), branch.mark.line, branch.mark.column


@dataclass(frozen=True, slots=True)
class _Asked:
    """One part of a `not` that is looked for."""

    number: int  # of the rule
    rule: Rule
    variant: Variant


class _Shown:
    """A test that passed: its message, and what each rule of the ruleset saw of it."""

    def __init__(self, ruleset: Ruleset, result: CaseResult) -> None:
        assert result.facts is not None  # noqa: S101
        assert result.decision is not None  # noqa: S101
        self.facts: Facts = result.facts
        self.matched = frozenset(match.rule for match in result.decision.trace.matches)
        self._matched_rules = [
            (number, rule)
            for number, rule in enumerate(rule for file in ruleset.files for rule in file.rules)
            if rule.ref in self.matched
        ]

    def seen_by(self, rule: Rule, number: int) -> Seen | None:
        """What `rule` sees there, with the labels of the rules above; None where a `stop` above keeps it from it."""
        seen = Seen(self.facts)
        for at, other in self._matched_rules:
            if at >= number:
                break
            if other.then.stop == "all" or (other.then.stop and other.ref.file == rule.ref.file):
                return None
            seen.labels.update(dict.fromkeys(other.then.labels))
        return seen


def _holds_for_any(rule: Rule | None, shown: Iterable[_Shown], number: int) -> bool:
    return rule is not None and any(_holds(rule, one, number) for one in shown)


def _holds(rule: Rule, shown: _Shown, number: int) -> bool:
    seen = shown.seen_by(rule, number)
    return seen is not None and rule.when.truth(seen) is Truth.YES


def _decided_blockers(
    blockers: Sequence[_Asked], shown: Sequence[_Shown], ruleset: Ruleset, reader: VariantReader
) -> list[bool]:
    """Of each whether some test's message is kept out by it alone. Found by what the messages have, as rules are."""
    decided = [False] * len(blockers)
    places: dict[int, int] = {}  # id of a changed rule → its place among the blockers
    by_file: dict[str, list[Rule]] = {}
    for place, asked in enumerate(blockers):
        changed = reader.read(asked.rule, asked.variant.when)
        if changed is not None:
            by_file.setdefault(asked.rule.ref.file, []).append(changed)
            places[id(changed)] = place
    files = tuple(RuleFile(file.name, file.inboxes, tuple(by_file.get(file.name, ()))) for file in ruleset.files)
    index = Ruleset(files, "", ruleset.names)
    for one in shown:
        for changed in _rules_of(index.asked_of(replace(one.facts, texts=FieldText(one.facts.view)))):
            place = places[id(changed)]
            if not decided[place] and changed.ref not in one.matched:
                decided[place] = _holds(changed, one, blockers[place].number)
    return decided


def _rules_of(files: Iterable[RuleFile]) -> Iterator[Rule]:
    return (rule for file in files for rule in file.rules)
