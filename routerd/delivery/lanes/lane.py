"""The queue of one destination: what waits in memory, how many at once, and its rest after trouble. Pure.

How many go at once is found out as TCP finds its window: by one more with each success, by one less where the next hop
turns a connection away while it has others, and slowly again near where it did so. If it turns away the only one left,
the trouble is the destination's: it rests, the longer the more often, and then one copy tries.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import chain

from routerd.delivery.outcome import BEFORE_MAILBOX, Deferred, Outcome, Stage
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
    active: int = 0
    beginning: int = 0  # of these, the hands that are at work only in a moment
    limit: int = FIRST_LIMIT
    answers: bool = False  # its next hop did, the last time: whatever it said of the copy
    has_more_in_store: bool = False
    numbers: set[int] = field(default_factory=set)  # of copies in hand: waiting here, under way, or not written yet
    ended: set[int] | None = None  # while the store is asked for more: the copies that meanwhile end, or are forgotten
    unwanted: set[int] = field(default_factory=set)  # of copies in hand: forgotten while they were under way
    _fresh: deque[Job] = field(default_factory=deque)
    _fetched: deque[Job] = field(default_factory=deque)
    _fresh_is_next: bool = True
    _crowd: int = MAX_LIMIT  # so many at once were too many, or it is not known
    _credit: float = 0.0  # towards one more at once
    _trouble: Deferred | None = None
    _troubles: int = 0
    _rests_until: float = 0.0

    @property
    def waiting(self) -> int:
        """Copies in memory that are not under way."""
        return len(self._fresh) + len(self._fetched)

    @property
    def is_full(self) -> bool:
        return len(self.numbers) >= MAX_BACKLOG

    @property
    def is_hungry(self) -> bool:
        return self.has_more_in_store and self.waiting < LOW_BACKLOG and not self.is_full

    @property
    def is_idle(self) -> bool:
        return not self.numbers and not self.active and not self.has_more_in_store

    @property
    def may_start(self) -> bool:
        return self.active < self.limit and len(self._fresh) + len(self._fetched) > self.beginning

    def add(self, job: Job) -> None:
        (self._fresh if job.is_fresh else self._fetched).append(job)

    def put_back(self, job: Job) -> None:
        """Its attempt did not come about."""
        (self._fresh if job.is_fresh else self._fetched).appendleft(job)

    def next_job(self) -> Job:
        """Fresh mail and what the store brought in turn, so that neither starves the other. Raises IndexError."""
        is_fresh = bool(self._fresh) and (self._fresh_is_next or not self._fetched)
        self._fresh_is_next = not is_fresh
        return self._fresh.popleft() if is_fresh else self._fetched.popleft()

    def remove(self, numbers: set[int] | None = None) -> list[Job]:
        """Takes those of these copies that are not under way out of memory; None: all."""
        taken = [job for job in chain(self._fresh, self._fetched) if numbers is None or job.copy.number in numbers]
        gone = {job.copy.number for job in taken}
        if gone:
            self._fresh = deque(job for job in self._fresh if job.copy.number not in gone)
            self._fetched = deque(job for job in self._fetched if job.copy.number not in gone)
        return taken

    def trouble(self, now: float) -> Deferred | None:
        """While it rests: what every copy is told instead of an attempt."""
        return self._trouble if now < self._rests_until else None

    def rest_seconds(self, now: float) -> float:
        """What is left of its rest."""
        return max(self._rests_until - now, 0.0)

    def is_crowded(self, outcome: Outcome, now: float) -> bool:
        """Whether this may say only that so many at once are too many: then the copy may be put back.

        The next hop turned a connection away while it has others of ours, and did not have trouble before.
        """
        if not isinstance(outcome, Deferred) or self.active < 2 or self.trouble(now):
            return False
        return outcome.of_connection and outcome.stage in BEFORE_MAILBOX

    def thin(self) -> None:
        """After `is_crowded`: one less at once, and towards as many as now only slowly."""
        self.limit = max(min(self.limit, self.active) - 1, 1)
        self._crowd, self._credit = self.limit, 0.0

    def learn(self, outcome: Outcome, now: float) -> None:
        """Of an attempt: grow on success, rest after trouble of the destination, and then begin with one."""
        if outcome.stage is Stage.PREPARE:
            return
        if not isinstance(outcome, Deferred) or not outcome.of_connection:
            self._trouble, self._troubles = None, 0
            self.answers, self._rests_until = True, 0.0
            self._grow()
            return
        if now < self._rests_until:
            return  # others were under way when the trouble began
        self._trouble = outcome
        rest = self.first_rest_seconds * 2 ** min(self._troubles, 10)
        self._rests_until = now + min(rest, MAX_REST_SECONDS)
        self._troubles += 1
        self.answers = False
        self.limit, self._credit = 1, 0.0

    def end_rest(self) -> None:
        """The postmaster says that it is mended."""
        self._rests_until = 0.0

    def _grow(self) -> None:
        if self.limit >= MAX_LIMIT:
            return
        self._credit += 1.0 if self.limit < self._crowd else 1.0 / self.limit
        if self._credit >= 1.0:
            self.limit += 1
            self._crowd, self._credit = max(self._crowd, self.limit), 0.0
