"""Connections between messages: who gets which back, and which take their leave."""

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from routerd.delivery.transports.connection import Connection
from routerd.delivery.transports.kept import IDLE_SECONDS, LIFE_SECONDS, MAX_MESSAGES, KeptConnections


@dataclass(eq=False)
class Idle:
    """What is asked of a connection that does nothing."""

    is_usable: bool = True
    carried: int = 1
    opened_at: float = 0.0
    idle_since: float = 0.0
    has_quit: bool = False

    def quit(self) -> None:
        assert not self.has_quit
        self.has_quit = True


@dataclass
class Loop:
    """A clock, and the one alarm that is set."""

    now: float = 0.0
    alarms: list[tuple[float, object]] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, ring: object) -> object:
        self.alarms.append((at, ring))
        return ring

    def call_later(self, seconds: float, ring: object) -> object:
        return self.call_at(self.now + seconds, ring)

    def run_until(self, now: float) -> None:
        while self.alarms and self.alarms[0][0] <= now:
            self.now, ring = self.alarms.pop(0)
            ring()  # type: ignore[operator]
        self.now = now


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    return loop


def put(kept: KeptConnections, owner: object, **state: object) -> Idle:
    idle = Idle(**state)  # type: ignore[arg-type]
    kept.put(owner, cast(Connection, idle))
    return idle


def test_a_next_hop_gets_its_own_back_the_latest_first(loop: Loop) -> None:
    """And never another's."""
    kept = KeptConnections()
    first, second, _ = put(kept, "a"), put(kept, "a"), put(kept, "b")
    assert [kept.take("a"), kept.take("a"), kept.take("a")] == [second, first, None]


@pytest.mark.parametrize("state", [{"is_usable": False}, {"carried": MAX_MESSAGES}])
def test_what_cannot_be_used_again_is_not_kept(loop: Loop, state: dict[str, object]) -> None:
    """Neither one that broke nor one that carried enough."""
    kept = KeptConnections()
    assert put(kept, "a", **state).has_quit
    assert kept.take("a") is None


def test_one_that_broke_or_grew_old_meanwhile_is_passed_over(loop: Loop) -> None:
    """An idle connection may be hung up at any time; and names move to other machines."""
    kept = KeptConnections()
    good, broken = put(kept, "a"), put(kept, "a")
    broken.is_usable = False
    assert kept.take("a") is good
    kept.put("a", cast(Connection, good))
    loop.now = LIFE_SECONDS
    assert kept.take("a") is None
    assert broken.has_quit
    assert good.has_quit


def test_idle_ones_take_their_leave_each_in_its_time(loop: Loop) -> None:
    """Ten seconds after their last message, whatever comes for others; then no timer is left."""
    kept = KeptConnections()
    first = put(kept, "a")
    loop.run_until(IDLE_SECONDS / 2)
    second = put(kept, "b")
    loop.run_until(IDLE_SECONDS)
    assert (first.has_quit, second.has_quit) == (True, False)
    loop.run_until(IDLE_SECONDS * 1.5)
    assert second.has_quit
    assert not loop.alarms
    third = put(kept, "a")
    loop.run_until(IDLE_SECONDS * 2.5)
    assert third.has_quit


def test_all_together_are_bounded(loop: Loop) -> None:
    """Beyond that the one that was idle for longest makes room, whosever it is."""
    kept = KeptConnections(most=3)
    idle = [put(kept, owner) for owner in "aabcd"]
    assert [one.has_quit for one in idle] == [True, True, False, False, False]
    assert kept.take("a") is None


def test_a_next_hop_that_goes_takes_its_own_along(loop: Loop) -> None:
    """The others' stay."""
    kept = KeptConnections()
    own, others = put(kept, "a"), put(kept, "b")
    kept.quit_all_of("a")
    assert (own.has_quit, others.has_quit) == (True, False)
    assert kept.take("b") is others
