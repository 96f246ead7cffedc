"""Rules spoilt on purpose: of each change some test must take notice, else no test would of a slip either."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from routerd.config.values import format_duration
from routerd.config.yaml_source import Mapping as Node
from routerd.config.yaml_source import Mark
from routerd.rules.actions import Actions, AssignTo
from routerd.rules.decision import RuleRef
from routerd.rules.facts import FieldText
from routerd.rules.names import Names
from routerd.rules.ruleset import Rule, RuleFile, Ruleset
from routerd.rules.trying.cases import AssignCase, CaseResult, judge_case
from routerd.rules.trying.variants import VariantReader, loosened, with_rule

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule with one change, where it stands and what it is."""

    mark: Mark
    said: str  # "without `not: {is: internal}`"
    rule: Rule

    def __str__(self) -> str:
        return f"{self.mark}: {self.rule.ref.name}: {self.said}: no test fails"


def mutants_of(ruleset: Ruleset, reader: VariantReader) -> tuple[Mutant, ...]:
    """Each condition dropped, each `not` turned round, each number moved, each action changed; in the files' order.

    What no test could notice is left alone: rules on trial.
    """
    return tuple(
        mutant
        for file in ruleset.files
        for rule in file.rules
        if not rule.trial
        for mutant in (*_of_when(rule, reader), *_of_then(rule, reader.node_of(rule), ruleset.names))
    )


def _of_when(rule: Rule, reader: VariantReader) -> Iterator[Mutant]:
    for variant in loosened(reader.when_of(rule)):
        changed = reader.read(rule, variant.when)
        if changed is not None and changed.when != rule.when:
            yield Mutant(variant.mark, variant.said, changed)


def _of_then(rule: Rule, node: Node, names: Names) -> Iterator[Mutant]:
    then = node.get("then")
    for key, said, changed in _changed_actions(rule.then, names):
        mark = then.key_mark(key) if isinstance(then, Node) and then.get(key) is not None else rule.mark
        yield Mutant(mark, said, replace(rule, then=changed))


_Change = tuple[str, str, Actions]  # the key that is changed, how, and the actions so changed


def _changed_actions(then: Actions, names: Names) -> Iterator[_Change]:
    yield from _changed_owner(then, names)
    yield from _one_fewer(then)
    yield from _without(then)


def _changed_owner(then: Actions, names: Names) -> Iterator[_Change]:
    if isinstance(then.assign, AssignTo):
        other = _somebody_else(then.assign.target, names)
        if other is not None:
            said = f"with `assign: {other}` in place of {then.assign.target}"
            yield "assign", said, replace(then, assign=AssignTo(other))
    elif then.assign is not None:
        yield "assign", "without `assign`", replace(then, assign=None, reassign=False)
    if then.reassign:
        yield "reassign", "without `reassign: true`", replace(then, reassign=False)


def _one_fewer(then: Actions) -> Iterator[_Change]:
    for label in then.labels:
        yield "label", f"without `label: {label}`", replace(then, labels=_less(then.labels, label))
    for target in then.watch:
        yield "watch", f"without `watch: {target}`", replace(then, watch=_less(then.watch, target))
    for header in then.headers:
        said = f"without `header: {{{header[0]}: {header[1]}}}`"
        yield "header", said, replace(then, headers=_less(then.headers, header))
    for address in then.forward:
        yield "forward", f"without `forward: {address}`", replace(then, forward=_less(then.forward, address))
    for target in then.approve:
        yield "approve", f"without `approve: {target}`", replace(then, approve=_less(then.approve, target))


def _without(then: Actions) -> Iterator[_Change]:
    if then.priority is not None:
        yield "priority", f"without `priority: {then.priority}`", replace(then, priority=None)
    if then.respond_within is not None:
        said = f"without `respond_within: {format_duration(then.respond_within)}`"
        yield "respond_within", said, replace(then, respond_within=None)
    if then.hold is not None:
        yield "hold", "without `hold`", replace(then, hold=None)
    if then.reject is not None:
        yield "reject", "without `reject`", replace(then, reject=None)
    if then.reply is not None:
        yield "reply", "without `reply`", replace(then, reply=None)
    if then.stop is not None:
        yield "stop", f"without `stop: {'all' if then.stop == 'all' else 'true'}`", replace(then, stop=None)


def _less(items: tuple[T, ...], one: T) -> tuple[T, ...]:
    return tuple(item for item in items if item != one)


def _somebody_else(target: str, names: Names) -> str | None:
    """A team for a team and a member for a member where there is one, with as few of the same people as may be."""
    people = {**{member: (member,) for member in names.members}, **names.teams}
    others = [name for name in names.targets if name != target]
    return min(
        others,
        key=lambda name: (
            len(set(people[name]) & set(people[target])),
            (name in names.teams) is not (target in names.teams),
        ),
        default=None,
    )


def surviving(
    ruleset: Ruleset,
    mutants: Sequence[Mutant],
    results: Iterable[CaseResult],
    assign: AssignCase,
    after_each: Callable[[], object] = lambda: None,
) -> tuple[Mutant, ...]:
    """The mutants that pass every test. `results` are of `ruleset`; those that failed, or are `todo`, are not asked.

    Each is tried on the tests whose message its rule matches, with the change or without: to others it cannot matter.
    """
    order: dict[object, int] = {
        ref: number for number, ref in enumerate(rule.ref for file in ruleset.files for rule in file.rules)
    }
    by_rule: dict[RuleRef, list[int]] = {}
    for number, mutant in enumerate(mutants):
        by_rule.setdefault(mutant.rule.ref, []).append(number)
    numbers = {id(mutant.rule): number for number, mutant in enumerate(mutants)}
    index = _index_of(mutants, ruleset)
    alive = set(range(len(mutants)))
    for result in results:
        if result.met and not result.case.todo and result.facts and result.decision:
            touching = {number for match in result.decision.trace.matches for number in by_rule.get(match.rule, ())}
            facts = replace(result.facts, texts=FieldText(result.facts.view))
            touching |= {numbers[id(rule)] for file in index.asked_of(facts) for rule in file.rules}
            files = ruleset.asked_of(facts)
            for number in sorted(touching & alive):
                if not _passes(mutants[number].rule, files, order, replace(result, facts=facts), ruleset.names, assign):
                    alive.remove(number)
        after_each()
    return tuple(mutant for number, mutant in enumerate(mutants) if number in alive)


def _index_of(mutants: Sequence[Mutant], ruleset: Ruleset) -> Ruleset:
    """All changed rules as one ruleset: finds those that a message may match."""
    by_file: dict[str, list[Rule]] = {}
    for mutant in mutants:
        by_file.setdefault(mutant.rule.ref.file, []).append(mutant.rule)
    files = tuple(RuleFile(file.name, file.inboxes, tuple(by_file.get(file.name, ()))) for file in ruleset.files)
    return Ruleset(files, "", ruleset.names)


def _passes(
    rule: Rule,
    files: tuple[RuleFile, ...],
    order: Mapping[object, int],
    result: CaseResult,
    names: Names,
    assign: AssignCase,
) -> bool:
    assert result.facts is not None  # noqa: S101
    changed = Ruleset(with_rule(files, rule, order), "", names)
    return judge_case(result.case, result.facts, changed, assign).met
