"""What delivery holds of the queue in memory, within bounds: all else waits in the store."""

from collections.abc import Callable, Collection, Iterator

from routerd.delivery.lanes.lane import Job, Lane
from routerd.message.envelope import Raw
from routerd.store.base import Copy

MAX_IN_HAND = 10_000  # copies of all destinations together
LEAST_SHARE = 2  # copies that a destination may have whatever the others have
MAX_CACHE_BYTES = 64_000_000  # of messages that wait in memory
MANY_LANES = 100  # idle ones are forgotten above


class Lanes:
    """The lanes by destination, and which copies are in hand: in a lane, under way, or not written yet."""

    def __init__(self, first_rest_seconds: Callable[[], float]) -> None:
        self._first_rest_seconds = first_rest_seconds
        self._lanes: dict[str, Lane] = {}
        self._in_hand: set[int] = set()
        self._cached_bytes = 0

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._lanes.values()))

    def of(self, destination: str) -> Lane:
        lane = self._lanes.get(destination)
        if lane is None:
            lane = self._lanes[destination] = Lane(destination, self._first_rest_seconds())
        return lane

    def has(self, number: int) -> bool:
        return number in self._in_hand

    def room_for(self, lane: Lane) -> int:
        """So many copies more may be taken into it. Half of all room is for destinations that answer."""
        if lane.is_full:
            return 0
        most = MAX_IN_HAND if lane.answers else MAX_IN_HAND // 2
        return max(most - len(self._in_hand), LEAST_SHARE - len(lane.numbers), 0)

    def take(self, lane: Lane, copy: Copy, raw: Raw | None = None, *, is_fresh: bool = False) -> None:
        self._in_hand.add(copy.number)
        lane.numbers.add(copy.number)
        lane.add(Job(copy, self._cached(raw), is_fresh))

    def let_go(self, lane: Lane, job: Job) -> None:
        """It is finished, or the store has it."""
        if job.raw is not None:
            self._cached_bytes -= len(job.raw)
            job.raw = None
        self._in_hand.discard(job.copy.number)
        lane.numbers.discard(job.copy.number)
        lane.unwanted.discard(job.copy.number)
        if lane.ended is not None:
            lane.ended.add(job.copy.number)

    def forget(self, numbers: Collection[int] | None = None) -> None:
        """Lets go of those of these copies that are not under way; None: of all. Those under way are not put back, and
        what the store was asked for before is not taken.
        """
        gone = None if numbers is None else set(numbers)
        for lane in self._lanes.values():
            for job in lane.remove(gone):
                self.let_go(lane, job)
            lane.unwanted |= lane.numbers if gone is None else lane.numbers & gone
            if gone is None:
                lane.ended = None
            elif lane.ended is not None:
                lane.ended |= gone

    def put_back(self, lane: Lane, job: Job) -> None:
        """Its attempt did not come about; what was forgotten meanwhile is let go."""
        if job.copy.number in lane.unwanted:
            self.let_go(lane, job)
        else:
            lane.put_back(job)

    def forget_idle(self, kept: Collection[str], now: float) -> None:
        """Where there are many, those without anything to do are made anew when they are needed. `kept`: but these."""
        if len(self._lanes) > MANY_LANES:
            self._lanes = {
                name: lane
                for name, lane in self._lanes.items()
                if name in kept or not lane.is_idle or lane.rest_seconds(now)
            }

    def _cached(self, raw: Raw | None) -> Raw | None:
        """`raw` where there is room to keep it, and only bytes: a mapped file is opened again when it is its turn."""
        if not isinstance(raw, bytes) or self._cached_bytes + len(raw) > MAX_CACHE_BYTES:
            return None
        self._cached_bytes += len(raw)
        return raw
