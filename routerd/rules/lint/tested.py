"""`fragile-owner`, `untested`: what the tests of the rule files do not hold fast."""

from collections.abc import Iterable, Iterator, Sequence

from routerd.config.settings import Settings
from routerd.rules.decision import RuleRef
from routerd.rules.finding import Finding
from routerd.rules.lint.witness import matched
from routerd.rules.ruleset import Ruleset
from routerd.rules.trying.cases import CaseResult

_ROTATIONS = {
    "round_robin": "takes its members in turn",
    "least_loaded": "takes who has least to do",
    "random": "takes anyone",
    "last": "takes who had the customer last",
}


def find_fragile_owners(results: Iterable[CaseResult], settings: Settings) -> Iterator[Finding]:
    """Where `given` leaves one member only, or says the loads that decide, there is nothing fragile about it."""
    for result in results:
        expected = next((one for one in result.case.expect if one.key == "owner"), None)
        if expected is None or result.decision is None:
            continue
        assign = result.decision.assign
        target = assign.target if assign else settings.inboxes[result.decision.inbox].default
        team = settings.teams.get(target)
        if team is None:
            continue
        pick = str((assign.pick if assign else None) or team.pick)
        given = result.case.given
        there = [member for member in team.members if member not in given.away]
        if pick not in _ROTATIONS or len(there) < 2 or (pick == "least_loaded" and given.load):
            continue
        yield Finding(
            "fragile-owner",
            expected.mark,
            f"{target} {_ROTATIONS[pick]} (pick: {pick}), so that this owner is a matter of chance; expect "
            f"`team: {target}`",
        )


def find_untested(ruleset: Ruleset, results: Sequence[CaseResult]) -> Iterator[Finding]:
    """Rules that matched in no test that passed; of rules on trial, those that would have."""
    tested = frozenset(_matched(results))
    for file in ruleset.files:
        for rule in file.rules:
            if rule.ref not in tested:
                yield Finding(
                    "untested", rule.mark, f"no test has a message that {rule.ref.name!r} matches", (rule.ref,)
                )


def _matched(results: Sequence[CaseResult]) -> Iterator[RuleRef]:
    for result in results:
        if result.met and not result.case.todo and result.decision is not None:
            yield from matched(result.decision)
