"""One daemon to a state, and its user alone: a lock that the kernel lets go of when its holder dies."""

import fcntl
import os
import stat
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from routerd.store.base import StoreLockedError
from routerd.store.bodies import sync_folder

FILE_NAME = "lock"
_PID_BYTES = 20  # always as many: a file that is cut to nothing first may find no room again


class StateLock:
    """Held from `take` to `release`. The file stays, with the last holder's pid in it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, folder: Path) -> "StateLock":
        """Raises StoreLockedError, which names who has it."""
        path = folder / FILE_NAME
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, _PID_BYTES, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise StoreLockedError(f"{folder} is in use by process {holder or 'unknown'}") from None
        except BaseException:
            os.close(descriptor)
            raise
        with suppress(OSError):  # a full disk: who has it cannot be told then, but has it
            os.pwrite(descriptor, f"{os.getpid()}\n".ljust(_PID_BYTES).encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def make_private(folder: Path) -> None:
    """A folder of the owner's alone. One that is open to others is closed to them: there is mail in it.

    One that is made here is durable on return, with the folders above it.
    """
    made = list(takewhile(lambda path: not path.exists(), (folder, *folder.parents)))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in made:
        sync_folder(path.parent)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        with suppress(PermissionError):
            folder.chmod(0o700)
