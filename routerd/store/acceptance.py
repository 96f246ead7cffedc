"""How a message becomes rows: step 6, inside the writer's transaction."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from routerd.desk.plan import Conversation, Plan, Role, Standing
from routerd.message.envelope import Purpose, QueueId, Raw, Received
from routerd.store.base import (
    Committed,
    Copy,
    CopyState,
    Entry,
    Known,
    NewCopy,
    PlanFailedError,
    Settled,
    StaleError,
    ThreadKeys,
)
from routerd.store.batch import Batch
from routerd.store.connection import Error, Value, select_one
from routerd.store.desk_state import StoredDeskState, recall
from routerd.store.rows import copy_id, message_key, storable, to_micros
from routerd.store.stored_json import (
    annotation_to_json,
    decisions_to_json,
    envelope_to_json,
    pairs_to_json,
    plan_to_json,
    texts_from_json,
    texts_to_json,
)
from routerd.store.troubles import tell

MAX_PARTICIPANTS = 500

_UPDATE_CONVERSATION = """
UPDATE conversations SET owner = ?, team = ?, version = version + 1, participants_json = ?, last_at = max(last_at, ?),
  labels_json = ?, messages = ?, state = ?, waiting_since = ?, respond_by = ?, also_json = ?
WHERE number = ?
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry with all of it encoded that does not depend on the state, so that the writer need not."""

    entry: Entry
    message_key: str | None
    envelope_json: str
    decisions_json: str
    raw: Raw | None  # None: durable in its file already

    @classmethod
    def of(cls, entry: Entry, raw: Raw | None) -> "Draft":
        message_id = entry.thread.message_id
        return cls(
            entry,
            message_key(message_id) if message_id else None,
            envelope_to_json(entry.received),
            decisions_to_json(entry.decisions),
            raw,
        )


def accept(batch: Batch, draft: Draft, open_body: Callable[[QueueId], Raw]) -> Committed:
    """`open_body` reads what is kept in a file. Raises StaleError and PlanFailedError before it has added anything."""
    entry = draft.entry
    thread, known = entry.thread, entry.known
    if thread.references or known != Known():
        batch.settle_keys(map(message_key, thread.references))
        if recall(batch.db, thread) != known:
            raise StaleError("the conversation has moved since it was recalled")
    may_have_twin = draft.message_key is not None and batch.may_know(draft.message_key)
    state = StoredDeskState(
        batch.db,
        thread,
        known,
        entry.received.at,
        turns=batch.turns,
        loads=batch.loads,
        customers=batch.customers,
        may_have_twin=may_have_twin,
    )
    if thread.by_bytes:
        batch.flush()
        state.look_for_bytes(entry.received, open_body)
    return _write(batch, draft, _settle(entry, state), state.conversation)


def _settle(entry: Entry, state: StoredDeskState) -> Settled:
    try:
        return entry.settle(state)
    except Error:
        raise  # the store's own trouble, not the plan's
    except Exception as error:
        raise PlanFailedError(f"{type(error).__name__}: {error}") from error


def _write(batch: Batch, draft: Draft, settled: Settled, conversation: Conversation | None) -> Committed:
    received, plan = draft.entry.received, settled.plan
    annotation_json = annotation_to_json(settled.annotation)
    plan_json = plan_to_json(plan)
    batch.numbers.message += 1
    number = batch.numbers.message
    at = to_micros(received.at)
    is_notice = draft.entry.tells is not None or draft.entry.is_notice
    to_return_path = is_notice or all(
        recipient.purpose in (Purpose.RETURN_PATH, Purpose.WRAPPED) for recipient in received.envelope.recipients
    )
    batch.add_message(
        draft.message_key,
        (
            number,
            received.id,
            at,
            storable(received.envelope.sender),
            int(to_return_path),
            draft.envelope_json,
            len(received.raw),
            draft.message_key,
            draft.entry.thread.content_hash,
            plan.twin.message if plan.twin else None,
            _place_in_conversation(batch, draft.entry.thread, plan, conversation, at),
            draft.decisions_json,
            plan_json,
            annotation_json,
        ),
    )
    copies = tuple(_add_copies(batch, number, received, settled, to_return_path=to_return_path))
    if copies:
        batch.add_body(number, draft.raw)
    _add_events(batch, number, plan, at)
    for team, member in plan.turns:
        batch.take_turn(team, member)
    if draft.entry.tells is not None:
        tell(batch, draft.entry.tells, QueueId(received.id), received.at)
    return Committed(QueueId(received.id), plan, copies)


def _add_copies(
    batch: Batch, message: int, received: Received, settled: Settled, *, to_return_path: bool
) -> Iterator[Copy]:
    for suffix, new in enumerate(settled.copies, 1):
        batch.numbers.copy += 1
        copy = Copy(
            number=batch.numbers.copy,
            id=copy_id(received.id, suffix),
            queue_id=received.id,
            message=message,
            member=new.member,
            mailbox=new.mailbox,
            destination=new.destination,
            role=new.role,
            sender=received.envelope.sender,
            to_return_path=to_return_path,
            size_bytes=len(received.raw),
            team=settled.plan.team,
            created_at=received.at,
            state=CopyState.QUEUED if new.held is None else CopyState.HELD,
            attempts=0,
            next_attempt_at=received.at if new.held is None else None,
            reason=new.held or "",
            annotation=new.annotation or settled.annotation,
        )
        batch.add_copy(copy_row(copy, suffix, new))
        if new.role is Role.OWNER:
            batch.add_load(new.member, received.at)
        yield copy


def copy_row(copy: Copy, suffix: int, new: NewCopy) -> tuple[Value, ...]:
    """A new copy as the row that Batch.add_copy takes."""
    return (
        copy.number,
        copy.message,
        suffix,
        new.member,
        storable(new.mailbox),
        storable(new.destination),
        str(new.role),
        copy.team,
        str(copy.state),
        0,
        to_micros(copy.created_at),
        _micros_or_none(copy.next_attempt_at),
        None,
        storable(copy.reason),
        annotation_to_json(new.annotation) if new.annotation else None,
    )


def _add_events(batch: Batch, message: int, plan: Plan, at: int) -> None:
    batch.begin_events(message)
    for event in plan.events:
        batch.add_event(message, at, event.kind, event.data)


def _place_in_conversation(
    batch: Batch, thread: ThreadKeys, plan: Plan, conversation: Conversation | None, at: int
) -> int:
    """The number of the conversation that the plan joins, moved on, or of a new one."""
    if plan.joins is not None:
        row = select_one(
            batch.db, "SELECT participants_json, customer FROM conversations WHERE number = ?", (plan.joins,)
        )
        if row is not None:
            present = texts_from_json(row[0])
            everybody = tuple(dict.fromkeys((*present, *thread.participants)))[:MAX_PARTICIPANTS]
            moved = (plan.owner, plan.team, texts_to_json(everybody), at, *_standing_row(plan.standing), plan.joins)
            batch.db.execute(_UPDATE_CONVERSATION, moved)
            if row[1] in batch.customers:
                batch.customers[row[1]] = plan.owner
            return int(plan.joins)
    elif plan.twin is not None and conversation is not None:
        return int(conversation.id)
    batch.numbers.conversation += 1
    number = batch.numbers.conversation
    participants = texts_to_json(dict.fromkeys(thread.participants[:MAX_PARTICIPANTS]))
    customer = storable(plan.customer) if plan.customer else None
    standing = _standing_row(plan.standing)
    batch.add_conversation((number, plan.inbox, plan.owner, plan.team, 1, participants, at, at, customer, *standing))
    if customer:
        batch.customers[customer] = plan.owner
    return number


def _standing_row(standing: Standing) -> tuple[Value, ...]:
    return (
        texts_to_json(standing.labels),
        standing.messages,
        str(standing.state),
        _micros_or_none(standing.waiting_since),
        _micros_or_none(standing.respond_by),
        pairs_to_json(standing.also),
    )


def _micros_or_none(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)
