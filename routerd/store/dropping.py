"""What it means to a conversation that copies in it are dropped by hand. Inside the writer's transaction."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from routerd.desk.changes import Part, Role
from routerd.desk.plan import Conversation, ConversationState, Event, Plan
from routerd.desk.standing import Act, after_act
from routerd.desk.timers import timers_of, unchanged
from routerd.desk.waiting import LOOKED_AT, waited_for
from routerd.message.annotation import Annotation
from routerd.store.base import Copy, Known, Settled, ThreadKeys
from routerd.store.batch import Batch
from routerd.store.connection import select_one
from routerd.store.deeds import write_plan
from routerd.store.desk_state import StoredDeskState, conversation_by_number

NOBODY_HAS_IT = "whatever the customer wrote in it was dropped by the postmaster, and nobody has it"
NEVER_LEFT = "dropped by the postmaster"

_OF_MESSAGE = "SELECT conversation, part, member FROM messages WHERE number = ?"
# Somebody has it, or is to get it yet. What was rerouted, another copy stands for.
_GOES_OUT = """
SELECT 1 FROM copies WHERE message = ? AND role = 'answer' AND state IN ('queued', 'held', 'delivered') LIMIT 1
"""
_ANOTHER_REACHES = """
SELECT 1 FROM messages AS m JOIN copies AS c ON c.message = m.number
WHERE m.conversation = ? AND m.part = 'customer' AND c.role <> 'answer' AND c.state IN ('queued', 'held', 'delivered')
LIMIT 1
"""


def after_drop(batch: Batch, dropped: Sequence[Copy], at: datetime) -> None:
    """A conversation of whose customer nobody has read a word, or ever will, is closed; one whose answer never leaves
    is open again."""
    batch.flush()
    for message, copy in {one.message: one for one in dropped}.items():
        row = select_one(batch.db, _OF_MESSAGE, (message,))
        conversation = conversation_by_number(batch.db, row[0]) if row and row[0] else None
        if row is None or conversation is None:
            continue
        plan = _plan(batch, conversation, copy, row[1], row[2], at)
        if plan is not None:
            stamp = Annotation("", conversation.inbox, "", "")
            write_plan(batch, Settled(plan, stamp, ()), conversation.id, at)
            batch.flush()


def _plan(
    batch: Batch, conversation: Conversation, copy: Copy, part: str, member: str | None, at: datetime
) -> Plan | None:
    """None: nothing follows."""
    standing, db = conversation.standing, batch.db
    if part == Part.CUSTOMER and standing.state is not ConversationState.CLOSED:
        if select_one(db, _ANOTHER_REACHES, (conversation.id,)) is not None:
            return None
        event = Event("conversation_closed", {"why": NOBODY_HAS_IT})
        moved = replace(conversation, standing=after_act(standing, Act.CLOSE, at))
        return unchanged(moved, event, timers=())
    if part == Part.ANSWER and copy.role is Role.ANSWER and select_one(db, _GOES_OUT, (copy.message,)) is None:
        event = Event("answer_failed", {"member": member, "to": copy.mailbox, "reason": NEVER_LEFT})
        state = StoredDeskState(db, ThreadKeys(None, vouched=True), Known(conversation), at)
        sent = next((one for one in state.sent() if one.message == copy.message), None)
        waited = waited_for(sent, state.happened(LOOKED_AT))
        opened = replace(conversation, standing=after_act(standing, Act.FAILED, at, waited=waited))
        # Without its inbox and calendar, which count for what comes after it is overdue.
        return unchanged(opened, event, timers=timers_of(opened.standing, None, None, state.held()))
    return None
