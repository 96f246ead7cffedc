"""Work on a message that may be hostile: should it kill the process, it is known over which message that died."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from routerd.message.envelope import Raw
from routerd.store.marks import InHand

OFF_LOOP_BYTES = 64_000  # what is larger is looked at in a thread: the worst of this size take a tenth of a second
# Where its bytes are only gone over, the worst of this size take as long. A thread, which has to win the interpreter's
# lock back from a busy loop, costs half as much again as all else does for a message with an attachment.
OFF_LOOP_GLANCE_BYTES = 256_000

T = TypeVar("T")


class MarkedWork:
    """Marks the message while it is worked on; not between, while it waits for DNS or the store and cannot have killed
    anybody. Large ones are worked on in a thread."""

    __slots__ = ("_digest", "_hands", "_is_large", "_size_bytes")

    def __init__(self, hands: InHand, digest: bytes, raw: Raw) -> None:
        self._hands = hands
        self._digest = digest
        self._size_bytes = len(raw)
        self._is_large = self._size_bytes > OFF_LOOP_BYTES

    async def __call__(self, work: Callable[[], T], /) -> T:
        with self._hands.holding(self._digest):
            return await asyncio.to_thread(work) if self._is_large else work()

    async def glance(self, work: Callable[[], T], /) -> T:
        """Work that goes over the bytes and decodes none but the header's."""
        with self._hands.holding(self._digest):
            return await asyncio.to_thread(work) if self._size_bytes > OFF_LOOP_GLANCE_BYTES else work()

    async def weigh(self, bytes_read: Callable[[], int]) -> None:
        """Finds out whether enough of the message is ever read for it to count as large."""
        if OFF_LOOP_BYTES < self._size_bytes <= OFF_LOOP_GLANCE_BYTES:
            self._is_large = await self.glance(bytes_read) > OFF_LOOP_BYTES
