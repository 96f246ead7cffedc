"""A worker's way to the store: it reads for itself, and has the hub do what is to be written."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

from routerd.committing import Proposal, Turns
from routerd.delivery.aftermath.bounces import is_returned
from routerd.desk.plan import ConversationId
from routerd.message.envelope import QueueId, Received, Verdict
from routerd.settling import Live
from routerd.store.base import Known, ThreadKeys
from routerd.store.connection import store_error
from routerd.store.waits import Waits
from routerd.workers.link import Link
from routerd.workers.packing import APART_BYTES, pack, pack_apart
from routerd.workers.words import CameBack, Commit, EndTurn, SendBack, TakeTurn

_AT_ONCE_BYTES = 1 << 20  # a larger file is written in a thread


class RemoteCounter:
    """A Counter whose store is in the hub's hands. `recall` reads; `folder`: for the files of large messages."""

    awaits_probes = False  # until the hub says so

    def __init__(self, link: Link, recall: Callable[[ThreadKeys], Awaitable[Known]], folder: Path) -> None:
        self._link = link
        self._recall = recall
        self._folder = folder
        self._turns = Turns()
        self._commits = Waits()

    def oldest_commit_seconds(self) -> float:
        return self._commits.oldest_seconds()

    def recall(self, thread: ThreadKeys) -> Awaitable[Known]:
        return self._recall(thread)

    def turn_in(self, known: Known, *, again: bool) -> AbstractAsyncContextManager[object]:
        if known.conversation is None:
            return nullcontext()
        turn = self._turns.of(known.conversation.id)
        return _TurnOverAll(self._link, turn, known.conversation.id) if again else turn

    async def commit(self, proposal: Proposal, live: Live) -> QueueId:
        with self._commits.one():
            committed: QueueId = await self._ask(Commit(live.number, proposal), proposal.matter.received)
            return committed

    def may_have_come_back(self, received: Received) -> bool:
        return self.awaits_probes or is_returned(received.envelope)

    async def came_back(self, received: Received) -> bool:
        came_back: bool = await self._ask(CameBack(received), received)
        return came_back

    async def send_back(self, received: Received) -> Verdict:
        verdict: Verdict = await self._ask(SendBack(received), received)
        return verdict

    async def _ask(self, words: object, received: Received) -> Any:
        size_bytes = len(received.raw)
        if size_bytes < APART_BYTES:
            return await self._link.ask_packed(pack(words))
        try:
            if size_bytes <= _AT_ONCE_BYTES:
                content, descriptors = pack_apart(words, self._folder)
            else:
                content, descriptors = await asyncio.to_thread(pack_apart, words, self._folder)
        except OSError as error:
            raise store_error(error) from error
        return await self._link.ask_packed(content, descriptors)


class _TurnOverAll:
    """Here and in all other workers."""

    def __init__(self, link: Link, here: asyncio.Lock, conversation: ConversationId) -> None:
        self._link = link
        self._here = here
        self._conversation = conversation

    async def __aenter__(self) -> None:
        await self._here.acquire()
        try:
            await self._link.ask(TakeTurn(self._conversation))
        except BaseException:
            self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._here.release()
        self._link.tell(EndTurn(self._conversation))
