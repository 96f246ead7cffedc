"""A message's life in sentences, in the order in which it happened, for who has never met routerd."""

from collections.abc import Iterator
from datetime import UTC, datetime

from routerd.cli.message_events import print_told, went_on, which
from routerd.cli.moments import shown_time
from routerd.cli.queue_report import Where
from routerd.rules.decision import Decision
from routerd.store.base import NOBODY_LEFT, CopyState
from routerd.store.history import MessageHistory, QueuedCopy


def print_life(history: MessageHistory, where: Where) -> None:
    """When what happened, and how it stands now. Times are in UTC, as in the logs."""
    print_told((*_began(history, where), *went_on(history), *_stands(history, where)))


def _began(history: MessageHistory, where: Where) -> Iterator[tuple[datetime | str, str]]:
    envelope, plan = history.envelope, history.plan
    sender = f"<{history.sender}>" if history.sender else "<> (a bounce or another automatic mail)"
    size = "1 byte" if history.size_bytes == 1 else f"{history.size_bytes:,} bytes"
    yield history.received_at, f"accepted as {history.queue_id} from {sender} for {', '.join(envelope.recipients)}"
    yield "", f"{_client(history)}; {size}; Message-ID {_message_id(history)}"
    yield "", _proven(history)
    for decision in history.decisions:
        yield from _decided(decision)
    if history.twin_of:
        yield (
            "",
            f"it was here before, as {history.twin_of}: whoever has it from there gets no second copy",
        )
    yield "", f"owner: {plan.owner}, {plan.why}" + (f"; labels: {', '.join(plan.labels)}" if plan.labels else "")
    later = {event.data.get("to") for event in history.events if event.kind == "copy_rerouted"}
    for copy in history.copies:
        if copy.id not in later:
            by = f"to {copy.mailbox} by {where(copy)}"
            yield "", f"{which(copy.id)} for {copy.member} as {copy.role}, {by}"


def _client(history: MessageHistory) -> str:
    envelope = history.envelope
    if not (envelope.client or envelope.listener):
        return "written by routerd itself"
    address = f"{envelope.name} [{envelope.client}]" if envelope.name else envelope.client or "a unix socket"
    listed = f", listed by {', '.join(envelope.listed_in)}" if envelope.listed_in else ""
    login = f"logged in as {envelope.login}" if envelope.login else "without a login"
    said = f' calling itself "{envelope.helo}"' if envelope.helo else ""
    return f"client {address}{said}, by {envelope.protocol} on {envelope.listener}, {login}{listed}"


def _proven(history: MessageHistory) -> str:
    """What we found out ourselves, and whose word it is that a member wrote it."""
    results = history.annotation.auth_results.partition(";")[2].strip()
    verified = f"verified of its sender: {results}" if results not in ("", "none") else ""
    if not history.member or not history.envelope.listener:
        return verified or "its sender is not verified"
    if verified:
        return f"by {history.member}, who is proven; {verified}"
    return f"by {history.member}, who is proven by what a trusted hop says of it, or by the listener for members alone"


def _message_id(history: MessageHistory) -> str:
    return f"<{history.message_id}>" if history.message_id else "none"


def _decided(decision: Decision) -> Iterator[tuple[str, str]]:
    trace = decision.trace
    by = f" by the rules of revision {decision.revision}" if decision.revision else " without rules"
    yield "", f"decided for {decision.inbox}{by}" + ("" if trace.matches else ": none matched")
    for match in trace.matches:
        yield "", f"  {match.rule} matched: {'; '.join(map(str, match.evidence)) or 'always'}"
    for trial in trace.trials:
        yield "", f"  {trial.rule} matched, on trial: would {trial.would}"
    for skipped in (*trace.unknown, *trace.failed):
        yield "", f"  {skipped.rule} could not say: {skipped.reason}"
    if trace.stopped_by:
        yield "", f"  {trace.stopped_by} ended it: rules behind it were not asked"
    for note in trace.notes:
        yield "", f"  {note}"


def _stands(history: MessageHistory, where: Where) -> Iterator[tuple[datetime | str, str]]:
    """What each copy is at, and what may be done about it."""
    now = "now"
    for copy in history.copies:
        if copy.state is not CopyState.REROUTED:
            yield now, f"{which(copy.id)} for {copy.member} {_state(copy, where)}"
            now = ""
    if not history.copies:
        yield now, f"nobody was sent a copy: see {history.twin_of}" if history.twin_of else "there is no copy of it"
    elif not history.has_bytes:
        yield now, "its bytes are no longer kept, its history is"


def _state(copy: QueuedCopy, where: Where) -> str:
    match copy.state:
        case CopyState.QUEUED:
            tried = "not tried yet" if not copy.attempts else f"tried {_times(copy.attempts)}"
            if copy.next_attempt_at and copy.next_attempt_at <= datetime.now(UTC):
                return f"is due: {tried}; the daemon tries it as soon as its destination takes more"
            when = f", by itself again at {shown_time(copy.next_attempt_at)}" if copy.next_attempt_at else ""
            return f"waits: {tried}{when}; 'routerd queue retry {copy.id}' tries it at once"
        case CopyState.HELD:
            return f"is held until the postmaster acts: {copy.reason or 'no reason was given'}; {_way_out(copy)}"
        case CopyState.DELIVERED:
            return f"was delivered to {copy.mailbox} by {where(copy)} at {shown_time(copy.finished_at)}"
        case CopyState.FAILED:
            return (
                f"was given up: {copy.reason or 'no reason was given'}; it is not the owner's, who has one of his own"
            )
        case _:
            return f"was {copy.state} at {shown_time(copy.finished_at)}"


def _way_out(copy: QueuedCopy) -> str:
    send = f"'routerd queue release {copy.id}' sends it"
    if copy.reason.endswith(NOBODY_LEFT):
        return f"mend one of the mailboxes, or routerd.yaml; then {send} to {copy.mailbox}, 'drop' ends it"
    return f"{send} as it is, 'bounce' gives it to the next in line, 'drop' ends it"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
