"""What `routerd explain` has found out, for people and as JSON for programs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from zoneinfo import ZoneInfo

import click

from routerd.cli.paragraphs import BOLD, BOLD_END, columns_of, cut, folded
from routerd.config.calendar_values import shown_moment
from routerd.desk.describe import reasons, why
from routerd.desk.plan import Plan
from routerd.message.fold import display
from routerd.message.view import MessageView
from routerd.rules.conditions.conversation import shown_conversation
from routerd.rules.decision import Decision, Evidence, RuleRef
from routerd.rules.explaining.context import Context
from routerd.rules.explaining.explain import Outcome, RuleExplanation
from routerd.rules.facts import ConversationFacts

MAX_SHOWN = 400  # characters of a value
MOST_LISTED = 40  # rules that had nothing to do with the message
_FAILING_SHOWN = 3
_LABEL = 10  # columns of what a line of the summary tells of
_FILE_COLUMNS = 6  # at least, of a file's name that is cut
_WIDEST_NAME = 48  # columns, for what stands behind the names to stand in line
_MARKS = {
    Outcome.MATCHED: ("+", "green"),
    Outcome.TRIAL: ("~", "cyan"),
    Outcome.UNKNOWN: ("?", "yellow"),
    Outcome.FAILED: ("!", "red"),
}
_UNMARKED = ("-", "")


@dataclass(frozen=True, slots=True)
class Explained:
    """One message's decisions and plan, with each inbox's rules one by one."""

    view: MessageView
    at: datetime  # when it is accepted
    zone: ZoneInfo  # of the calendar by which its owner works
    conversation: ConversationFacts | None  # the known one that it belongs to
    decisions: tuple[Decision, ...]
    plan: Plan
    rules: tuple[tuple[str, list[RuleExplanation]], ...]  # inbox → its rules
    before: str | None  # the queue id of the same message, where it came before


def explained_as_text(explained: Explained, list_all: bool, width: int | None) -> str:
    """With colours, which `click.echo` takes out again where there is no terminal. Safe to print.

    `width`: columns to fold lines to; None leaves them whole.
    """
    lines: list[str] = []
    for label, text in _summary(explained):
        lines.extend(folded(text, width, f"{label:<{_LABEL}}", " " * _LABEL))
    for inbox, rules in explained.rules:
        lines.append("")
        lines.extend(_RulesOf(inbox, rules, width).lines(list_all))
    return "\n".join(lines)


def _summary(explained: Explained) -> Iterator[tuple[str, str]]:
    view, plan = explained.view, explained.plan
    yield "subject", _shown(view.subject)
    yield "accepted", shown_moment(explained.at, explained.zone)
    if explained.before:
        yield "before", f"it came before; `routerd queue show {explained.before}` tells what was done then"
    if explained.conversation is not None:
        yield "joins", f"a conversation: {_shown(shown_conversation(explained.conversation))}"
    yield "owner", f"{BOLD}{plan.owner}{BOLD_END}" + (f" (team {plan.team})" if plan.team else "")
    for number, reason in enumerate(reasons(plan, explained.decisions)):
        yield "" if number else "why", _shown(reason)
    if plan.labels:
        yield "labels", ", ".join(plan.labels)
    if plan.priority:
        yield "priority", plan.priority
    if plan.respond_by:
        yield "respond", f"by {shown_moment(plan.respond_by, explained.zone)}"
    yield from (("header", f"{name}: {_shown(value)}") for name, value in plan.headers)
    if plan.standing.approve:
        yield "approve", f"an answer waits for #send of {' or '.join(plan.standing.approve)}"
    for copy in plan.copies:
        yield "copy", f"{copy.member} ({copy.role})" + (f", held: {_shown(copy.held)}" if copy.held else "")
    for decision in explained.decisions:
        if decision.reject is not None:
            yield "reject", f"at {decision.inbox}: {_shown(decision.reject)}"
        yield from (("note", note) for note in decision.trace.notes)


@dataclass(frozen=True, slots=True)
class _RulesOf:
    """The rules for one inbox: first those that had to do with the message, then the others, a line each."""

    inbox: str
    rules: list[RuleExplanation]
    width: int | None

    def lines(self, list_all: bool) -> Iterator[str]:
        """`list_all`: all is told of the others, too."""
        matched = [rule for rule in self.rules if rule.outcome in _MARKS]
        near = [rule for rule in self.rules if rule.near_miss]
        others = [rule for rule in self.rules if rule.outcome not in _MARKS and not rule.near_miss]
        counted = sum(rule.outcome is Outcome.MATCHED for rule in self.rules)
        heading = f"{BOLD}rules for {self.inbox}: {counted} of {len(self.rules):,} matched{BOLD_END}"
        yield from folded(heading, self.width)
        for rule in (*matched, *near, *(others if list_all else ())):
            yield from self._at_length(rule)
        if others and not list_all:
            yield from self._in_short(others)

    def _at_length(self, rule: RuleExplanation) -> Iterator[str]:
        mark, colour = _MARKS.get(rule.outcome, _UNMARKED)
        name, place = _shown(str(rule.rule)), f"({_shown(str(rule.mark))})"
        shown = click.style(mark, fg=colour) if colour else mark
        if self.width is None or columns_of(name) + len(place) + 6 <= self.width:
            yield f"  {shown} {name}  {click.style(place, dim=True)}"
        else:
            yield f"  {shown} {name}"
            yield f"      {click.style(place, dim=True)}"
        for lead, text in self._told(rule):
            yield from folded(text, self.width, lead, " " * len(lead) if lead.isspace() else f"{'':8}")

    def _told(self, rule: RuleExplanation) -> Iterator[tuple[str, str]]:
        """What is said of one rule: the lead of each paragraph, and its text."""
        lead = " " * 6
        if rule.does:
            yield lead, _shown(rule.does)
        if rule.reason:
            yield lead, f"{rule.outcome}: {_shown(rule.reason)}"
        for evidence, context in zip_longest(rule.evidence, rule.contexts):
            yield lead, _shown(str(evidence))
            if context is not None:
                yield f"{lead}  ", f"«{context.before}{BOLD}[{context.found}]{BOLD_END}{context.after}»"
        if rule.near_miss:
            yield lead, f"near miss: {_shown(rule.near_miss)}"
        for failing in rule.failing[: 1 if rule.near_miss else _FAILING_SHOWN]:
            yield lead, _shown((rule.near_miss and failing.saw) or str(failing))

    def _in_short(self, rules: list[RuleExplanation]) -> Iterator[str]:
        """One line for each: what kept it from matching."""
        heading = "did not match, each with what was lacking (--all tells more):"
        yield from (click.style(line, dim=True) for line in folded(heading, self.width, "  ", "  "))
        listed = rules[:MOST_LISTED]
        widest = max(columns_of(_shown(str(rule.rule))) for rule in listed)
        column = min(widest, _WIDEST_NAME if self.width is None else self.width // 2)
        for rule in listed:
            name = _shown(str(rule.rule)) if self.width is None else _name_in(rule.rule, column)
            gap = " " * (column - columns_of(name) + 2)
            left = None if self.width is None else self.width - column - 6
            yield f"  - {name}{gap}{click.style(cut(_kept_by(rule), left), dim=True)}"
        if len(listed) < len(rules):
            rest = f"and {len(rules) - len(listed):,} more that did not match (--all lists them)"
            yield from folded(rest, self.width, "  ", "  ")


def _name_in(rule: RuleRef, columns: int) -> str:
    """The file's name is cut before the rule's own."""
    name = _shown(rule.name)
    file = cut(_shown(rule.file), max(columns - columns_of(name) - 1, _FILE_COLUMNS))
    return cut(f"{file}/{name}", columns)


def _kept_by(rule: RuleExplanation) -> str:
    """What kept it from matching, in short."""
    if rule.reason:
        return _shown(f"{rule.outcome}: {rule.reason}")
    return _shown("; ".join(failing.condition for failing in rule.failing))


def _shown(text: str, most: int = MAX_SHOWN) -> str:
    return display(text, most)


def explained_as_json(explained: Explained) -> str:
    plan = explained.plan
    found = {
        "subject": explained.view.subject,
        "accepted_at": explained.at.isoformat(),
        "conversation": _conversation_as_json(explained.conversation),
        "owner": plan.owner,
        "team": plan.team,
        "why": why(plan, explained.decisions),
        "before": explained.before,
        "labels": list(plan.labels),
        "priority": plan.priority,
        "respond_by": plan.respond_by.isoformat() if plan.respond_by else None,
        "headers": dict(plan.headers),
        "approve": list(plan.standing.approve),
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


def _conversation_as_json(known: ConversationFacts | None) -> dict[str, object] | None:
    if known is None:
        return None
    return {
        "owner": known.owner,
        "team": known.team,
        "labels": sorted(known.labels),
        "state": known.state,
        "messages": known.messages,
        "waiting_seconds": int(known.waiting.total_seconds()) if known.waiting is not None else None,
    }


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
