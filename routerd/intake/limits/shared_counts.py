"""What limits hold for, counted over all processes that take mail in. Pure: memory, which is made before the fork.

Each process writes to its own slot of the memory alone and reads all, so that nobody waits for anybody. It counts
first, looks at the sum, and takes back what is too many: of two that come to two processes for the last place both may
be refused, but never both admitted.

How large, for 10,000 clients with open connections in one process: with CLIENT_BUCKETS a bucket has 1.2 of them, and
one client in 24,000 finds its bucket full; the others do not see that one, and its limit holds for each process by
itself. 1,000 clients: one in 10^12. Two clients are taken for one where 64 bits of their hashes are the same: among
10,000, with a chance of 3 in 10^12. Of memory only what was looked at is there: for a client 4 KB a process, for any
number of them 1 MB.
"""

import mmap
from collections.abc import Callable

from routerd.intake.limits.capacity import TOO_MANY, TOO_MANY_OF_CLIENT, Connections, Memory
from routerd.intake.limits.counts import Counted
from routerd.intake.limits.shared_cells import BUCKET_WORDS, WORD_BYTES, Cells, hash_of
from routerd.intake.limits.tally import Tally
from routerd.message.envelope import Refused

CLIENT_BUCKETS = 8192  # 65,536 clients a process
TALLY_BUCKETS = 2048  # 16,384 keys of each kind
_PAGE_WORDS = mmap.PAGESIZE // WORD_BYTES
_CLIENTS_AT = _PAGE_WORDS  # of a slot; before that: open connections, bytes of memory
_TALLIES_AT = _CLIENTS_AT + CLIENT_BUCKETS * BUCKET_WORDS
_SLOT_WORDS = _TALLIES_AT + len(Counted) * TALLY_BUCKETS * BUCKET_WORDS
_COUNT_BITS = 24  # of a tally's number; above them the window's begin in milliseconds
_MOST_COUNTED = (1 << _COUNT_BITS) - 1


class SharedMap:
    """Made once, before the first fork; each process asks `of` for its slot. `chance(n)` gives n random bytes."""

    def __init__(self, slots: int, chance: Callable[[int], bytes]) -> None:
        self.slots = slots
        self._secret = chance(32)
        self._map = mmap.mmap(-1, slots * _SLOT_WORDS * WORD_BYTES)
        self._words = memoryview(self._map).cast("Q")

    def of(self, slot: int) -> "SharedCounts":
        """For the process that has the slot from now on, alone."""
        self.clear(slot)  # of what the one before wrote with its last breath
        return SharedCounts(self._words, slot, self.slots, self._secret)

    def clear(self, slot: int) -> None:
        """Its process is dead: its connections and messages are gone with it. How often who did what stays."""
        self._map.madvise(mmap.MADV_REMOVE, slot * _SLOT_WORDS * WORD_BYTES, _TALLIES_AT * WORD_BYTES)


class SharedCounts:
    """A process's view of the map: `Counts` as intake asks for them."""

    def __init__(self, words: memoryview, slot: int, slots: int, secret: bytes) -> None:
        self._words = words
        self._slot = slot
        self._begins = range(0, slots * _SLOT_WORDS, _SLOT_WORDS)
        self._secret = secret

    def connections(self) -> Connections:
        return _SharedConnections(self._words[0::_SLOT_WORDS], self._slot, self._cells(_CLIENTS_AT, CLIENT_BUCKETS))

    def memory(self) -> Memory:
        return _SharedMemory(self._words[1::_SLOT_WORDS], self._slot)

    def tally(self, counted: Counted, allowed: int, window_seconds: float) -> Tally:
        at = _TALLIES_AT + list(Counted).index(counted) * TALLY_BUCKETS * BUCKET_WORDS
        return _SharedTally(self._cells(at, TALLY_BUCKETS), allowed, window_seconds)

    def secret(self) -> bytes:
        return self._secret

    def _cells(self, at: int, buckets: int) -> Cells:
        return Cells(self._words, [begin + at for begin in self._begins], self._slot, buckets)


class _SharedConnections(Connections):
    """`opened`: of each slot."""

    def __init__(self, opened: memoryview, slot: int, cells: Cells) -> None:
        super().__init__()
        self._opened = opened
        self._slot = slot
        self._cells = cells
        self._at: dict[str, int | None] = {}  # by client: where the others see its connections here

    @property
    def open(self) -> int:
        return sum(self._opened)

    def admit(self, client: str | None, *, trusted: bool = False) -> Refused | None:
        self._count(1)
        if self.open > self.most(trusted=trusted):
            self._count(-1)
            return TOO_MANY
        if client is not None:
            count = self._count_client(client, 1) + sum(self._cells.of_others(hash_of(client)))
            most = self.most_of_client(trusted=trusted)
            if most is not None and count > most:
                self.release(client)
                return TOO_MANY_OF_CLIENT
        return None

    def release(self, client: str | None) -> None:
        self._count(-1)
        if client is not None:
            self._count_client(client, -1)

    def _count(self, more: int) -> None:
        self.open_here += more
        self._opened[self._slot] = self.open_here

    def _count_client(self, client: str, more: int) -> int:
        """Its connections here, of which the others see as many where its bucket had a place."""
        count = self._by_client.get(client, 0) + more
        if count == more:
            at = self._at[client] = self._cells.find_free(hash_of(client))
            if at is not None:
                self._cells.put(hash_of(client), at, count)
        elif (at := self._at[client]) is not None:
            self._cells.write(at, count)
        if count:
            self._by_client[client] = count
        else:
            del self._by_client[client]
            if (at := self._at.pop(client)) is not None:
                self._cells.free(at)
        return count


class _SharedMemory(Memory):
    """`used`: of each slot."""

    def __init__(self, used: memoryview, slot: int) -> None:
        super().__init__()
        self._used = used
        self._slot = slot

    @property
    def used_bytes(self) -> int:
        return sum(self._used)

    def take(self, size_bytes: int, *, trusted: bool = False) -> bool:
        self.hold(size_bytes)
        if self.used_bytes <= self.most_bytes(trusted=trusted):
            return True
        self.give_back(size_bytes)
        return False

    def hold(self, size_bytes: int) -> None:
        self.used_bytes_here += size_bytes
        self._used[self._slot] = max(self.used_bytes_here, 0)

    def give_back(self, size_bytes: int) -> None:
        self.hold(-size_bytes)


class _SharedTally:
    """Each slot has windows of its own; what counts is the sum over those that have not ended."""

    def __init__(self, cells: Cells, allowed: int, window_seconds: float) -> None:
        self._cells = cells
        self._allowed = allowed
        self._window = window_seconds * 1000

    def count(self, key: str, now_seconds: float) -> bool:
        cells, now = self._cells, int(now_seconds * 1000)
        hashed = hash_of(key)
        at = cells.find(hashed)
        found = self._live(cells.read(at), now) if at is not None else 0
        if at is None:
            cells.put(hashed, self._place_for(hashed, now), now << _COUNT_BITS | 1)
        elif not found:
            cells.write(at, now << _COUNT_BITS | 1)
        elif found < _MOST_COUNTED:
            cells.write(at, cells.read(at) + 1)
        return found + 1 + self._of_others(hashed, now) > self._allowed

    def is_spent(self, key: str, now_seconds: float) -> bool:
        cells, now = self._cells, int(now_seconds * 1000)
        hashed = hash_of(key)
        at = cells.find(hashed)
        found = self._live(cells.read(at), now) if at is not None else 0
        return found + self._of_others(hashed, now) >= self._allowed

    def _of_others(self, hashed: int, now: int) -> int:
        return sum(self._live(number, now) for number in self._cells.of_others(hashed))

    def _live(self, number: int, now: int) -> int:
        """What was counted in a window that has not ended."""
        return number & _MOST_COUNTED if now - (number >> _COUNT_BITS) <= self._window else 0

    def _place_for(self, hashed: int, now: int) -> int:
        """A free one, or that of the key that counts least, and since longest: a flood of new keys forgets itself."""
        free = self._cells.find_free(hashed)
        if free is not None:
            return free
        numbers = {at: self._cells.read(at) for at in self._cells.numbers_at(hashed)}
        return min(numbers, key=lambda at: (self._live(numbers[at], now), numbers[at]))
