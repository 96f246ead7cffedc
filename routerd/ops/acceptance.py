"""What operators see of accepted messages: logs and metrics."""

from collections.abc import Sequence

import structlog

from routerd.desk.changes import NEVER_FIRST, HeldKind, Part
from routerd.desk.plan import Plan
from routerd.message.envelope import Received
from routerd.ops.metrics import Metrics
from routerd.rules.decision import Decision

_RESULTS = {"command_obeyed": "done", "command_refused": "refused"}

log = structlog.get_logger()


def tell_accepted(received: Received, plan: Plan, decisions: Sequence[Decision], copies: int, metrics: Metrics) -> None:
    """Once it is durable. `decisions`: the home inbox's first; `copies`: how many go out or wait."""
    for decision in decisions:
        for match in decision.trace.matches:
            metrics.rule_matches.labels(str(match.rule)).inc()
        for trial in decision.trace.trials:
            metrics.rule_trials.labels(str(trial.rule)).inc()
        for skipped in decision.trace.failed:
            metrics.rule_errors.labels(str(skipped.rule)).inc()
            log.error("rule_failed", id=received.id, rule=str(skipped.rule), reason=skipped.reason)
    for label in plan.labels:
        metrics.labels.labels(label).inc()
    if plan.reply_withheld or any(mail.part is Part.REPLIED for mail in plan.authored):
        metrics.auto_replies.labels(plan.reply_withheld or "sent").inc()
    if plan.part in NEVER_FIRST or _is_refused(plan):
        _tell_said(plan, metrics)
    else:
        _tell_owned(received, plan, metrics)
    _tell_answer(plan, metrics)
    log.info(
        "message_accepted",
        id=received.id,
        inbox=plan.inbox,
        owner=plan.owner,
        labels=plan.labels,
        copies=copies,
        size_bytes=len(received.raw),
        client=received.client.address,
        listener=received.client.listener,
        **({} if received.client.member is None else {"login": received.client.member}),
        revision=decisions[0].revision,
    )


def _is_refused(plan: Plan) -> bool:
    """A member's answer that goes to nobody, of which he alone is told."""
    return plan.part is Part.ASIDE and plan.member is not None and not plan.copies


def _tell_owned(received: Received, plan: Plan, metrics: Metrics) -> None:
    metrics.assigned(plan.inbox, plan.owner)
    if not any(copy.member == plan.owner for copy in plan.copies) and plan.twin is None:
        metrics.unowned_messages.inc()
        log.error("message_unowned", id=received.id, owner=plan.owner)


def _tell_said(plan: Plan, metrics: Metrics) -> None:
    """Of what members say to the desk."""
    for event in plan.events:
        if event.kind == "note_written":
            metrics.notes.inc()
        elif event.kind == "note_kept_back":
            metrics.said_by_itself.labels("note").inc()
        elif event.kind in _RESULTS:
            metrics.commands.labels(str(event.data.get("command")), _RESULTS[event.kind]).inc()


def _tell_answer(plan: Plan, metrics: Metrics) -> None:
    if plan.new_held is not None and plan.new_held.kind is HeldKind.CONFLICT:
        metrics.answers_held.inc()
    if plan.new_held is not None and plan.new_held.kind is HeldKind.BY_ITSELF:
        metrics.said_by_itself.labels("answer").inc()
    answered = plan.answered
    if answered is None:
        return
    metrics.answers.labels(plan.inbox).inc()
    if answered.is_first and answered.waited is not None:
        first = metrics.first_response_seconds.labels(plan.inbox, plan.team or "")
        first.observe(answered.waited.total_seconds())
