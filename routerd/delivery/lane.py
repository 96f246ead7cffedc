"""The queue of one destination: what waits in memory, how many at once, and its rest after trouble."""

from collections import deque
from dataclasses import dataclass, field

from routerd.delivery.outcome import Deferred, Outcome, Stage
from routerd.message.envelope import Raw
from routerd.store.base import Copy

FIRST_LIMIT = 5
MAX_LIMIT = 20
MAX_BACKLOG = 1000  # copies in memory; more waits in the store
LOW_BACKLOG = 100
FIRST_REST_SECONDS = 5.0
MAX_REST_SECONDS = 300.0


@dataclass(slots=True)
class Job:
    copy: Copy
    raw: Raw | None  # None: to be loaded from the store
    is_fresh: bool = False  # just committed: no attempt was ever made


@dataclass(slots=True)
class Lane:
    """`now` is the loop's clock, in seconds."""

    destination: str
    first_rest_seconds: float = FIRST_REST_SECONDS
    backlog: deque[Job] = field(default_factory=deque)
    active: int = 0
    limit: int = FIRST_LIMIT
    has_more_in_store: bool = False
    ended: set[int] | None = None  # while the store is asked for more: the copies whose attempt ends meanwhile
    _trouble: Deferred | None = None
    _troubles: int = 0
    _rests_until: float = 0.0

    @property
    def is_full(self) -> bool:
        return self.has_more_in_store or len(self.backlog) >= MAX_BACKLOG

    @property
    def is_hungry(self) -> bool:
        return self.has_more_in_store and len(self.backlog) < LOW_BACKLOG

    @property
    def may_start(self) -> bool:
        return bool(self.backlog) and self.active < self.limit

    def trouble(self, now: float) -> Deferred | None:
        """While it rests: what every copy is told instead of an attempt."""
        return self._trouble if now < self._rests_until else None

    def learn(self, outcome: Outcome, now: float) -> None:
        """Of an attempt: grow on success, rest after trouble of the destination, and then begin with one."""
        if outcome.stage is Stage.PREPARE:
            return
        if not isinstance(outcome, Deferred) or not outcome.of_connection:
            self._trouble, self._troubles = None, 0
            self.limit = min(self.limit + 1, MAX_LIMIT)
            return
        if now < self._rests_until:
            return  # others were under way when the trouble began
        self._trouble = outcome
        rest = self.first_rest_seconds * 2 ** min(self._troubles, 10)
        self._rests_until = now + min(rest, MAX_REST_SECONDS)
        self._troubles += 1
        self.limit = 1

    def end_rest(self) -> None:
        """The postmaster says that it is mended."""
        self._rests_until = 0.0
