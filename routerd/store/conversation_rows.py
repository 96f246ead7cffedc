"""A conversation's row as a value."""

from collections.abc import Sequence
from typing import Any

from routerd.desk.plan import Conversation, ConversationId, ConversationState, Standing
from routerd.rules.decision import Priority
from routerd.store.rows import from_micros, storable
from routerd.store.stored_json import pairs_from_json, read_or_none, texts_from_json

CONVERSATION_COLUMNS = (
    "number, inbox, owner, team, version, participants_json, labels_json, messages, state, waiting_since, respond_by,"
    " also_json, watchers_json, snoozed_until, answers, answered_at, overdue, subject, outside_json, approve_json,"
    " priority, remind_at, escalated"
)
PARTICIPANTS = 5  # where they stand among these
_STATES = frozenset(ConversationState)
_PRIORITIES = frozenset(Priority)


def read_conversation(row: Sequence[Any]) -> Conversation:
    """Of a row that begins with CONVERSATION_COLUMNS, as `select` gives it. What is damaged is left out."""
    standing = Standing(
        labels=texts_from_json(row[6]),
        messages=row[7],
        state=ConversationState(row[8]) if row[8] in _STATES else ConversationState.OPEN,
        waiting_since=None if row[9] is None else from_micros(row[9]),
        respond_by=None if row[10] is None else from_micros(row[10]),
        also=read_or_none(pairs_from_json, row[11]) or (),
        watchers=texts_from_json(row[12]),
        snoozed_until=None if row[13] is None else from_micros(row[13]),
        answers=row[14],
        answered_at=None if row[15] is None else from_micros(row[15]),
        overdue=bool(row[16]),
        subject=storable(row[17]),
        outside=read_or_none(pairs_from_json, row[18]) or (),
        approve=texts_from_json(row[19]),
        priority=Priority(row[20]) if row[20] in _PRIORITIES else None,
        remind_at=None if row[21] is None else from_micros(row[21]),
        escalated=row[22],
    )
    return Conversation(ConversationId(row[0]), row[1], row[2], row[3], row[4], standing)
