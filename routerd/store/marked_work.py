"""Work on a message that may be hostile: should it kill the process, it is known over which message that died."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from routerd.message.envelope import Raw
from routerd.store.marks import InHand

OFF_LOOP_BYTES = 64_000  # larger messages are looked at in a thread: the worst of this size take a tenth of a second

T = TypeVar("T")


class MarkedWork:
    """Marks the message while it is worked on; not between, while it waits for DNS or the store and cannot have killed
    anybody. Large ones are worked on in a thread."""

    __slots__ = ("_digest", "_hands", "_is_large")

    def __init__(self, hands: InHand, digest: bytes, raw: Raw) -> None:
        self._hands = hands
        self._digest = digest
        self._is_large = len(raw) > OFF_LOOP_BYTES

    async def __call__(self, work: Callable[[], T], /) -> T:
        with self._hands.holding(self._digest):
            return await asyncio.to_thread(work) if self._is_large else work()
