"""The local control socket, spoken to as a command does."""

import asyncio
import json
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from routerd.web import control
from routerd.web.control import (
    ControlBusyError,
    ControlRefusedError,
    ControlServer,
    ControlUnavailableError,
    send_command,
)


async def _echo(request: dict[str, Any]) -> dict[str, Any]:
    return {"asked": request}


@asynccontextmanager
async def _serving(
    state: Path, handle: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] = _echo
) -> AsyncIterator[ControlServer]:
    served = ControlServer(state / "control", state, handle)
    await served.start()
    try:
        yield served
    finally:
        await served.stop()


async def _ask(state: Path, command: dict[str, Any], timeout: float = 60) -> dict[str, Any]:
    return await asyncio.to_thread(send_command, state, command, timeout)


async def _raw(path: Path, *chunks: bytes) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    for chunk in chunks:
        writer.write(chunk)
    writer.write_eof()
    async with asyncio.timeout(60):
        line = await reader.read()
    writer.close()
    return json.loads(line)


async def test_a_command_is_answered(tmp_path: Path) -> None:
    """One object in, one out; several one after another."""
    async with _serving(tmp_path):
        for number in range(3):
            asked = {"command": "queue retry", "ids": [number, "żółć \u202e"]}
            assert await _ask(tmp_path, asked) == {"asked": asked}


async def test_only_the_owner_may_open_the_socket(tmp_path: Path) -> None:
    """Mode 0600 from the moment it is there, whatever the umask."""
    before = os.umask(0)
    try:
        async with _serving(tmp_path) as served:
            assert stat.S_IMODE(served.path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


async def test_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel says who asks; the mode of the socket is not all there is."""
    monkeypatch.setattr(control, "_peer_uid", lambda _: 12_345)
    async with _serving(tmp_path):
        with pytest.raises(ControlRefusedError, match="own user and root"):
            await _ask(tmp_path, {"command": "x"})


async def test_the_kernel_names_the_peer(tmp_path: Path) -> None:
    """SO_PEERCRED gives the uid of the process that connected."""
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert control._peer_uid(one) == os.geteuid()


async def test_without_a_daemon_the_command_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path and the reason stand in the error."""
    monkeypatch.setattr(control, "RUNTIME_FOLDER", tmp_path / "run")
    with pytest.raises(ControlUnavailableError, match=f"{tmp_path}/control: No such file"):
        await _ask(tmp_path, {"command": "x"})


async def test_a_dead_socket_is_replaced_and_a_live_one_never(tmp_path: Path) -> None:
    """After kill -9 the file stays behind; a second daemon must not take the first one's place."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control"))
    async with _serving(tmp_path):
        second = ControlServer(tmp_path / "control", tmp_path, _echo)
        with pytest.raises(ControlBusyError, match="another daemon"):
            await second.start()
        assert await _ask(tmp_path, {"a": 1}) == {"asked": {"a": 1}}
    assert not (tmp_path / "control").exists()


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """Nothing is deleted that routerd did not make."""
    (tmp_path / "control").write_text("notes")
    with pytest.raises(ControlBusyError, match="no socket"):
        await ControlServer(tmp_path / "control", tmp_path, _echo).start()
    assert (tmp_path / "control").read_text() == "notes"


async def test_stopping_leaves_a_socket_that_another_made(tmp_path: Path) -> None:
    """Only its own file is taken away."""
    async with _serving(tmp_path) as served:
        served.path.unlink()
        served.path.write_text("another")
    assert (tmp_path / "control").exists()


@pytest.mark.parametrize(
    "chunks",
    [(b"nonsense\n",), (b"[]\n",), (b"\xff\xfe\n",), (b"[" * 60_000 + b"\n",), (b'{"a": 1}',), (b"x" * 200_000,)],
)
async def test_nonsense_is_answered_with_an_error(tmp_path: Path, chunks: tuple[bytes, ...]) -> None:
    """No JSON, no object, too deep, no end, too long: an answer, and the daemon goes on."""
    async with _serving(tmp_path) as served:
        try:
            assert (await _raw(served.path, *chunks))["error"] == "the request is no line with a JSON object"
        except (ConnectionResetError, BrokenPipeError):
            assert len(chunks[0]) > control.MAX_REQUEST_BYTES  # cut off while it was still talking
        assert await _ask(tmp_path, {"a": 1}) == {"asked": {"a": 1}}


async def test_a_handler_that_fails_answers(tmp_path: Path) -> None:
    """A fault in a command neither stops the daemon nor shows its insides."""

    async def fails(_: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("secret")

    async with _serving(tmp_path, fails):
        with pytest.raises(ControlRefusedError, match="its log says why"):
            await _ask(tmp_path, {"command": "x"})


async def test_an_error_of_the_handler_is_what_the_command_shows(tmp_path: Path) -> None:
    """The daemon's own words reach the postmaster."""

    async def refuses(_: dict[str, Any]) -> dict[str, Any]:
        return {"error": "no copy 01J-1"}

    async with _serving(tmp_path, refuses):
        with pytest.raises(ControlRefusedError, match="no copy 01J-1"):
            await _ask(tmp_path, {"command": "x"})


async def test_a_daemon_of_another_state_does_not_answer_for_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command for one state never changes another's queue by way of /run/routerd."""
    mine, other, run = (tmp_path / name for name in ("mine", "other", "run"))
    for folder in (mine, other, run):
        folder.mkdir()
    monkeypatch.setattr(control, "RUNTIME_FOLDER", run)
    served = ControlServer(run / "control", other, _echo)
    await served.start()
    assert await _ask(other, {"a": 1}) == {"asked": {"a": 1}}
    with pytest.raises(ControlRefusedError, match="serves the state"):
        await _ask(mine, {"a": 1})
    await served.stop()


async def test_a_slow_answer_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the command nor the daemon waits for ever, and a stop does not wait for either."""
    begun = asyncio.Event()

    async def hangs(_: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        await asyncio.Event().wait()
        return {}

    async with _serving(tmp_path, hangs):
        with pytest.raises(ControlUnavailableError, match=r"did not answer within 0\.05 s"):
            await _ask(tmp_path, {"command": "x"}, 0.05)
        await begun.wait()
        monkeypatch.setattr(control, "HANDLING_SECONDS", 0.01)
        with pytest.raises(ControlRefusedError, match="not finished"):
            await _ask(tmp_path, {"command": "x"})


async def test_a_silent_peer_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that asks nothing is closed."""
    monkeypatch.setattr(control, "REQUEST_SECONDS", 0.01)
    async with _serving(tmp_path) as served:
        reader, writer = await asyncio.open_unix_connection(str(served.path))
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()


async def test_an_answer_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue of a million copies does not go out in one line."""

    async def talks(_: dict[str, Any]) -> dict[str, Any]:
        return {"text": "x" * 2_000}

    monkeypatch.setattr(control, "MAX_REPLY_BYTES", 1_000)
    async with _serving(tmp_path, talks):
        with pytest.raises(ControlRefusedError, match="ask for less"):
            await _ask(tmp_path, {"command": "x"})


async def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    """A socket address holds 107 bytes; a state may lie deeper."""
    state = tmp_path / ("d" * 100) / ("e" * 100)
    state.mkdir(parents=True)
    async with _serving(state):
        assert await _ask(state, {"a": 1}) == {"asked": {"a": 1}}
    assert list(state.iterdir()) == []


def test_a_daemon_that_breaks_off_is_unavailable(tmp_path: Path) -> None:
    """A daemon killed in the middle gives an error, not a traceback."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "control"))
        listening.listen()

        def serve() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(65_536)
                peer.send(b'{"half')

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ControlUnavailableError, match="broke off"):
            send_command(tmp_path, {"command": "x"}, 10)
        thread.join()


def test_the_socket_lies_where_systemd_made_room(tmp_path: Path) -> None:
    """RuntimeDirectory= where there is one, else the state."""
    assert control.control_path(tmp_path, {}) == tmp_path / "control"
    assert control.control_path(tmp_path, {"RUNTIME_DIRECTORY": "/run/routerd:/run/x"}) == Path("/run/routerd/control")
