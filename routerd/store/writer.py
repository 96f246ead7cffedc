"""The one thread that writes. It takes all that is waiting, does it in one transaction, syncs once, answers everybody.

A job reads and adds rows to the batch, and may decline (StaleError, PlanFailedError) before it has added any: that
concerns itself alone. Should one fail in any other way, the transaction is undone and its jobs are done again one by
one, so that the failure hurts no other. Should the commit fail, nobody is told of success.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar

from routerd.store.base import PlanFailedError, StaleError, StoreError
from routerd.store.batch import Batch, Numbers, Remembered
from routerd.store.connection import (
    Connection,
    Error,
    WritingConnection,
    is_of_the_disk,
    leave_as_it_is,
    store_error,
)
from routerd.store.health import Health
from routerd.store.load import Load

MAX_GROUP = 256
# While so many messages come in one group, the next begins only so much later, or when enough jobs wait: a larger group
# costs less a message, above all in winning the interpreter's lock back, which a busy loop gives up only for moments:
# groups of 17 take a sixth less of the processor than those of 10, in all. Where much of the processors is left, that
# is not worth a wait: the pause is the shorter, down to none. A lone client never waits for it, nor anyone where a sync
# takes longer.
MANY_MESSAGES = 3
GROUPS_APART_SECONDS = 0.04  # at most
ENOUGH_JOBS = 16

_DECLINED = (StaleError, PlanFailedError)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Observes(Protocol):
    def observe(self, amount: float) -> object: ...


class CommitMetrics(Protocol):
    """The part of the daemon's metrics that the writer keeps."""

    @property
    def commit_batch_messages(self) -> Observes: ...

    @property
    def commit_seconds(self) -> Observes: ...


class Work(Protocol[T_co]):
    def __call__(self, batch: Batch) -> T_co: ...


@dataclass(slots=True)
class Job(Generic[T]):
    """`work` may be done more than once, and is whole each time."""

    work: Work[T]
    message_key: str | None = None  # of the message that it will add
    copies: Sequence[int] = ()  # that it will read
    adds_message: bool = False


@dataclass(slots=True)
class _Waiting:
    job: Job[Any]
    future: "asyncio.Future[Any] | Future[Any]"
    loop: asyncio.AbstractEventLoop | None


@dataclass(slots=True)
class _Answer:
    waiting: _Waiting
    value: object
    error: BaseException | None


class Writer:
    """Owns the writing connection from `start` to `close`; opens it anew after a disk error that allows for it."""

    def __init__(
        self,
        open_connection: Callable[[], WritingConnection],
        metrics: CommitMetrics | None,
        reach: Callable[[str], None],
        check: Callable[[], None] = lambda: None,
        health: Health | None = None,
    ) -> None:
        """Raises StoreError. `check` raises StoreError where what is committed would be lost: then no message is taken.

        `health` is told of what goes wrong, and stops all writing where that must not go on.
        """
        self._open = open_connection
        self._metrics = metrics
        self._reach = reach
        self._check = check
        self._health = health or Health()
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._db: WritingConnection | None = open_connection()
        try:
            self._numbers = Numbers.read(self._db)
        except Error as error:
            raise store_error(error, self._db) from error
        self._remembered = Remembered()
        self._closed = False
        self._enough = threading.Event()  # so many jobs wait that a group need not wait for more
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether it can write at all; where not, only a restart helps."""
        return self._thread.is_alive() and self._health.can_sync

    async def do(self, job: Job[T]) -> T:
        """The job's result, once it is durable. A caller that is cancelled meanwhile changes nothing."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._submit(_Waiting(job, future, loop))
        return await future

    def do_and_wait(self, job: Job[T]) -> T:
        """The same for a caller that may block."""
        future: Future[T] = Future()
        self._submit(_Waiting(job, future, None))
        return future.result()

    def close(self) -> None:
        """Does what is waiting, then closes the connection. Blocks."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
            self._enough.set()
        self._thread.join()
        if self._db is not None:
            self._close(self._db)
            self._db = None

    def _submit(self, waiting: _Waiting) -> None:
        with self._lock:
            if self._closed:
                raise StoreError("the store is closed")
            self._queue.put(waiting)
            if self._queue.qsize() >= ENOUGH_JOBS:
                self._enough.set()

    def _serve(self) -> None:
        next_at = 0.0
        load = Load()
        is_open = True
        while is_open:
            first = self._queue.get()
            self._enough.clear()
            if (pause := next_at - perf_counter()) > 0 and self._queue.qsize() < ENOUGH_JOBS and not self._closed:
                self._enough.wait(pause)
            began = perf_counter()
            group, is_open = self._gather(first)
            if group:
                self._answer(self._do_group(group))
                # Not within the commit, where SQLite would do it: all of this group would wait 20 ms and more for it.
                if self._db is not None:
                    self._db.carry_over(self._health.note)
            is_busy = sum(waiting.job.adds_message for waiting in group) >= MANY_MESSAGES
            next_at = began + GROUPS_APART_SECONDS * load.pause() if is_busy else 0.0

    def _gather(self, first: _Waiting | None) -> tuple[list[_Waiting], bool]:
        """All that waits, up to MAX_GROUP; False where nothing may come behind it."""
        group: list[_Waiting] = []
        waiting = first
        with suppress(Empty):
            while waiting is not None:
                group.append(waiting)
                if len(group) == MAX_GROUP:
                    return group, True
                waiting = self._queue.get_nowait()
            return group, False
        return group, True

    def _do_group(self, group: list[_Waiting]) -> list[_Answer]:
        """Never raises: whatever goes wrong is somebody's answer."""
        started = perf_counter()
        try:
            answers = self._transact(group)
        except BaseException as error:
            failure = store_error(error, self._db)
            self._health.note(failure)
            self._remembered = Remembered()
            self._make_sane(error)
            if len(group) == 1 or self._db is None:
                return [_Answer(waiting, None, type(failure)(*failure.args)) for waiting in group]
        else:
            self._measure(group, perf_counter() - started)
            return answers
        return [answer for waiting in group for answer in self._do_group([waiting])]

    def _transact(self, group: list[_Waiting]) -> list[_Answer]:
        self._health.check()
        db = self._connection()
        adds_messages = any(waiting.job.adds_message for waiting in group)
        if adds_messages:
            self._check()
        db.execute("BEGIN IMMEDIATE")
        batch = Batch(db, self._numbers, self._remembered)
        batch.prepare([waiting.job for waiting in group])
        answers = [_do(waiting, batch) for waiting in group]
        batch.finish()
        self._reach("before-commit" if adds_messages else "before-write")
        db.execute("COMMIT")
        self._reach("after-commit" if adds_messages else "after-write")
        return answers

    def _measure(self, group: list[_Waiting], seconds: float) -> None:
        if self._metrics is not None:
            self._metrics.commit_seconds.observe(seconds)
            if messages := sum(waiting.job.adds_message for waiting in group):
                self._metrics.commit_batch_messages.observe(messages)

    def _connection(self) -> Connection:
        if self._db is None:
            self._db = self._open()
        return self._db

    def _make_sane(self, error: BaseException) -> None:
        """Undoes what is open. After a disk error the connection is not believed any more."""
        db = self._db
        if db is None:
            return
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if not is_of_the_disk(error):
                return
        except Error:
            pass
        self._db = None
        self._close(db)

    def _close(self, db: Connection) -> None:
        if self._health.trouble:
            leave_as_it_is(db)
        db.close(True)

    def _answer(self, answers: list[_Answer]) -> None:
        """Wakes each loop once for the whole group."""
        loops: dict[asyncio.AbstractEventLoop, list[_Answer]] = {}
        for answer in answers:
            future = answer.waiting.future
            if isinstance(future, Future):
                if answer.error is None:
                    future.set_result(answer.value)
                else:
                    future.set_exception(answer.error)
            elif answer.waiting.loop is not None:
                loops.setdefault(answer.waiting.loop, []).append(answer)
        for loop, its_answers in loops.items():
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more; what is committed is committed
                loop.call_soon_threadsafe(self._resolve, its_answers)

    def _resolve(self, answers: list[_Answer]) -> None:
        for answer in answers:
            future = answer.waiting.future
            if future.done():
                continue  # the caller was cancelled
            if answer.error is None:
                future.set_result(answer.value)
            else:
                future.set_exception(answer.error)
            if answer.waiting.job.adds_message:
                self._reach("after-answer")


def _do(waiting: _Waiting, batch: Batch) -> _Answer:
    try:
        return _Answer(waiting, waiting.job.work(batch), None)
    except _DECLINED as error:
        return _Answer(waiting, None, error)
