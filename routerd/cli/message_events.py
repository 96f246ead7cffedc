"""What happened to a message since it came, in sentences: of its copies, and what the desk did by it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

import click

from routerd.cli.conversation_timeline import WHY_HELD
from routerd.cli.event_sentences import because, event_sentence, in_words, known
from routerd.cli.moments import shown_time
from routerd.cli.paragraphs import folded, terminal_width
from routerd.message.fold import display
from routerd.store.base import CopyState
from routerd.store.history import MessageHistory, PastEvent

MAX_WORDS = 2_000  # characters of a sentence: a peer's words stand in some, a rule's in others

_TIME = 22  # columns
_HAND = {"postmaster": ", by the postmaster's hand"}  # a bounce is told of just before what it did

Data = Mapping[str, object]


def print_told(told: Iterable[tuple[datetime | str, str]]) -> None:
    """Sentences, each behind its moment, which is in UTC, as in the logs."""
    for at, sentence in told:
        lead = f"{shown_time(at) if isinstance(at, datetime) else at:<{_TIME}}"
        for line in folded(display(sentence, MAX_WORDS), terminal_width(), lead, " " * _TIME):
            click.echo(line.rstrip())


def went_on(history: MessageHistory) -> Iterator[tuple[datetime | str, str]]:
    """When, and what; `…` instead of a moment where some is left out."""
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
                yield "…", f"{which(copy)}: {missing} more attempts, deferred too; they are not kept one by one"
            attempts[copy] = attempt
        yield event.at, sentence


def _counted_through(event: PastEvent, before: dict[str, int], attempts: Mapping[str, int]) -> PastEvent:
    copy, attempt = str(event.data.get("copy", "")), event.data.get("attempt")
    if event.kind == "copy_released":
        before[copy] = attempts.get(copy, 0)
    if not isinstance(attempt, int):
        return event
    return replace(event, data={**event.data, "attempt": attempt + before.get(copy, 0)})


def which(copy: object) -> str:
    """Its number says it: the message is known."""
    return f"copy {str(copy).rpartition('-')[2]}"


def _copy(event: PastEvent) -> str:
    data = event.data
    attempt = f", attempt {data['attempt']}{_led(data)}" if data.get("attempt") else ""
    return f"{which(data.get('copy'))} for {known(data, 'member')}{attempt}"


def _led(data: Data) -> str:
    """Where the attempt went: to a host, unless the reason names it; else for where it was, as where DNS knew none."""
    host = str(data.get("host") or "")
    if host:
        return "" if host in str(data.get("reason", "")) else f" at {host}"
    return f" by {data['destination']}" if data.get("destination") else ""


def _by(data: Data) -> str:
    return _HAND.get(str(data.get("by", "")), "")


def _delivered(event: PastEvent) -> str:
    return f"{_copy(event)}: delivered; its server said{because(event.data, 'reply') or ' nothing'}"


def _deferred(event: PastEvent) -> str:
    again = str(event.data.get("next_attempt_at", ""))
    try:
        when = f", again at {shown_time(datetime.fromisoformat(again))}" if again else ""
    except ValueError:
        when = ""
    return f"{_copy(event)}: not delivered{when}{because(event.data, 'reason')}"


def _rerouted(event: PastEvent) -> str:
    data = event.data
    given = f"given to {known(data, 'to_member')} as {which(data.get('to'))}{_by(data)}"
    return f"{_copy(event)}: {given}{because(data, 'reason')}"


def _moved(done: str) -> Callable[[PastEvent], str]:
    return lambda event: f"{_copy(event)}: {done}{_by(event.data)}{because(event.data, 'reason')}"


def _bounced(event: PastEvent) -> str:
    data = event.data
    if not data.get("action"):
        return f"{_copy(event)}: something came back that is to be read by a person: the message {known(data, 'by')}"
    words = " ".join(str(data[key]) for key in ("action", "status", "diagnostic") if data.get(key))
    told = f"{_copy(event)}: a bounce came back from {data.get('from') or 'a server without a name'}: {words}"
    settled = data.get("state") in (CopyState.REROUTED, CopyState.HELD, CopyState.FAILED, CopyState.DROPPED)
    return f"{told}; the copy was {data['state']} already, that changed nothing" if settled else told


def _came_back(event: PastEvent) -> str:
    copy = event.data.get("copy")
    return (
        f"it came back for {copy}, sent to {known(event.data, 'mailbox')}, and is to be read by a person:"
        f" 'routerd queue bounce {copy}' takes that as refused"
    )


def _told(event: PastEvent) -> str:
    return f"{which(event.data.get('copy'))}: the postmaster was told; the notice is {known(event.data, 'notice')}"


def _ignored(event: PastEvent) -> str:
    data = event.data
    return (
        f"{_copy(event)}: an attempt ended when the copy was {known(data, 'state')} already;"
        f" that changed nothing{because(data, 'reason')}"
    )


def _changed_owner(event: PastEvent) -> str:
    data = event.data
    return f"the conversation goes from {known(data, 'from')} to {known(data, 'to')}{because(data)}"


def _held(event: PastEvent) -> str:
    why = next((said for kind, said in WHY_HELD.items() if kind == event.data.get("kind")), "")
    return f"the answer of {known(event.data, 'member')} is held{f': {why}' if why else ''}"


def _answered(event: PastEvent) -> str:
    data = event.data
    by = f"; {data['by']} let it go: #send" if data.get("by") else ""
    return f"the answer of {known(data, 'member')} went out to {_names(data.get('to'))}{by}"


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
    "mail_written": lambda event: f"routerd wrote it{because(event.data)}",
    "note_written": lambda event: f"{known(event.data, 'member')} noted it, for {_names(event.data.get('to'))}",
    "draft_held": lambda event: (
        f"{known(event.data, 'member')} wrote it as a draft, for {_names(event.data.get('to'))}"
    ),
    "note_kept_back": lambda event: f"shown to nobody: {known(event.data, 'member')} wrote {known(event.data, 'why')}",
    "answer_held": _held,
    "answer_sent": _answered,
    "calendar_reply_sent": lambda event: (
        f"{known(event.data, 'member')} answered an invitation, to {_names(event.data.get('to'))}"
    ),
    "auto_reply_sent": lambda event: (
        f"routerd replied to {known(event.data, 'to')} by itself: {known(event.data, 'mail')}"
    ),
    "away_heard": lambda event: f"it says that {known(event.data, 'member')} is away",
    "copy_added": lambda event: f"{_copy(event)}: made later{because(event.data)}",
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
