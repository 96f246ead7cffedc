"""What `routerd explain` has found out, for people and as JSON for programs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

import click

from routerd.desk.describe import why
from routerd.desk.plan import Plan
from routerd.message.fold import display
from routerd.message.view import MessageView
from routerd.rules.decision import Decision, Evidence
from routerd.rules.explaining.context import Context
from routerd.rules.explaining.explain import Outcome, RuleExplanation

MAX_SHOWN = 400  # characters of a value
MOST_LISTED = 40  # rules; of more only those are listed that had something to do with the message
_FAILING_SHOWN = 3
_MARKS = {
    Outcome.MATCHED: ("+", "green"),
    Outcome.TRIAL: ("~", "cyan"),
    Outcome.UNKNOWN: ("?", "yellow"),
    Outcome.FAILED: ("!", "red"),
}


@dataclass(frozen=True, slots=True)
class Explained:
    """One message's decisions and plan, with each inbox's rules one by one."""

    view: MessageView
    decisions: tuple[Decision, ...]
    plan: Plan
    rules: tuple[tuple[str, list[RuleExplanation]], ...]  # inbox → its rules
    before: str | None  # the queue id of the same message, where it came before


def explained_as_text(explained: Explained, list_all: bool) -> str:
    """With colours, which `click.echo` takes out again where there is no terminal. Safe to print."""
    lines = list(_summary(explained))
    for inbox, rules in explained.rules:
        lines.append("")
        lines.extend(_rules_of(inbox, rules, list_all))
    return "\n".join(lines)


def _summary(explained: Explained) -> Iterator[str]:
    view, plan = explained.view, explained.plan
    yield f"subject   {_shown(view.subject)}"
    yield f"owner     {click.style(plan.owner, bold=True)}" + (f" (team {plan.team})" if plan.team else "")
    yield f"why       {_shown(why(plan, explained.decisions), 2000)}"
    if explained.before:
        yield f"before    it came before; `routerd queue show {explained.before}` tells what was done then"
    if plan.labels:
        yield f"labels    {', '.join(plan.labels)}"
    if plan.priority:
        yield f"priority  {plan.priority}"
    if plan.respond_by:
        yield f"respond   by {plan.respond_by:%Y-%m-%d %H:%M} UTC"
    yield from (f"header    {name}: {_shown(value)}" for name, value in plan.headers)
    for copy in plan.copies:
        yield f"copy      {copy.member} ({copy.role})" + (f", held: {_shown(copy.held)}" if copy.held else "")
    for decision in explained.decisions:
        if decision.reject is not None:
            yield f"reject    at {decision.inbox}: {_shown(decision.reject)}"
        yield from (f"note      {note}" for note in decision.trace.notes)


def _rules_of(inbox: str, rules: list[RuleExplanation], list_all: bool) -> Iterator[str]:
    yield click.style(f"rules for {inbox}", bold=True)
    listed = rules if list_all or len(rules) <= MOST_LISTED else [rule for rule in rules if _had_to_do(rule)]
    for rule in listed:
        yield from _rule_lines(rule)
    if len(listed) < len(rules):
        yield f"  and {len(rules) - len(listed)} more that did not match (--all lists them)"


def _had_to_do(rule: RuleExplanation) -> bool:
    return rule.outcome in _MARKS or bool(rule.near_miss)


def _rule_lines(rule: RuleExplanation) -> Iterator[str]:
    mark, colour = _MARKS.get(rule.outcome, ("-", ""))
    place = click.style(f"({_shown(str(rule.mark))})", dim=True)
    yield f"  {click.style(mark, fg=colour) if colour else mark} {_shown(str(rule.rule))}  {place}"
    if rule.does:
        yield f"      {_shown(rule.does)}"
    if rule.reason:
        yield f"      {rule.outcome}: {_shown(rule.reason)}"
    for evidence, context in zip_longest(rule.evidence, rule.contexts):
        yield from _evidence_lines(evidence, context)
    if rule.near_miss:
        yield f"      {click.style('near miss', fg='yellow')}: {_shown(rule.near_miss)}"
    for failing in rule.failing[: 1 if rule.near_miss else _FAILING_SHOWN]:
        yield f"      {_shown(str(failing))}"


def _evidence_lines(evidence: Evidence, context: Context | None) -> Iterator[str]:
    yield f"      {_shown(str(evidence))}"
    if context is not None:
        yield f"        «{context.before}{click.style(f'[{context.found}]', bold=True)}{context.after}»"


def _shown(text: str, most: int = MAX_SHOWN) -> str:
    return display(text, most)


def explained_as_json(explained: Explained) -> str:
    plan = explained.plan
    found = {
        "subject": explained.view.subject,
        "owner": plan.owner,
        "team": plan.team,
        "why": why(plan, explained.decisions),
        "before": explained.before,
        "labels": list(plan.labels),
        "priority": plan.priority,
        "respond_by": plan.respond_by.isoformat() if plan.respond_by else None,
        "headers": dict(plan.headers),
        "copies": [{"member": copy.member, "role": copy.role, "held": copy.held} for copy in plan.copies],
        "also": [{"inbox": inbox, "member": member} for inbox, member in plan.also],
        "inboxes": [
            {
                "inbox": decision.inbox,
                "reject": decision.reject,
                "hold": decision.hold,
                "stopped_by": str(decision.trace.stopped_by) if decision.trace.stopped_by else None,
                "notes": list(decision.trace.notes),
                "revision": decision.revision,
                "rules": [_rule_as_json(rule) for rule in rules],
            }
            for decision, (_, rules) in zip(explained.decisions, explained.rules, strict=True)
        ],
    }
    return json.dumps(found, ensure_ascii=False, indent=2)


def _rule_as_json(rule: RuleExplanation) -> dict[str, object]:
    return {
        "rule": str(rule.rule),
        "place": str(rule.mark),
        "outcome": rule.outcome,
        "does": rule.does or None,
        "evidence": [
            _evidence_as_json(evidence, context) for evidence, context in zip_longest(rule.evidence, rule.contexts)
        ],
        "failing": [{"condition": failing.condition, "saw": failing.saw} for failing in rule.failing],
        "near_miss": rule.near_miss or None,
        "reason": rule.reason or None,
    }


def _evidence_as_json(evidence: Evidence, context: Context | None) -> dict[str, object]:
    around = None if context is None else [context.before, context.found, context.after]
    return {"field": evidence.field, "found": evidence.found, "term": evidence.term, "context": around}
