"""How fast the main job is, next to Postfix's plain relay in the same run."""

from collections.abc import Callable

import pytest
from bench.relay import Load, compare


@pytest.mark.bench
@pytest.mark.timeout(1800)
def test_the_main_job_keeps_up_with_a_plain_relay(
    need: Callable[[str, str], str], need_root: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """With 100 rules, 4 KiB and new connections routerd is no slower than Postfix without any rule."""
    need("smtp-source", "postfix")
    need_root("postfix")
    with capsys.disabled():
        comparison = compare(Load(2000, 4096), 5, print)
        print(f"ratio {comparison.ratio:.2f}")
    assert comparison.ratio >= 1.0
