"""What happened in a conversation, in sentences: who, what, when and why."""

from collections.abc import Callable, Iterator
from datetime import datetime

from routerd.cli.event_sentences import event_sentence
from routerd.desk.changes import HeldEnd, HeldKind, Part, Role, Timer, TimerKind
from routerd.store.base import CopyState
from routerd.store.conversations import PastHeld, PastMessage, WholeConversation

Line = tuple[datetime, str]


def timeline(whole: WholeConversation) -> list[Line]:
    """What happened, with who and why, oldest first."""
    held = {one.queue_id: one for one in whole.held}
    lines: list[Line] = []
    for message in whole.messages:
        lines.extend(_message_lines(message, held.get(message.queue_id)))
    for event in whole.events:
        sentence = event_sentence(event)
        if sentence:
            lines.append((event.at, sentence))
    for one in whole.held:
        if one.end is not None and one.ended_at is not None:
            lines.append((one.ended_at, f"the {_HELD[one.held.kind]} of {one.held.member} {_ENDED[one.end]}"))
    return sorted(lines, key=lambda line: line[0])


def _message_lines(message: PastMessage, held: PastHeld | None) -> Iterator[Line]:
    kept = "" if message.has_bytes else ", its text no longer kept"
    yield message.at, f"{_said(message, held)} [{message.queue_id}{kept}]"
    if message.is_twin:
        yield message.at, "  it was here before: whoever has it from there gets no second copy"
    for event in message.events:
        sentence = event_sentence(event)
        if sentence:
            yield event.at, f"  {sentence}"
    for copy in message.copies:
        if copy.state in (CopyState.HELD, CopyState.FAILED):
            yield (
                copy.finished_at or message.at,
                f"  copy for {copy.member} {copy.state}: {copy.reason} (see 'routerd trace {copy.id}')",
            )


def _said(message: PastMessage, held: PastHeld | None) -> str:
    who = message.member or message.sender or "a machine (from <>)"
    if message.part is Part.ANSWER and (held is not None or message.sent_at is None):
        return f"{who} wrote an answer{_then(', held: ', WHY_HELD[held.held.kind] if held else '')}"
    return _SAID[message.part](who, message)


def _customer(who: str, message: PastMessage) -> str:
    return f"{who} wrote{_then('; labels: ', ', '.join(message.plan.labels if message.plan else ()))}"


def _answer(who: str, message: PastMessage) -> str:
    return f"{who} answered{_then(', to ', _to(message, Role.ANSWER))}"


def _told(message: PastMessage) -> str:
    """To whom routerd wrote, and why."""
    why = next((str(event.data.get("why", "")) for event in message.events if event.kind == "mail_written"), "")
    return f"{_to(message) or 'nobody'}{_then(': ', why)}"


def _to(message: PastMessage, role: Role | None = None) -> str:
    return ", ".join(dict.fromkeys(copy.member for copy in message.copies if role in (None, copy.role)))


def _then(before: str, text: str) -> str:
    return before + text if text else ""


_SAID: dict[Part, Callable[[str, PastMessage], str]] = {
    Part.CUSTOMER: _customer,
    Part.ASIDE: lambda who, _: f"{who} wrote; nobody waits for an answer to it",
    Part.REPLY: lambda who, _: f"{who} answered, past routerd",
    Part.ANSWER: _answer,
    Part.NOTE: lambda who, message: f"{who} noted{_then(', to ', _to(message, Role.DESK))}",
    Part.DRAFT: lambda who, message: f"{who} wrote a draft{_then(', shown to ', _to(message, Role.DESK))}",
    Part.TOLD: lambda _, message: f"routerd told {_told(message)}",
    Part.AWAY: lambda who, _: f"{who} is away, says an automatic mail",
    Part.CALENDAR: lambda who, message: f"{who} answered an invitation{_then(', to ', _to(message, Role.ANSWER))}",
    Part.REPLIED: lambda _, message: f"routerd replied by itself to {_told(message)}",
}
_HELD = {
    HeldKind.CONFLICT: "held answer",
    HeldKind.COMMAND: "held answer",
    HeldKind.DRAFT: "draft",
    HeldKind.APPROVAL: "held answer",
    HeldKind.BY_ITSELF: "held answer",
}
WHY_HELD = {
    HeldKind.CONFLICT: "somebody else had answered meanwhile",
    HeldKind.COMMAND: "its text opens like a command",
    HeldKind.DRAFT: "it is a draft",
    HeldKind.APPROVAL: "a rule wants somebody's #send",
    HeldKind.BY_ITSELF: "it looks as if the mailbox had answered by itself",
}
_ENDED = {
    HeldEnd.SENT: "was sent",
    HeldEnd.DROPPED: "was dropped",
    HeldEnd.REPLACED: "gave way to a newer version",
}
_COMING = {
    TimerKind.REMIND: "the owner is reminded",
    TimerKind.OVERDUE: "it is overdue",
    TimerKind.ESCALATE: "it is escalated",
    TimerKind.CLOSE: "it closes, if nobody writes",
    TimerKind.WAKE: "it wakes",
    TimerKind.DROP: "a held answer is dropped",
    TimerKind.BACK: "an absence ends",
    TimerKind.HANDOVER: "it goes to who stands in for its owner",
    TimerKind.TAKEN: "its new owner gets what was said so far",
    TimerKind.DIGEST: "a digest is sent",
}


def coming(timer: Timer) -> str:
    """What happens when it fires, if nothing else happens before."""
    return _COMING[timer.kind]
