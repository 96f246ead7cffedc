"""A little of every fuzz target, and the harness itself. The long runs are started by hand."""

import random
from importlib import import_module
from pathlib import Path

import pytest
from corpus import corpus_of
from harness import input_of, run, try_some

TARGETS = sorted(path.stem for path in Path(__file__).parent.glob("fuzz_*.py"))


@pytest.mark.parametrize("name", TARGETS)
def test_some_inputs_of_each_target(name: str) -> None:
    """Every target has `target` and `make`, and finds nothing in its first inputs; in `FEW` where they take long."""
    module = import_module(name)
    try_some(module.target, module.make, seed=1, executions=getattr(module, "FEW", 300))


KEPT = [
    (path.stem, number)
    for path in sorted((Path(__file__).parent / "corpus").glob("*.txt"))
    for number in range(len(corpus_of(path.stem)))
]


@pytest.mark.parametrize(("name", "number"), KEPT)
def test_inputs_that_were_kept(name: str, number: int) -> None:
    """What was once of interest is tried each time."""
    import_module(name).target(corpus_of(name)[number])


def _make(source: random.Random) -> bytes:
    return source.randbytes(4)


def _fails_on_a(data: bytes) -> None:
    if b"a" in data:
        raise ValueError("an a")


def test_inputs_come_from_the_seed() -> None:
    assert input_of(_make, 1, 5) == input_of(_make, 1, 5) != input_of(_make, 1, 6)


def test_an_input_that_fails_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends the run with 1, and run alone it fails again."""
    assert (
        run(_fails_on_a, _make, slow_ms=1e9, arguments=["--seconds", "60", "--seed", "1", "--keep", str(tmp_path)]) == 1
    )
    (kept,) = tmp_path.iterdir()
    assert b"a" in kept.read_bytes()
    assert "an a" in capsys.readouterr().out
    with pytest.raises(ValueError, match="an a"):
        run(_fails_on_a, _make, slow_ms=1e9, arguments=["--input", str(kept)])
    with pytest.raises(ValueError, match="an a") as raised:
        try_some(_fails_on_a, _make, seed=1, executions=10_000)
    assert "of seed 1" in raised.value.__notes__[0]


def test_an_input_that_is_slow_is_kept(tmp_path: Path) -> None:
    """Longer than allowed on each of its repetitions counts as a failure."""
    assert run(lambda data: None, _make, slow_ms=-1, arguments=["--seed", "1", "--keep", str(tmp_path)]) == 1
    assert len(list(tmp_path.iterdir())) == 1
