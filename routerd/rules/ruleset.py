"""The compiled rules, and what they say of one message."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType

from routerd.config.yaml_source import Mark
from routerd.rules.actions import Actions, AssignTo
from routerd.rules.conditions.truth import Condition, Truth
from routerd.rules.decision import Assign, Decision, Evidence, Match, Priority, Reply, RuleRef, Skipped, Trace, Trial
from routerd.rules.facts import Facts, Seen
from routerd.rules.names import Names
from routerd.rules.rule_index import Asked, RuleIndex

MAX_EVIDENCE = 8  # pieces of evidence kept for one rule
_URGENCY = {Priority.LOW: 0, Priority.NORMAL: 1, Priority.HIGH: 2}
_NO, _UNKNOWN = Truth.NO, Truth.UNKNOWN


@dataclass(frozen=True, slots=True)
class Rule:
    """`trial`: `when` is asked in its place, `then` has no effect. `allow`: the findings that are meant to be."""

    ref: RuleRef
    mark: Mark
    when: Condition
    then: Actions
    trial: bool = False
    allow: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file's rules, from top to bottom. `inboxes` None: mail to every inbox."""

    name: str
    inboxes: frozenset[str] | None  # in lower case
    rules: tuple[Rule, ...]

    def reads(self, inbox: str) -> bool:
        """Whether mail to `inbox` (in lower case) is read by this file."""
        return self.inboxes is None or inbox in self.inboxes


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All rule files in their order. Shared freely: nothing in it changes."""

    files: tuple[RuleFile, ...]
    revision: str
    names: Names = field(repr=False)
    given_headers: tuple[str, ...] = field(init=False)  # that rules may give, in lower case: cut from what comes in
    _index: RuleIndex = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        given = {name.lower() for rule in self._in_force() for name, _ in rule.then.headers}
        object.__setattr__(self, "given_headers", tuple(sorted(given)))
        object.__setattr__(self, "_index", RuleIndex([[rule.when for rule in file.rules] for file in self.files]))

    @property
    def rules(self) -> int:
        """How many."""
        return sum(len(file.rules) for file in self.files)

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that a rule may give, sorted."""
        return tuple(sorted({label for file in self.files for rule in file.rules for label in rule.then.labels}))

    @property
    def forwards(self) -> tuple[str, ...]:
        """Every address outside that a rule may send copies to, sorted."""
        return tuple(sorted({address for rule in self._in_force() for address in rule.then.forward}))

    @property
    def marks(self) -> Mapping[RuleRef, Mark]:
        """Where each rule stands."""
        return {rule.ref: rule.mark for file in self.files for rule in file.rules}

    def _in_force(self) -> Iterator[Rule]:
        """All but those on trial."""
        return (rule for file in self.files for rule in file.rules if not rule.trial)

    def asked_of(self, facts: Facts) -> tuple[RuleFile, ...]:
        """The files that read this inbox, each with those of its rules that may match, whatever labels are given."""
        asked = self._index.asked_of(Seen(facts))
        return tuple(
            replace(file, rules=tuple(_to_ask(file, asked, number)))
            for number, file in enumerate(self.files)
            if file.reads(facts.inbox.lower())
        )

    def decide(
        self, facts: Facts, trials_live: bool = False, told: Mapping[RuleRef, Truth] = MappingProxyType({})
    ) -> Decision:
        """What the rules say of one message at an inbox. Pure. A rule that fails while it runs is skipped.

        `trials_live`: rules on trial take effect, as a test may ask. `told`: what is taken for the truth of rules that
        cannot be told.
        """
        seen = Seen(facts)
        outcome = _Outcome(seen)
        inbox = facts.inbox.lower()
        asked = self._index.asked_of(seen)
        for number, file in enumerate(self.files):
            if not file.reads(inbox):
                continue
            for rule in _to_ask(file, asked, number):
                try:
                    truth = rule.when.truth(seen)
                    if truth is _NO:
                        continue
                    evidence = () if truth is _UNKNOWN else rule.when.evidence(seen)[:MAX_EVIDENCE]
                    if truth is _UNKNOWN and told:
                        truth = told.get(rule.ref, _UNKNOWN)
                except Exception as error:  # whatever a rule does wrong, the message goes on
                    outcome.failed.append(Skipped(rule.ref, f"{type(error).__name__}: {error}"))
                    continue
                if truth is _NO:
                    continue
                if truth is _UNKNOWN:
                    outcome.unknown.append(Skipped(rule.ref, f"cannot be told now: {rule.when.describe()}"))
                    continue
                if rule.trial and not trials_live:
                    looked_up = outcome.look_up(rule)[1]
                    outcome.trials.append(Trial(rule.ref, evidence + looked_up, rule.then.describe()))
                    continue
                outcome.take(rule, evidence)
                if rule.then.stop is not None:
                    break
            if outcome.stopped_by is not None:
                break
        return outcome.decision(facts, self.revision)


def _to_ask(file: RuleFile, asked: Asked, file_number: int) -> Iterable[Rule]:
    try:
        numbers = asked.to_ask(file_number)
        return [file.rules[number] for number in numbers] if numbers else ()
    except Exception:  # those rules will say what is wrong that have to do with it
        return file.rules


class _Outcome:
    """What the rules that matched so far add up to."""

    def __init__(self, seen: Seen) -> None:
        self.matches: list[Match] = []
        self.unknown: list[Skipped] = []
        self.failed: list[Skipped] = []
        self.trials: list[Trial] = []
        self.stopped_by: RuleRef | None = None
        self._seen = seen
        self._assign: Assign | None = None
        self._reassign: Assign | None = None
        self._respond_within: timedelta | None = None
        self._headers: dict[str, tuple[str, str]] = {}  # by the name in lower case: the first counts
        self._forward: dict[str, None] = {}
        self._priority: Priority | None = None
        self._watch: dict[str, None] = {}
        self._hold: str | None = None
        self._reject: str | None = None
        self._reply: Reply | None = None
        self._approve: dict[str, None] = {}

    def look_up(self, rule: Rule) -> tuple[Assign | None, tuple[Evidence, ...]]:
        """Whom the rule assigns to, and what its look-up table says of the message, where it has one."""
        assign = rule.then.assign
        if assign is None:
            return None, ()
        if isinstance(assign, AssignTo):
            return Assign(assign.target, rule.ref, assign.pick), ()
        target, found = assign.look_up(self._seen.addresses(assign.field))
        return (Assign(target, rule.ref) if target else None), (found,)

    def take(self, rule: Rule, evidence: tuple[Evidence, ...]) -> None:
        then = rule.then
        given, looked_up = self.look_up(rule)
        self.matches.append(Match(rule.ref, evidence + looked_up))
        for label in then.labels:
            self._seen.labels[label] = None
        self._take_owner(then, given)
        if then.priority is not None and (self._priority is None or _URGENCY[then.priority] > _URGENCY[self._priority]):
            self._priority = then.priority
        for target in then.watch:
            self._watch[target] = None
        for address in then.forward:
            self._forward[address] = None
        for name, value in then.headers:
            self._headers.setdefault(name.lower(), (name, value))
        if then.respond_within is not None:
            self._respond_within = min(self._respond_within or then.respond_within, then.respond_within)
        self._hold = self._hold or then.hold
        self._reject = self._reject or then.reject
        self._reply = self._reply or then.reply
        for target in then.approve:
            self._approve[target] = None
        if then.stop == "all":
            self.stopped_by = rule.ref

    def _take_owner(self, then: Actions, given: Assign | None) -> None:
        """The first rule that assigns counts; in a known conversation the first that reassigns."""
        if given is None:
            return
        self._assign = self._assign or given
        if then.reassign:
            self._reassign = self._reassign or given

    def decision(self, facts: Facts, revision: str) -> Decision:
        return Decision(
            inbox=facts.inbox,
            assign=self._assign,
            reassign=self._reassign,
            labels=tuple(self._seen.labels),
            priority=self._priority,
            watch=tuple(self._watch),
            respond_within=self._respond_within,
            headers=tuple(self._headers.values()),
            forward=tuple(self._forward),
            hold=self._hold,
            reject=self._reject,
            approve=tuple(self._approve),
            reply=self._reply,
            trace=Trace(
                tuple(self.matches),
                tuple(self.unknown),
                tuple(self.failed),
                self.stopped_by,
                tuple(self.trials),
                facts.texts.cuts,
            ),
            revision=revision,
        )
