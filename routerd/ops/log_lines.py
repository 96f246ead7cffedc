"""Whole lines to a stream, from any thread, so that nobody ever waits for whoever reads the log.

A stalled pipe (a journal that hangs, a terminal that was stopped) must not stop mail: lines are handed to a thread,
which also writes many at once where there are many. What waits is bounded; what comes beyond that is dropped, counted
and said. A broken pipe or a full disk under the log stops no mail either.
"""

import atexit
import fcntl
import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

import structlog

MAX_WAITING = 20_000  # lines
MAX_BATCH = 1_000  # lines written at once
NAP_SECONDS = 0.05  # between two writes: a busy daemon's lines gather meanwhile; the first after a pause goes at once
EXIT_SECONDS = 2.0  # for what waits when the process ends

log = structlog.get_logger()


class Lines:
    """A logger as structlog calls it, and the factory that gives it: `write` takes each line, `close` ends that."""

    def __init__(self, write: Callable[[str], None], close: Callable[[], None] = lambda: None) -> None:
        self.close = close
        self.msg = self.debug = self.info = self.warning = self.error = self.critical = self.exception = write

    def __call__(self, *_names: object) -> "Lines":
        return self


def lines_to(stream: TextIO, *, is_shared: bool = False) -> Lines:
    """By a thread to what the system can write to; at once to a stream that is only in this process.

    `is_shared`: other processes write to it, too.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # io.UnsupportedOperation is both
        return Lines(_DirectWriter(stream).write)
    writer = ThreadedWriter(descriptor, stream.encoding, is_shared=is_shared)
    return Lines(writer.write, writer.close)


class _DirectWriter:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        try:
            with self._lock:
                self._stream.write(line + "\n")
                self._stream.flush()
        except (OSError, ValueError):  # ValueError: closed, or a character that the stream's encoding lacks
            pass


class ThreadedWriter:
    """Writes lines to a file descriptor, in their order. Its thread begins with the first line.

    What waits is a plain list, of which each side needs one step that no other thread can divide: to put a line there
    costs a tenth of a queue's time, and the thread takes all that waits at once.
    """

    def __init__(self, descriptor: int, encoding: str, *, is_shared: bool = False) -> None:
        self._descriptor = descriptor
        self._is_shared = is_shared
        self._encoding = encoding
        self._waiting: list[str] = []
        self._is_idle = False  # its thread sleeps until it is woken
        self._wake = threading.Event()
        self._end = threading.Event()
        self._dropped = 0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Never waits. Drops the line where too many wait already."""
        if len(self._waiting) >= MAX_WAITING:
            with self._lock:
                self._dropped += 1
            return
        self._waiting.append(line)
        if self._is_idle:
            self._wake.set()
        elif self._thread is None:
            self._begin()

    def close(self) -> None:
        """Writes what waits, as far as that goes within EXIT_SECONDS."""
        if self._thread is not None:
            self._end.set()
            self._wake.set()
            self._thread.join(EXIT_SECONDS)

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_on, daemon=True, name="log")
                self._thread.start()
                atexit.register(self.close)

    def _write_on(self) -> None:
        while True:
            ends = self._end.is_set()  # what was written before that was set waits by now
            lines = self._waiting[:MAX_BATCH]
            del self._waiting[: len(lines)]
            if lines:
                with self._turn():
                    self._put("\n".join(lines) + "\n")
                self._say_dropped()
            if len(lines) == MAX_BATCH:
                continue  # there may be more
            if ends:
                return
            self._end.wait(NAP_SECONDS)
            self._wait()

    def _wait(self) -> None:
        """For a line. Idle first and looked after: whoever put one there before sees it here, or sees that."""
        self._is_idle = True
        if not self._waiting:
            self._wake.wait()
        self._is_idle = False
        self._wake.clear()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """No other process that asks for its turn writes meanwhile: else lines would come out in pieces, where more is
        written at once than a pipe or a socket takes. A process that dies gives its turn up, a stalled reader holds up
        all of them.
        """
        if not self._is_shared:
            yield
            return
        with suppress(OSError):  # what cannot be locked is written to all the same
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _put(self, text: str) -> None:
        """By the descriptor: a stream's own lock, held while a write waits, would stop the process from ending."""
        left = memoryview(text.encode(self._encoding, "backslashreplace"))
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # another process made the terminal non-blocking
                ready = select.poll()
                ready.register(self._descriptor, select.POLLOUT)
                ready.poll()
            except OSError:
                return

    def _say_dropped(self) -> None:
        if len(self._waiting) > MAX_WAITING // 2:
            return  # what is said of it would be dropped, too
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            log.warning("log_lines_dropped", lines=dropped)
