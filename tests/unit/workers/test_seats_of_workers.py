"""How many processes `workers` asks for."""

import os

import pytest

from routerd.workers.nursery import seats_of


@pytest.mark.parametrize(
    ("workers", "cores", "seats"), [(1, 8, 0), (2, 1, 2), (4, 2, 4), ("auto", 1, 0), ("auto", 2, 1)]
)
def test_of_as_many_processes_as_cores_one_is_the_hub(
    workers: int | str, cores: int, seats: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number is that of the workers, and 1 is one process in all; `auto` leaves no two for one core."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert seats_of(workers) == seats
