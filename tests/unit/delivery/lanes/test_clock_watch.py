"""Two clocks side by side, of which only one is ever set."""

from routerd.delivery.lanes.clock_watch import SLACK_SECONDS, ClockWatch


def test_a_clock_that_runs_was_not_set() -> None:
    """Nor one that drifts a little; only the first look cannot know."""
    watch = ClockWatch()
    assert watch.was_set(1_000_000.0, 5.0)
    assert not any(watch.was_set(1_000_000.0 + passed * 1.01, 5.0 + passed) for passed in range(0, 5000, 60))


def test_a_jump_is_noticed_once_in_either_direction() -> None:
    """By years or by a little more than the slack, and after it the clock is as good as any."""
    for jump in (-3e8, -SLACK_SECONDS - 1, SLACK_SECONDS + 1, 3e8):
        watch = ClockWatch()
        watch.was_set(1e9, 5.0)
        assert watch.was_set(1e9 + 60 + jump, 65.0)
        assert not watch.was_set(1e9 + 120 + jump, 125.0)
