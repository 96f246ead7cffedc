"""What becomes of a copy: after an attempt, and by the postmaster's hand. Inside the writer's transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from routerd.desk.changes import Role, TimerKind
from routerd.store.base import (
    NOBODY_LEFT,
    Bounced,
    Conclusion,
    Copy,
    CopyState,
    Done,
    Ending,
    Forgo,
    Hold,
    Line,
    NewCopy,
    PlanFailedError,
    Reroute,
    RetryAt,
    StandIn,
    TroubleKind,
)
from routerd.store.batch import Batch, CopyNow
from routerd.store.connection import Error, select, select_one
from routerd.store.desk_rows import Original, add_copy
from routerd.store.dropping import after_drop
from routerd.store.life import AFTER_ATTEMPT, AFTER_BOUNCE, BY_HAND, OPEN, REFUSABLE
from routerd.store.rows import COPIES, COPY_COLUMNS, from_micros, read_copies, storable, to_micros

_Trouble = RetryAt | Hold | Forgo | Reroute

_EVENTS = {
    CopyState.DELIVERED: "copy_delivered",
    CopyState.QUEUED: "copy_deferred",
    CopyState.HELD: "copy_held",
    CopyState.FAILED: "copy_failed",
    CopyState.REROUTED: "copy_rerouted",
    CopyState.DROPPED: "copy_dropped",
}
_TROUBLES = {
    CopyState.HELD: TroubleKind.HELD,
    CopyState.REROUTED: TroubleKind.REROUTED,
    CopyState.FAILED: TroubleKind.FAILED,
}
_NEW_OWNER = """
UPDATE conversations SET owner = ?, version = version + 1
WHERE number = (SELECT conversation FROM messages WHERE number = ?) AND owner = ?
"""
# The new owner gets what was said before, where anything was.
_TAKEN = """
INSERT OR IGNORE INTO timers (conversation, kind, due_at, data, made_at)
SELECT v.number, ?1, ?2, ?3, ?2 FROM messages AS m JOIN conversations AS v ON v.number = m.conversation
WHERE m.number = ?4 AND v.owner = ?5 AND EXISTS (
  SELECT 1 FROM messages AS other WHERE other.conversation = v.number AND other.number <> m.number
)
"""
_KEEP_ATTEMPTS = "UPDATE copies SET attempts_before = attempts_before + attempts WHERE number = ?"
_HAS_BYTES = "SELECT 1 FROM bodies WHERE message = ?"

# Of a copy that is deferred again and again so many of its first and of its last deferrals are kept as events.
FIRST_DEFERRALS = 20
LAST_DEFERRALS = 20
_THIN_OUT_EVERY = 20  # deferrals
_DEFERRALS = """
SELECT number FROM events WHERE message = ? AND kind = 'copy_deferred'
AND iif(json_valid(data_json), json_extract(data_json, '$.copy'), '') = ? ORDER BY number
"""
_FORGET_EVENTS = "DELETE FROM events WHERE message = ? AND number IN (SELECT value FROM json_each(?))"


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
        tried = replace(now, attempts=now.attempts + 1)
        new = _next_in_line(
            batch, copy, tried, conclusion.line, conclusion.reason, at, _of_attempt(copy, tried.attempts, conclusion)
        )
        _note_trouble(batch, copy, CopyState.REROUTED if new else CopyState.HELD, conclusion, at, new)
        return new
    reason = conclusion.reply if isinstance(conclusion, Done) else conclusion.reason
    retry_at = conclusion.at if isinstance(conclusion, RetryAt) else None
    _move(batch, copy, now, state, reason, at, retry_at=retry_at)
    attempt = now.attempts + 1
    data = {**_of_attempt(copy, attempt, conclusion), "reply" if isinstance(conclusion, Done) else "reason": reason}
    if retry_at is not None:
        data["next_attempt_at"] = retry_at.isoformat()
    _note(batch, copy, _EVENTS[state], data, at)
    if not isinstance(conclusion, Done):
        _note_trouble(batch, copy, state, conclusion, at)
    if isinstance(conclusion, RetryAt) and conclusion.late:
        _add_trouble(batch, copy, TroubleKind.LATE, conclusion.late, conclusion, at)
    if retry_at is not None and attempt > FIRST_DEFERRALS + LAST_DEFERRALS and attempt % _THIN_OUT_EVERY == 0:
        _thin_out(batch, copy)
    return ()


def bounce(
    batch: Batch, copy: Copy, conclusion: Conclusion | None, told: Mapping[str, object], at: datetime
) -> tuple[Bounced, tuple[Copy, ...]]:
    """What follows when a report of the copy comes back, as the table of lives allows it. `told` stands in the event.

    It is believed once: whatever it does takes the copy out of the states in which it does anything.
    """
    now = batch.copy_now(copy.number)
    state = AFTER_BOUNCE.get((now.state, type(conclusion))) if now and conclusion else None
    if now is None or (state in (CopyState.HELD, CopyState.REROUTED) and not _has_bytes(batch, copy)):
        return Bounced.TOO_LATE, ()
    _note(batch, copy, "bounce_received", {**told, "state": str(now.state)}, at)
    if state is None or conclusion is None or isinstance(conclusion, Done):
        return Bounced.NOTED, ()
    if isinstance(conclusion, Reroute):
        new = _next_in_line(batch, copy, now, conclusion.line, conclusion.reason, at, {"by": "bounce"})
        _note_trouble(batch, copy, CopyState.REROUTED if new else CopyState.HELD, conclusion, at, new)
        return Bounced.ACTED, new
    reason = storable(conclusion.reason)
    batch.change_copy(copy.number, CopyNow(state, now.attempts, None, None if state in OPEN else to_micros(at), reason))
    _note(batch, copy, _EVENTS[state], {"reason": conclusion.reason, "by": "bounce"}, at)
    _note_trouble(batch, copy, state, conclusion, at)
    return Bounced.ACTED, ()


def change_by_hand(
    batch: Batch,
    numbers: Sequence[int],
    state: CopyState,
    reason: str,
    at: datetime,
    stand_in: StandIn | None = None,
) -> list[Copy]:
    """The copies that moved, and those that took the place of one; the others are left as they are."""
    moved: list[Copy] = []
    new: list[Copy] = []
    for copy in read_numbers(batch, numbers):
        now = batch.copy_now(copy.number)
        if now is None or (now.state, state) not in BY_HAND:
            continue
        is_queued = state is CopyState.QUEUED
        instead = stand_in(copy) if stand_in and is_queued and now.state is CopyState.HELD else None
        if instead is not None:
            successor = _replace(
                batch, copy, instead, f"released while {copy.member} is away", at, now.attempts, {"by": "postmaster"}
            )
            moved.append(copy)
            new.append(successor)
            continue
        kind = _EVENTS[state]
        if is_queued:
            kind = "copy_released" if now.state is CopyState.HELD else "copy_retried"
            if now.state is CopyState.HELD:
                batch.flush()
                batch.db.execute(_KEEP_ATTEMPTS, (copy.number,))
        changed = CopyNow(
            state,
            0 if now.state is CopyState.HELD else now.attempts,  # released, it gets its tries anew, however old it is
            to_micros(at) if is_queued else None,
            None if state in OPEN else to_micros(at),
            storable(reason) if reason else now.reason,
        )
        batch.change_copy(copy.number, changed)
        _note(batch, copy, kind, {"reason": reason, "by": "postmaster"}, at)
        moved.append(copy)
    if state is CopyState.DROPPED and moved:
        after_drop(batch, moved, at)
    return _as_they_are(batch, moved, new)


def refuse(batch: Batch, numbers: Sequence[int], reason: str, at: datetime, line: Line, by: str) -> list[Copy]:
    """The copies that moved as if their next hop had refused them, and behind them those that took the place of one."""
    moved: list[Copy] = []
    new: list[Copy] = []
    for copy in read_numbers(batch, numbers):
        now = batch.copy_now(copy.number)
        if now is None or now.state not in REFUSABLE or not _has_bytes(batch, copy):
            continue
        moved.append(copy)
        if copy.role is Role.OWNER:
            new += _next_in_line(batch, copy, now, partial(line, copy, reason), reason, at, {"by": by})
        else:
            given_up = CopyNow(CopyState.FAILED, now.attempts, None, to_micros(at), storable(reason))
            batch.change_copy(copy.number, given_up)
            _note(batch, copy, _EVENTS[CopyState.FAILED], {"reason": reason, "by": by}, at)
    return _as_they_are(batch, moved, new)


def _as_they_are(batch: Batch, moved: Sequence[Copy], new: Sequence[Copy]) -> list[Copy]:
    """Those that were moved, and behind them the new ones; not read anew, which takes longer than all else."""
    changed = []
    for copy in moved:
        now = batch.copy_now(copy.number)
        if now is not None:
            due = None if now.next_attempt_at is None else from_micros(now.next_attempt_at)
            changed.append(
                replace(copy, state=now.state, attempts=now.attempts, next_attempt_at=due, reason=now.reason)
            )
    return [*changed, *new]


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


def _next_in_line(
    batch: Batch,
    copy: Copy,
    now: CopyNow,
    line: Callable[[frozenset[str]], NewCopy | None],
    reason: str,
    at: datetime,
    said_by: Mapping[str, object],
) -> tuple[Copy, ...]:
    """The copy for whoever `line` names, or this one held. `said_by`: the attempt, or who else had it moved."""
    batch.flush()
    rows = select(batch.db, "SELECT member, role FROM copies WHERE message = ?", (copy.message,))
    tried = frozenset(member for member, role in rows if role == copy.role)
    try:
        new = line(tried)
    except Error:
        raise
    except Exception as error:
        raise PlanFailedError(f"{type(error).__name__}: {error}") from error
    if new is not None:
        return (_replace(batch, copy, new, reason, at, now.attempts, said_by),)
    reason += NOBODY_LEFT
    batch.change_copy(copy.number, CopyNow(CopyState.HELD, now.attempts, None, None, storable(reason)))
    told = {**said_by, "reason": reason, "tried": sorted(tried)}
    _note(batch, copy, _EVENTS[CopyState.HELD], told, at)
    return ()


def _of_attempt(copy: Copy, number: int, ending: Ending) -> dict[str, object]:
    """What an event says of the attempt that it follows."""
    return {"attempt": number, "destination": copy.destination, "host": ending.host}


def _replace(
    batch: Batch, copy: Copy, new: NewCopy, reason: str, at: datetime, attempts: int, said_by: Mapping[str, object]
) -> Copy:
    """Another copy takes this one's place, and its member, where it is an owner's, the conversation."""
    batch.flush()
    suffix = 1 + int(select(batch.db, "SELECT max(suffix) FROM copies WHERE message = ?", (copy.message,))[0][0])
    batch.change_copy(copy.number, CopyNow(CopyState.REROUTED, attempts, None, to_micros(at), storable(reason)))
    of = Original(copy.message, copy.queue_id, copy.sender, copy.to_return_path, copy.size_bytes)
    successor = add_copy(batch, of, new, suffix, at, annotation=copy.annotation, team=copy.team)
    told = {**said_by, "reason": reason, "to": successor.id, "to_member": new.member}
    _note(batch, copy, _EVENTS[CopyState.REROUTED], told, at)
    if new.role is Role.OWNER:
        batch.db.execute(_NEW_OWNER, (new.member, copy.message, copy.member))
        if batch.db.changes():
            taken = (str(TimerKind.TAKEN), to_micros(at), copy.member, copy.message, new.member)
            batch.db.execute(_TAKEN, taken)
    return successor


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


def _has_bytes(batch: Batch, copy: Copy) -> bool:
    batch.flush()
    return select_one(batch.db, _HAS_BYTES, (copy.message,)) is not None


def _thin_out(batch: Batch, copy: Copy) -> None:
    batch.flush()
    numbers = [row[0] for row in select(batch.db, _DEFERRALS, (copy.message, copy.id))]
    between = numbers[FIRST_DEFERRALS : len(numbers) - LAST_DEFERRALS]
    if between:
        batch.db.execute(_FORGET_EVENTS, (copy.message, f"[{','.join(map(str, between))}]"))


def _note(batch: Batch, copy: Copy, kind: str, data: dict[str, object], at: datetime) -> None:
    told = {"copy": copy.id, "member": copy.member, **{key: value for key, value in data.items() if value != ""}}
    batch.add_event(copy.message, to_micros(at), kind, told)


def _note_trouble(
    batch: Batch, copy: Copy, state: CopyState, conclusion: _Trouble, at: datetime, new: Sequence[Copy] = ()
) -> None:
    """The postmaster hears of what was held, rerouted or given up, each time anew."""
    kind = _TROUBLES.get(state)
    if kind is not None:
        _add_trouble(batch, copy, kind, copy.mailbox, conclusion, at, new)


def _add_trouble(
    batch: Batch,
    copy: Copy,
    kind: TroubleKind,
    about: str,
    conclusion: _Trouble,
    at: datetime,
    new: Sequence[Copy] = (),
) -> None:
    """Of a bounce's or a notice's own copies nobody is told: that would be a notice about a notice.

    An answer's author hears of each copy by itself, at once: see `Untold`.
    """
    if copy.to_return_path:
        return
    if copy.role is Role.ANSWER:
        about = copy.id
    taken_by = new[0].member if new else ""
    why, status = storable(conclusion.reason), storable(conclusion.status)
    row = (copy.number, str(kind), storable(about), why, taken_by, to_micros(at), status)
    batch.add_trouble(row, once=kind is TroubleKind.LATE)


def _note_ignored(batch: Batch, copy: Copy, conclusion: Conclusion, state: CopyState, at: datetime) -> None:
    said = conclusion.reply if isinstance(conclusion, Done) else conclusion.reason
    data: dict[str, object] = {"conclusion": type(conclusion).__name__, "state": str(state), "reason": said}
    _note(batch, copy, "conclusion_ignored", data, at)
