"""A daemon whose state lies on a disk that is recorded, and that fails when it is told to."""

import mmap
from collections.abc import Callable
from pathlib import Path

from disk_record import build_shim
from peers.daemon import CONFIG, RouterdDaemon

_FAULT_BYTES = 256


class ShimmedDisk:
    """Under `folder`: the disk itself is `folder/disk`, and the state is in there."""

    OWN_FROM = 500  # the shim's own descriptors are above

    def __init__(self, folder: Path, compiler: str) -> None:
        self.root = folder / "disk"
        self.root.mkdir(parents=True)
        self.state = self.root / "state"
        self.record = folder / "record"
        shim = build_shim(folder, compiler)
        fault = folder / "fault"
        fault.write_bytes(bytes(_FAULT_BYTES))
        with fault.open("r+b") as file:
            self._fault = mmap.mmap(file.fileno(), _FAULT_BYTES)
        self.environ = {"LD_PRELOAD": str(shim), "SHIM_FOLDER": str(self.root), "SHIM_FAULT": str(fault)}

    @property
    def config(self) -> str:
        return CONFIG.replace("{folder}/state", str(self.state))

    def fail(self, call: str, error: int, *, suffix: str = "*", times: int = 1_000_000_000) -> None:
        """From now on. Calls: write, sync, open (of files below `root` whose name ends so), accept (of sockets)."""
        self._fault[:] = f"{call} {error} {times} {suffix}".encode().ljust(_FAULT_BYTES, b"\0")

    def heal(self) -> None:
        self._fault[:] = bytes(_FAULT_BYTES)

    def failures_left(self) -> int:
        fields = self._fault[:].split(b"\0")[0].split()
        return int(fields[2]) if fields else 0


def start(
    routerd: Callable[..., RouterdDaemon], disk: ShimmedDisk, *, recorded: bool = False, **keys: str
) -> RouterdDaemon:
    """A daemon on that disk, once it is ready."""
    environ = {**disk.environ, **({"SHIM_RECORD": str(disk.record)} if recorded else {})}
    return routerd(config=keys.pop("config", disk.config), environ=environ, **keys)
