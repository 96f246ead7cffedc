"""The processes of a daemon with several workers, as the system shows them."""

import socket
from pathlib import Path

from peers.daemon import RouterdDaemon
from peers.machine import wait_for

_ESTABLISHED = "01"


def children_of(pid: int) -> list[int]:
    """Of any of its threads; none where it is gone."""
    try:
        listed = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except FileNotFoundError:
        return []
    return sorted(int(child) for text in listed for child in text.split())


def nursery_of(daemon: RouterdDaemon) -> int:
    [nursery] = children_of(daemon.pid)
    return nursery


def workers_of(daemon: RouterdDaemon) -> list[int]:
    """Those that live, also such as have not begun."""
    return children_of(nursery_of(daemon))


def wait_for_workers(daemon: RouterdDaemon, count: int = 2) -> list[int]:
    """Those that take mail in, once there are so many."""

    def check() -> list[int] | None:
        serving = {event["pid"] for event in daemon.log_events("worker_started")} & set(workers_of(daemon))
        return sorted(serving) if len(serving) >= count else None

    found = wait_for(check, f"{count} workers", 60.0, lambda: daemon.log_text()[-6000:])
    assert found is not None
    return found


def worker_of(connection: socket.socket, daemon: RouterdDaemon) -> int:
    """The worker at the other end of an IPv4 connection to the daemon."""
    ports = f"{connection.getpeername()[1]:04X}", f"{connection.getsockname()[1]:04X}"
    inode = next(
        fields[9]
        for fields in map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:])
        if fields[3] == _ESTABLISHED and (fields[1][-4:], fields[2][-4:]) == ports
    )
    return next(
        pid
        for pid in workers_of(daemon)
        if any(_points_to(path, f"socket:[{inode}]") for path in Path(f"/proc/{pid}/fd").iterdir())
    )


def _points_to(path: Path, target: str) -> bool:
    try:
        return str(path.readlink()) == target
    except FileNotFoundError:
        return False
