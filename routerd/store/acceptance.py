"""How a message becomes rows: step 6, inside the writer's transaction."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from routerd.desk.changes import AMONG_US, NEVER_FIRST, Part
from routerd.desk.plan import Conversation, Plan
from routerd.message.envelope import Purpose, QueueId, Raw, Received
from routerd.store.base import (
    Committed,
    Copy,
    Entry,
    Known,
    PlanFailedError,
    Settled,
    StaleError,
)
from routerd.store.batch import Batch
from routerd.store.connection import Error
from routerd.store.desk_rows import Original, add_copy, is_plain, write_desk
from routerd.store.desk_state import StoredDeskState, recall
from routerd.store.placing import MAX_PARTICIPANTS, move_conversation
from routerd.store.rows import message_key, storable, to_micros
from routerd.store.standing_row import standing_row
from routerd.store.stored_json import (
    annotation_to_json,
    decisions_to_json,
    envelope_to_json,
    plan_to_json,
    texts_to_json,
)
from routerd.store.troubles import tell


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry with all of it encoded that does not depend on the state, so that the writer need not."""

    entry: Entry
    message_key: str | None
    envelope_json: str
    decisions_json: str
    rules_json: str  # that matched, of all its inboxes
    raw: Raw | None  # None: durable in its file already

    @classmethod
    def of(cls, entry: Entry, raw: Raw | None) -> "Draft":
        message_id = entry.thread.message_id
        return cls(
            entry,
            message_key(message_id) if message_id else None,
            envelope_to_json(entry.received),
            decisions_to_json(entry.decisions),
            texts_to_json(_rules_of(entry)),
            raw,
        )


def _rules_of(entry: Entry) -> Iterable[str]:
    return dict.fromkeys(str(match.rule) for decision in entry.decisions for match in decision.trace.matches)


def accept(batch: Batch, draft: Draft, open_body: Callable[[QueueId], Raw]) -> Committed:
    """`open_body` reads what is kept in a file. Raises StaleError and PlanFailedError before it has added anything."""
    entry = draft.entry
    thread, known = entry.thread, entry.known
    if thread.references or thread.copy is not None or known != Known():
        batch.settle_keys(map(message_key, thread.references))
        if recall(batch.db, thread) != known:
            raise StaleError("the conversation has moved since it was recalled")
    may_have_twin = draft.message_key is not None and batch.may_know(draft.message_key)
    state = StoredDeskState(
        batch.db,
        thread,
        known,
        entry.received.at,
        given=batch,
        may_have_twin=may_have_twin,
        open_file=open_body,
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
    place = _place_in_conversation(batch, draft, plan, conversation, at)
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
            place,
            draft.decisions_json,
            plan_json,
            annotation_json,
            str(plan.part),
            plan.member,
            None,
        ),
    )
    copies = tuple(_add_copies(batch, number, received, settled, to_return_path=to_return_path))
    if copies or plan.new_held or (plan.part is Part.NOTE and plan.joins is not None):  # a note to nobody is kept
        batch.add_body(number, draft.raw)
    _add_events(batch, number, plan, at)
    _count(batch, number, plan, place, conversation, at)
    for team, member in plan.turns:
        batch.take_turn(team, member)
    if draft.entry.tells is not None:
        tell(batch, draft.entry.tells, QueueId(received.id), received.at)
    others = () if is_plain(settled) else write_desk(batch, settled, place or None, number, received.at)
    return Committed(QueueId(received.id), plan, copies, others)


def _add_copies(
    batch: Batch, message: int, received: Received, settled: Settled, *, to_return_path: bool
) -> Iterator[Copy]:
    of = Original(message, received.id, received.envelope.sender, to_return_path, len(received.raw))
    for suffix, new in enumerate(settled.copies, 1):
        team = settled.plan.team
        yield add_copy(batch, of, new, suffix, received.at, annotation=settled.annotation, team=team)


def _add_events(batch: Batch, message: int, plan: Plan, at: int) -> None:
    batch.begin_events(message)
    for event in plan.events:
        batch.add_event(message, at, event.kind, event.data)


def _count(batch: Batch, message: int, plan: Plan, place: int, conversation: Conversation | None, at: int) -> None:
    """For the report: a customer's message, and an owner that somebody gave by a note; not who owns it by answering,
    also where a note had his answer sent."""
    if plan.part is Part.CUSTOMER and plan.twin is None:
        batch.count((at, message, "received", place, plan.owner, plan.inbox, plan.team))
    elif plan.part is Part.NOTE and conversation is not None and conversation.owner != plan.owner:
        if plan.answered is not None and plan.answered.member == plan.owner:
            return
        batch.count((at, message, "reassigned", place, conversation.owner, plan.inbox, conversation.team))


def _place_in_conversation(batch: Batch, draft: Draft, plan: Plan, conversation: Conversation | None, at: int) -> int:
    """The number of the conversation that the plan joins, moved on, or of a new one; 0: it is in none."""
    thread = draft.entry.thread
    if plan.joins is not None:
        newcomers = () if plan.part in AMONG_US else thread.participants
        if move_conversation(batch, plan.joins, plan, at, newcomers):
            return int(plan.joins)
    elif plan.twin is not None and conversation is not None:
        return int(conversation.id)
    if plan.part in NEVER_FIRST:
        return 0
    batch.numbers.conversation += 1
    number = batch.numbers.conversation
    participants = texts_to_json(dict.fromkeys(thread.participants[:MAX_PARTICIPANTS]))
    customer = storable(plan.customer) if plan.customer else None
    standing = standing_row(plan.standing, at)
    row = (number, plan.inbox, plan.owner, plan.team, 1, participants, at, at, customer, *standing, draft.rules_json)
    batch.add_conversation(row)
    if customer:
        batch.customers[customer] = plan.owner
    return number
