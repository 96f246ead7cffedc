"""The service manager's protocol, against real sockets."""

import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from routerd.ops import systemd


def _manager(address: str) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(address)
    channel.settimeout(10)
    return channel


def test_a_notice_reaches_the_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """READY, RELOADING, STOPPING, STATUS and WATCHDOG arrive as sd_notify(3) spells them."""
    monkeypatch.chdir(tmp_path)
    with _manager(str(tmp_path / "notify")) as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert systemd.notify_ready("serving\n2 listeners")
        assert manager.recv(4096) == b"READY=1\nSTATUS=serving 2 listeners"
        assert systemd.notify_reloading()
        reloading, monotonic = manager.recv(4096).split(b"\n")
        assert reloading == b"RELOADING=1"
        assert monotonic.startswith(b"MONOTONIC_USEC=")
        assert systemd.notify_stopping("draining")
        assert manager.recv(4096) == b"STOPPING=1\nSTATUS=draining"
        assert systemd.notify_watchdog()
        assert manager.recv(4096) == b"WATCHDOG=1"


def test_an_abstract_socket_is_spoken_to() -> None:
    """Containers pass an abstract address, written with @."""
    name = f"routerd-test-{os.getpid()}"
    with _manager(f"\0{name}") as manager:
        assert systemd.notify("READY=1", {"NOTIFY_SOCKET": f"@{name}"})
        assert manager.recv(4096) == b"READY=1"


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1", "/nowhere/at/all", "/" + "x" * 200])
def test_without_a_manager_a_notice_is_nothing(address: str) -> None:
    """Outside systemd, and where its socket is gone, the daemon goes on."""
    assert not systemd.notify("READY=1", {"NOTIFY_SOCKET": address})
    assert not systemd.notify("READY=1", {})


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, timedelta(seconds=15)),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, timedelta(seconds=15)),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_asks(environ: dict[str, str], interval: timedelta | None) -> None:
    """Half of WatchdogSec, and only where this process is meant."""
    assert systemd.watchdog_interval(environ) == interval


_CHILD = """
import os, sys
for position, fd in enumerate(map(int, sys.argv[3].split(","))):
    os.dup2(fd, 100 + position)
for position in range(len(sys.argv[3].split(","))):
    os.dup2(100 + position, 3 + position)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[1], LISTEN_FDNAMES=sys.argv[2])
from routerd.ops.systemd import PassedSocketsError, listen_sockets
try:
    for name, passed in listen_sockets().items():
        print(name, *(one.getsockname()[1] for one in passed), any(one.get_inheritable() for one in passed))
except PassedSocketsError as error:
    print("error:", error)
print(sorted(key for key in os.environ if key.startswith("LISTEN_")), listen_sockets())
"""


def _pass(count: str, names: str, *passed: socket.socket) -> list[str]:
    fds = [one.fileno() for one in passed]
    return subprocess.run(
        [sys.executable, "-c", _CHILD, count, names, ",".join(map(str, fds))],
        pass_fds=fds,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()


def _listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_passed_sockets_come_by_their_names() -> None:
    """Two sockets of one name (IPv4 and IPv6) come together; no child inherits them or believes the variables."""
    with _listening() as one, _listening() as two, _listening() as three:
        ports = [listening.getsockname()[1] for listening in (one, two, three)]
        lines = _pass("3", "smtp:smtp:submission", one, two, three)
    assert lines == [f"smtp {ports[0]} {ports[1]} False", f"submission {ports[2]} False", "[] {}"]


def test_a_socket_without_a_name_is_unknown() -> None:
    """As sd_listen_fds_with_names calls it."""
    with _listening() as one:
        assert _pass("1", "", one)[0].split()[0] == "unknown"


def test_what_is_no_listening_socket_is_an_error() -> None:
    """A unit with Accept=yes, or a datagram socket, is found at start and named."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wrong:
        assert _pass("1", "smtp", wrong)[0].startswith("error: file descriptor 3 (smtp) is no listening stream socket")
    with _listening() as one:
        assert _pass("many", "smtp", one)[0] == "error: LISTEN_FDS is 'many', not a number"


def test_variables_for_another_process_are_left_alone() -> None:
    """LISTEN_PID of a parent is not ours."""
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1"}
    assert systemd.listen_sockets(environ) == {}
    assert environ == {"LISTEN_PID": "1", "LISTEN_FDS": "1"}
