"""How long a good client waits while a crowd stands at the door."""

import pytest
from crowd import Crowd, compare


@pytest.mark.bench
@pytest.mark.timeout(1800)
def test_good_clients_do_not_wait_for_slow_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """1,000 idle connections and 50 slow ones of each kind leave the median accept time within twice what it was."""
    with capsys.disabled():
        comparison = compare(Crowd(1000, 50), 300, 5, print)
        print(f"ratio {comparison.ratio:.2f}")
    assert comparison.ratio <= 2.0
