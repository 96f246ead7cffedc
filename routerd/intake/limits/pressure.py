"""How strained routerd is: by messages in memory, by the room on the disk, by a store that is slow to commit.

First strangers wait for their greeting, then new ones are turned away; clients in `trusted_networks` come last.
"""

from collections.abc import Callable
from dataclasses import dataclass

from routerd.config.intake_settings import Limits
from routerd.intake.limits.capacity import MEMORY_BYTES, Memory
from routerd.intake.protocol.events import Declined
from routerd.intake.protocol.refusals import NO_MEMORY, NO_SPACE, OVERLOADED, STORE_SLOW

SLOW_COMMIT_SECONDS = 2.0  # of the oldest message that waits for its commit; from here on strangers are slowed
STUCK_COMMIT_SECONDS = 10.0  # … and turned away
STUCK_FOR_ALL_SECONDS = 30.0  # … and hops too: they keep their mail
MUCH_MEMORY = 0.7  # of what strangers may have
LONGEST_DELAY_SECONDS = 5.0
READING_SECONDS = 1.0  # that a reading of the free space is good for


@dataclass(frozen=True, slots=True)
class StoreSigns:
    """What the store shows from outside, at once. `free_bytes` may raise OSError."""

    free_bytes: Callable[[], int] = lambda: 1 << 62
    oldest_commit_seconds: Callable[[], float] = lambda: 0.0  # how long it has waited


class Pressure:
    """Of all listeners. `seconds` is a clock that does not jump."""

    def __init__(self, limits: Limits, memory: Memory, signs: StoreSigns, seconds: Callable[[], float]) -> None:
        self._memory = memory
        self._signs = signs
        self._seconds = seconds
        self._free_bytes = 0
        self._read_at: float | None = None
        self.adopt(limits)

    def adopt(self, limits: Limits) -> None:
        self._free_space = limits.free_space

    def room_for(self, size_bytes: int, *, trusted: bool) -> Declined | None:
        """Why a message may not come now. `size_bytes`: what is known of its size, 0 where nothing is."""
        stuck = STUCK_FOR_ALL_SECONDS if trusted else STUCK_COMMIT_SECONDS
        if self._signs.oldest_commit_seconds() >= stuck:
            return STORE_SLOW
        is_large = size_bytes > MEMORY_BYTES
        if not self._memory.has_room(MEMORY_BYTES if is_large else size_bytes, trusted=trusted):
            return NO_MEMORY
        on_disk = 2 * size_bytes if is_large else size_bytes  # a large one lies there twice while it is committed
        return NO_SPACE if self._spare_bytes(anew=is_large) < on_disk else None

    def room_to_spool(self, size_bytes: int) -> Declined | None:
        """Why no more may be written of a message of which so much has come: at the end it is copied into the store."""
        return NO_SPACE if self._spare_bytes(anew=True) < size_bytes else None

    @property
    def is_short_of_memory(self) -> bool:
        return self._strain_of_memory() > 0.0

    def delay_seconds(self, *, trusted: bool) -> float:
        """How long the greeting of a new client should wait."""
        return 0.0 if trusted else LONGEST_DELAY_SECONDS * self.strain()

    def turns_away(self, *, trusted: bool) -> Declined | None:
        """What to say to a new client instead of a greeting. A full disk is no reason: that is told at MAIL."""
        return None if trusted or max(self._strain_of_memory(), self._strain_of_store()) < 1.0 else OVERLOADED

    def strain(self) -> float:
        """0: none; 1: strangers get no more in."""
        return max(self._strain_of_memory(), self._strain_of_store(), self._strain_of_disk())

    def shortage(self) -> str | None:
        """Why strangers get no more in, for the log; None where they do."""
        if self._strain_of_disk() >= 1.0:
            free, wanted = self._free_bytes // 1_000_000, self._free_space // 1_000_000
            return f"{free}MB are free where the state lives, and 'free_space' is {wanted}MB"
        if self._strain_of_store() >= 1.0:
            return f"a message has waited {self._signs.oldest_commit_seconds():.0f}s for its commit"
        return "messages in flight fill 'memory'" if self._strain_of_memory() >= 1.0 else None

    def _strain_of_memory(self) -> float:
        return _between(MUCH_MEMORY, self._memory.share(), 1.0)

    def _strain_of_store(self) -> float:
        return _between(SLOW_COMMIT_SECONDS, self._signs.oldest_commit_seconds(), STUCK_COMMIT_SECONDS)

    def _strain_of_disk(self) -> float:
        """From twice the room that is to stay free."""
        return _between(-self._free_space, -self._spare_bytes(), 0) if self._free_space else 0.0

    def _spare_bytes(self, *, anew: bool = False) -> int:
        """Room for further messages: behind those in memory, before `limits.free_space`."""
        now = self._seconds()
        if anew or self._read_at is None or now - self._read_at > READING_SECONDS:
            self._read_at = now
            try:
                self._free_bytes = self._signs.free_bytes()
            except OSError:
                self._free_bytes = 0  # nobody can tell, so nothing is promised
        return self._free_bytes - self._memory.used_bytes - self._free_space


def _between(low: float, value: float, high: float) -> float:
    """How far `value` is on its way from `low` to `high`: 0 to 1."""
    return 0.0 if value <= low else min((value - low) / (high - low), 1.0)
