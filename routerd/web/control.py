"""The local control socket: how commands that change something ask the running daemon to do it.

One connection carries one JSON object in one line, and one back. The daemon answers only its own user and root, whom
the kernel names (SO_PEERCRED, unix(7)); nothing that a peer says about itself counts. An answer with the key `error`
says in words why the daemon did not do it.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import structlog

MAX_REQUEST_BYTES = 65_536
MAX_REPLY_BYTES = 16_000_000
MAX_CONNECTIONS = 16
REQUEST_SECONDS = 5.0
HANDLING_SECONDS = 60.0
RUNTIME_FOLDER = Path("/run/routerd")

_NAME = "control"
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_MAX_PATH_BYTES = 107  # sun_path, less its NUL

log = structlog.get_logger()

Handle = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class ControlError(Exception):
    """The command was not done."""


class ControlUnavailableError(ControlError):
    """No daemon answers for this state, or not in time."""


class ControlBrokenOffError(ControlUnavailableError):
    """It was told, and gave no answer: whether it did it is not known."""


class ControlRefusedError(ControlError):
    """The daemon answered, and says why it did not do it."""


class ControlBusyError(ControlError):
    """Another daemon listens there."""


def control_path(state: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the daemon listens: in the folder that systemd made for it (RuntimeDirectory=), else in its state."""
    given = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return (Path(given) if given else state) / _NAME


class ControlServer:
    """Hands each admitted command to `handle` and sends back what it gives, from `start` to `stop`."""

    def __init__(self, path: Path, state: Path, handle: Handle) -> None:
        self.path = path
        self._state = state
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._inode: tuple[int, int] | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Raises ControlBusyError where another daemon listens, OSError where the socket cannot be made."""
        listening = await asyncio.to_thread(_listen, self.path)
        found = self.path.lstat()
        self._inode = (found.st_dev, found.st_ino)
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=MAX_REQUEST_BYTES)

    async def stop(self) -> None:
        """Ends what is being done, and takes the socket away if it is still ours."""
        if self._server is None:
            return
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            found = self.path.lstat()
            if (found.st_dev, found.st_ino) == self._inode:
                self.path.unlink()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a stream's callback is a task
        self._connections.add(task)
        try:
            reply = await self._answer(reader, writer)
            writer.write(_encode_reply(reply))
            async with asyncio.timeout(REQUEST_SECONDS):
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # the asker has gone
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any]:
        try:  # read before anything is answered: closing on unread input would take the answer away from the asker
            async with asyncio.timeout(REQUEST_SECONDS):
                line = await reader.readuntil(b"\n")
        except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            return {"error": "the request is no line with a JSON object"}
        uid = _peer_uid(writer.get_extra_info("socket"))
        if uid not in (0, os.geteuid()):
            log.warning("control_refused", uid=uid)
            return {"error": "only the daemon's own user and root may do that"}
        if len(self._connections) > MAX_CONNECTIONS:
            return {"error": "too many commands at once"}
        try:
            request = _decode_request(line)
        except ValueError:
            return {"error": "the request is no line with a JSON object"}
        wanted = request.pop("state", None)
        if isinstance(wanted, str) and not _is_same_folder(Path(wanted), self._state):
            return {"error": f"this daemon serves the state {self._state}"}
        return await self._run(request, uid)

    async def _run(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        try:
            async with asyncio.timeout(HANDLING_SECONDS):
                return await self._handle(request)
        except TimeoutError:
            return {"error": f"not finished after {HANDLING_SECONDS:.0f} s"}
        except Exception:  # a command must not take the daemon with it
            log.exception("control_failed", command=request.get("command"), uid=uid)
            return {"error": "the daemon failed at it; its log says why"}


def send_command(state: Path, command: Mapping[str, Any], timeout: float = 30.0) -> dict[str, Any]:
    """Asks the daemon that serves `state` and gives its answer. `timeout` in seconds, for each wait.

    Raises ControlUnavailableError (ControlBrokenOffError once it was told) or ControlRefusedError.
    """
    request = json.dumps({**command, "state": str(state.absolute())}).encode() + b"\n"
    if len(request) > MAX_REQUEST_BYTES:
        raise ControlRefusedError(f"the command is over {MAX_REQUEST_BYTES} bytes long")
    with _connect_daemon(state, timeout) as channel:
        try:
            channel.sendall(request)
            line = _read_line(channel)
        except TimeoutError:
            raise ControlUnavailableError(f"the daemon did not answer within {timeout:g} s") from None
        except OSError as error:
            raise ControlBrokenOffError(f"the daemon broke off: {error.strerror}") from None
    try:
        reply = json.loads(line)
    except ValueError:
        reply = None
    if not isinstance(reply, dict):
        raise ControlBrokenOffError("the daemon broke off before it had answered")
    if "error" in reply:
        raise ControlRefusedError(str(reply["error"]))
    return reply


def _connect_daemon(state: Path, timeout: float) -> socket.socket:
    reasons = []
    for path in (state / _NAME, RUNTIME_FOLDER / _NAME):
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        channel.settimeout(timeout)
        try:
            with _short_name(path) as name:
                channel.connect(name)
            return channel
        except OSError as error:
            channel.close()
            reasons.append(f"{path}: {error.strerror or 'timed out'}")
    raise ControlUnavailableError(f"no daemon answers ({'; '.join(reasons)})")


def _read_line(channel: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        chunk = channel.recv(65_536)
        if not chunk or len(received) > MAX_REPLY_BYTES:
            break
        received += chunk
    return bytes(received)


def _listen(path: Path) -> socket.socket:
    """A listening socket at `path` that only its owner may open, from the first moment on."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)  # of two daemons that find a dead socket only one takes its place
            _remove_dead_socket(path)
            os.fchmod(listening.fileno(), 0o600)  # before bind, so that there is no moment with another mode
            with _short_name(path) as name:
                listening.bind(name)
            listening.listen(MAX_CONNECTIONS)
        finally:
            os.close(folder)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def _remove_dead_socket(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlBusyError(f"{path} is there and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, _short_name(path) as name:
        probe.settimeout(1.0)
        try:
            probe.connect(name)
        except ConnectionRefusedError:
            path.unlink()  # nobody listens: its daemon was killed
            return
        except (TimeoutError, BlockingIOError):
            pass  # a daemon that is too busy to accept is alive
    raise ControlBusyError(f"another daemon listens at {path}")


@contextlib.contextmanager
def _short_name(path: Path) -> Generator[str, None, None]:
    """A name of `path` that fits into a socket address, by way of its open folder."""
    if len(os.fsencode(path)) <= _MAX_PATH_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _peer_uid(channel: socket.socket) -> int:
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(credentials)[1]
    return uid


def _is_same_folder(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _decode_request(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(request, dict):
        raise ValueError("no object")
    return request


def _encode_reply(reply: dict[str, Any]) -> bytes:
    line = json.dumps(reply, default=str).encode() + b"\n"
    if len(line) > MAX_REPLY_BYTES:
        line = json.dumps({"error": f"the answer is over {MAX_REPLY_BYTES} bytes long; ask for less"}).encode() + b"\n"
    return line
