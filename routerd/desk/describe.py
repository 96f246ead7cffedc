"""From a plan and the decisions behind it to what the copies say on top."""

from collections.abc import Iterable
from dataclasses import replace
from email.utils import format_datetime

from routerd.desk.assign import NextInLine
from routerd.desk.own_labels import REROUTED
from routerd.desk.pick import ownership
from routerd.desk.plan import Plan
from routerd.desk.roster import Roster
from routerd.message.annotation import Annotation
from routerd.rules.decision import Decision, Match


def describe(plan: Plan, decisions: tuple[Decision, ...], roster: Roster, stamp: Annotation) -> Annotation:
    """The annotation of a message: `stamp` (what does not depend on the plan) with owner, labels, rules and reasons."""
    return replace(
        stamp,
        assigned_to=str(roster.mailbox(plan.owner)),
        assigned_name=roster.display_name(plan.owner),
        labels=plan.labels,
        rules=tuple(dict.fromkeys(str(match.rule) for decision in decisions for match in decision.trace.matches)),
        why=why(plan, decisions),
        also=plan.also,
        priority=plan.priority,
        respond_by=format_datetime(plan.respond_by) if plan.respond_by else "",
        headers=plan.headers,
    )


def describe_rerouted(annotation: Annotation, following: NextInLine, reason: str, roster: Roster) -> Annotation:
    """The annotation of a copy that takes another's place: the new owner, the label, and what happened, first."""
    return replace(
        annotation,
        assigned_to=str(roster.mailbox(following.member)),
        assigned_name=roster.display_name(following.member),
        labels=tuple(dict.fromkeys((*annotation.labels, REROUTED))),
        why=f"rerouted: {reason}; {ownership(following.why, following.member)}; before: {annotation.why}",
    )


def why(plan: Plan, decisions: Iterable[Decision]) -> str:
    """One line: each rule that matched with the words that decided, why the owner is who he is, by what revision."""
    return "; ".join(reasons(plan, decisions))


def reasons(plan: Plan, decisions: Iterable[Decision]) -> tuple[str, ...]:
    """The parts of `why`."""
    decisions = tuple(decisions)
    by_rule = dict.fromkeys(_reason(match) for decision in decisions for match in decision.trace.matches)
    revisions = dict.fromkeys(f"rules {decision.revision}" for decision in decisions if decision.revision)
    return (*by_rule, plan.why, *revisions)


def _reason(match: Match) -> str:
    """What is there says more than what is not: conditions under `not` are named only where nothing else is."""
    words = [str(evidence) for evidence in match.evidence if evidence.found] or [str(e) for e in match.evidence]
    return f"{match.rule.name}: {', '.join(words)}" if words else match.rule.name
