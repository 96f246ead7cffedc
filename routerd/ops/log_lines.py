"""Whole lines to a stream, from any thread, so that nobody ever waits for whoever reads the log.

A stalled pipe (a journal that hangs, a terminal that was stopped) must not stop mail: lines are handed to a thread,
which also writes many at once where there are many. What waits is bounded; what comes beyond that is dropped, counted
and said. A broken pipe or a full disk under the log stops no mail either.
"""

import atexit
import os
import select
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TextIO

import structlog

MAX_WAITING = 20_000  # lines
MAX_BATCH = 1_000  # lines written at once
NAP_SECONDS = 0.025  # between two writes: a busy daemon's lines gather meanwhile; the first after a pause goes at once
EXIT_SECONDS = 2.0  # for what waits when the process ends

log = structlog.get_logger()


class Lines:
    """A logger as structlog calls it, and the factory that gives it: `write` takes each line."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.msg = self.debug = self.info = self.warning = self.error = self.critical = self.exception = write

    def __call__(self, *_names: object) -> "Lines":
        return self


def lines_to(stream: TextIO) -> Lines:
    """By a thread to what the system can write to; at once to a stream that is only in this process."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # io.UnsupportedOperation is both
        return Lines(_DirectWriter(stream).write)
    return Lines(ThreadedWriter(descriptor, stream.encoding).write)


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
    """Writes lines to a file descriptor, in their order. Its thread begins with the first line."""

    def __init__(self, descriptor: int, encoding: str) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._waiting: SimpleQueue[str | None] = SimpleQueue()  # None: the end
        self._dropped = 0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Never waits. Drops the line where too many wait already."""
        if self._waiting.qsize() >= MAX_WAITING:
            with self._lock:
                self._dropped += 1
            return
        self._waiting.put(line)
        if self._thread is None:
            self._begin()

    def close(self) -> None:
        """Writes what waits, as far as that goes within EXIT_SECONDS."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(EXIT_SECONDS)

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_on, daemon=True, name="log")
                self._thread.start()
                atexit.register(self.close)

    def _write_on(self) -> None:
        while True:
            lines = self._gather()
            self._put("".join(f"{line}\n" for line in lines if line is not None))
            self._say_dropped()
            if None in lines:
                return
            time.sleep(NAP_SECONDS)

    def _gather(self) -> list[str | None]:
        """Waits for a line; gives it with those behind it."""
        lines = [self._waiting.get()]
        try:
            while len(lines) < MAX_BATCH:
                lines.append(self._waiting.get_nowait())
        except Empty:
            pass
        return lines

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
        if self._waiting.qsize() > MAX_WAITING // 2:
            return  # what is said of it would be dropped, too
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            log.warning("log_lines_dropped", lines=dropped)
