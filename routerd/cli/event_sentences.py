"""What happened to a conversation, in words: a sentence for each kind of event."""

from collections.abc import Callable, Mapping
from datetime import datetime

from routerd.cli.moments import shown_time
from routerd.store.history import PastEvent

NOT_KEPT = "(not kept)"

Data = Mapping[str, object]

_OF_COPIES = "copy_"  # 'routerd trace' tells


def event_sentence(event: PastEvent) -> str:
    """Nothing for what is told elsewhere: of answers, notes and drafts by their message, of copies by 'routerd trace'.

    A kind that is not known here, as of a newer routerd, is told with what is kept of it.
    """
    sentence = _SENTENCES.get(event.kind)
    if sentence is not None:
        return sentence(event.data)
    return "" if event.kind.startswith(_OF_COPIES) else in_words(event)


def in_words(event: PastEvent) -> str:
    """Of any kind: its name, and what is kept of it."""
    told = ", ".join(f"{key} {_said(value)}" for key, value in event.data.items() if value not in (None, "", []))
    return f"{event.kind.replace('_', ' ')}{f': {told}' if told else ''}"


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def known(data: Data, key: str) -> str:
    """What an event says; of who was forgotten, a part of it is gone."""
    value = data.get(key)
    return NOT_KEPT if value in (None, "") else str(value)


def because(data: Data, key: str = "why") -> str:
    """The reason behind what is told, where one is kept."""
    return f": {data[key]}" if data.get(key) else ""


def _until(data: Data, key: str = "until") -> str:
    """A moment; one that was stored damaged is told as it stands."""
    text = str(data.get(key) or "")
    try:
        return shown_time(datetime.fromisoformat(text)) if text else ""
    except ValueError:
        return text


def _nothing(_: Data) -> str:
    return ""


def _sent(data: Data) -> str:
    """Its message tells the rest, but for whose word it waited for."""
    return f"{data['by']} let it go: #send" if data.get("by") else ""


def _dropped(data: Data) -> str:
    """That it was dropped is told with what was held."""
    return f"{data['by']} dropped it: #drop" if data.get("by") else str(data.get("why") or "")


def _by_hand(data: Data) -> str:
    by = f" by the {data['by']}" if data.get("by") else ""
    return f"{by}{because(data, 'reason')}"


def _labels(data: Data) -> str:
    added, removed = data.get("added"), data.get("removed")
    changes = [f"+{label}" for label in added] if isinstance(added, list) else []
    changes += [f"-{label}" for label in removed] if isinstance(removed, list) else []
    return f"labels: {' '.join(changes) or NOT_KEPT}, by {known(data, 'by')}"


def _away(data: Data) -> str:
    until = _until(data)
    return f"{known(data, 'member')} is away{f' until {until}' if until else ''}{because(data)}"


def _closed(data: Data) -> str:
    return f"closed by {data['by']}" if data.get("by") else f"closed{because(data)}"


def _snoozed(data: Data) -> str:
    until = _until(data)
    return f"put off{f' until {until}' if until else ''} by {known(data, 'by')}"


def _escalated(data: Data) -> str:
    watch = _said(data.get("watch") or [])
    return f"escalated; the owner is {known(data, 'owner')}{f', {watch} watches' if watch else ''}"


_SENTENCES: dict[str, Callable[[Data], str]] = {
    "message_assigned": lambda data: f"given to {known(data, 'member')}{because(data)}",
    "message_joined": lambda data: f"the same as {known(data, 'twin')}",
    "owner_changed": lambda data: f"the owner is {known(data, 'to')}, no longer {known(data, 'from')}{because(data)}",
    "copy_rerouted": lambda data: (
        f"the copy for {known(data, 'member')} went to {known(data, 'to_member')}{because(data, 'reason')}"
    ),
    "copy_dropped": lambda data: f"the copy for {data.get('member') or 'him'} was dropped{_by_hand(data)}",
    "mail_written": _nothing,
    "note_written": _nothing,
    "note_kept_back": lambda data: f"it was shown to nobody{because(data)}",
    "draft_held": _nothing,
    "answer_held": _nothing,
    "answer_sent": _sent,
    "answer_refused": lambda data: f"it went to nobody{because(data)}",
    "answer_late": lambda data: (
        f"the answer of {known(data, 'member')} has not reached {known(data, 'to')} yet{because(data, 'reason')}"
    ),
    "answer_failed": lambda data: (
        f"the answer of {known(data, 'member')} could not be delivered to {known(data, 'to')}{because(data, 'reason')}"
    ),
    "calendar_reply_sent": _nothing,
    "approval_asked": lambda data: f"it waits for a #send of {_said(data.get('of') or NOT_KEPT)}",
    "held_dropped": _dropped,
    "auto_reply_sent": _nothing,
    "auto_reply_withheld": lambda data: f"no automatic reply {known(data, 'template')}{because(data, 'reason')}",
    "command_obeyed": lambda data: f"{known(data, 'member')} said #{known(data, 'command')}",
    "command_refused": lambda data: (
        f"#{known(data, 'command')} of {known(data, 'member')} was not obeyed{because(data)}"
    ),
    "labels_changed": _labels,
    "priority_set": lambda data: f"priority {known(data, 'priority')}, by {known(data, 'by')}",
    "watch_begun": lambda data: f"{known(data, 'member')} watches from now on",
    "watch_ended": lambda data: f"{known(data, 'member')} watches no longer",
    "away_begun": _away,
    "away_ended": lambda data: f"{known(data, 'member')} is there again{because(data)}",
    "away_heard": _nothing,
    "owner_reminded": lambda data: f"{known(data, 'member')} was reminded",
    "conversation_overdue": lambda data: f"overdue: an answer was promised by {_until(data, 'respond_by') or NOT_KEPT}",
    "conversation_escalated": _escalated,
    "conversation_woke": lambda data: f"it is in sight again{because(data)}",
    "conversation_closed": _closed,
    "conversation_opened": lambda data: f"opened again by {known(data, 'by')}",
    "conversation_snoozed": _snoozed,
    "bounce_received": lambda data: f"a bounce came back of the copy for {data.get('member') or known(data, 'copy')}",
    "bounce_sent_back": lambda data: f"a bounce of what {known(data, 'to')} wrote: taken on to that sender, unread",
    "came_back": lambda data: f"it came back from {known(data, 'mailbox')}, for the copy {known(data, 'copy')}",
    "postmaster_told": lambda data: (
        f"the postmaster was told of the copy {known(data, 'copy')}: {known(data, 'notice')}"
    ),
    "conclusion_ignored": _nothing,
    "damaged": lambda data: f"what is kept of its {known(data, 'part')} is damaged",
    "person_forgotten": lambda _: "somebody was forgotten: its text and names are gone",
}
