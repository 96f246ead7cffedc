"""What of the queue is in memory: bounded over all destinations."""

import pytest
from copies import a_copy

from routerd.delivery.lanes import lanes as lanes_module
from routerd.delivery.lanes.lane import MAX_BACKLOG
from routerd.delivery.lanes.lanes import LEAST_SHARE, MAX_CACHE_BYTES, MAX_IN_HAND, Lanes


@pytest.fixture
def lanes() -> Lanes:
    return Lanes(lambda: 5.0)


def fill(lanes: Lanes, destination: str, numbers: range) -> None:
    for number in numbers:
        lanes.take(lanes.of(destination), a_copy(number))


def test_one_destination_has_its_bound(lanes):
    """Whatever room the others leave."""
    fill(lanes, "a", range(MAX_BACKLOG))
    assert lanes.room_for(lanes.of("a")) == 0
    assert lanes.room_for(lanes.of("b")) > 0


def test_all_together_have_a_bound_and_nobody_is_left_without_any(lanes):
    """A destination that comes late, when the memory is full, has its least share all the same."""
    for start in range(0, MAX_IN_HAND, MAX_BACKLOG):
        fill(lanes, str(start), range(start, start + MAX_BACKLOG))
    late = lanes.of("late")
    assert lanes.room_for(late) == LEAST_SHARE
    fill(lanes, "late", range(MAX_IN_HAND, MAX_IN_HAND + LEAST_SHARE))
    assert lanes.room_for(late) == 0


def test_half_of_the_memory_is_for_those_that_answer(lanes):
    """Dead destinations may fill the other half, and no more."""
    dead = lanes.of("dead")
    fill(lanes, "dead 1", range(MAX_IN_HAND // 2))
    assert lanes.room_for(dead) == LEAST_SHARE
    well = lanes.of("well")
    well.answers = True
    assert lanes.room_for(well) == MAX_IN_HAND // 2


def test_a_copy_in_hand_is_known_until_it_is_let_go(lanes):
    """Also to the question that the store is being asked meanwhile."""
    lane = lanes.of("a")
    lanes.take(lane, a_copy(7))
    lane.ended = set()
    assert lanes.has(7)
    lanes.let_go(lane, lane.next_job())
    assert not lanes.has(7)
    assert lane.ended == {7}
    assert not lane.numbers


def test_bytes_are_kept_only_as_far_as_they_fit(lanes):
    """What is let go makes room; the rest is loaded when it is its turn."""
    lane = lanes.of("a")
    half = bytes(MAX_CACHE_BYTES // 2)
    for number in range(3):
        lanes.take(lane, a_copy(number), half, is_fresh=True)
    jobs = [lane.next_job() for _ in range(3)]
    assert [job.raw is not None for job in jobs] == [True, True, False]
    lanes.let_go(lane, jobs[0])
    lanes.take(lane, a_copy(9), half, is_fresh=True)
    assert lane.next_job().raw is half


def test_what_is_forgotten_is_nobodys(lanes):
    """Some copies by number, or all that are not under way."""
    fill(lanes, "a", range(5))
    under_way = lanes.of("a").next_job()
    lanes.forget([0, 3])
    assert [lanes.has(number) for number in range(5)] == [True, True, True, False, True]
    lanes.forget()
    assert [number for number in range(5) if lanes.has(number)] == [under_way.copy.number]


def test_what_is_forgotten_under_way_is_not_put_back(lanes):
    """The postmaster dropped it while its connection was turned away: nobody begins it again."""
    fill(lanes, "a", range(2))
    lane = lanes.of("a")
    dropped, other = lane.next_job(), lane.next_job()
    lanes.forget([0])
    lanes.put_back(lane, dropped)
    lanes.put_back(lane, other)
    assert [lanes.has(0), lanes.has(1)] == [False, True]
    assert lane.next_job() is other
    lanes.take(lane, a_copy(0))  # released: it is a copy like any other
    lanes.put_back(lane, lane.next_job())
    assert lanes.has(0)


def test_idle_destinations_do_not_pile_up(lanes, monkeypatch):
    """Those with something to do, with a rest to keep, or with copies in the store stay as they are."""
    monkeypatch.setattr(lanes_module, "MANY_LANES", 3)
    fill(lanes, "busy", range(1))
    for name in ("idle", "waits in the store", "also idle"):
        lanes.of(name).limit = 9
    lanes.forget_idle(["waits in the store"], now=0)
    assert {lane.destination for lane in lanes} == {"busy", "waits in the store"}
