"""An answer that was not sent goes back to its author, with what was said meanwhile. Pure."""

from collections.abc import Iterator
from datetime import tzinfo

from routerd.desk.approving import is_anybody_there, said_of_approvers
from routerd.desk.by_itself import MAX_ANSWERS
from routerd.desk.changes import WAITS_FOR_AUTHOR, Authored, HeldKind, Part
from routerd.desk.matter import House, Matter
from routerd.desk.moments import moment, zone_of
from routerd.desk.plan import Conversation, FullDeskState, Past
from routerd.desk.showing import MAX_SHOWN
from routerd.desk.telling import Told, tell
from routerd.message.fold import display
from routerd.message.view import MessageView

MAX_MEANWHILE = 5  # messages that are told of
MAX_QUOTED = 10_000  # characters of each
MAX_FILES = 10  # attachments that are named
MAX_NAME = 80  # characters of each
_READ_TEXT = 60_000  # characters of a message that are looked at for what is new in it
_WHY = {
    None: (
        "Your answer was not sent: no address of a customer is known in this conversation. Write to him directly, with "
        "{inbox} in Cc."
    ),
    HeldKind.CONFLICT: "Your answer was not sent: somebody else has answered meanwhile.",
    HeldKind.COMMAND: (
        "Your answer was not sent: a line of it begins with a word behind #, as a command does. Commands are taken by "
        "the note address; what you answered would have gone to the customer."
    ),
    HeldKind.BY_ITSELF: (
        "Your answer was not sent: it looks as if your mailbox had answered by itself. It says what you have said in "
        f"this conversation within a day, or is one of more than {MAX_ANSWERS} within an hour."
    ),
    HeldKind.APPROVAL: "Your answer was not sent yet: it waits for the word of {approvers}.",
}
_NOBODY = (
    "Nobody who may say it is there now, so it waits until somebody comes back. A deputy of one of them may say it, "
    "too: the postmaster can name one in routerd.yaml."
)
_HOW_NOT = "If it shall not go out at all, reply to this mail with #drop as its first line."
_HOW = (
    "To send it all the same, reply to this mail with #send as its first line; #drop drops it. "
    "After 24 hours without a word it is dropped."
)


def returned(
    matter: Matter, member: str, conversation: Conversation, kind: HeldKind | None, state: FullDeskState, house: House
) -> Authored:
    """To its author. `kind`: why it is held: `#send` said to this mail sends what he wrote, as he wrote it; None: it is
    not kept, since it goes to nobody."""
    wanted = conversation.standing.approve
    approvers = said_of_approvers(member, wanted, house.roster, matter.at)
    why = _WHY[kind].format(approvers=approvers, inbox=conversation.inbox)
    lines = [why, ""]
    if kind is HeldKind.CONFLICT:
        lines += _said_since(zone_of(member, house.roster, conversation), state, house)
    if kind in WAITS_FOR_AUTHOR:
        lines += [_HOW, ""]
    elif kind is HeldKind.APPROVAL:
        if not is_anybody_there(member, wanted, house.roster, matter.at):
            lines += [_NOBODY, ""]
        lines += [_HOW_NOT, ""]
    lines += _what_it_was(matter, conversation)
    return tell(
        Told(
            conversation.inbox,
            (member,),
            subject=f"[{'waits' if kind is HeldKind.APPROVAL else 'not sent'}] {matter.subject}".rstrip(),
            text="".join(f"{line}\n" for line in lines),
            why=why,
            in_reply_to=matter.message_id,
            references=_of_customer(state),
            shows_new=kind is not None,
        ),
        house,
        matter.at,
    )


def _what_it_was(matter: Matter, conversation: Conversation) -> Iterator[str]:
    """So that its author knows which one it is, of many, and can write it again."""
    outside = conversation.standing.named_outside
    if outside:
        yield f"It was for {', '.join(outside[:MAX_SHOWN])}{', …' if outside[MAX_SHOWN:] else ''}."
    files = MessageView(matter.received.raw, text_limit=_READ_TEXT).attachments
    if files:
        names = (display(one.name or one.type, MAX_NAME) for one in files[:MAX_FILES])
        yield f"Attached: {', '.join(names)}{', …' if files[MAX_FILES:] else ''}."
    text = matter.said.spoken.whole
    yield "You wrote:" if text.strip() else "It has no text."
    yield from _quoted(text)


def _said_since(zone: tzinfo, state: FullDeskState, house: House) -> Iterator[str]:
    """What went out, and what came, since the message that he answered."""
    seen = state.seen.message if state.seen else 0
    sent = {one.message: one for one in state.sent()}
    told = [
        one
        for one in state.past(MAX_MEANWHILE * 4)
        if (one.message > seen and one.part in (Part.CUSTOMER, Part.REPLY))
        or (one.message in sent and sent[one.message].after >= seen and one.message != seen)
    ]
    for one in told[-MAX_MEANWHILE:]:
        at = sent[one.message].at if one.message in sent else one.at
        yield f"{_who(one, house)} wrote on {moment(at, zone)}:"
        yield from _quoted(_new_text(one, state))
        yield ""


def _of_customer(state: FullDeskState) -> tuple[str, ...]:
    """Message-IDs by which a client shows it in the conversation."""
    return tuple(one.message_id for one in state.past(MAX_MEANWHILE) if one.message_id)


def _new_text(one: Past, state: FullDeskState) -> str:
    raw = state.content(one.message) if one.has_bytes else None
    if raw is None:
        return "(its text is not kept any more)"
    return MessageView(raw, text_limit=_READ_TEXT).new_text.strip() or "(without a text)"


def _quoted(text: str) -> Iterator[str]:
    for line in text[:MAX_QUOTED].splitlines():
        yield f"> {line}"
    if len(text) > MAX_QUOTED:
        yield "> […]"


def _who(one: Past, house: House) -> str:
    return "The customer" if one.member is None else house.roster.display_name(one.member)
