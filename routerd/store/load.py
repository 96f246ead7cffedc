"""How little of the processors is left: what costs less in larger groups is worth a wait then, and only then."""

import os
from time import perf_counter, process_time

AT_EASE, BUSY = 0.5, 0.8  # of one processor, used by this process: no pause below the first, all of it from the second
SPARE, SCARCE = 0.75, 0.95  # likewise of all processors, used by whomever, as by other processes of the same daemon
MEASURED_SECONDS = 0.2

_IDLE = slice(3, 5)  # idle and iowait, in the first line of /proc/stat (proc_stat(5)); behind them come kinds of work
_COUNTED = 8  # what guests use is in what their hosts do


class Load:
    """To be asked again and again: it is measured between the questions."""

    def __init__(self) -> None:
        self._at, self._spent = perf_counter(), process_time()
        self._idle, self._passed = machine_ticks()
        self._pause = 0.0

    def pause(self) -> float:
        """From 0, where groups need not gather, to 1."""
        now = perf_counter()
        if (passed := now - self._at) >= MEASURED_SECONDS:
            spent, (idle, ticks) = process_time(), machine_ticks()
            own = (spent - self._spent) / passed
            of_all = 1 - (idle - self._idle) / (ticks - self._passed) if ticks > self._passed else 0.0
            self._pause = max(_between(own, AT_EASE, BUSY), _between(of_all, SPARE, SCARCE))
            self._at, self._spent, self._idle, self._passed = now, spent, idle, ticks
        return self._pause


def machine_ticks() -> tuple[int, int]:
    """Of all processors since the machine started: idle, and in all. (0, 0): nobody says."""
    try:
        descriptor = os.open("/proc/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            line = os.read(descriptor, 512).partition(b"\n")[0]
        finally:
            os.close(descriptor)
        ticks = [int(word) for word in line.split()[1 : 1 + _COUNTED]]
    except (OSError, ValueError):
        return 0, 0
    return sum(ticks[_IDLE]), sum(ticks)


def _between(value: float, lowest: float, highest: float) -> float:
    return min(max((value - lowest) / (highest - lowest), 0.0), 1.0)
