"""`routerd replay` at the size of a year's mail."""

from pathlib import Path

import pytest
from replay import in_short, measure, one_by_one, prepare

MESSAGES = 10_000


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_ten_thousand_messages_give_a_right_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two rulesets, one process and two: what a plain loop finds, and no slower with two."""
    prepare(tmp_path, MESSAGES)
    alone, together = (measure(tmp_path, MESSAGES, jobs) for jobs in (1, 2))
    with capsys.disabled():
        print(f"\n{alone}\n{together}")
    assert in_short(alone.said) == in_short(together.said) == one_by_one(tmp_path, MESSAGES)
    assert together.seconds < alone.seconds
