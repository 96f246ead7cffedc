"""What a plan does beside the copies of its message, as rows: inside the writer's transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from routerd.desk.changes import (
    NEW_HELD,
    Absence,
    Authored,
    Back,
    HeldEnd,
    HeldEnded,
    HeldId,
    HeldKind,
    NewHeld,
    Role,
    Timer,
    TimerKind,
)
from routerd.desk.plan import Plan
from routerd.message.annotation import Annotation
from routerd.message.envelope import QueueId
from routerd.store.base import Copy, CopyState, NewCopy, Settled, StoreError
from routerd.store.batch import Batch
from routerd.store.connection import Value, select, select_one
from routerd.store.rows import copy_id, message_key, micros_or_none, storable, to_micros
from routerd.store.stored_json import annotation_to_json, plan_to_json, texts_to_json

_MICROSECOND = timedelta(microseconds=1)

_ORIGINAL = "SELECT queue_id, sender, to_return_path, size_bytes FROM messages WHERE number = ?"
_LAST_SUFFIX = "SELECT coalesce(max(suffix), 0) FROM copies WHERE message = ?"
_HOLD = """
INSERT INTO held (conversation, message, kind, member, at, release_json) VALUES (?, ?, ?, ?, ?, ?) RETURNING number
"""
_END = "UPDATE held SET end = ?, ended_at = ? WHERE number = ? AND end IS NULL RETURNING message"
_FOR_APPROVAL = "UPDATE held SET kind = ?, release_json = ? WHERE number = ? AND end IS NULL"
_SENT = "UPDATE messages SET sent_at = ?, sent_after = ? WHERE number = ?"
_ADD_TIMER = """
INSERT INTO timers (conversation, kind, due_at, data, made_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET due_at = excluded.due_at, made_at = excluded.made_at
"""
_FORGET_TIMER = "DELETE FROM timers WHERE coalesce(conversation, 0) = 0 AND kind = ? AND data = ?"
_HAND_OVER = """
INSERT INTO timers (conversation, kind, due_at, data, made_at)
SELECT number, ?1, ?2, owner, ?2 FROM conversations WHERE state IN ('open', 'snoozed') AND owner = ?3
ON CONFLICT DO NOTHING
"""
_FORGET_TIMERS = "DELETE FROM timers WHERE conversation = ? AND kind NOT IN ('handover', 'taken')"
_AWAY = "INSERT OR REPLACE INTO absences VALUES (?, ?, ?, ?, ?)"
_ANSWERED = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_REPLIED = "INSERT INTO auto_replies VALUES (?, ?, ?, ?, ?)"


def is_plain(settled: Settled) -> bool:
    """Whether there is nothing beside the message and its copies, as with most mail."""
    plan = settled.plan
    return not (
        settled.mails
        or settled.resent
        or plan.timers is not None
        or plan.new_held
        or plan.held_ended
        or plan.held_for_approval
        or plan.absences
        or plan.hands_over
        or plan.answered
        or plan.sent
    )


def write_desk(
    batch: Batch, settled: Settled, conversation: int | None, message: int | None, at: datetime
) -> tuple[Copy, ...]:
    """Gives the copies of authored mails and of earlier messages. `message`: the plan's own; None for a deed."""
    plan = settled.plan
    batch.flush()
    held = _hold(batch, plan, conversation, message, at)
    sent = [message] if plan.sent and message is not None else []
    for ended in plan.held_ended:
        answer = _end(batch, ended, at)
        if ended.end is HeldEnd.SENT:
            sent.append(answer)
    for asked in plan.held_for_approval:
        values = (str(HeldKind.APPROVAL), texts_to_json(asked.release), asked.id)
        batch.db.execute(_FOR_APPROVAL, values)
    copies = [*_add_resent(batch, settled, at), *_add_mails(batch, settled, conversation, held, at)]
    for one in sent:
        batch.db.execute(_SENT, (to_micros(at), batch.numbers.message, one))
    if plan.answered is not None:
        _note_answer(batch, plan, conversation, sent[-1] if sent else message, at)
    if plan.timers is not None:
        _set_timers(batch, plan.timers, conversation, held, at)
    _set_absences(batch, plan.absences, at)
    for member in plan.hands_over:
        batch.db.execute(_HAND_OVER, (str(TimerKind.HANDOVER), to_micros(at), member))
    return tuple(copies)


def _hold(batch: Batch, plan: Plan, conversation: int | None, message: int | None, at: datetime) -> HeldId | None:
    new: NewHeld | None = plan.new_held
    if new is None:
        return None
    if message is None or conversation is None:
        raise StoreError("only a message of a conversation can be held")
    values = (conversation, message, str(new.kind), plan.member or "", to_micros(at), texts_to_json(new.release))
    number = HeldId(select(batch.db, _HOLD, values)[0][0])
    batch.db.execute("UPDATE messages SET shows = ? WHERE number = ?", (number, message))
    return number


def _end(batch: Batch, ended: HeldEnded, at: datetime) -> int:
    """The message that was held."""
    row = select_one(batch.db, _END, (str(ended.end), to_micros(at), ended.id))
    if row is None:
        raise StoreError(f"held answer {ended.id} does not wait any more")
    return int(row[0])


def _add_mails(
    batch: Batch, settled: Settled, conversation: int | None, held: HeldId | None, at: datetime
) -> Iterator[Copy]:
    for mail in settled.mails:
        number = _add_mail(batch, settled.plan, mail.mail, mail.annotation, conversation, held, at)
        of = Original(number, mail.mail.id, "", mail.mail.from_null, len(mail.mail.raw))
        for suffix, new in enumerate(mail.copies, 1):
            yield add_copy(batch, of, new, suffix, at, annotation=mail.annotation, team=settled.plan.team)
        replied = mail.mail.replied
        if replied is not None:
            values = (number, to_micros(at), storable(replied.address), replied.template, settled.plan.inbox)
            batch.db.execute(_REPLIED, values)


def _add_mail(
    batch: Batch,
    plan: Plan,
    mail: Authored,
    annotation: Annotation,
    conversation: int | None,
    held: HeldId | None,
    at: datetime,
) -> int:
    batch.numbers.message += 1
    number = batch.numbers.message
    key = message_key(mail.message_id)
    batch.add_message(
        key,
        (
            number,
            mail.id,
            to_micros(at),
            "",
            int(mail.from_null),
            "{}",
            len(mail.raw),
            key,
            b"",
            None,
            conversation or 0,
            "[]",
            plan_to_json(plan),
            annotation_to_json(annotation),
            str(mail.part),
            mail.member,
            held if mail.shows_new else mail.shows,
        ),
    )
    batch.add_body(number, mail.raw)
    batch.begin_events(number)
    batch.add_event(number, to_micros(at), "mail_written", {"part": str(mail.part), "why": mail.why})
    return number


def _add_resent(batch: Batch, settled: Settled, at: datetime) -> Iterator[Copy]:
    suffixes: dict[int, int] = {}
    for message, new in settled.resent:
        row = select_one(batch.db, _ORIGINAL, (message,))
        if row is None:
            continue  # forgotten meanwhile
        of = Original(message, QueueId(row[0]), row[1], bool(row[2]), row[3])
        suffix = 1 + (suffixes.get(message) or int(select(batch.db, _LAST_SUFFIX, (message,))[0][0]))
        suffixes[message] = suffix
        yield add_copy(batch, of, new, suffix, at, annotation=settled.annotation, team=settled.plan.team)
        told = {"copy": copy_id(of.queue_id, suffix), "member": new.member, "why": settled.plan.why}
        batch.add_event(message, to_micros(at), "copy_added", told)


@dataclass(frozen=True, slots=True)
class Original:
    """A message, as far as its copies are made from it."""

    message: int  # the store's row
    queue_id: QueueId
    sender: str
    is_from_null: bool  # its copies leave from <>
    size_bytes: int


def add_copy(
    batch: Batch, of: Original, new: NewCopy, suffix: int, at: datetime, *, annotation: Annotation, team: str | None
) -> Copy:
    """One more copy of a message, queued or held. `annotation`: where the copy has none of its own."""
    batch.numbers.copy += 1
    copy = Copy(
        number=batch.numbers.copy,
        id=copy_id(of.queue_id, suffix),
        queue_id=of.queue_id,
        message=of.message,
        member=new.member,
        mailbox=new.mailbox,
        destination=new.destination,
        role=new.role,
        sender=of.sender,
        to_return_path=of.is_from_null,
        size_bytes=of.size_bytes,
        team=team,
        created_at=at,
        state=CopyState.QUEUED if new.held is None else CopyState.HELD,
        attempts=0,
        next_attempt_at=at if new.held is None else None,
        reason=new.held or "",
        annotation=new.annotation or annotation,
    )
    batch.add_copy(_copy_row(copy, suffix, new))
    if new.role is Role.OWNER:
        batch.add_load(new.member, at)
    return copy


def _copy_row(copy: Copy, suffix: int, new: NewCopy) -> tuple[Value, ...]:
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
        micros_or_none(copy.next_attempt_at),
        None,
        storable(copy.reason),
        annotation_to_json(new.annotation) if new.annotation else None,
    )


def _note_answer(batch: Batch, plan: Plan, conversation: int | None, message: int | None, at: datetime) -> None:
    """A reply that went past us is itself the answer."""
    answered = plan.answered
    if answered is None or conversation is None or message is None:
        return
    values = (
        message,
        conversation,
        to_micros(at),
        answered.member,
        plan.inbox,
        plan.team,
        _micros_of(answered.waited),
        _micros_of(answered.waited_working),
        int(answered.is_first),
    )
    batch.db.execute(_ANSWERED, values)


def _set_timers(
    batch: Batch, timers: Sequence[Timer], conversation: int | None, held: HeldId | None, at: datetime
) -> None:
    """All of the conversation's but for a handover that is due; those of no conversation are added to, one of each kind
    and data. `held`: by the plan itself."""
    if conversation is not None:
        batch.db.execute(_FORGET_TIMERS, (conversation,))
    for timer in timers:
        data = str(held) if timer.data == NEW_HELD else timer.data
        batch.db.execute(_ADD_TIMER, (conversation, str(timer.kind), to_micros(timer.at), data, to_micros(at)))


def _set_absences(batch: Batch, changes: Sequence[Absence | Back], at: datetime) -> None:
    """Each with the timer that ends it."""
    if changes:
        batch.remembered.absences = None
    for change in changes:
        batch.db.execute(_FORGET_TIMER, (str(TimerKind.BACK), change.member))
        if isinstance(change, Back):
            batch.db.execute("DELETE FROM absences WHERE member = CAST(? AS TEXT)", (change.member,))
        else:
            values = (
                change.member,
                str(change.source),
                to_micros(change.since),
                micros_or_none(change.until),
                change.deputy,
            )
            batch.db.execute(_AWAY, values)
            if change.until is not None:
                timer = (None, str(TimerKind.BACK), to_micros(change.until), change.member, to_micros(at))
                batch.db.execute(_ADD_TIMER, timer)


def _micros_of(duration: timedelta | None) -> int | None:
    return None if duration is None else duration // _MICROSECOND
