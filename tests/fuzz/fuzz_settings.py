"""Hostile routerd.yaml: never raises, and whatever is wrong is said in one line, with a place in the file."""

import random
import re
import sys
import tempfile
from functools import cache
from pathlib import Path

from harness import run
from pieces import spoil
from placed import check_said, lines_of
from rule_text import flood, mixed, split_by

from routerd.config.load import load_settings

SLOW_MS = 3_000.0
FEW = 60  # executions that are run with the tests

_BREAK = b"\n=====\n"
_MOST_FLOODED = 100_000
_ROOT = Path(__file__).parents[2]
_VALUES = (
    "", "0", "-1", "1", "99999999999999999999", "9" * 400, "1e9", "1.5", "٣", "no", "null", "[]", "{}", "[[]]",
    "[{}]", "{a: b}", "[a, a]", "5MB", "1TB", "0s", "4h", "99999999999d", "2025-02-30", "0001-01-01", "9999-12-31",
    "2026-12-24", "[2026-12-24..2026-12-26, 9999-12-31]", "2026-12-26..2026-12-24", "0001-01-01..9999-12-31",
    "lists/holidays.txt", "08:00-17:00", "22:00-06:00", "24:00-25:00", "10:00-10:00", "mon-fri", "[mon-sun, sat]",
    "Europe/Warsaw", "Europe", "../../etc/passwd", "/dev/null", "UTC", "jan", "nobody", "finance",
    "support@example.com", "x@y", "@", "*", "?" * 300, "mail.example.com:25", "mail.example.com:99999", "[::1]:25",
    "10.0.0.0/8", "10.0.0.1/8", "::/0", "300.1.1.1", "unix:/x", "'\"'", "'\u200f'", '"\\e[31m"', "'\u202e'",
    "e\u0301" * 100, "x" * 1_000, "true", "round_robin", "%h", "~", "0755",
)  # fmt: skip
_VALUE = re.compile(rb"(?<=: )[^\n{}\[\],#]+")


@cache
def _samples() -> tuple[bytes, ...]:
    paths = (*sorted(_ROOT.glob("tests/golden/config/*.yaml")), _ROOT / "tests/golden/findings/routerd.yaml")
    return tuple(path.read_bytes() for path in (*paths, _ROOT / "routerd/starter/routerd.yaml"))


def make(source: random.Random) -> bytes:
    """A config file, and a file of holidays."""
    if source.random() < 0.03:
        return flood(source, _MOST_FLOODED)
    data = mixed(source, _samples()) if source.random() < 0.6 else source.choice(_samples())
    for _ in range(source.choice((0, 1, 1, 2, 5))):
        found = list(_VALUE.finditer(data))
        if found:
            at = source.choice(found)
            data = data[: at.start()] + source.choice(_VALUES).encode() + data[at.end() :]
    if source.random() < 0.3:
        data = spoil(source, data)
    dates = source.choices([value for value in _VALUES if len(value) < 30], k=source.randrange(4))
    return data + _BREAK + spoil(source, "\n".join(["2026-12-24", *dates]).encode())


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Goes with the process."""
    folder = tempfile.TemporaryDirectory(prefix="routerd-fuzz-")
    (Path(folder.name) / "lists").mkdir()
    return folder


def target(data: bytes) -> None:
    written, holidays = split_by(data, _BREAK, 2)
    folder = Path(_folder().name)
    path, beside = folder / "routerd.yaml", folder / "lists" / "holidays.txt"
    path.write_bytes(written)
    beside.write_bytes(holidays)
    loaded = load_settings(path, machine_name=lambda: "mx.example.com", in_service=False)
    if (loaded.settings is None) is not bool(loaded.problems):
        raise AssertionError(f"settings with problems, or neither: {loaded.problems}")
    lines = {str(path): lines_of(written, of_yaml=True), str(beside): lines_of(holidays, of_yaml=False)}
    for problem in loaded.problems:
        check_said(problem, lines)


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
