"""Turns over all workers: who found a conversation moved tries again while nobody else moves it."""

import asyncio
from weakref import WeakValueDictionary

from routerd.desk.plan import ConversationId


class _Turn:
    __slots__ = ("__weakref__", "holder", "lock")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.holder: object = None


class _Wish:
    """One asking for a turn. The worker that asked may be gone, and another in its place may ask."""

    __slots__ = ("turn",)

    def __init__(self, turn: _Turn) -> None:
        self.turn = turn


class TurnsOfAll:
    """`holder`: a worker, which asks for each conversation once at a time."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[ConversationId, _Turn] = WeakValueDictionary()
        self._wanted: dict[tuple[object, ConversationId], _Wish] = {}  # also those that are held

    async def take(self, holder: object, conversation: ConversationId) -> None:
        """Returns when the holder has it, or does not want it any more."""
        turn = self._turns.get(conversation)
        if turn is None:
            turn = self._turns[conversation] = _Turn()
        key = holder, conversation
        wish = self._wanted[key] = _Wish(turn)
        await turn.lock.acquire()
        if self._wanted.get(key) is wish:
            turn.holder = holder
        else:
            turn.lock.release()

    def end(self, holder: object, conversation: ConversationId) -> None:
        wish = self._wanted.pop((holder, conversation), None)
        if wish is not None and wish.turn.holder is holder:
            wish.turn.holder = None
            wish.turn.lock.release()

    def end_all(self, holder: object) -> None:
        for one, conversation in tuple(self._wanted):
            if one is holder:
                self.end(holder, conversation)

    def is_others(self, holder: object, conversation: ConversationId) -> bool:
        """Whether somebody else has the turn: what this one found is not what will be."""
        turn = self._turns.get(conversation)
        return turn is not None and turn.holder is not None and turn.holder is not holder
