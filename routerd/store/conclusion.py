"""What becomes of a copy: after an attempt, and by the postmaster's hand. Inside the writer's transaction."""

from collections.abc import Sequence
from datetime import datetime

from routerd.desk.plan import Role
from routerd.store.acceptance import copy_row
from routerd.store.base import (
    Conclusion,
    Copy,
    CopyState,
    Done,
    NewCopy,
    PlanFailedError,
    Reroute,
    RetryAt,
    StandIn,
)
from routerd.store.batch import Batch, CopyNow
from routerd.store.connection import Error, select
from routerd.store.life import AFTER_ATTEMPT, BY_HAND, OPEN
from routerd.store.rows import COPIES, COPY_COLUMNS, copy_id, read_copies, storable, to_micros

_EVENTS = {
    CopyState.DELIVERED: "copy_delivered",
    CopyState.QUEUED: "copy_deferred",
    CopyState.HELD: "copy_held",
    CopyState.FAILED: "copy_failed",
    CopyState.REROUTED: "copy_rerouted",
    CopyState.DROPPED: "copy_dropped",
}
_NEW_OWNER = """
UPDATE conversations SET owner = ?, version = version + 1
WHERE number = (SELECT conversation FROM messages WHERE number = ?) AND owner = ?
"""


def conclude(batch: Batch, copy: Copy, conclusion: Conclusion, at: datetime) -> tuple[Copy, ...]:
    """The copies that took its place. What the table of lives does not allow changes nothing, and is noted."""
    now = batch.copy_now(copy.number)
    if now is None:
        return ()  # forgotten by a sweep, long after it was finished
    state = AFTER_ATTEMPT.get((now.state, type(conclusion)))
    if state is None:
        _note_ignored(batch, copy, conclusion, now.state, at)
        return ()
    if isinstance(conclusion, Reroute):
        return _reroute(batch, copy, now, conclusion, at)
    reason = conclusion.reply if isinstance(conclusion, Done) else conclusion.reason
    retry_at = conclusion.at if isinstance(conclusion, RetryAt) else None
    _move(batch, copy, now, state, reason, at, retry_at=retry_at)
    data: dict[str, object] = {"reply" if isinstance(conclusion, Done) else "reason": reason}
    if retry_at is not None:
        data["next_attempt_at"] = retry_at.isoformat()
    _note(batch, copy, _EVENTS[state], data, at)
    return ()


def change_by_hand(
    batch: Batch,
    numbers: Sequence[int],
    state: CopyState,
    reason: str,
    at: datetime,
    stand_in: StandIn | None = None,
) -> list[Copy]:
    """The copies that moved, and those that took the place of one; the others are left as they are."""
    moved: list[int] = []
    for copy in read_numbers(batch, numbers):
        now = batch.copy_now(copy.number)
        if now is None or (now.state, state) not in BY_HAND:
            continue
        is_queued = state is CopyState.QUEUED
        instead = stand_in(copy) if stand_in and is_queued and now.state is CopyState.HELD else None
        if instead is not None:
            successor = _replace(batch, copy, instead, f"released while {copy.member} is away", at, now.attempts)
            moved += (copy.number, successor.number)
            continue
        kind = _EVENTS[state]
        if is_queued:
            kind = "copy_released" if now.state is CopyState.HELD else "copy_retried"
        changed = CopyNow(
            state,
            0 if now.state is CopyState.HELD else now.attempts,  # released, it gets its tries anew, however old it is
            to_micros(at) if is_queued else None,
            None if state in OPEN else to_micros(at),
            storable(reason) if reason else now.reason,
        )
        batch.change_copy(copy.number, changed)
        _note(batch, copy, kind, {"reason": reason, "by": "postmaster"}, at)
        moved.append(copy.number)
    return read_numbers(batch, moved)


def read_numbers(batch: Batch, numbers: Sequence[int]) -> list[Copy]:
    """The copies of these numbers as the transaction has them so far."""
    batch.flush()
    wanted = f"[{','.join(str(int(number)) for number in numbers)}]"
    return list(
        read_copies(
            select(
                batch.db,
                f"SELECT {COPY_COLUMNS} FROM {COPIES}"  # noqa: S608 - both are constants
                " WHERE c.number IN (SELECT value FROM json_each(?)) ORDER BY c.number",
                (wanted,),
            )
        )
    )


def _reroute(batch: Batch, copy: Copy, now: CopyNow, conclusion: Reroute, at: datetime) -> tuple[Copy, ...]:
    batch.flush()
    rows = select(batch.db, "SELECT member, role FROM copies WHERE message = ?", (copy.message,))
    tried = frozenset(member for member, role in rows if role == copy.role)
    try:
        new = conclusion.line(tried)
    except Error:
        raise
    except Exception as error:
        raise PlanFailedError(f"{type(error).__name__}: {error}") from error
    if new is None:
        reason = f"{conclusion.reason} (nobody is left to take it)"
        _move(batch, copy, now, CopyState.HELD, reason, at)
        _note(batch, copy, _EVENTS[CopyState.HELD], {"reason": reason, "tried": sorted(tried)}, at)
        return ()
    return (_replace(batch, copy, new, conclusion.reason, at, now.attempts + 1),)


def _replace(batch: Batch, copy: Copy, new: NewCopy, reason: str, at: datetime, attempts: int) -> Copy:
    """Another copy takes this one's place, and its member, where it is an owner's, the conversation."""
    batch.flush()
    suffix = 1 + int(select(batch.db, "SELECT max(suffix) FROM copies WHERE message = ?", (copy.message,))[0][0])
    batch.change_copy(copy.number, CopyNow(CopyState.REROUTED, attempts, None, to_micros(at), storable(reason)))
    successor = _successor(batch, copy, new, suffix, at)
    batch.add_copy(copy_row(successor, suffix, new))
    told: dict[str, object] = {"reason": reason, "to": successor.id, "to_member": new.member}
    _note(batch, copy, _EVENTS[CopyState.REROUTED], told, at)
    if new.role is Role.OWNER:
        batch.db.execute(_NEW_OWNER, (new.member, copy.message, copy.member))
        batch.add_load(new.member, at)
    return successor


def _successor(batch: Batch, copy: Copy, new: NewCopy, suffix: int, at: datetime) -> Copy:
    batch.numbers.copy += 1
    return Copy(
        number=batch.numbers.copy,
        id=copy_id(copy.queue_id, suffix),
        queue_id=copy.queue_id,
        message=copy.message,
        member=new.member,
        mailbox=new.mailbox,
        destination=new.destination,
        role=new.role,
        sender=copy.sender,
        to_return_path=copy.to_return_path,
        size_bytes=copy.size_bytes,
        team=copy.team,
        created_at=at,
        state=CopyState.QUEUED if new.held is None else CopyState.HELD,
        attempts=0,
        next_attempt_at=at if new.held is None else None,
        reason=new.held or "",
        annotation=new.annotation or copy.annotation,
    )


def _move(
    batch: Batch,
    copy: Copy,
    now: CopyNow,
    state: CopyState,
    reason: str,
    at: datetime,
    *,
    retry_at: datetime | None = None,
) -> None:
    finished_at = None if state in OPEN else to_micros(at)
    next_attempt_at = to_micros(retry_at) if retry_at is not None else None
    batch.change_copy(copy.number, CopyNow(state, now.attempts + 1, next_attempt_at, finished_at, storable(reason)))


def _note(batch: Batch, copy: Copy, kind: str, data: dict[str, object], at: datetime) -> None:
    told = {"copy": copy.id, "member": copy.member, **{key: value for key, value in data.items() if value != ""}}
    batch.add_event(copy.message, to_micros(at), kind, told)


def _note_ignored(batch: Batch, copy: Copy, conclusion: Conclusion, state: CopyState, at: datetime) -> None:
    said = conclusion.reply if isinstance(conclusion, Done) else conclusion.reason
    data: dict[str, object] = {"conclusion": type(conclusion).__name__, "state": str(state), "reason": said}
    _note(batch, copy, "conclusion_ignored", data, at)
