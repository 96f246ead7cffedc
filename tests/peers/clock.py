"""A wall clock that a test sets, for a program of its own."""

import mmap
import subprocess
from datetime import timedelta
from pathlib import Path

_BYTES = 8


class SettableClock:
    """`environ` has a process see it. `ahead` may change while that runs; negative: it is behind."""

    def __init__(self, folder: Path, compiler: str) -> None:
        shim = folder / "clock_shim.so"
        source = Path(__file__).with_name("clock_shim.c")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", shim, source], check=True
        )
        path = folder / "clock-offset"
        path.write_bytes(bytes(_BYTES))
        with path.open("r+b") as file:
            self._offset = mmap.mmap(file.fileno(), _BYTES)
        self.environ = {"LD_PRELOAD": str(shim), "CLOCK_OFFSET": str(path)}

    def set(self, ahead: timedelta) -> None:
        self._offset[:] = int(ahead.total_seconds()).to_bytes(_BYTES, "little", signed=True)
