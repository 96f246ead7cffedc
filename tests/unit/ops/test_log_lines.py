"""Log lines reach whoever reads them, and nobody waits for him."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from routerd.ops import log_lines
from routerd.ops.log_lines import ThreadedWriter

LOGS_AND_ENDS = """
import sys
from routerd.ops.logs import configure_logs
import structlog
configure_logs("json", "info")
for number in range(int(sys.argv[1])):
    structlog.get_logger().info("event_seen", number=number, text="skargę" * 10)
structlog.get_logger().error("the_end_came")
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def _read_lines(descriptor: int, until: str) -> list[str]:
    read = b""
    while until.encode() not in read:
        read += os.read(descriptor, 65_536)
    return read.decode().splitlines()


def test_lines_are_written_in_their_order(pipe: tuple[int, int]) -> None:
    """All of them, whole, by the time the writer is closed."""
    writer = ThreadedWriter(pipe[1], "utf-8")
    for number in range(500):
        writer.write(f"line {number}")
    writer.close()
    assert _read_lines(pipe[0], "line 499") == [f"line {number}" for number in range(500)]


def test_a_reader_that_stalls_holds_up_nobody(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """More lines than pipe and memory may hold: `write` returns, and what was dropped is counted."""
    monkeypatch.setattr(log_lines, "MAX_WAITING", 1000)
    said: list[dict[str, int]] = []
    monkeypatch.setattr(log_lines.log, "warning", lambda event, **keys: said.append({event: keys["lines"]}))
    writer = ThreadedWriter(pipe[1], "utf-8")
    for number in range(5000):
        writer.write(f"{number:0200d}")
    kept: list[str] = []
    reader = threading.Thread(target=lambda: kept.extend(_read_lines(pipe[0], "end of test")))
    reader.start()
    writer.close()
    os.write(pipe[1], b"end of test")
    reader.join()
    assert 1000 <= len(kept) - 1 < 5000
    assert kept[:-1] == [f"{number:0200d}" for number in range(len(kept) - 1)]
    assert sum(one["log_lines_dropped"] for one in said) == 5000 - (len(kept) - 1)


def test_a_reader_that_went_away_is_no_fault(pipe: tuple[int, int]) -> None:
    reader, end = os.pipe()
    writer = ThreadedWriter(end, "utf-8")
    os.close(reader)
    writer.write("nobody hears")
    writer.close()
    os.close(end)


def test_a_letter_that_the_encoding_lacks_is_spelled_out(pipe: tuple[int, int]) -> None:
    writer = ThreadedWriter(pipe[1], "ascii")
    writer.write("skargę")
    writer.close()
    assert _read_lines(pipe[0], "\n") == ["skarg\\u0119"]


@pytest.mark.parametrize("count", [0, 3000])
def test_what_waits_is_written_when_the_process_ends(count: int, tmp_path: Path) -> None:
    """Also the error that ended it."""
    with (tmp_path / "log").open("wb") as log:
        subprocess.run([sys.executable, "-c", LOGS_AND_ENDS, str(count)], check=True, stderr=log, timeout=60)
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [event.get("number") for event in events[:-1]] == list(range(count))
    assert events[-1]["event"] == "the_end_came"


def test_a_process_ends_though_its_log_is_stalled(pipe: tuple[int, int]) -> None:
    """After a short while, with lines left that nobody reads."""
    command = [sys.executable, "-c", LOGS_AND_ENDS, "5000"]
    assert subprocess.run(command, check=False, stderr=pipe[1], timeout=60).returncode == 0


def test_lines_of_several_processes_come_out_whole(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """However long they are, each process's in their order."""
    monkeypatch.setattr(log_lines, "EXIT_SECONDS", 60)
    workers = []
    for worker in range(3):
        pid = os.fork()
        if pid == 0:
            writer = ThreadedWriter(pipe[1], "utf-8", is_shared=True)
            for number in range(200):
                writer.write(json.dumps([worker, number, "y" * (number * 37 % 15_000)]))
            writer.close()
            os._exit(0)
        workers.append(pid)

    def end() -> None:
        for pid in workers:
            os.waitpid(pid, 0)
        os.write(pipe[1], b"[3]")

    ending = threading.Thread(target=end)
    ending.start()
    found = [json.loads(line)[:2] for line in _read_lines(pipe[0], "[3]")]
    ending.join()
    assert [[one for one in found if one[0] == worker] for worker in range(3)] == [
        [[worker, number] for number in range(200)] for worker in range(3)
    ]


def test_a_process_that_dies_gives_its_turn_up(pipe: tuple[int, int]) -> None:
    """A worker that is killed while nobody reads its log stops nobody else's."""
    pid = os.fork()
    if pid == 0:
        writer = ThreadedWriter(pipe[1], "utf-8", is_shared=True)
        writer.write("x" * 1_000_000)
        writer.close()
    select.select([pipe[0]], [], [])  # it writes, and holds the turn
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    writer = ThreadedWriter(pipe[1], "utf-8", is_shared=True)
    writer.write("the other's line")
    assert _read_lines(pipe[0], "line")[-1].endswith("the other's line")
    writer.close()
