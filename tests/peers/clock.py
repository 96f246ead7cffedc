"""A wall clock that a test sets, for a program of its own."""

import mmap
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

_BYTES = 8  # of each number in the file that the program reads


class SettableClock:
    """`environ` has a process see it, also what is set while that runs."""

    def __init__(self, folder: Path, compiler: str) -> None:
        shim = folder / "clock_shim.so"
        source = Path(__file__).with_name("clock_shim.c")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", shim, source], check=True
        )
        path = folder / "clock-offset"
        path.write_bytes(bytes(2 * _BYTES))
        with path.open("r+b") as file:
            self._numbers = mmap.mmap(file.fileno(), 2 * _BYTES)
        self.environ = {"LD_PRELOAD": str(shim), "CLOCK_OFFSET": str(path)}

    def set(self, ahead: timedelta) -> None:
        """Negative: it is behind."""
        self._write(0, int(ahead.total_seconds()))

    def stop_at(self, moment: datetime) -> None:
        """It stands still there, to the second, however long the test takes."""
        self._write(1, int(moment.timestamp()))

    def _write(self, place: int, number: int) -> None:
        begin = place * _BYTES
        self._numbers[begin : begin + _BYTES] = number.to_bytes(_BYTES, "little", signed=True)
