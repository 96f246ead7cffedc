"""A conversation's row, moved on by a plan. Inside the writer's transaction."""

from collections.abc import Iterable

from routerd.desk.plan import ConversationId, Plan
from routerd.store.batch import Batch
from routerd.store.connection import select_one
from routerd.store.standing_row import STANDING_COLUMNS, standing_row
from routerd.store.stored_json import texts_from_json, texts_to_json

MAX_PARTICIPANTS = 500
_PARTICIPANTS = "SELECT participants_json, customer FROM conversations WHERE number = ?"
_CLOSED_AT = f"?{4 + len(STANDING_COLUMNS)}"
_UPDATE = f"""
UPDATE conversations SET owner = ?, team = ?, version = version + 1, participants_json = ?, last_at = max(last_at, ?),
  {", ".join(f"{name} = ?" for name in STANDING_COLUMNS[:-1])},
  closed_at = CASE WHEN {_CLOSED_AT} IS NULL THEN NULL ELSE coalesce(closed_at, {_CLOSED_AT}) END
WHERE number = ?
"""  # noqa: S608 - constants


def move_conversation(
    batch: Batch, conversation: ConversationId, plan: Plan, at: int, participants: Iterable[str] = ()
) -> bool:
    """Whether there is such a conversation. `at` in microseconds; `participants` come to those it has."""
    row = select_one(batch.db, _PARTICIPANTS, (conversation,))
    if row is None:
        return False
    everybody = tuple(dict.fromkeys((*texts_from_json(row[0]), *participants)))[:MAX_PARTICIPANTS]
    moved = (plan.owner, plan.team, texts_to_json(everybody), at, *standing_row(plan.standing, at), conversation)
    batch.db.execute(_UPDATE, moved)
    if row[1] in batch.customers:
        batch.customers[row[1]] = plan.owner
    return True
