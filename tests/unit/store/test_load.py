"""When groups of commits gather: the less of the processors is left, the longer."""

import pytest

from routerd.store import load
from routerd.store.load import Load


class Machine:
    """Of two processors, whose time is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passed = self.spent = 0.0
        self.idle = 0
        monkeypatch.setattr(load, "perf_counter", lambda: self.passed)
        monkeypatch.setattr(load, "process_time", lambda: self.spent)
        monkeypatch.setattr(load, "machine_ticks", lambda: (self.idle, round(self.passed * 200)))

    def work(self, own: float, of_all: float, seconds: float = 1.0) -> None:
        self.passed += seconds
        self.spent += own * seconds
        self.idle += round((1 - of_all) * 200 * seconds)


@pytest.mark.parametrize(
    ("own", "of_all", "pause"),
    [
        (0.0, 0.0, 0.0),
        (0.5, 0.5, 0.0),
        (0.65, 0.5, 0.5),
        (0.8, 0.5, 1.0),
        (1.7, 0.9, 1.0),
        (0.3, 0.75, 0.0),
        (0.3, 0.85, 0.5),
        (0.3, 1.0, 1.0),
    ],
)
def test_groups_wait_the_longer_the_less_is_left(
    monkeypatch: pytest.MonkeyPatch, own: float, of_all: float, pause: float
) -> None:
    """Of its own processor, or of all together, whoever uses them."""
    machine = Machine(monkeypatch)
    asked = Load()
    machine.work(own, of_all)
    assert asked.pause() == pytest.approx(pause)


def test_between_two_looks_it_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look costs a system call or two."""
    machine = Machine(monkeypatch)
    asked = Load()
    machine.work(1.0, 0.5)
    assert asked.pause() == 1
    machine.work(0.0, 0.0, seconds=load.MEASURED_SECONDS / 2)
    assert asked.pause() == 1
    machine.work(0.0, 0.0)
    assert asked.pause() == 0


def test_the_machine_tells() -> None:
    """As this one does."""
    idle, passed = load.machine_ticks()
    assert 0 < idle <= passed
