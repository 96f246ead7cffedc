import multiprocessing
import resource
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from routerd.ops.process import OTHER_FILES, allow_connections, name_process

WANTED = 10_000 + OTHER_FILES


@pytest.mark.parametrize(
    ("limits", "set_to"),
    [
        ((1024, 65536), (WANTED, 65536)),
        ((1024, 4096), (4096, 4096)),
        ((1024, resource.RLIM_INFINITY), (WANTED, resource.RLIM_INFINITY)),
        ((20_000, 65536), None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None),
    ],
)
def test_as_many_files_as_connections_want(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], set_to: tuple[int, int] | None
) -> None:
    """The limit is raised where that is allowed, never lowered; what does not suffice is said."""
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: told.append(both))
    with capture_logs() as logged:
        allow_connections(5000)
    assert told == ([set_to] if set_to else [])
    assert [line["event"] for line in logged] == (["open_files_few"] if set_to and set_to[0] < WANTED else [])


@pytest.mark.parametrize(
    ("name", "number", "shown"),
    [
        ("routerd", None, "routerd"),
        ("routerd-forker", None, "routerd-forker"),
        ("routerd-worker", 9, "routerd-worker9"),
        ("routerd-worker", 63, "routerd-worke63"),
    ],
)
def test_processes_are_told_from_each_other(name: str, number: int | None, shown: str) -> None:
    """The kernel keeps fifteen bytes."""
    process = multiprocessing.get_context("fork").Process
    pipe, end = multiprocessing.Pipe()

    def call() -> None:
        name_process(name, number)
        end.send(Path("/proc/self/comm").read_text())

    child = process(target=call)
    child.start()
    try:
        assert pipe.recv() == f"{shown}\n"
    finally:
        child.join()
