"""A conversation's row, moved on by a plan. Inside the writer's transaction."""

from collections.abc import Iterable

from routerd.desk.plan import ConversationId, ConversationState, Plan, Standing
from routerd.store.batch import Batch
from routerd.store.connection import Value, select_one
from routerd.store.rows import micros_or_none, storable
from routerd.store.stored_json import pairs_to_json, texts_from_json, texts_to_json

MAX_PARTICIPANTS = 500
MAX_SUBJECT_CHARACTERS = 300

# Of `standing_row`, in its order.
STANDING_COLUMNS = (
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
_PARTICIPANTS = "SELECT participants_json, customer FROM conversations WHERE number = ?"
_UPDATE = f"""
UPDATE conversations SET owner = ?, team = ?, version = version + 1, participants_json = ?, last_at = max(last_at, ?),
  {", ".join(f"{name} = ?" for name in STANDING_COLUMNS[:-1])},
  closed_at = CASE WHEN ?22 IS NULL THEN NULL ELSE coalesce(closed_at, ?22) END
WHERE number = ?
"""  # noqa: S608 - constants


def move_conversation(
    batch: Batch, conversation: ConversationId, plan: Plan, at: int, participants: Iterable[str] = ()
) -> bool:
    """Whether there is such a conversation. `at` in microseconds; `participants` come to those it has."""
    row = select_one(
        batch.db, "SELECT participants_json, customer FROM conversations WHERE number = ?", (conversation,)
    )
    if row is None:
        return False
    everybody = tuple(dict.fromkeys((*texts_from_json(row[0]), *participants)))[:MAX_PARTICIPANTS]
    moved = (plan.owner, plan.team, texts_to_json(everybody), at, *standing_row(plan.standing, at), conversation)
    batch.db.execute(_UPDATE, moved)
    if row[1] in batch.customers:
        batch.customers[row[1]] = plan.owner
    return True


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
