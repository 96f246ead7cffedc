"""Questions, answers and news between the hub and one worker, over a socket that only these two have.

A frame is a head, then pickled words. Frames gather until the loop has done all else of its turn, and leave in one
write. Large messages are files, whose descriptors go along: whoever dies, nothing of them is left.
"""

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from enum import IntEnum
from itertools import islice, takewhile
from typing import Any

import structlog

from routerd.store.base import StoreError
from routerd.workers.descriptors import SPACE_BYTES, along_with, that_came
from routerd.workers.packing import pack, unpack

_HEAD = struct.Struct("<IIBB")  # bytes that follow, number of the question, kind, descriptors that go along
_RECEIVED_AT_ONCE = 262_144
_SENT_AT_ONCE = 128  # pieces

log = structlog.get_logger()


class _Kind(IntEnum):
    QUESTION = 0
    ANSWER = 1
    FAULT = 2
    NEWS = 3


class LinkClosedError(StoreError):
    """The other process is gone: whether it did what it was asked, nobody can say."""


class Link:
    """One end. `answer` is asked what the other end asks, and may raise; `hear` is told its news, and may not.

    To be made within a running loop; `end` is called once, when the other end is gone or this one was closed.
    """

    def __init__(
        self,
        ours: socket.socket,
        *,
        answer: Callable[[Any], Awaitable[object]],
        hear: Callable[[Any], None],
        end: Callable[[], None],
    ) -> None:
        ours.setblocking(False)
        self._socket = ours
        self._loop = asyncio.get_running_loop()
        self._answer = answer
        self._hear = hear
        self._end = end
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: deque[tuple[bytes | memoryview, tuple[int, ...]]] = deque()
        self._will_flush = False
        self._is_writing = False
        self._is_closed = False
        self._room = memoryview(bytearray(_RECEIVED_AT_ONCE))  # made anew for each read it would be cleared for each
        self._came = bytearray()  # of a frame whose rest is yet to come
        self._came_descriptors: deque[int] = deque()
        self._loop.add_reader(ours, self._read)

    async def ask(self, words: object) -> Any:
        """What the other end answers. Raises what it raises there, LinkClosedError."""
        return await self.ask_packed(pack(words))

    async def ask_packed(self, content: bytes, descriptors: tuple[int, ...] = ()) -> Any:
        """Likewise. The descriptors go along, and are closed here."""
        if self._is_closed:
            _close(descriptors)
            raise LinkClosedError("the process that commits is gone")
        self._number = number = (self._number + 1) & 0xFFFFFFFF
        answered = self._asked[number] = self._loop.create_future()
        try:
            self._send(_Kind.QUESTION, number, content, descriptors)
            return await answered
        finally:
            self._asked.pop(number, None)

    def tell(self, words: object) -> None:
        if not self._is_closed:
            self._send(_Kind.NEWS, 0, pack(words))

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        for _, descriptors in self._leaving:
            _close(descriptors)
        self._leaving.clear()
        _close(self._came_descriptors)
        for answered in self._asked.values():
            if not answered.done():
                answered.set_exception(LinkClosedError("the other process is gone"))
        self._end()

    async def finish(self) -> None:
        """Waits until all that was asked here has been done, whether anybody still waits for the answer or not."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    # Out

    def _send(self, kind: _Kind, number: int, content: bytes, descriptors: tuple[int, ...] = ()) -> None:
        self._leaving.append((_HEAD.pack(len(content), number, kind, len(descriptors)), descriptors))
        self._leaving.append((content, ()))
        if not self._will_flush and not self._is_writing:
            self._will_flush = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._will_flush = False
        if self._is_closed:
            return
        try:
            while self._leaving:
                if not self._write_some():
                    self._wait_for_room(True)
                    return
        except OSError:
            self.close()
            return
        self._wait_for_room(False)

    def _write_some(self) -> bool:
        """Whether all of it went: pieces behind each other, as they are; those with descriptors begin another write."""
        _, descriptors = self._leaving[0]
        pieces = [piece for piece, _ in takewhile(_bears_nothing, islice(self._leaving, 1, _SENT_AT_ONCE))]
        pieces.insert(0, self._leaving[0][0])
        along = along_with(descriptors)
        try:
            sent = self._socket.sendmsg(pieces, along)
        except (BlockingIOError, InterruptedError):
            return False
        _close(descriptors)
        for piece in pieces:
            self._leaving.popleft()
            if sent < len(piece):
                self._leaving.appendleft((memoryview(piece)[sent:], ()))
                return False
            sent -= len(piece)
        return True

    def _wait_for_room(self, is_full: bool) -> None:
        if is_full != self._is_writing:
            self._is_writing = is_full
            if is_full:
                self._loop.add_writer(self._socket, self._flush)
            else:
                self._loop.remove_writer(self._socket)

    # In

    def _read(self) -> None:
        try:
            size_bytes, along, _, _ = self._socket.recvmsg_into([self._room], SPACE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        if along:
            self._came_descriptors.extend(that_came(along))
        if not size_bytes:
            self.close()
            return
        with self._room[:size_bytes] as content:
            if self._came:
                self._came += content
                with memoryview(self._came) as whole:
                    taken = self._take_frames(whole)
                del self._came[:taken]
            else:
                self._came += content[self._take_frames(content) :]

    def _take_frames(self, came: memoryview) -> int:
        """How many bytes of what came were whole frames."""
        start = 0
        while len(came) - start >= _HEAD.size and not self._is_closed:
            size_bytes, number, kind, descriptors = _HEAD.unpack_from(came, start)
            end = start + _HEAD.size + size_bytes
            if end > len(came):
                break
            try:
                with came[start + _HEAD.size : end] as content:
                    words = unpack(content, [self._came_descriptors.popleft() for _ in range(descriptors)])
                start = end
                self._take(kind, number, words)
            except Exception:  # as where no descriptor is left to this process; no frame is taken twice, nor left out
                log.exception("link_failed")
                self.close()
                break
        return start

    def _take(self, kind: int, number: int, words: Any) -> None:
        if kind == _Kind.QUESTION:
            task = self._loop.create_task(self._respond(number, words))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif kind == _Kind.NEWS:
            self._hear(words)
        else:
            answered = self._asked.get(number)
            if answered is not None and not answered.done():
                if kind == _Kind.ANSWER:
                    answered.set_result(words)
                else:
                    answered.set_exception(words)

    async def _respond(self, number: int, words: Any) -> None:
        kind: _Kind
        try:
            answer: object = await self._answer(words)
            kind = _Kind.ANSWER
        except Exception as error:
            kind, answer = _Kind.FAULT, error
        if self._is_closed:
            return
        try:
            content = pack(answer)
        except Exception:
            log.exception("answer_unsent")
            kind, content = _Kind.FAULT, pack(StoreError(f"{type(answer).__name__}: {answer}"))
        self._send(kind, number, content)


def _bears_nothing(piece: "tuple[bytes | memoryview, tuple[int, ...]]") -> bool:
    return not piece[1]


def _close(descriptors: "deque[int] | tuple[int, ...]") -> None:
    for descriptor in descriptors:
        os.close(descriptor)
