"""Which refusals get a line in the log: a flood of them must not fill the disk. All are counted in the metrics."""

from routerd.intake.limits.counts import Counted, Counts

PER_CLIENT = 30  # lines a minute
IN_ALL = 600
_MINUTE = 60.0  # seconds


class RefusalLog:
    """Of strangers; what trusted clients are refused is always told. Moments are a clock's that does not jump."""

    def __init__(self, counts: Counts) -> None:
        self._by_client = counts.tally(Counted.REFUSALS_OF_CLIENT, PER_CLIENT, _MINUTE)
        self._in_all = counts.tally(Counted.REFUSALS, IN_ALL, _MINUTE)
        self._left_out = 0
        self._left_out_since = 0.0

    def takes(self, client: str, now_seconds: float) -> bool:
        """Counts one; `client` by its key."""
        if not self._by_client.count(client, now_seconds) and not self._in_all.count("", now_seconds):
            return True
        if not self._left_out:
            self._left_out_since = now_seconds
        self._left_out += 1
        return False

    def left_out(self, now_seconds: float) -> int:
        """How many lines were left out, once a minute is over; then it begins anew."""
        if not self._left_out or now_seconds - self._left_out_since < _MINUTE:
            return 0
        count, self._left_out = self._left_out, 0
        return count
