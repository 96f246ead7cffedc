"""What a test expects, held against what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from routerd.config.values import format_duration
from routerd.rules.decision import Decision
from routerd.rules.reading.cases import Case, Expectation, inbox_of
from routerd.rules.ruleset import Ruleset


@dataclass(frozen=True, slots=True)
class Placed:
    """What the desk made of a case's decision."""

    inbox: str
    owner: str  # member
    picked_at_random: bool = False
    watchers: tuple[str, ...] = ()  # members


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of `expect` that was not met."""

    expectation: Expectation
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.expectation.key}: expected {self.expected}, got {self.got}"


def differences_of(case: Case, decision: Decision, placed: Placed, ruleset: Ruleset) -> list[Difference]:
    """The lines of `expect` that were not met."""
    differences = []
    for expectation in case.expect:
        difference = _CHECKS[expectation.key](_Ran(case, decision, placed, ruleset), expectation)
        if difference is not None:
            differences.append(difference)
    return differences


@dataclass(frozen=True, slots=True)
class _Ran:
    case: Case
    decision: Decision
    placed: Placed
    ruleset: Ruleset

    @property
    def target(self) -> str | None:
        """The member or team that the rules or the inbox's default named; of a known conversation its own team, unless
        a rule reassigns it."""
        conversation = self.case.given.conversation
        if conversation is not None:
            reassign = self.decision.reassign
            return reassign.target if reassign else conversation.team
        assign = self.decision.assign
        return assign.target if assign else self.ruleset.names.defaults[self.decision.inbox]

    @property
    def team(self) -> str:
        target = self.target
        return target if target and target in self.ruleset.names.teams else "none"

    @property
    def all_rules(self) -> tuple[str, ...]:
        return tuple(str(match.rule) for match in self.decision.trace.matches)

    @property
    def own_rules(self) -> tuple[str, ...]:
        matches = self.decision.trace.matches
        return tuple(match.rule.name for match in matches if match.rule.file == self.case.file)

    def people(self, names: tuple[str, ...]) -> set[str]:
        """Members, and the members of teams, less the owner: he has his copy."""
        teams = self.ruleset.names.teams
        return {member for name in names for member in teams.get(name, (name,))} - {self.placed.owner}


_Check = Callable[[_Ran, Expectation], Difference | None]


def _one(value: Callable[[_Ran], str]) -> _Check:
    def check(ran: _Ran, expected: Expectation) -> Difference | None:
        got = value(ran)
        return None if got == expected.values[0] else Difference(expected, expected.values[0], got)

    return check


def _in_order(value: Callable[[_Ran], tuple[str, ...]]) -> _Check:
    def check(ran: _Ran, expected: Expectation) -> Difference | None:
        got = value(ran)
        return None if got == expected.values else Difference(expected, _listed(expected.values), _listed(got))

    return check


def _labels(ran: _Ran, expected: Expectation) -> Difference | None:
    got = ran.decision.labels
    met = {
        "labels": set(expected.values) <= set(got),
        "labels_exactly": set(expected.values) == set(got),
        "labels_exclude": not set(expected.values) & set(got),
    }[expected.key]
    return None if met else Difference(expected, _listed(expected.values), _listed(got))


def _watchers(ran: _Ran, expected: Expectation) -> Difference | None:
    if ran.people(expected.values) == set(ran.placed.watchers):
        return None
    return Difference(expected, _listed(expected.values), _listed(ran.placed.watchers))


def _reason(value: Callable[[_Ran], str | None]) -> _Check:
    """`true`, `false`, or the reason itself."""

    def check(ran: _Ran, expected: Expectation) -> Difference | None:
        got, wanted = value(ran), expected.values[0]
        met = (got is not None) is (wanted == "true") if wanted in ("true", "false") else got == wanted
        return None if met else Difference(expected, wanted, got or "false")

    return check


def _priority(ran: _Ran) -> str:
    return ran.decision.priority.value if ran.decision.priority else "none"


def _duration(within: timedelta | None) -> str:
    return format_duration(within) if within is not None else "none"


def _headers(ran: _Ran, expected: Expectation) -> Difference | None:
    """At least these; a header's name is the same in any case."""
    got = {name.lower(): value for name, value in ran.decision.headers}
    wanted = (entry.partition(": ") for entry in expected.values)
    if all(got.get(name.lower()) == value for name, _, value in wanted) and (expected.values or not got):
        return None
    given = tuple(f"{name}: {value}" for name, value in ran.decision.headers)
    return Difference(expected, _listed(expected.values), _listed(given))


def _same(value: Callable[[_Ran], tuple[str, ...]]) -> _Check:
    """These and no other, in any order."""

    def check(ran: _Ran, expected: Expectation) -> Difference | None:
        got = value(ran)
        if set(expected.values) == set(got):
            return None
        return Difference(expected, _listed(expected.values), _listed(got))

    return check


def _inbox(ran: _Ran, expected: Expectation) -> Difference | None:
    wanted = inbox_of(expected.values[0], ran.ruleset.names)
    return None if wanted == ran.placed.inbox else Difference(expected, expected.values[0], ran.placed.inbox)


def _listed(values: tuple[str, ...]) -> str:
    return f"[{', '.join(values)}]"


_CHECKS: Mapping[str, _Check] = {
    "owner": _one(lambda ran: ran.placed.owner),
    "team": _one(lambda ran: ran.team),
    "labels": _labels,
    "labels_exactly": _labels,
    "labels_exclude": _labels,
    "rules": _in_order(lambda ran: ran.own_rules),
    "all_rules": _in_order(lambda ran: ran.all_rules),
    "priority": _one(_priority),
    "watchers": _watchers,
    "respond_within": _one(lambda ran: _duration(ran.decision.respond_within)),
    "headers": _headers,
    "forward": _same(lambda ran: ran.decision.forward),
    "held": _reason(lambda ran: ran.decision.hold),
    "rejected": _reason(lambda ran: ran.decision.reject),
    "approve": _same(lambda ran: ran.decision.approve),
    "reply": _one(lambda ran: ran.decision.reply.template if ran.decision.reply else "none"),
    "inbox": _inbox,
}
