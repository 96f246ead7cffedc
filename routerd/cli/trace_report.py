"""A message's life in sentences, in the order in which it happened, for who has never met routerd."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import click

from routerd.cli.conversation_timeline import WHY_HELD
from routerd.cli.event_sentences import event_sentence, in_words
from routerd.cli.moments import shown_time
from routerd.cli.paragraphs import folded, terminal_width
from routerd.cli.queue_report import Where
from routerd.message.fold import display
from routerd.rules.decision import Decision
from routerd.store.base import NOBODY_LEFT, CopyState
from routerd.store.history import MessageHistory, PastEvent, QueuedCopy

MAX_WORDS = 1_000  # of a peer's words, or a rule's

_TIME = 22  # columns
_HAND = {"postmaster": ", by the postmaster's hand"}  # a bounce is told of just before what it did

Data = Mapping[str, object]


def print_life(history: MessageHistory, where: Where) -> None:
    """When what happened, and how it stands now. Times are in UTC, as in the logs."""
    for at, sentence in (*_began(history, where), *_went_on(history), *_stands(history, where)):
        lead = f"{shown_time(at) if isinstance(at, datetime) else at:<{_TIME}}"
        for line in folded(display(sentence, MAX_WORDS * 2), terminal_width(), lead, " " * _TIME):
            click.echo(line.rstrip())


def _began(history: MessageHistory, where: Where) -> Iterator[tuple[datetime | str, str]]:
    envelope, plan = history.envelope, history.plan
    sender = f"<{history.sender}>" if history.sender else "<> (a bounce or another automatic mail)"
    size = "1 byte" if history.size_bytes == 1 else f"{history.size_bytes:,} bytes"
    yield history.received_at, f"accepted as {history.queue_id} from {sender} for {', '.join(envelope.recipients)}"
    yield "", f"{_client(history)}; {size}; Message-ID {_message_id(history)}"
    results = history.annotation.auth_results.partition(";")[2].strip()
    yield "", f"verified of its sender: {results}" if results not in ("", "none") else "its sender is not verified"
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
            yield "", f"{_which(copy.id)} for {copy.member} as {copy.role}, {by}"


def _client(history: MessageHistory) -> str:
    envelope = history.envelope
    if not (envelope.client or envelope.listener):
        return "written by routerd itself"
    address = f"{envelope.name} [{envelope.client}]" if envelope.name else envelope.client or "a unix socket"
    listed = f", listed by {', '.join(envelope.listed_in)}" if envelope.listed_in else ""
    login = f"logged in as {envelope.login}" if envelope.login else "without a login"
    said = f' calling itself "{envelope.helo}"' if envelope.helo else ""
    return f"client {address}{said}, by {envelope.protocol} on {envelope.listener}, {login}{listed}"


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


def _went_on(history: MessageHistory) -> Iterator[tuple[datetime | str, str]]:
    attempts: dict[str, int] = {}  # of each copy, the last one told
    before: dict[str, int] = {}  # and how many there were until it was released, when they are counted anew
    for stored in history.events:
        event = _counted_through(stored, before, attempts)
        sentence = _SENTENCES.get(event.kind, _of_conversation)(event)
        if sentence is None:
            continue
        copy, attempt = str(event.data.get("copy", "")), event.data.get("attempt")
        if isinstance(attempt, int):
            missing = attempt - attempts.get(copy, 0) - 1
            if event.kind == "copy_deferred" and missing > 0 and attempts.get(copy):
                yield "…", f"{_which(copy)}: {missing} more attempts, deferred too; they are not kept one by one"
            attempts[copy] = attempt
        yield event.at, sentence


def _counted_through(event: PastEvent, before: dict[str, int], attempts: Mapping[str, int]) -> PastEvent:
    copy, attempt = str(event.data.get("copy", "")), event.data.get("attempt")
    if event.kind == "copy_released":
        before[copy] = attempts.get(copy, 0)
    if not isinstance(attempt, int):
        return event
    return replace(event, data={**event.data, "attempt": attempt + before.get(copy, 0)})


def _stands(history: MessageHistory, where: Where) -> Iterator[tuple[datetime | str, str]]:
    """What each copy is at, and what may be done about it."""
    now = "now"
    for copy in history.copies:
        if copy.state is not CopyState.REROUTED:
            yield now, f"{_which(copy.id)} for {copy.member} {_state(copy, where)}"
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


def _which(copy: object) -> str:
    """Its number says it: the message is known."""
    return f"copy {str(copy).rpartition('-')[2]}"


def _copy(event: PastEvent) -> str:
    data = event.data
    attempt = f", attempt {data['attempt']}{_led(data)}" if data.get("attempt") else ""
    return f"{_which(data.get('copy'))} for {data.get('member')}{attempt}"


def _led(data: Data) -> str:
    """Where the attempt went: to a host, unless the reason names it; else for where it was, as where DNS knew none."""
    host = str(data.get("host") or "")
    if host:
        return "" if host in str(data.get("reason", "")) else f" at {host}"
    return f" by {data['destination']}" if data.get("destination") else ""


def _because(data: Data, key: str = "reason") -> str:
    return f": {data[key]}" if data.get(key) else ""


def _by(data: Data) -> str:
    return _HAND.get(str(data.get("by", "")), "")


def _delivered(event: PastEvent) -> str:
    return f"{_copy(event)}: delivered; its server said{_because(event.data, 'reply') or ' nothing'}"


def _deferred(event: PastEvent) -> str:
    again = str(event.data.get("next_attempt_at", ""))
    try:
        when = f", again at {shown_time(datetime.fromisoformat(again))}" if again else ""
    except ValueError:
        when = ""
    return f"{_copy(event)}: not delivered{when}{_because(event.data)}"


def _rerouted(event: PastEvent) -> str:
    data = event.data
    return f"{_copy(event)}: given to {data.get('to_member')} as {_which(data.get('to'))}{_by(data)}{_because(data)}"


def _moved(done: str) -> Callable[[PastEvent], str]:
    return lambda event: f"{_copy(event)}: {done}{_by(event.data)}{_because(event.data)}"


def _bounced(event: PastEvent) -> str:
    data = event.data
    if not data.get("action"):
        return f"{_copy(event)}: something came back that is to be read by a person: the message {data.get('by')}"
    words = " ".join(str(data[key]) for key in ("action", "status", "diagnostic") if data.get(key))
    told = f"{_copy(event)}: a bounce came back from {data.get('from') or 'a server without a name'}: {words}"
    settled = data.get("state") in (CopyState.REROUTED, CopyState.HELD, CopyState.FAILED, CopyState.DROPPED)
    return f"{told}; the copy was {data['state']} already, that changed nothing" if settled else told


def _came_back(event: PastEvent) -> str:
    copy = event.data.get("copy")
    return (
        f"it came back for {copy}, sent to {event.data.get('mailbox')}, and is to be read by a person:"
        f" 'routerd queue bounce {copy}' takes that as refused"
    )


def _told(event: PastEvent) -> str:
    return f"{_which(event.data.get('copy'))}: the postmaster was told; the notice is {event.data.get('notice')}"


def _ignored(event: PastEvent) -> str:
    data = event.data
    return (
        f"{_copy(event)}: an attempt ended when the copy was {data.get('state')} already;"
        f" that changed nothing{_because(data)}"
    )


def _changed_owner(event: PastEvent) -> str:
    data = event.data
    return f"the conversation goes from {data.get('from')} to {data.get('to')}{_because(data, 'why')}"


def _held(event: PastEvent) -> str:
    why = next((said for kind, said in WHY_HELD.items() if kind == event.data.get("kind")), "")
    return f"the answer of {event.data.get('member')} is held{f': {why}' if why else ''}"


def _answered(event: PastEvent) -> str:
    data = event.data
    by = f"; {data['by']} let it go: #send" if data.get("by") else ""
    return f"the answer of {data.get('member')} went out to {_names(data.get('to'))}{by}"


def _names(names: object) -> str:
    return ", ".join(map(str, names)) if isinstance(names, list) and names else "nobody"


def _of_conversation(event: PastEvent) -> str | None:
    """As the conversation's timeline has it."""
    return in_words(event) if event.kind.startswith("copy_") else event_sentence(event) or None


def _nothing(_: PastEvent) -> None:
    """It is told where the message came in."""


_SENTENCES: dict[str, Callable[[PastEvent], str | None]] = {
    "message_assigned": _nothing,
    "message_joined": _nothing,
    "owner_changed": _changed_owner,
    "mail_written": lambda event: f"routerd wrote it{_because(event.data, 'why')}",
    "note_written": lambda event: f"{event.data.get('member')} noted it, for {_names(event.data.get('to'))}",
    "draft_held": lambda event: f"{event.data.get('member')} wrote it as a draft, for {_names(event.data.get('to'))}",
    "note_kept_back": lambda event: f"shown to nobody: {event.data.get('member')} wrote {event.data.get('why')}",
    "answer_held": _held,
    "answer_sent": _answered,
    "calendar_reply_sent": lambda event: (
        f"{event.data.get('member')} answered an invitation, to {_names(event.data.get('to'))}"
    ),
    "auto_reply_sent": lambda event: f"routerd replied to {event.data.get('to')} by itself: {event.data.get('mail')}",
    "away_heard": lambda event: f"it says that {event.data.get('member')} is away",
    "copy_added": lambda event: f"{_copy(event)}: made later{_because(event.data, 'why')}",
    "copy_delivered": _delivered,
    "copy_deferred": _deferred,
    "copy_rerouted": _rerouted,
    "copy_held": _moved("held"),
    "copy_failed": _moved("given up"),
    "copy_dropped": _moved("dropped"),
    "copy_released": _moved("released"),
    "copy_retried": _moved("to be tried at once"),
    "bounce_received": _bounced,
    "came_back": _came_back,
    "postmaster_told": _told,
    "conclusion_ignored": _ignored,
}
