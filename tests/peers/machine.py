"""What every peer needs of the machine: its program, a port, a folder, a process that ends with the test."""

import contextlib
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_PROGRAM_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))
_PORTS = range(12_000, 30_000)  # below the ports that the kernel gives to outgoing connections
_reserved: list[int] = []  # descriptors whose locks keep the ports ours until this process ends


class MissingPeerError(Exception):
    """A program is not here, or cannot be started by this user; says what to do."""


class PeerError(Exception):
    """A program did not do what it was started for; says what it wrote."""


def require_program(program: str, package: str) -> str:
    """The program's path. Raises MissingPeerError naming the Debian package."""
    found = shutil.which(program, path=_PROGRAM_PATH)
    if found is None:
        raise MissingPeerError(f"{program} is not installed: apt install {package}")
    return found


def require_root(program: str) -> None:
    """Raises MissingPeerError where this user may not start `program`."""
    if os.geteuid() != 0:
        raise MissingPeerError(f"{program} must be started by root")


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on, and that no other call gives, in this process or beside it."""
    folder = Path(tempfile.gettempdir()) / f"routerd-test-ports-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for port in random.sample(_PORTS, 200):
        lock = os.open(folder / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
            continue
        _reserved.append(lock)
        return port
    raise PeerError("no port is free")


def wait_for(condition: Callable[[], T], what: str, seconds: float = 120.0, trouble: Callable[[], object] = str) -> T:
    """Polls until `condition` gives something true, and gives that; raises PeerError after `seconds`.

    `what` says what was waited for; `trouble` adds what a reader then wants to see, such as the end of a log.
    """
    deadline = time.monotonic() + seconds
    pause = 0.005
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise PeerError(f"waited {seconds:g} s for {what}; last seen: {found!r}\n{trouble()}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def is_listening(address: int | Path) -> bool:
    """Whether somebody accepts on this port of 127.0.0.1, or on this unix socket."""
    family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
    with socket.socket(family) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(("127.0.0.1", address) if isinstance(address, int) else str(address))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def open_folder(name: str) -> Generator[Path, None, None]:
    """A folder that daemons under other users can reach, which pytest's own (mode 0700) cannot be. Gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"routerd-{name}-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Process:
    """A program in a session of its own, so that all it started can be ended with it. Its output goes to `log`."""

    def __init__(self, command: Sequence[str | Path], log: Path, environ: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(environ or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exit_status(self) -> int | None:
        return self._child.poll()

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def send_signal(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Its exit status. Raises PeerError with what it wrote."""
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise PeerError(f"{self._child.args} has not ended after {seconds:g} s\n{self.output()[-4000:]}") from None

    def wait_until_listening(self, address: int | Path, seconds: float = 120.0) -> None:
        def check() -> bool:
            if self.exit_status is not None:
                raise PeerError(f"{self._child.args} ended with {self.exit_status}\n{self.output()[-4000:]}")
            return is_listening(address)

        wait_for(check, f"{address} to listen", seconds, self.output)

    def stop(self, seconds: float = 20.0) -> None:
        """Asks it to end, and ends its whole session if it does not."""
        if self._child.poll() is None:
            self._child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """kill -9, the whole session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait(60)
