"""How fast rules are read and decided, and that what measures it works."""

import pytest
from rules import Figures, measure, missed


def test_few_rules_are_measured() -> None:
    """The benchmark runs from end to end on a small set, in which rules match."""
    figures = measure(200, 1, daemon=False)
    assert 0 < figures.most_matches <= 20
    assert figures.many_ms > 0


def test_a_missed_bound_is_named() -> None:
    """A figure above its bound is said in words, the others are not."""
    figures = Figures(10, 1.0, 250.0, 0.5, 0.6, 1.2, 0.2, 9.0, 3, 10.0, 16.0, 0.8, 1.5)
    assert missed(figures) == ["daemon_megabytes is 250.00, above 200.0"]


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_ten_thousand_rules_are_as_fast_as_ten(capsys: pytest.CaptureFixture[str]) -> None:
    """Loading, memory, a decision of 4 KiB and of 100 KiB stay within their bounds."""
    figures = measure(10_000, 10)
    with capsys.disabled():
        print(figures)
    assert not missed(figures)
