"""What it costs to know who wrote a message."""

from collections.abc import Callable

import pytest
from verify import MOST_MS, Load, compare


@pytest.mark.bench
@pytest.mark.timeout(1800)
def test_verifying_costs_little(need: Callable[[str, str], str], capsys: pytest.CaptureFixture[str]) -> None:
    """One RSA signature, SPF and DMARC with warm DNS, of 4 KiB."""
    need("smtp-sink", "postfix")
    with capsys.disabled():
        comparison = compare(Load(300, 4096), 9, print)
        print(f"{comparison.more_ms:.3f} ms more, ratio {comparison.ratio:.2f}")
    assert comparison.more_ms <= MOST_MS
