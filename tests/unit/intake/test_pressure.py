from collections.abc import Callable

import pytest

from routerd.config.settings import Limits
from routerd.intake.limits.capacity import Memory
from routerd.intake.limits.pressure import LONGEST_DELAY_SECONDS, READING_SECONDS, Pressure, StoreSigns
from routerd.message.envelope import Refused

MB = 1_000_000
LIMITS = Limits(memory=120 * MB, free_space=50 * MB)


class Surroundings:
    """What is pressed upon: a clock, a disk, a store, messages in memory."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.seconds = 0.0
        self.free_bytes: int | None = 1000 * MB
        self.readings = 0
        self.oldest_commit_seconds = 0.0
        self.memory = Memory(0)
        self.memory.adopt(limits, has_trusted=True)
        signs = StoreSigns(self._read_free, lambda: self.oldest_commit_seconds)
        self.pressure = Pressure(limits, self.memory, signs, lambda: self.seconds)

    def _read_free(self) -> int:
        self.readings += 1
        if self.free_bytes is None:
            raise OSError("gone")
        return self.free_bytes

    def asked(self, size_bytes: int = 0) -> list[str | None]:
        """What a stranger hears, and what a hop of ours."""
        return [_said(self.pressure.room_for(size_bytes, trusted=trusted)) for trusted in (False, True)]


def _said(refused: Refused | None) -> str | None:
    return None if refused is None else f"{refused.code} {refused.status}"


def test_at_ease_nobody_waits() -> None:
    """There is room for all, at once."""
    around = Surroundings()
    assert around.asked() == [None, None]
    assert around.asked(50 * MB) == [None, None]
    assert around.pressure.delay_seconds(trusted=False) == 0.0
    assert around.pressure.turns_away(trusted=False) is None
    assert around.pressure.strain() == 0.0


def test_room_must_stay_free() -> None:
    """What is free, less what is in flight and the message itself, may not fall below `limits.free_space`."""
    around = Surroundings()
    around.free_bytes = 51 * MB
    assert around.asked(1 * MB) == [None, None]
    around.memory.hold(900_000)
    assert around.asked(100_000) == [None, None]
    assert around.asked(100_001) == ["452 4.3.1"] * 2
    around.memory.hold(100_001)
    assert around.asked() == ["452 4.3.1"] * 2


def test_a_large_message_needs_its_room_twice() -> None:
    """It is spooled, and copied into the store before the spool goes."""
    around = Surroundings()
    around.free_bytes = 70 * MB
    assert around.asked(10 * MB) == [None, None]
    assert around.asked(11 * MB) == ["452 4.3.1"] * 2
    assert around.pressure.room_to_spool(20 * MB) is None
    assert _said(around.pressure.room_to_spool(21 * MB)) == "452 4.3.1"


def test_the_disk_is_not_asked_for_every_message() -> None:
    """A reading is good for a second, but not for what is large; recovery is seen by itself."""
    around = Surroundings()
    around.free_bytes = 10 * MB
    for _ in range(5):
        assert around.asked() == ["452 4.3.1"] * 2
    assert around.readings == 1
    around.free_bytes = 100 * MB
    assert around.asked() == ["452 4.3.1"] * 2
    assert around.asked(2 * MB) == [None, None]
    around.free_bytes = 10 * MB
    around.seconds += 2 * READING_SECONDS
    assert around.asked() == ["452 4.3.1"] * 2


def test_where_nobody_can_tell_nothing_is_promised() -> None:
    """A disk that cannot be asked has no room."""
    around = Surroundings()
    around.free_bytes = None
    assert around.asked() == ["452 4.3.1"] * 2


def test_the_last_tenth_of_memory_is_for_hops() -> None:
    """Strangers are refused before one's own Postfix is."""
    around = Surroundings()
    around.memory.hold(90 * MB)
    assert around.asked(1) == ["452 4.3.1", None]
    around.memory.hold(10 * MB)
    assert around.asked(1) == ["452 4.3.1"] * 2


def test_a_store_that_is_stuck_is_given_no_more() -> None:
    """Strangers are told to come again first, then hops."""
    around = Surroundings()
    heard = []
    for seconds in (0.0, 9.0, 11.0, 31.0):
        around.oldest_commit_seconds = seconds
        heard.append(around.asked())
    assert heard == [[None, None], [None, None], ["451 4.3.0", None], ["451 4.3.0"] * 2]


def _fill_memory(around: Surroundings, share: float) -> None:
    around.memory.hold(int(90 * MB * share))


def _hold_up_store(around: Surroundings, share: float) -> None:
    around.oldest_commit_seconds = 10.0 * share


@pytest.mark.parametrize("strain", [_fill_memory, _hold_up_store])
def test_strangers_are_slowed_and_then_turned_away(strain: Callable[[Surroundings, float], None]) -> None:
    """More and more, up to the mark at which they get 421; a hop is greeted at once."""
    delays = []
    for share in (0.0, 0.1, 0.85, 0.95, 1.0):
        around = Surroundings()
        strain(around, share)
        delays.append(around.pressure.delay_seconds(trusted=False))
        assert around.pressure.delay_seconds(trusted=True) == 0.0
        assert around.pressure.turns_away(trusted=True) is None
        assert _said(around.pressure.turns_away(trusted=False)) == ("421 4.3.2" if share == 1.0 else None)
    assert delays[:2] == [0.0, 0.0]
    assert delays == sorted(delays)
    assert 0 < delays[2] < delays[3] < delays[4] == LONGEST_DELAY_SECONDS


def test_a_disk_that_fills_slows_strangers_and_turns_none_away() -> None:
    """What is wrong is told at MAIL, with its own code."""
    around = Surroundings()
    around.free_bytes = 75 * MB
    assert around.pressure.delay_seconds(trusted=False) == LONGEST_DELAY_SECONDS / 2
    around.free_bytes = 0
    around.seconds += 2 * READING_SECONDS
    assert around.pressure.delay_seconds(trusted=False) == LONGEST_DELAY_SECONDS
    assert around.pressure.turns_away(trusted=False) is None


def test_no_room_need_stay_free() -> None:
    """`free_space: 0` slows nobody; a full disk still has no room."""
    around = Surroundings(Limits(free_space=0))
    around.free_bytes = 1
    assert around.asked(1) == [None, None]
    assert around.asked(2) == ["452 4.3.1"] * 2
    assert around.pressure.delay_seconds(trusted=False) == 0.0


def test_the_log_learns_why_strangers_get_no_more_in() -> None:
    """Each cause in words, with what to look at; nothing as long as they do."""
    around = Surroundings()
    assert around.pressure.shortage() is None
    around.memory.hold(120 * MB)
    assert around.pressure.shortage() == "messages in flight fill 'memory'"
    around.oldest_commit_seconds = 12.3
    assert around.pressure.shortage() == "a message has waited 12s for its commit"
    around.seconds, around.free_bytes = 2 * READING_SECONDS, 40 * MB
    assert around.pressure.shortage() == "40MB are free where the state lives, and 'free_space' is 50MB"
