"""What a member is told who asks for #history: how the conversation stands, and what happened in it so far. Pure."""

from collections.abc import Iterator, Mapping
from datetime import tzinfo

from routerd.desk.changes import Part
from routerd.desk.matter import House
from routerd.desk.moments import moment, moment_told, zone_of
from routerd.desk.owning import says_something
from routerd.desk.plan import Conversation, FullDeskState, Past
from routerd.desk.roster import Roster

MAX_MESSAGES = 50
MAX_EVENTS = 200
_WROTE = {
    Part.CUSTOMER: "wrote",
    Part.ASIDE: "wrote",
    Part.REPLY: "answered",
    Part.ANSWER: "wrote an answer",
    Part.NOTE: "noted",
    Part.DRAFT: "wrote a draft",
    Part.TOLD: "told members",
    Part.AWAY: "is away",
    Part.REPLIED: "replied automatically",
    Part.CALENDAR: "answered an invitation",
}
# Events that say more than their message does. What stands in braces is of the event; the rest is not told here.
_SAID = {
    "owner_changed": "{from} → {to}: {why}",
    "answer_sent": "the answer of {member} was sent",
    "answer_held": "the answer of {member} is held ({kind})",
    "note_kept_back": "the note of {member} is shown to nobody: {why}",
    "draft_held": "the draft of {member} waits for #send",
    "held_dropped": "what {member} had written was dropped",
    "labels_changed": "{by} changed labels: {labels}",
    "priority_set": "{by} set the priority to {priority}",
    "conversation_closed": "closed: {why}",
    "conversation_opened": "opened: {why}",
    "conversation_snoozed": "snoozed until {until}",
    "conversation_woke": "open again: {why}",
    "owner_reminded": "{member} was reminded",
    "conversation_overdue": "overdue since {respond_by}",
    "conversation_escalated": "escalated: {watch} watches, {owner} owns it",
    "approval_asked": "{member} asks for the word of {of}",
    "auto_reply_sent": "an automatic reply was sent",
    "watch_begun": "{member} watches",
    "watch_ended": "{member} does not watch any more",
}


def history_of(conversation: Conversation, reader: str, state: FullDeskState, house: House) -> str:
    """In lines, the oldest first."""
    zone = zone_of(reader, house.roster, conversation)
    return "\n".join((*_standing(conversation, zone, house.roster), "", *_timeline(zone, state, house.roster)))


def _standing(conversation: Conversation, zone: tzinfo, roster: Roster) -> Iterator[str]:
    standing = conversation.standing
    yield f"Subject: {standing.subject}"
    yield f"Owner: {roster.display_name(conversation.owner)}" + (f" ({conversation.team})" if conversation.team else "")
    yield f"State: {standing.state}" + (
        f" until {moment(standing.snoozed_until, zone)}" if standing.snoozed_until else ""
    )
    if standing.outside:
        yield f"With: {', '.join(standing.named_outside)}"
    if standing.labels:
        yield f"Labels: {', '.join(standing.labels)}"
    if standing.priority is not None:
        yield f"Priority: {standing.priority}"
    if standing.watchers:
        yield f"Watching: {', '.join(roster.display_name(member) for member in standing.watchers)}"
    if standing.waiting_since is not None:
        yield f"Waiting since: {moment(standing.waiting_since, zone)}"
    if standing.respond_by is not None:
        yield f"To be answered by: {moment(standing.respond_by, zone)}" + (" (overdue)" if standing.overdue else "")
    if standing.approve:
        yield f"An answer needs the #send of: {', '.join(standing.approve)}"


def _timeline(zone: tzinfo, state: FullDeskState, roster: Roster) -> Iterator[str]:
    past = state.past(MAX_MESSAGES)
    wrote = [(one.at, _wrote(one, past, state, roster)) for one in past]
    happened = [
        (one.at, _SAID[one.kind].format_map(_Told(one.data, zone, roster)))
        for one in state.happened(MAX_EVENTS)
        if one.kind in _SAID
    ]
    for at, line in sorted((*wrote, *happened), key=lambda one: one[0]):
        yield f"{moment(at, zone)}  {line}"


def _wrote(one: Past, past: tuple[Past, ...], state: FullDeskState, roster: Roster) -> str:
    who = roster.display_name(one.member) if one.member else _NOT_OURS.get(one.part, "somebody")
    return f"{who} {_WROTE[one.part] if says_something(one, past, state) else 'gave commands'}"


_NOT_OURS = {
    Part.CUSTOMER: "the customer",
    Part.ASIDE: "a machine or a colleague",
    Part.TOLD: "routerd",
    Part.REPLIED: "routerd",
}


_PEOPLE = frozenset({"member", "by", "from", "to", "owner", "watch", "of"})


_MOMENTS = ("until", "respond_by")


class _Told(dict[str, object]):
    """The values of an event as they are read; what is not there is a dash."""

    def __init__(self, data: Mapping[str, object], zone: tzinfo, roster: Roster) -> None:
        super().__init__((name, _in_words(value, roster if name in _PEOPLE else None)) for name, value in data.items())
        self.update((name, moment_told(data[name], zone)[:300]) for name in _MOMENTS if name in data)
        added, removed = (data.get(name) for name in ("added", "removed"))
        signed = ((mark, one) for mark, of in (("+", added), ("-", removed)) if isinstance(of, list) for one in of)
        self["labels"] = " ".join(f"{mark}{one}" for mark, one in signed)[:300] or "none"

    def __missing__(self, key: str) -> str:
        return "-"


def _in_words(value: object, roster: Roster | None) -> str:
    """`roster`: of what are members' names."""
    if isinstance(value, list | tuple):
        return ", ".join(_in_words(one, roster) for one in value) or "none"
    text = str(value)[:300]
    return roster.display_name(text) if roster is not None else text
