"""Both ends of a link, in one process."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from test_packing import RECEIVED

from routerd.store.base import StaleError
from routerd.workers.link import Link, LinkClosedError
from routerd.workers.packing import APART_BYTES, pack_apart
from routerd.workers.words import CameBack


@dataclass
class _End:
    """Answers by `answer`, and keeps what it hears."""

    ours: socket.socket
    answer: Callable[[Any], Awaitable[object]]
    heard: list[object] = field(default_factory=list)
    has_ended: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> Link:
        return Link(self.ours, answer=self.answer, hear=self.heard.append, end=self.has_ended.set)


async def _echo(words: object) -> object:
    await asyncio.sleep(0)
    return words


@contextmanager
def linked(answer: Callable[[Any], Awaitable[object]] = _echo) -> Iterator[tuple[Link, Link, _End, _End]]:
    one, other = socket.socketpair()
    near, far = _End(one, _echo), _End(other, answer)
    near_link, far_link = near.open(), far.open()
    try:
        yield near_link, far_link, near, far
    finally:
        near_link.close()
        far_link.close()


async def test_answers_find_their_questions() -> None:
    """In whatever order they come; both ends may ask at once."""
    gates = {name: asyncio.Event() for name in ("first", "second")}

    async def answer(name: str) -> str:
        await gates[name].wait()
        return name.upper()

    with linked(answer) as (near, far, _, _):
        first, second = (asyncio.create_task(near.ask(name)) for name in gates)
        assert await far.ask("back") == "back"
        gates["second"].set()
        assert await second == "SECOND"
        assert not first.done()
        gates["first"].set()
        assert await first == "FIRST"


async def test_news_comes_before_what_is_said_after_it() -> None:
    """So that an answer shows that it was heard."""
    with linked() as (near, _, _, far):
        for number in range(100):
            near.tell(number)
        await near.ask("heard?")
        assert far.heard == list(range(100))


async def test_errors_are_raised_where_it_was_asked() -> None:
    """And are no end of the link; what cannot be sent is an error, too."""

    async def answer(words: str) -> object:
        if words == "stale":
            raise StaleError("moved")
        return lambda: None

    with linked(answer) as (near, _, _, _):
        with pytest.raises(StaleError, match="moved"):
            await near.ask("stale")
        with pytest.raises(Exception, match="function"):
            await near.ask("what cannot be packed")


async def test_more_than_a_socket_holds_arrives_whole() -> None:
    """Also where both ends have much to say."""
    large = [os.urandom(3_000_000) for _ in range(4)]
    with linked() as (near, far, _, _):
        answers = await asyncio.gather(*[link.ask(one) for one in large for link in (near, far)])
        assert answers == [one for one in large for _ in range(2)]


async def test_files_go_along_with_their_question(tmp_path: Path) -> None:
    """Among others that have none; nothing stays open."""
    asked: list[bytes] = []

    async def answer(words: CameBack) -> int:
        asked.append(bytes(words.received.raw))
        return len(words.received.raw)

    before = len(list(Path("/proc/self/fd").iterdir()))
    raws = [os.urandom(size_bytes) for size_bytes in (APART_BYTES, 10, 2 * APART_BYTES, 20, APART_BYTES)]
    with linked(answer) as (near, _, _, _):
        questions = [CameBack(replace(RECEIVED, raw=raw)) for raw in raws]
        packed = [pack_apart(question, tmp_path) for question in questions]
        assert await asyncio.gather(*[near.ask_packed(*one) for one in packed]) == [len(raw) for raw in raws]
    assert asked == raws
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_who_waits_hears_of_the_end() -> None:
    """Of the other process, or of the link alone; later questions fail at once, and news goes nowhere."""

    async def never(_: object) -> object:
        return await asyncio.Event().wait()

    with linked(never) as (near, far, one, _):
        asked = asyncio.create_task(near.ask("?"))
        await asyncio.sleep(0)
        far.close()
        with pytest.raises(LinkClosedError):
            await asked
        assert one.has_ended.is_set()
        near.tell("news")
        with pytest.raises(LinkClosedError):
            await near.ask("?")


async def test_what_is_no_frame_ends_the_link() -> None:
    """It is not read on as if nothing were."""
    ours, theirs = socket.socketpair()
    end = _End(ours, _echo)
    end.open()
    with theirs:
        theirs.sendall(b"\x04\0\0\0\0\0\0\0\x03\0junk")
        await end.has_ended.wait()


async def test_no_frame_is_taken_twice() -> None:
    """Where hearing one fails, the link ends with it: what stands behind it would be out of step."""
    one, other = socket.socketpair()
    heard: list[object] = []
    has_ended = asyncio.Event()

    def hear(words: object) -> None:
        heard.append(words)
        raise ValueError("not yet")

    near, far = _End(one, _echo), Link(other, answer=_echo, hear=hear, end=has_ended.set)
    near_link = near.open()
    near_link.tell("early")
    near_link.tell("late")
    await has_ended.wait()
    assert heard == ["early"]
    near_link.close()
    far.close()
