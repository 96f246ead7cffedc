"""Notices that the wall clock was set: against the loop's clock, which nobody sets."""

SLACK_SECONDS = 30.0


class ClockWatch:
    """Asked now and then, it compares what passed on both clocks since it was asked last; seconds.

    The first time it says yes: how the clock stood before the start nobody knows.
    """

    def __init__(self) -> None:
        self._apart: float | None = None

    def was_set(self, wall: float, loop: float) -> bool:
        """Whether the wall clock moved by more than the slack, forward (or the machine slept) or back."""
        before, self._apart = self._apart, wall - loop
        return before is None or abs(self._apart - before) > SLACK_SECONDS
