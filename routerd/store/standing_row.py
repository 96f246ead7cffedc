"""How a conversation stands, as its row has it."""

from routerd.desk.plan import ConversationState, Standing
from routerd.store.connection import Value
from routerd.store.rows import micros_or_none, storable
from routerd.store.stored_json import pairs_to_json, texts_to_json

MAX_SUBJECT_CHARACTERS = 300

STANDING_COLUMNS = (  # of `standing_row`, in its order
    "labels_json",
    "messages",
    "state",
    "waiting_since",
    "respond_by",
    "also_json",
    "watchers_json",
    "snoozed_until",
    "answers",
    "answered_at",
    "overdue",
    "subject",
    "outside_json",
    "approve_json",
    "priority",
    "remind_at",
    "escalated",
    "closed_at",
)


def standing_row(standing: Standing, at: int) -> tuple[Value, ...]:
    """The values of STANDING_COLUMNS."""
    return (
        texts_to_json(standing.labels),
        standing.messages,
        str(standing.state),
        micros_or_none(standing.waiting_since),
        micros_or_none(standing.respond_by),
        pairs_to_json(standing.also),
        texts_to_json(standing.watchers),
        micros_or_none(standing.snoozed_until),
        standing.answers,
        micros_or_none(standing.answered_at),
        int(standing.overdue),
        storable(standing.subject[:MAX_SUBJECT_CHARACTERS]),
        pairs_to_json(standing.outside),
        texts_to_json(standing.approve),
        None if standing.priority is None else str(standing.priority),
        micros_or_none(standing.remind_at),
        standing.escalated,
        at if standing.state is ConversationState.CLOSED else None,
    )
