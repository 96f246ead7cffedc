"""How a daemon starts, and what it says where it cannot."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from peers.daemon import RouterdDaemon
from peers.machine import free_port

CONFIG = """\
hostname: localhost
state: {folder}/state
rules: {folder}/rules.d
listen:
  - {{address: "127.0.0.1:{smtp_port}"}}
http: {{address: "127.0.0.1:{http_port}"}}
postmaster: jan
members: {{jan: {{mailbox: jan@example.com}}}}
inboxes: {{support@example.com: {{default: jan}}}}
delivery:
{delivery}
"""


def _fails_to_start(folder: Path, http_port: int, smtp_port: int = 0) -> tuple[str, list[dict[str, Any]]]:
    """What `run` says in plain words, and the events of its log."""
    routes = f'  - {{domain: "*", maildir: "{folder}/mail/{{local}}"}}'
    ports = {"smtp_port": smtp_port or free_port(), "http_port": http_port}
    (folder / "routerd.yaml").write_text(CONFIG.format(folder=folder, delivery=routes, **ports))
    (folder / "rules.d").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "routerd.cli.main", "run", "-c", str(folder / "routerd.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    lines = done.stderr.splitlines()
    return "\n".join(line for line in lines if line[:1] != "{"), [json.loads(one) for one in lines if one[:1] == "{"]


@pytest.mark.parametrize("taken", ["http", "smtp"])
def test_a_port_in_use_is_named(tmp_path: Path, taken: str) -> None:
    """By the key that asks for it; the log says that the start failed and why, and nothing of a drain."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        http, smtp = (port, 0) if taken == "http" else (free_port(), port)
        said, events = _fails_to_start(tmp_path, http, smtp)
    assert f"127.0.0.1:{port}" in said
    if taken == "http":
        assert said == f"http.address 127.0.0.1:{port}: Address already in use"
    assert [(event["event"], event["level"], event["reason"]) for event in events] == [("daemon_failed", "error", said)]


def test_a_state_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file in its place, and a store that is none."""
    state = tmp_path / "state"
    state.touch()
    said, events = _fails_to_start(tmp_path, free_port())
    assert str(state) in said
    assert events[-1]["event"] == "daemon_failed"
    state.unlink()
    state.mkdir()
    (state / "routerd.db").write_bytes(b"no database at all" * 1000)
    said, events = _fails_to_start(tmp_path, free_port())
    assert str(state) in said
    assert events[-1]["reason"] == said


def test_a_started_daemon_says_where_it_is(routerd: Callable[..., RouterdDaemon]) -> None:
    """Config, state and every address, as they are bound; and that `localhost` is no name for a mail server."""
    daemon = routerd(config=CONFIG, rules={})
    [started] = daemon.wait_for_event("daemon_started")
    smtp = f"127.0.0.1:{daemon.smtp_port}"
    assert started["listeners"] == {smtp: [smtp]}
    assert started["http"] == f"127.0.0.1:{daemon.http_port}"
    assert (started["config"], started["state"]) == (str(daemon.config_path), str(daemon.state))
    [unfit] = daemon.wait_for_event("hostname_unfit")
    assert (unfit["level"], unfit["hostname"]) == ("warning", "localhost")
