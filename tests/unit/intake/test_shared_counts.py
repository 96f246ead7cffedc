"""Limits that hold over several processes, forked as workers are."""

import os
import random
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from routerd.config.settings import Limits, TrustedLimits
from routerd.intake.clients.login_tries import LoginTries
from routerd.intake.limits import shared_counts
from routerd.intake.limits.capacity import TOO_MANY, TOO_MANY_OF_CLIENT, Connections
from routerd.intake.limits.counts import Counted
from routerd.intake.limits.shared_counts import SharedCounts, SharedMap

LIMITS = Limits(connections=100, connections_per_client=10, trusted=TrustedLimits(connections_per_client=20))


@pytest.fixture
def shared() -> SharedMap:
    return SharedMap(4, os.urandom)


def doors(
    shared: SharedMap, limits: Limits = LIMITS, *, slots: int = 2, has_trusted: bool = False
) -> list[Connections]:
    """One for each process."""
    made = [shared.of(slot).connections() for slot in range(slots)]
    for door in made:
        door.adopt(limits, has_trusted=has_trusted)
    return made


def in_workers(shared: SharedMap, work: Callable[[SharedCounts, int], Any], count: int = 2) -> list[Any]:
    """What each gives of as many processes that run at once and then die."""
    forking = get_context("fork")
    pipes = [forking.Pipe(duplex=False) for _ in range(count)]

    def run(slot: int) -> None:
        pipes[slot][1].send(work(shared.of(slot), slot))
        os._exit(0)

    workers = [forking.Process(target=run, args=(slot,)) for slot in range(count)]
    for worker in workers:
        worker.start()
    found = [reader.recv() for reader, _ in pipes]
    for worker in workers:
        worker.join()
    return found


def test_a_client_has_its_places_over_all_processes(shared: SharedMap) -> None:
    """Wherever its connections arrive, and whichever ends first."""
    one, other = doors(shared)
    assert [(one, other)[number % 2].admit("a") for number in range(11)] == [None] * 10 + [TOO_MANY_OF_CLIENT]
    assert other.admit("b") is None
    assert other.admit("a") is TOO_MANY_OF_CLIENT
    one.release("a")
    assert other.admit("a") is None
    assert one.admit("a") is TOO_MANY_OF_CLIENT
    assert [one.open, other.open, one.open_here, other.open_here] == [11, 11, 4, 7]


def test_all_places_are_counted_over_all_processes(shared: SharedMap) -> None:
    """The last tenth is for hops, which have a limit of their own."""
    one, other = doors(shared, has_trusted=True)
    assert [(one, other)[number % 2].admit(None) for number in range(91)] == [None] * 90 + [TOO_MANY]
    assert one.is_crowded
    assert other.is_crowded
    assert [(one, other)[number % 2].admit("hop", trusted=True) for number in range(11)] == [None] * 10 + [TOO_MANY]
    other.release(None)
    assert one.admit("hop", trusted=True) is None


def test_what_a_dead_process_had_open_is_free_again(shared: SharedMap) -> None:
    """Once its slot is cleared; the next process there begins with nothing, the others keep what is theirs."""

    def hold(counts: SharedCounts, slot: int) -> int:
        connections, memory = counts.connections(), counts.memory()
        connections.adopt(LIMITS, has_trusted=False)
        memory.adopt(Limits(memory=120_000), has_trusted=False)
        for _ in range(5 - slot):
            connections.admit("a")
        memory.take(50_000)
        return connections.open_here

    assert in_workers(shared, hold) == [5, 4]
    third = shared.of(2)
    connections, memory = third.connections(), third.memory()
    connections.adopt(LIMITS, has_trusted=False)
    memory.adopt(Limits(memory=120_000), has_trusted=False)
    assert [connections.admit("a") for _ in range(2)] == [None, TOO_MANY_OF_CLIENT]
    assert not memory.take(1)
    shared.clear(0)
    assert (connections.open, memory.used_bytes) == (5, 50_000)
    assert [connections.admit("a") for _ in range(6)] == [None] * 5 + [TOO_MANY_OF_CLIENT]
    assert memory.take(50_000)


def test_processes_that_admit_at_once_never_admit_too_many(shared: SharedMap) -> None:
    """Two that come to two processes for the last place may both be refused, but are not both admitted."""

    def rush(counts: SharedCounts, slot: int) -> tuple[int, int]:
        connections = counts.connections()
        connections.adopt(Limits(connections=100, connections_per_client=60), has_trusted=False)
        chance, clients = random.Random(slot), ["a", "b", "c"]
        most = most_of_client = 0
        mine: list[str] = []
        for _ in range(3000):
            if mine and chance.random() < 0.45:
                connections.release(mine.pop(chance.randrange(len(mine))))
            elif connections.admit(client := chance.choice(clients)) is None:
                mine.append(client)
            most = max(most, len(mine))
            most_of_client = max(most_of_client, *map(mine.count, clients))
        for client in mine:
            connections.release(client)
        return most, most_of_client

    found = in_workers(shared, rush, 4)
    assert all(most <= 100 and of_client <= 60 for most, of_client in found)
    assert doors(shared)[0].open == 0
    assert doors(shared, Limits(connections=1000, connections_per_client=1))[0].admit("a") is None


def test_memory_is_counted_over_all_processes(shared: SharedMap) -> None:
    """What is here already and cannot be refused counts, too; each gives back its own."""
    one, other = (shared.of(slot).memory() for slot in range(2))
    for memory in (one, other):
        memory.adopt(Limits(memory=120_000), has_trusted=False)
    assert one.take(60_000)
    assert not other.take(40_001)
    other.hold(50_000)
    assert [one.used_bytes, other.used_bytes, one.share()] == [110_000, 110_000, 1.1]
    assert not one.has_room(0)
    other.give_back(50_000)
    assert one.take(40_000)
    assert [one.used_bytes_here, other.used_bytes_here] == [100_000, 0]


def test_crowds_of_clients_are_told_apart(shared: SharedMap) -> None:
    """Ten thousand with one connection each, in two processes, where no client may have two: none is refused, and none
    has another one.
    """
    one, other = doors(shared, Limits(connections=20_000, connections_per_client=1))
    clients = [f"2001:db8:{number:x}::/64" for number in range(10_000)]
    assert {(one, other)[number % 2].admit(client) for number, client in enumerate(clients)} == {None}
    let_in = [(other, one)[number % 2].admit(client) for number, client in enumerate(clients)].count(None)
    assert let_in <= 2  # whose buckets were full: expected is 0.003, for 0.6 stand in each


def test_a_client_whose_bucket_is_full_is_limited_in_each_process(
    shared: SharedMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted by the process it came to, the others see the rest; nothing of it stays behind."""
    monkeypatch.setattr(shared_counts, "CLIENT_BUCKETS", 1)
    one, other = doors(shared)
    crowd = [str(number) for number in range(8)]
    assert {one.admit(client) for client in (*crowd, *["a"] * 10)} == {None}
    assert one.admit("a") is TOO_MANY_OF_CLIENT
    assert other.admit("a") is None
    for client in (*crowd, *["a"] * 10):
        one.release(client)
    assert [one.admit("a") for _ in range(10)] == [None] * 9 + [TOO_MANY_OF_CLIENT]


# Within a time


def test_a_share_is_one_share_over_all_processes(shared: SharedMap) -> None:
    """A process that dies takes none of it back."""

    def count(counts: SharedCounts, slot: int) -> list[bool]:
        tally = counts.tally(Counted.WRONG_OF_LOGIN, 10, 3600.0)
        return [tally.count("ewa", 100.0 + slot) for _ in range(5)]

    assert in_workers(shared, count) == [[False] * 5] * 2
    shared.clear(0)
    tally = shared.of(0).tally(Counted.WRONG_OF_LOGIN, 10, 3600.0)
    assert tally.is_spent("ewa", 200.0)
    assert not tally.is_spent("jan", 200.0)
    assert tally.count("ewa", 200.0)
    assert not tally.is_spent("ewa", 3702.0)  # the windows of both have ended
    assert not shared.of(0).tally(Counted.WRONG_OF_CLIENT, 10, 3600.0).is_spent("ewa", 200.0)


def test_a_flood_of_new_keys_forgets_itself(shared: SharedMap) -> None:
    """Who is spent stays so, however many others come to take his place; what has ended makes room first."""
    tally = shared.of(0).tally(Counted.FORGED_TOKENS, 3, 3600.0)
    spent = [f"spent{number}" for number in range(100)]
    for key in spent:
        assert [tally.count(key, 0.0) for _ in range(4)] == [False, False, False, True]
    for number in range(40_000):
        tally.count(str(number), 1.0)
    assert all(tally.is_spent(key, 2.0) for key in spent)
    assert tally.is_spent("39999", 2.0) is False
    for number in range(5000):
        tally.count(f"later{number}", 4000.0)
        tally.count(f"later{number}", 4000.0)
        tally.count(f"later{number}", 4000.0)
    assert sum(tally.is_spent(f"later{number}", 4001.0) for number in range(5000)) > 4990


@pytest.fixture
def tries(shared: SharedMap) -> list[LoginTries]:
    return [LoginTries(shared.of(slot)) for slot in range(4)]


def test_passwords_are_not_guessed_the_faster_for_more_processes(tries: list[LoginTries]) -> None:
    """Ten wrong ones an hour of one login from one client, wherever they are tried."""
    for number in range(10):
        one = tries[number % 4]
        tried = one.of("ewa", f"guess{number}", "hash", "192.0.2.1")
        assert not one.is_spent(tried, 1.0)
        assert one.answer(tried, 1.0) is None
        one.note(tried, 1.0, right=False)
    assert all(one.is_spent(one.of("ewa", "right", "hash", "192.0.2.1"), 2.0) for one in tries)
    assert not any(one.is_spent(one.of("ewa", "right", "hash", "192.0.2.9"), 2.0) for one in tries)
    assert not any(one.is_spent(one.of("ewa", "right", "hash", "192.0.2.1"), 3603.0) for one in tries)


def test_a_wrong_password_is_known_again_in_every_process(tries: list[LoginTries]) -> None:
    """A telephone that was not told of the new one guesses nothing, and locks nobody out."""
    for number in range(40):
        one = tries[number % 4]
        tried = one.of("ewa", "last year's", "hash", "192.0.2.1")
        assert not one.is_spent(tried, float(number))
        if one.answer(tried, float(number)) is None:
            assert number == 0
            one.note(tried, float(number), right=False)
    anew = tries[1].of("ewa", "last year's", "another hash", "192.0.2.1")
    assert tries[1].answer(anew, 50.0) is None


def test_who_was_right_from_there_is_known_in_every_process(tries: list[LoginTries]) -> None:
    """Colleagues behind one address who guess wrong lock out nobody who was in, whichever process he comes to."""
    tried = tries[0].of("ewa", "open sesame", "hash", "192.0.2.1")
    tries[0].note(tried, 0.0, right=True)
    tries[0].note_entry(tried)
    for number in range(30):
        tries[number % 4].note(tries[0].of(f"guess{number}", "x", "", "192.0.2.1"), 1.0, right=False)
    assert not any(one.is_spent(tried, 2.0) for one in tries)
    assert all(one.is_spent(one.of("jan", "x", "hash", "192.0.2.1"), 2.0) for one in tries)
    assert [one.answer(tried, 2.0) for one in tries] == [True, None, None, None]


def test_what_is_not_looked_at_takes_no_memory() -> None:
    """The map is large, so that crowds fit: 3 MB a process."""

    def resident_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[2]) * os.sysconf("SC_PAGE_SIZE")  # shared with others

    before = resident_bytes()
    door, *_ = doors(SharedMap(64, os.urandom), slots=64)
    for number in range(10):
        assert door.admit(str(number)) is None
    assert resident_bytes() - before < 64 * 64_000
