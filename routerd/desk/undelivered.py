"""An answer that does not reach its customer: its author is told, and the conversation is open again. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from routerd.desk.changes import Part
from routerd.desk.matter import House
from routerd.desk.owning import owned
from routerd.desk.plan import Conversation, Event, FullDeskState, Past, Plan
from routerd.desk.reminding import note_of
from routerd.desk.roster import Roster
from routerd.desk.standing import Act, after_act
from routerd.desk.timers import timed, unchanged
from routerd.desk.waiting import LOOKED_AT, waited_for
from routerd.message.view import MessageView

MAX_QUOTED = 10_000  # characters
_MESSAGES = 200  # of the conversation, that are looked at
_READ_TEXT = 60_000  # characters
_WHY = {
    False: "Your answer could not be delivered to {address}:\n\n  {reason}\n\nThe conversation is open again.",
    True: (
        "Your answer has not reached {address} yet:\n\n  {reason}\n\nrouterd goes on trying; the conversation is open "
        "again meanwhile."
    ),
}


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A copy of an answer that is in trouble."""

    message: int  # the answer's row
    address: str  # the customer's
    reason: str  # the next hop's words, or ours
    is_late: bool  # it is tried still


def undelivered_plan(trouble: Undelivered, state: FullDeskState, house: House, at: datetime) -> Plan | None:
    """None: there is no such conversation any more, or nobody to tell."""
    house = house.as_of(state)
    conversation = state.conversation
    if conversation is None:
        return None
    answer = next((one for one in state.past(_MESSAGES) if one.message == trouble.message), None)
    author = _author(answer, conversation, house.roster)
    if author is None:
        return None
    opened = conversation
    if answer is None or answer.part is Part.ANSWER:
        sent = next((one for one in state.sent() if one.message == trouble.message), None)
        waited = waited_for(sent, state.happened(LOOKED_AT))
        opened = replace(conversation, standing=after_act(conversation.standing, Act.FAILED, at, waited=waited))
    event = Event(
        "answer_late" if trouble.is_late else "answer_failed",
        {"member": author, "to": trouble.address, "reason": trouble.reason},
    )
    word = "late" if trouble.is_late else "not delivered"
    note = note_of(opened, word, _text(trouble, answer, state), state, house, at, to=(author,))
    plan = owned(unchanged(opened, event, authored=(note,)), state, house, at)
    return timed(plan, state, house, at)


def _author(answer: Past | None, conversation: Conversation, roster: Roster) -> str | None:
    """Where he is no member any more, the owner."""
    asked = (answer.member if answer else None, conversation.owner, *roster.people(roster.postmaster))
    return next((name for name in asked if name is not None and roster.member(name) is not None), None)


def _text(trouble: Undelivered, answer: Past | None, state: FullDeskState) -> str:
    why = _WHY[trouble.is_late].format(address=trouble.address, reason=trouble.reason)
    raw = state.content(trouble.message) if answer is not None and answer.has_bytes else None
    if raw is None:
        return why
    text = MessageView(raw, text_limit=_READ_TEXT).new_text[:MAX_QUOTED]
    return "\n".join((why, "", "You wrote:", *(f"> {line}" for line in text.splitlines())))
