"""The store embedded: SQLite in STATE/routerd.db, one writer thread, a few readers, large messages as files beside."""

import asyncio
import os
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from routerd.desk.plan import ConversationState
from routerd.message.envelope import QueueId, Raw
from routerd.store.acceptance import Draft, accept
from routerd.store.base import (
    Bounced,
    Committed,
    Conclusion,
    Copy,
    CopyState,
    Deed,
    DueTimer,
    Entry,
    Known,
    Line,
    PlanFailedError,
    QueueCounts,
    Retention,
    SavedRuleset,
    StaleError,
    StandIn,
    StoreError,
    ThreadKeys,
    Untold,
)
from routerd.store.batch import Batch
from routerd.store.bodies import MAX_ROW_BYTES, BodyFiles
from routerd.store.conclusion import bounce, change_by_hand, conclude, refuse
from routerd.store.connection import (
    FILE_NAME,
    Connection,
    Place,
    select,
    select_one,
    store_error,
)
from routerd.store.conversations import count_conversations
from routerd.store.deeds import act, due_timers, next_timer
from routerd.store.desk_state import recall
from routerd.store.health import Health, Look
from routerd.store.large_bodies import LargeBodies
from routerd.store.lock import StateLock, make_private
from routerd.store.opening import prepare_file, reopen
from routerd.store.readers import Readers
from routerd.store.rows import (
    COPIES,
    COPY_COLUMNS,
    bindable,
    copy_state,
    from_micros,
    read_copies,
    storable,
    to_micros,
    to_minute,
)
from routerd.store.stored_json import files_from_json, files_to_json, texts_to_json
from routerd.store.sweeping import Age, Step, forget_bodies, forget_conversations, forget_loads, forget_messages
from routerd.store.troubles import forget_told, read_untold, tell_nobody
from routerd.store.waits import Waits
from routerd.store.writer import CommitMetrics, Job, Writer

_KEY_BYTES = 32
_LOADS_KEPT = timedelta(hours=25)

_DUE = f"""
SELECT {COPY_COLUMNS} FROM {COPIES}
WHERE c.finished_at IS NULL AND c.state = 'queued' AND c.destination = CAST(? AS TEXT)
AND c.next_attempt_at <= ? ORDER BY c.next_attempt_at, c.number LIMIT ?
"""  # noqa: S608 - constants
# From one destination to the next by the index, so that it takes no longer for many copies than for few.
_WAITING = """
WITH RECURSIVE destinations(name) AS (
  SELECT min(destination) FROM copies WHERE finished_at IS NULL AND state = 'queued'
  UNION ALL
  SELECT (SELECT min(destination) FROM copies WHERE finished_at IS NULL AND state = 'queued' AND destination > name)
  FROM destinations WHERE name IS NOT NULL
)
SELECT name, (
  SELECT min(next_attempt_at) FROM copies WHERE finished_at IS NULL AND state = 'queued' AND destination = name
) FROM destinations WHERE name IS NOT NULL
"""
_PULL_FORWARD = """
UPDATE copies SET next_attempt_at = ?1
WHERE finished_at IS NULL AND state = 'queued' AND (next_attempt_at > ?2 OR next_attempt_at IS NULL)
"""
_COME_BY_NOW = """
UPDATE copies INDEXED BY copies_by_age SET created_at = ?1 WHERE finished_at IS NULL AND created_at > ?1
"""
_COUNTS = "SELECT state, count(*) FROM copies INDEXED BY copies_open WHERE finished_at IS NULL GROUP BY state"
_OLDEST = "SELECT min(created_at) FROM copies INDEXED BY copies_by_age WHERE finished_at IS NULL"
_BODY = "SELECT b.bytes FROM bodies AS b WHERE b.message = ?"
_BY_NUMBER = f"SELECT {COPY_COLUMNS} FROM {COPIES} WHERE c.number = ?"  # noqa: S608 - constants
_BY_ID = f"""
SELECT {COPY_COLUMNS} FROM {COPIES} WHERE m.queue_id IN (SELECT value FROM json_each(?)) ORDER BY c.number
"""  # noqa: S608 - constants
_ADDRESSED = "SELECT DISTINCT member, mailbox, destination FROM copies WHERE finished_at IS NULL"
_READDRESS = """
UPDATE copies SET mailbox = ?1, destination = ?2
WHERE finished_at IS NULL AND member = CAST(?3 AS TEXT) AND (mailbox <> ?1 OR destination <> ?2)
"""
_KEEP_RULESET = """
INSERT INTO rulesets VALUES (1, ?, ?, ?) ON CONFLICT (number) DO UPDATE
SET revision = excluded.revision, saved_at = excluded.saved_at, files_json = excluded.files_json
"""


def open_store(
    folder: Path,
    *,
    metrics: CommitMetrics | None = None,
    reach: Callable[[str], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
) -> "SqliteStore":
    """Opens the state in `folder`, or begins one there (0700). Blocks.

    After an end that was not clean it looks for damage, for a moment; if that is not enough, beside the mail.

    `metrics`: the daemon's, of which commit_batch_messages and commit_seconds are kept. `reach`: told of each commit
    point (routerd.ops.crash_points). `tell`: told from any thread of each trouble after which nothing is written.
    Raises StoreLockedError, StoreVersionError, StoreDamagedError, StoreFullError, StoreError.
    """
    try:
        make_private(folder)
        lock = StateLock.take(folder)
    except OSError as error:
        raise store_error(error) from error
    try:
        return SqliteStore(folder, lock, metrics, reach, tell)
    except BaseException:
        lock.release()
        raise


class SqliteStore:
    """A `routerd.store.base.Store`. Made by `open_store`; its async methods belong to whatever loop calls them."""

    def __init__(
        self,
        folder: Path,
        lock: StateLock,
        metrics: CommitMetrics | None,
        reach: Callable[[str], None],
        tell: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._lock = lock
        self._path = folder / FILE_NAME
        self._bodies = BodyFiles(folder, reach)
        self._keys: dict[str, bytes] = {}
        self._keys_lock = threading.Lock()
        self._commits = Waits()
        self._health = Health(tell)
        is_seen_through = prepare_file(self._path, self._bodies, self._health)
        self._place = Place.of(self._path)
        connect = partial(reopen, self._path, self._health)
        self._writer = Writer(connect, metrics, reach, self._place.check, self._health)
        self._readers = Readers(self._place, self._health)
        self._large = LargeBodies(self._bodies, self._writer, self._health, reach)
        self._look = Look(self._path, self._health)
        self._writer.start()
        if not is_seen_through:
            self._look.start()

    async def recall(self, thread: ThreadKeys) -> Known:
        if not thread.references and thread.copy is None:
            return Known()
        return await self._readers.read(partial(recall, thread=thread))

    async def commit(self, entry: Entry) -> Committed:
        with self._commits.one():
            return await self._commit(entry)

    async def _commit(self, entry: Entry) -> Committed:
        received = entry.received
        is_file = len(received.raw) > MAX_ROW_BYTES
        draft = Draft.of(entry, None if is_file else received.raw)
        if not is_file:
            return await self._add(draft)
        async with self._large.arriving(received.id, received.raw):
            return await self._add_with_file(draft)

    async def _add(self, draft: Draft) -> Committed:
        work = partial(accept, draft=draft, open_body=self._bodies.open)
        return await self._writer.do(Job(work, draft.message_key, adds_message=True))

    async def _add_with_file(self, draft: Draft) -> Committed:
        """Where it fails in a way that may yet turn out a success, the file stays until a sweep knows."""
        queue_id = draft.entry.received.id
        try:
            committed = await self._add(draft)
        except (StaleError, PlanFailedError):
            await self._large.remove(queue_id)
            raise
        if not committed.copies:
            await self._large.remove(queue_id)
        return committed

    async def act(self, deed: Deed) -> tuple[Copy, ...]:
        return await self._writer.do(Job(partial(act, deed=deed, open_body=self._bodies.open)))

    async def due_timers(self, now: datetime, limit: int) -> tuple[DueTimer, ...]:
        return await self._readers.read(partial(due_timers, now=now, limit=limit))

    async def next_timer(self) -> datetime | None:
        return await self._readers.read(next_timer)

    async def conversation_counts(self) -> Mapping[tuple[str, ConversationState], int]:
        return await self._readers.read(count_conversations)

    async def conclude(self, copy: Copy, conclusion: Conclusion, at: datetime) -> tuple[Copy, ...]:
        work = partial(conclude, copy=copy, conclusion=conclusion, at=at)
        return await self._writer.do(Job(work, copies=(copy.number,)))

    async def conclude_all(self, attempts: Sequence[tuple[Copy, Conclusion, datetime]]) -> None:
        def work(batch: Batch) -> None:
            for copy, conclusion, at in attempts:
                conclude(batch, copy, conclusion, at)

        await self._writer.do(Job(work, copies=tuple(copy.number for copy, _, _ in attempts)))

    async def bounce(
        self, copy: Copy, conclusion: Conclusion | None, told: Mapping[str, object], at: datetime
    ) -> tuple[Bounced, tuple[Copy, ...]]:
        work = partial(bounce, copy=copy, conclusion=conclusion, told=told, at=at)
        # As if it added a message: what is committed stands for the one that came, which nobody keeps.
        return await self._writer.do(Job(work, copies=(copy.number,), adds_message=True))

    async def untold(self, now: datetime, apart: timedelta) -> tuple[Untold, ...]:
        return await self._readers.read(partial(read_untold, now=now, apart=apart))

    async def tell_nobody(self, untold: Untold) -> None:
        await self._writer.do(Job(partial(tell_nobody, untold=untold)))

    async def due(self, destination: str, now: datetime, limit: int, skip: frozenset[int]) -> list[Copy]:
        def read(db: Connection) -> list[Copy]:
            rows = select(db, _DUE, (bindable(destination), to_micros(now), limit + len(skip)))
            wanted = [row for row in rows if row[0] not in skip]
            return list(read_copies(wanted[:limit]))

        return await self._readers.read(read)

    async def waiting(self) -> Mapping[str, datetime]:
        def read(db: Connection) -> dict[str, datetime]:
            return {destination: from_micros(at) for destination, at in select(db, _WAITING) if at is not None}

        return await self._readers.read(read)

    async def pull_forward(self, now: datetime, latest: datetime) -> int:
        def work(batch: Batch) -> int:
            batch.flush()
            batch.db.execute(_COME_BY_NOW, (to_micros(now),))
            batch.db.execute(_PULL_FORWARD, (to_micros(now), to_micros(latest)))
            return batch.db.changes()

        return await self._writer.do(Job(work))

    async def content(self, copy: Copy) -> Raw:
        def read(db: Connection) -> Raw:
            row = select_one(db, _BODY, (copy.message,))
            if row is None:
                raise StoreError(f"the bytes of {copy.queue_id} are no longer kept")
            content: bytes | None = row[0]
            return self._bodies.open(copy.queue_id) if content is None else content

        return await self._readers.read(read)

    async def readdress(self, mailboxes: Mapping[str, tuple[str, str]]) -> None:
        def work(batch: Batch) -> None:
            batch.flush()
            known = select(batch.db, _ADDRESSED)
            for member in {member for member, *way in known if tuple(way) != mailboxes.get(member, tuple(way))}:
                mailbox, destination = mailboxes[member]
                batch.db.execute(_READDRESS, (storable(mailbox), storable(destination), bindable(member)))

        await self._writer.do(Job(work))

    async def counts(self) -> QueueCounts:
        def read(db: Connection) -> QueueCounts:
            self._place.check()
            copies: dict[CopyState, int] = {}
            for text, count in select(db, _COUNTS):
                state = copy_state(text)
                copies[state] = copies.get(state, 0) + count
            row = select_one(db, _OLDEST)
            oldest = row[0] if row else None
            return QueueCounts(copies, None if oldest is None else from_micros(oldest))

        return await self._readers.read(read)

    async def save_ruleset(self, ruleset: SavedRuleset) -> None:
        values = (ruleset.revision, to_micros(ruleset.saved_at), files_to_json(ruleset.files))

        def work(batch: Batch) -> None:
            batch.db.execute(_KEEP_RULESET, values)

        await self._writer.do(Job(work))

    async def last_ruleset(self) -> SavedRuleset | None:
        def read(db: Connection) -> SavedRuleset | None:
            row = select_one(db, "SELECT revision, files_json, saved_at FROM rulesets")
            return SavedRuleset(row[0], files_from_json(row[1]), from_micros(row[2])) if row else None

        return await self._readers.read(read)

    async def sweep(self, now: datetime, retention: Retention) -> None:
        bodies_before = to_micros(now - max(retention.bounce_window, retention.bodies))
        events_before = to_micros(now - retention.events)
        at = to_micros(now)
        await self._sweep_steps(forget_bodies, Age(bodies_before, at))
        await self._sweep_steps(forget_messages, Age(events_before, at))
        await self._sweep_steps(forget_conversations, Age(events_before, at))
        await self._writer.do(Job(partial(forget_told, now=now)))
        await self._writer.do(Job(partial(forget_loads, before_minute=to_minute(now - _LOADS_KEPT))))
        await self._large.forget_unnamed()

    async def copy_by_number(self, number: int) -> Copy | None:
        def read(db: Connection) -> Copy | None:
            return next(read_copies(select(db, _BY_NUMBER, (number,))), None)

        return await self._readers.read(read)

    async def find_copies(self, ids: Sequence[str]) -> tuple[Copy, ...]:
        def read(db: Connection) -> tuple[Copy, ...]:
            wanted = frozenset(ids)
            queue_ids = texts_to_json({QueueId(one.partition("-")[0]) for one in wanted})
            found = read_copies(select(db, _BY_ID, (queue_ids,)))
            return tuple(copy for copy in found if copy.id in wanted or copy.queue_id in wanted)

        return await self._readers.read(read)

    async def note(self, queue_id: QueueId, kind: str, data: Mapping[str, object], at: datetime) -> None:
        def work(batch: Batch) -> None:
            batch.flush()
            row = select_one(batch.db, "SELECT number FROM messages WHERE queue_id = ?", (queue_id,))
            if row:
                batch.add_event(row[0], to_micros(at), kind, data)

        await self._writer.do(Job(work))

    async def change_copies(
        self, numbers: Sequence[int], state: CopyState, reason: str, at: datetime, stand_in: StandIn | None = None
    ) -> tuple[Copy, ...]:
        work = partial(change_by_hand, numbers=numbers, state=state, reason=reason, at=at, stand_in=stand_in)
        return tuple(await self._writer.do(Job(work, copies=tuple(numbers))))

    async def refuse_copies(
        self, numbers: Sequence[int], reason: str, at: datetime, line: Line, by: str = "postmaster"
    ) -> tuple[Copy, ...]:
        work = partial(refuse, numbers=numbers, reason=reason, at=at, line=line, by=by)
        return tuple(await self._writer.do(Job(work, copies=tuple(numbers))))

    def key(self, purpose: str) -> bytes:
        with self._keys_lock:
            known = self._keys.get(purpose)
            if known is None:
                known = self._keys[purpose] = self._writer.do_and_wait(Job(partial(_key, purpose=purpose)))
        return known

    @property
    def trouble(self) -> str:
        return self._health.trouble

    def is_alive(self) -> bool:
        """Whether the writer works; without it nothing can be made durable, and only a restart helps."""
        return self._writer.is_alive()

    def free_bytes(self) -> int:
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def oldest_commit_seconds(self) -> float:
        return self._commits.oldest_seconds()

    async def close(self) -> None:
        await asyncio.to_thread(self.close_and_wait)

    def close_and_wait(self) -> None:
        """`close` for a caller without a loop."""
        self._look.close()
        self._large.close()
        self._readers.close()
        self._writer.close()
        self._lock.release()

    async def _sweep_steps(self, step: Callable[[Batch, int, Age], Step], age: Age) -> None:
        after: int | None = 0
        while after is not None:
            done: Step = await self._writer.do(Job(partial(_flushed, step, after, age)))
            await self._large.forget(done.files)
            after = done.after


def _flushed(step: Callable[[Batch, int, Age], Step], after: int, age: Age, batch: Batch) -> Step:
    batch.flush()
    return step(batch, after, age)


def _key(batch: Batch, purpose: str) -> bytes:
    row = select_one(batch.db, "SELECT key FROM secrets WHERE purpose = ?", (purpose,))
    if row:
        return bytes(row[0])
    made = secrets.token_bytes(_KEY_BYTES)
    batch.db.execute("INSERT INTO secrets VALUES (?, ?)", (purpose, made))
    return made
