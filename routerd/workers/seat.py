"""A place for a worker: when one is gone, the next one takes it."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

from routerd.workers.link import Link
from routerd.workers.nursery import Nursery

QUICK_SECONDS = 10.0  # one that was gone sooner makes the next one wait
LONGEST_WAIT_SECONDS = 30.0

log = structlog.get_logger()


class Seat:
    """`answer` and `hear` are told what the worker says; `begin` brings up each new one, `vacated` hears of its end."""

    def __init__(
        self,
        number: int,
        nursery: Nursery,
        *,
        answer: Callable[["Seat", Any], Coroutine[Any, Any, object]],
        hear: Callable[["Seat", Any], None],
        begin: Callable[["Seat"], Coroutine[Any, Any, None]],
        vacated: Callable[["Seat"], None],
    ) -> None:
        self.number = number
        self._nursery = nursery
        self._answer = answer
        self._hear = hear
        self._begin = begin
        self._vacated = vacated
        self._opened_at = 0.0
        self._wait_seconds = 0.0  # before the next one, where this one is gone soon
        self._waits_seconds = 0.0  # what the next one waits, or has waited, since the last one was gone
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.link: Link | None = None
        self.is_serving = False
        self.pid = 0
        self.lives: set[int] = set()  # by number, that some message there may see

    def open(self) -> "asyncio.Task[None]":
        """Has a worker forked for it, and brings that up."""
        loop = asyncio.get_running_loop()
        self._timer = None
        self._opened_at = loop.time()
        ours, theirs = socket.socketpair()
        self.link = Link(
            ours,
            answer=lambda words: self._answer(self, words),
            hear=lambda words: self._hear(self, words),
            end=self._vacate,
        )
        with theirs:
            self._nursery.fork(self.number, theirs)
        return loop.create_task(self._bring_up())

    def dismiss(self) -> None:
        """Its worker is of no use any more, and may not even notice that."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        if self.link is not None:
            self.link.close()

    def waits_after(self, pid: int) -> float:
        """Seconds from the end of that worker, whether its link has told of that yet or not, to the next one."""
        return self._next_wait() if pid == self.pid else self._waits_seconds

    def close(self) -> None:
        """For good. A worker whose link is gone ends."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self.link is not None:
            self.link.close()

    async def _bring_up(self) -> None:
        link = self.link
        try:
            await self._begin(self)
        except Exception as error:
            if self.link is link and link is not None:
                log.error("worker_unfit", worker=self.number, reason=why_unfit(error))
                self.dismiss()
            raise
        self.is_serving = True
        log.info("worker_started", worker=self.number, pid=self.pid)

    def _vacate(self) -> None:
        self.link, self.is_serving, self.pid = None, False, 0
        self.lives.clear()
        self._vacated(self)
        if self._is_closed:
            return
        self._waits_seconds = wait_seconds = self._next_wait()
        self._wait_seconds = min(max(2 * wait_seconds, 0.5), LONGEST_WAIT_SECONDS)
        self._timer = asyncio.get_running_loop().call_later(wait_seconds, self._reopen)

    def _next_wait(self) -> float:
        is_quick = asyncio.get_running_loop().time() - self._opened_at < QUICK_SECONDS
        return self._wait_seconds if is_quick else 0.0

    def _reopen(self) -> None:
        task = self.open()
        task.add_done_callback(_look_at)


def why_unfit(error: Exception) -> str:
    return str(error) or repr(error)


def _look_at(task: "asyncio.Task[None]") -> None:
    """What went wrong was said."""
    if not task.cancelled():
        task.exception()
