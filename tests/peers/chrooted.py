"""Programs whose packages cannot stand beside Postfix: unpacked by .ci/run, run in small roots of their own."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from peers.machine import MissingPeerError, PeerError, Process, require_root

UNPACKED = Path(os.environ.get("ROUTERD_TEST_PEERS") or Path.home() / ".cache/routerd-test-peers")


def require_unpacked(path: str, package: str) -> Path:
    """Where .ci/run has put `path` of `package`. Raises MissingPeerError saying how to get it."""
    found = UNPACKED / package / path
    if not found.exists():
        raise MissingPeerError(f"{package} is not unpacked in {UNPACKED}: bash .ci/run peers")
    return found


class Root:
    """A folder that a program takes for the whole machine: the program, its libraries, its users and its files."""

    def __init__(self, folder: Path, program: Path, path: str, users: Mapping[str, int]) -> None:
        require_root(program.name)
        self.folder = folder
        self._path = path
        for libraries in _libraries(program):
            self._copy(libraries, str(libraries))
        self._copy(program, path)
        for name in ("dev", "etc", "run", "tmp", "var/log", "var/spool"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "var/run").symlink_to("../run")
        for name, minor in (("null", 3), ("urandom", 9)):
            _make_device(folder / "dev" / name, minor)
        everybody = {"root": 0, **users}
        self.write("etc/passwd", "".join(f"{name}:x:{uid}:{uid}::/:/bin/false\n" for name, uid in everybody.items()))
        self.write("etc/group", "".join(f"{name}:x:{uid}:\n" for name, uid in everybody.items()))
        self.write("etc/hosts", "127.0.0.1 localhost\n")
        self.write("etc/mailname", "client.example.net\n")

    def write(self, path: str, text: str) -> None:
        """A file of root's that only root may change."""
        whole = self.folder / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(text)
        whole.chmod(0o644)

    def own(self, path: str, uid: int, mode: int = 0o755) -> None:
        """A folder for a user's files."""
        whole = self.folder / path
        whole.mkdir(parents=True, exist_ok=True)
        os.chown(whole, uid, uid)
        whole.chmod(mode)

    def start(self, *arguments: str) -> Process:
        return Process(self._command(arguments), self.folder / "output")

    def run(self, *arguments: str, stdin: bytes, seconds: float = 60.0) -> str:
        """What it wrote. Raises PeerError with that where it did not end well."""
        done = subprocess.run(
            self._command(arguments),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
        text = done.stdout.decode(errors="replace")
        if done.returncode:
            raise PeerError(f"{self._path} ended with {done.returncode}\n{text}")
        return text

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return ["chroot", str(self.folder), self._path, *arguments]

    def _copy(self, file: Path, path: str) -> None:
        whole = self.folder / path.lstrip("/")
        whole.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, whole)


def _libraries(program: Path) -> list[Path]:
    told = subprocess.run(["ldd", str(program)], capture_output=True, text=True, timeout=60, check=True).stdout
    missing = re.findall(r"(\S+) => not found", told)
    if missing:
        raise MissingPeerError(f"{program.name} lacks {', '.join(missing)}: bash .ci/run peers")
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", told)]


def _make_device(path: Path, minor: int) -> None:
    os.mknod(path, 0o666 | 0o020000, os.makedev(1, minor))
    path.chmod(0o666)
