"""What sessions of processes use of the machine: a peer is all that its first process has started."""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path


def pids(sessions: Collection[int]) -> list[int]:
    """Of all processes that live in these sessions."""
    return [int(fields[0]) for fields in _stats(sessions)]


def cpu_seconds(sessions: Collection[int]) -> float:
    """User and system time of the sessions' processes, and of their children that have ended."""
    ticks = sum(sum(map(int, fields[13:17])) for fields in _stats(sessions))
    return ticks / os.sysconf("SC_CLK_TCK")


def machine_seconds() -> float:
    """User and system time of all processes since the start, without what the kernel does by itself."""
    user, nice, system = Path("/proc/stat").read_text().split()[1:4]  # proc_stat(5)
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


def pss_bytes(sessions: Collection[int]) -> int:
    """Their memory, of which what processes share counts once."""
    kilobytes = 0
    for pid in pids(sessions):
        with suppress(OSError):  # it has ended meanwhile
            told = Path(f"/proc/{pid}/smaps_rollup").read_text()
            kilobytes += sum(map(int, re.findall(r"(?m)^Pss:\s+(\d+) kB", told)))
    return kilobytes * 1024


def open_files(sessions: Collection[int]) -> int:
    """How many descriptors they have."""
    count = 0
    for pid in pids(sessions):
        with suppress(OSError):
            count += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return count


def _stats(sessions: Collection[int]) -> Iterator[list[str]]:
    """The fields of proc_pid_stat(5), the first at 0; what is in the parentheses is left out."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            number, _, rest = path.read_text().partition(" (")
            fields = [number, "", *rest.rpartition(") ")[2].split()]
            if int(fields[5]) in sessions:
                yield fields
