"""Connections between messages: kept for a moment, for the next message to the same next hop."""

import asyncio

from routerd.delivery.transports.connection import Connection

IDLE_SECONDS = 10.0  # how long a connection is kept without work
LIFE_SECONDS = 300.0  # and how long in all, so that a change behind the host's name is seen
MAX_MESSAGES = 100  # over one connection: many servers hang up not long after
MAX_KEPT = 200  # of all next hops together


class KeptConnections:
    """What all next hops share. An `owner` is a next hop: it gets back only what it gave."""

    def __init__(self, most: int = MAX_KEPT) -> None:
        self._most = most
        self._owners: dict[Connection, object] = {}  # the idle ones, longest idle first
        self._of: dict[object, list[Connection]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def take(self, owner: object) -> Connection | None:
        """The one used last that is still good, as far as is known."""
        now = asyncio.get_running_loop().time()
        while kept := self._of.get(owner):
            connection = kept[-1]
            self._drop(connection)
            if connection.is_usable and now - connection.opened_at < LIFE_SECONDS:
                return connection
            connection.quit()
        return None

    def put(self, owner: object, connection: Connection) -> None:
        """Its message is done. Where there are too many, the one that was idle for longest takes its leave."""
        if not connection.is_usable or connection.carried >= MAX_MESSAGES:
            connection.quit()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._owners[connection] = owner
        self._of.setdefault(owner, []).append(connection)
        if len(self._owners) > self._most:
            self._quit_oldest()
        if self._sweep is None:
            self._sweep = loop.call_later(IDLE_SECONDS, self._quit_idle)

    def quit_all_of(self, owner: object) -> None:
        for connection in self._of.pop(owner, ()):
            del self._owners[connection]
            connection.quit()

    def _quit_idle(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - IDLE_SECONDS
        while self._owners and next(iter(self._owners)).idle_since <= oldest:
            self._quit_oldest()
        next_at = next(iter(self._owners)).idle_since + IDLE_SECONDS if self._owners else None
        self._sweep = None if next_at is None else loop.call_at(next_at, self._quit_idle)

    def _quit_oldest(self) -> None:
        connection = next(iter(self._owners))
        self._drop(connection)
        connection.quit()

    def _drop(self, connection: Connection) -> None:
        owner = self._owners.pop(connection)
        kept = self._of[owner]
        kept.remove(connection)
        if not kept:
            del self._of[owner]
