"""A brake for mailboxes that answer by themselves and do not say so: two such would answer each other for ever. Pure.

What says so (RFC 3834) is never an answer or a note. Of the rest nothing is lost: an answer is held and goes back to
its author, a note is kept and shown to nobody.
"""

from dataclasses import replace
from datetime import timedelta

from routerd.desk.changes import Authored, Part
from routerd.desk.matter import House, Matter
from routerd.desk.plan import Conversation, Event, FullDeskState, Plan, Voice
from routerd.desk.standing import after_message
from routerd.desk.telling import Told, tell
from routerd.desk.timers import unchanged
from routerd.message.view import MessageView

MAX_ANSWERS = 20  # of one member in one conversation and hour
MAX_NOTES = 30  # likewise, drafts among them: more than people say, and few enough for who is woken by them
SAYS_ENOUGH = 30  # characters: "Thank you!" may be said twice
SAME_WITHIN = timedelta(days=1)
_HOUR = timedelta(hours=1)
_COMPARED = 3  # latest answers
_LOOKED_AT = 200  # messages of the conversation
_READ_TEXT = 60_000  # characters of an answer


def is_answered_by_itself(matter: Matter, member: str, state: FullDeskState) -> bool:
    """Whether `member`'s answer says, word for word, what one of his has said here of late, or is one of too many."""
    own = [one for one in state.sent() if one.member == member]
    if sum(matter.at - one.at < _HOUR for one in own) >= MAX_ANSWERS:
        return True
    lately = [one for one in own if matter.at - one.at < SAME_WITHIN][-_COMPARED:]
    if not lately:
        return False
    said = _words(MessageView(matter.received.raw, text_limit=_READ_TEXT))
    if len(said) < SAYS_ENOUGH:
        return False
    contents = (state.content(one.message) for one in reversed(lately))
    return any(raw is not None and _words(MessageView(raw, text_limit=_READ_TEXT)) == said for raw in contents)


def noted_by_itself(
    matter: Matter, member: str, conversation: Conversation, state: FullDeskState, house: House
) -> Plan | None:
    """For a note or draft that is one of too many: it is kept, and nothing is done of it. Its author is told once, lest
    his mailbox answers that, too. None: there are not too many."""
    parts = (Part.NOTE, Part.DRAFT)
    noted = [one for one in state.past(_LOOKED_AT) if one.member == member and one.part in parts]
    count = sum(matter.at - one.at < _HOUR for one in noted)
    if count < MAX_NOTES:
        return None
    return replace(
        unchanged(conversation, Event("note_kept_back", {"member": member, "why": f"over {MAX_NOTES} within an hour"})),
        standing=after_message(conversation.standing, Voice.ASIDE, matter.at),
        part=Part.NOTE,
        member=member,
        authored=(_told(matter, member, conversation, house),) if count == MAX_NOTES else (),
    )


def _told(matter: Matter, member: str, conversation: Conversation, house: House) -> Authored:
    told = Told(
        inbox=conversation.inbox,
        members=(member,),
        subject=f"[kept back] {conversation.standing.subject}".rstrip(),
        text=f"Within an hour {MAX_NOTES} notes of yours have come to this conversation, as from a mailbox that\n"
        "answers by itself what comes. Further ones are kept with the conversation, and shown to nobody, until\n"
        "there are fewer.\n",
        why="too many notes within an hour",
        in_reply_to=matter.message_id,
    )
    return tell(told, house, matter.at)


def _words(view: MessageView) -> str:
    return " ".join(view.new_text.split())
