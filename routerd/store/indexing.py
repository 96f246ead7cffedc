"""Fills the index of words beside the mail: slowly, so that it takes little from it."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Protocol

import structlog

from routerd.message.envelope import Raw
from routerd.message.fold import fold
from routerd.message.view import MessageView
from routerd.store.base import StoreError
from routerd.store.marked_work import MarkedWork
from routerd.store.marks import InHand, digest_of
from routerd.store.word_index import Unindexed, Words

MAX_TEXT_CHARACTERS = 64_000  # of a message
AT_ONCE = 20  # messages
REST = 19  # times as long as it works: it takes a twentieth of a processor
LOOK_EVERY_SECONDS = 2.0
TROUBLED_SECONDS = 60.0
_NAMES = ("from", "reply-to", "to", "cc")

log = structlog.get_logger()


class Index(Protocol):
    """What it asks of the store. Both raise StoreError."""

    async def unindexed(self, limit: int) -> tuple[Unindexed, ...]:
        """The eldest messages whose words are not in yet."""

    async def index_words(self, found: Sequence[Words], up_to: int) -> None:
        """Durable on return; all messages up to that one are in then."""


class Indexing:
    """`hands`: where the message that is worked on is marked, should it kill the process."""

    def __init__(self, index: Index, hands: InHand, *, look_every_seconds: float = LOOK_EVERY_SECONDS) -> None:
        self._index = index
        self._hands = hands
        self._look_every = look_every_seconds

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            began = perf_counter()
            try:
                is_more = await self.step()
            except StoreError as error:
                log.error("words_unwritten", reason=str(error))
                await asyncio.sleep(TROUBLED_SECONDS)
                continue
            rest = REST * (perf_counter() - began)
            await asyncio.sleep(rest if is_more else max(rest, self._look_every))

    async def step(self) -> bool:
        """Puts the words of the next few messages in; gives whether there may be more. Raises StoreError."""
        found = await self._index.unindexed(AT_ONCE)
        if not found:
            return False
        words: list[Words] = []
        for one in found:
            if one.conversation:
                words.append(await self._words(one))
                await asyncio.sleep(0)  # mail that came meanwhile waits for one message, not for all of these
        await self._index.index_words(words, found[-1].number)
        return len(found) == AT_ONCE

    async def _words(self, one: Unindexed) -> Words:
        nothing = Words(one.number, one.conversation)
        if one.raw is None:
            return nothing
        digest = digest_of(one.raw)
        if self._hands.is_suspect(digest):
            return nothing
        raw = one.raw
        try:
            head, text = await MarkedWork(self._hands, digest, raw)(lambda: words_of(raw))
        except Exception:  # whatever is wrong with it, it can be found by its conversation's head
            return nothing
        return Words(one.number, one.conversation, head, text)


def words_of(raw: Raw) -> tuple[str, str]:
    """Subject, names and addresses, and files' names; and the text: both folded."""
    view = MessageView(raw, text_limit=MAX_TEXT_CHARACTERS)
    parties = [f"{party.name} {party.address}" for name in _NAMES for party in view.addresses(name)]
    files = [file.name for file in view.attachments if file.name]
    head = fold(" ".join((view.subject, *parties, *files))[:MAX_TEXT_CHARACTERS])
    return head or " ", fold(view.new_text[:MAX_TEXT_CHARACTERS])
