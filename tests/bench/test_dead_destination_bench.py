"""What a dead destination costs the others, next to a queue that is empty."""

import pytest
from dead_destination import DEAD, Load, compare


@pytest.mark.bench
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("dead", DEAD)
def test_a_dead_destination_delays_no_other(dead: str, capsys: pytest.CaptureFixture[str]) -> None:
    """50,000 copies wait for it, all of them due: the others' median time grows by less than a third, the memory by
    less than 150 MB, and the daemon is ready within 10 s, also after it was killed."""
    with capsys.disabled():
        summary = compare(Load(50_000, 200, dead), 3, print).summary()
        print(summary)
    assert summary["median_ratio"] <= 1.3
    assert summary["more_mb"] <= 150
    assert summary["beside_ready_seconds"] <= 10
    assert summary["beside_ready_after_kill_seconds"] <= 10
