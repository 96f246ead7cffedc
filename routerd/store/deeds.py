"""What the desk does without a message that causes it: timers fire, undelivered answers come back. Inside the writer's
transaction."""

from collections.abc import Callable
from datetime import datetime

from routerd.desk.changes import Timer, TimerKind
from routerd.desk.plan import ConversationId, Plan
from routerd.message.envelope import QueueId, Raw
from routerd.store.base import Copy, Deed, DueTimer, Known, PlanFailedError, Settled, ThreadKeys
from routerd.store.batch import Batch
from routerd.store.connection import Connection, Error, select, select_one
from routerd.store.desk_rows import write_desk
from routerd.store.desk_state import StoredDeskState, conversation_by_number
from routerd.store.placing import move_conversation
from routerd.store.rows import from_micros, to_micros
from routerd.store.stored_json import data_to_json
from routerd.store.troubles import tell_nobody

_DUE = "SELECT number, kind, due_at, data, conversation FROM timers WHERE due_at <= ? ORDER BY due_at, number LIMIT ?"
_ADD_EVENT = """
INSERT INTO conversation_events
SELECT ?1, 1 + coalesce((SELECT max(number) FROM conversation_events WHERE conversation = ?1), 0), ?2, ?3, ?4
"""
_KINDS = frozenset(TimerKind)


def act(batch: Batch, deed: Deed, open_body: Callable[[QueueId], Raw]) -> tuple[Copy, ...]:
    """`open_body` reads what is kept in a file. Raises PlanFailedError before it has written anything.

    A timer that is gone has fired, or is off, or was put off: nothing.
    """
    batch.flush()
    if deed.fired is not None and not _is_set(batch.db, deed.fired):
        return ()
    known = conversation_by_number(batch.db, deed.conversation) if deed.conversation is not None else None
    settled = None
    if known is not None or deed.conversation is None:
        state = StoredDeskState(
            batch.db,
            ThreadKeys(None),
            Known(known),
            deed.at,
            given=batch,
            may_have_twin=False,
            open_file=open_body,
        )
        settled = _settle(deed, state)
    if deed.fired is not None:
        batch.db.execute("DELETE FROM timers WHERE number = ?", (deed.fired.number,))
    if deed.tells is not None:
        tell_nobody(batch, deed.tells)
    if settled is None:
        return ()
    return write_plan(batch, settled, deed.conversation, deed.at)


def _is_set(db: Connection, fired: DueTimer) -> bool:
    """Still, and not put off meanwhile."""
    row = select_one(db, "SELECT due_at FROM timers WHERE number = ?", (fired.number,))
    return row is not None and row[0] <= to_micros(fired.timer.at)


def due_timers(db: Connection, now: datetime, limit: int) -> tuple[DueTimer, ...]:
    """Of a kind that nobody knows, as a newer routerd may have stored it, none is due."""
    return tuple(
        DueTimer(
            number,
            Timer(TimerKind(kind), from_micros(due_at), data),
            None if conversation is None else ConversationId(conversation),
        )
        for number, kind, due_at, data, conversation in select(db, _DUE, (to_micros(now), limit))
        if kind in _KINDS
    )


def pull_timers_forward(batch: Batch, now: datetime) -> None:
    """After the clock was set back: what was made while it was ahead is due as long from now as it was then."""
    batch.db.execute(
        "UPDATE timers SET due_at = due_at - made_at + ?1, made_at = ?1 WHERE made_at > ?1", (to_micros(now),)
    )


def next_timer(db: Connection) -> datetime | None:
    row = select_one(db, "SELECT min(due_at) FROM timers")
    return None if row is None or row[0] is None else from_micros(row[0])


def _settle(deed: Deed, state: StoredDeskState) -> Settled | None:
    try:
        return deed.settle(state)
    except Error:
        raise  # the store's own trouble, not the plan's
    except Exception as error:
        raise PlanFailedError(f"{type(error).__name__}: {error}") from error


def write_plan(batch: Batch, settled: Settled, conversation: ConversationId | None, at: datetime) -> tuple[Copy, ...]:
    """A plan without a message of its own; gives the new copies."""
    plan: Plan = settled.plan
    if conversation is not None:
        move_conversation(batch, conversation, plan, to_micros(at))
        for event in plan.events:
            batch.db.execute(_ADD_EVENT, (conversation, to_micros(at), event.kind, data_to_json(event.data)))
    for team, member in plan.turns:
        batch.take_turn(team, member)
    return write_desk(batch, settled, conversation, None, at)
