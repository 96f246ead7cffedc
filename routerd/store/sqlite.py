"""The store embedded: SQLite in STATE/routerd.db, one writer thread, a few readers, large messages as files beside."""

import asyncio
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from routerd.desk.changes import Absence
from routerd.desk.plan import ConversationState
from routerd.message.envelope import QueueId, Raw
from routerd.message.key_ring import KeyRing
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
    StoreDamagedError,
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
    leave_as_it_is,
    open_writer,
    select_one,
    store_error,
)
from routerd.store.conversations import count_conversations
from routerd.store.deeds import act, due_timers, next_timer
from routerd.store.desk_state import read_absences
from routerd.store.forgetting import (
    AT_ONCE,
    Forgotten,
    Person,
    empty_log,
    find_traces,
    forget_messages_of,
    forget_person,
    overwrite_free_pages,
)
from routerd.store.health import Health, Look
from routerd.store.large_bodies import LargeBodies
from routerd.store.lock import StateLock, make_private
from routerd.store.open_copies import (
    copy_by_number,
    count_open,
    due_copies,
    find_copies,
    pull_forward,
    readdress,
    waiting_destinations,
)
from routerd.store.opening import prepare_file, reopen
from routerd.store.readers import Readers
from routerd.store.recollection import free_bytes, recalled
from routerd.store.rows import (
    from_micros,
    to_micros,
)
from routerd.store.signing_keys import RingInForce, renew, ring_begun, turn
from routerd.store.stored_json import files_from_json, files_to_json
from routerd.store.sweeper import Sweeper
from routerd.store.troubles import read_untold, tell_nobody
from routerd.store.waits import Waits
from routerd.store.word_index import Unindexed, Words, index_words, unindexed
from routerd.store.writer import CommitMetrics, Job, Writer

_KEY_BYTES = 32

_BODY = "SELECT b.bytes FROM bodies AS b WHERE b.message = ?"
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
        self._rings: dict[str, RingInForce] = {}
        self._keys_lock = threading.Lock()
        self._commits = Waits()
        self._health = Health(tell)
        is_seen_through = prepare_file(self._path, self._bodies, self._health)
        self._place = Place.of(self._path)
        connect = partial(reopen, self._path, self._health)
        self._writer = Writer(connect, metrics, reach, self._place.check, self._health)
        self._readers = Readers(self._place, self._health)
        self._large = LargeBodies(self._bodies, self._writer, self._health, reach)
        self._sweeper = Sweeper(self._readers, self._writer, self._large)
        self._look = Look(self._path, self._health)
        self._writer.start()
        if not is_seen_through:
            self._look.start()

    async def recall(self, thread: ThreadKeys) -> Known:
        return await recalled(self._readers, thread)

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

    async def absences(self) -> tuple[Absence, ...]:
        return await self._readers.read(read_absences)

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
        return await self._readers.read(partial(due_copies, destination=destination, now=now, limit=limit, skip=skip))

    async def waiting(self) -> Mapping[str, datetime]:
        return await self._readers.read(waiting_destinations)

    async def pull_forward(self, now: datetime, latest: datetime) -> int:
        return await self._writer.do(Job(partial(pull_forward, now=now, latest=latest)))

    async def content(self, copy: Copy) -> Raw:
        def read(db: Connection) -> Raw:
            row = select_one(db, _BODY, (copy.message,))
            if row is None:
                raise StoreError(f"the bytes of {copy.queue_id} are no longer kept")
            content: bytes | None = row[0]
            return self._bodies.open(copy.queue_id) if content is None else content

        return await self._readers.read(read)

    async def readdress(self, mailboxes: Mapping[str, tuple[str, str]]) -> None:
        await self._writer.do(Job(partial(readdress, mailboxes=mailboxes)))

    async def counts(self) -> QueueCounts:
        def read(db: Connection) -> QueueCounts:
            self._place.check()
            return count_open(db)

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
        self._adopt_rings(await self._writer.do(Job(partial(turn, now=now, retention=retention))))
        await self._sweeper.sweep(now, retention)

    async def forget(self, address: str, at: datetime) -> Forgotten:
        """Raises StoreError; what is done by then is done, and the rest is when it is asked for again."""
        person = Person.of(address, await asyncio.to_thread(self.key, "forget"))
        traces = await self._readers.read(partial(find_traces, person=person, open_body=self._bodies.open))
        dropped: list[int] = []
        left: list[QueueId] = []
        for start in range(0, len(traces.messages), AT_ONCE):
            numbers = traces.messages[start : start + AT_ONCE]
            work = partial(forget_messages_of, person=person, traces=traces, numbers=numbers, at=at)
            done = await self._writer.do(Job(work))
            dropped += done.dropped
            left += done.left
            await self._large.forget(done.files)
        await self._writer.do(Job(partial(forget_person, person=person, conversations=traces.conversations, at=at)))
        await self._writer.do(Job(overwrite_free_pages))
        await asyncio.to_thread(self._empty_log)
        return Forgotten(len(traces.messages) - len(left), len(traces.conversations), tuple(dropped), tuple(left))

    def _empty_log(self) -> None:
        with closing(open_writer(self._path)) as db:
            leave_as_it_is(db)
            empty_log(db)

    async def unindexed(self, limit: int) -> tuple[Unindexed, ...]:
        return await self._readers.read(partial(unindexed, limit=limit, open_body=self._bodies.open))

    async def index_words(self, found: Sequence[Words], up_to: int) -> None:
        await self._writer.do(Job(partial(index_words, found=found, up_to=up_to)))

    async def copy_by_number(self, number: int) -> Copy | None:
        return await self._readers.read(partial(copy_by_number, number=number))

    async def find_copies(self, ids: Sequence[str]) -> tuple[Copy, ...]:
        return await self._readers.read(partial(find_copies, ids=ids))

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

    def keys(self, purpose: str) -> RingInForce:
        with self._keys_lock:
            known = self._rings.get(purpose)
            if known is None:
                work = partial(ring_begun, purpose=purpose, now=datetime.now(UTC))
                known = self._rings[purpose] = RingInForce(self._writer.do_and_wait(Job(work)))
        return known

    async def renew_keys(self, at: datetime, *, revoke: bool) -> None:
        self._adopt_rings(await self._writer.do(Job(partial(renew, now=at, revoke=revoke))))

    def _adopt_rings(self, rings: Mapping[str, KeyRing]) -> None:
        for purpose, ring in rings.items():
            if purpose in self._rings:
                self._rings[purpose].adopt(ring)

    @property
    def trouble(self) -> str:
        return self._health.trouble

    def note_trouble(self, text: str) -> None:
        """Damage that another process of this daemon met in reading."""
        self._health.note(StoreDamagedError(text))

    def is_alive(self) -> bool:
        """Whether the writer works; without it nothing can be made durable, and only a restart helps."""
        return self._writer.is_alive()

    def free_bytes(self) -> int:
        return free_bytes(self._folder)

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


def _key(batch: Batch, purpose: str) -> bytes:
    row = select_one(batch.db, "SELECT key FROM secrets WHERE purpose = ?", (purpose,))
    if row:
        return bytes(row[0])
    made = secrets.token_bytes(_KEY_BYTES)
    batch.db.execute("INSERT INTO secrets VALUES (?, ?)", (purpose, made))
    return made
