"""How much memory a connection takes on which nothing happens: a crowd of them must not cost what mail needs."""

import resource
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from peers.daemon import CONFIG, RouterdDaemon
from peers.usage import pss_bytes

MOST_BYTES = 20_000  # a connection
_FILLING = 8000  # connections that take what room the start has left in the heap, where others would cost nothing


def measure(daemon: RouterdDaemon, connections: int) -> tuple[float, float]:
    """Bytes of the daemon's memory for each connection in the clear, once it was greeted and once it has said hello."""
    filling = _open(daemon, _FILLING)
    before = pss_bytes({daemon.pid})
    clients = _open(daemon, connections)
    greeted = pss_bytes({daemon.pid})
    for client in clients:
        client.sendall(b"EHLO client.example.net\r\n")
        assert client.recv(1000).startswith(b"250")
    introduced = pss_bytes({daemon.pid})
    _end([*filling, *clients])
    return (greeted - before) / connections, (introduced - before) / connections


def _open(daemon: RouterdDaemon, connections: int) -> list[socket.socket]:
    clients = [socket.create_connection(("127.0.0.1", daemon.smtp_port)) for _ in range(connections)]
    assert all(client.recv(1000).startswith(b"220 ") for client in clients)
    return clients


def _end(clients: Sequence[socket.socket]) -> None:
    for client in clients:
        client.close()


@pytest.mark.bench
@pytest.mark.timeout(600)
def test_idle_connections_take_little_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1,000 of them take at most 20 KB each, whether they have said hello or not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    config = CONFIG + "limits: {{connections: 10000, connections_per_client: 10000}}\n"
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        daemon = stack.enter_context(RouterdDaemon(tmp_path, config=config))
        greeted, introduced = measure(daemon, 1000)
    with capsys.disabled():
        print(f"greeted {greeted / 1000:.1f} KB, introduced {introduced / 1000:.1f} KB")
    assert greeted <= MOST_BYTES
    assert introduced <= MOST_BYTES
