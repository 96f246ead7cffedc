"""One message's bytes while they come: in memory up to a bound, beyond it in a file that no one else can name."""

import mmap
import tempfile
from pathlib import Path
from typing import IO

from routerd.intake.limits.capacity import MEMORY_BYTES
from routerd.message.envelope import Raw

_SMALL_BYTES = 1024
_TOGETHER_BYTES = 65_536


def spool_folder(state: Path) -> Path:
    """Where the files lie; made where it is not there. Raises OSError."""
    folder = state / "tmp"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


class Spool:
    """`append` only keeps; `write_out`, `finish` (where there is a file) and `discard` touch the disk.

    The file has no name (O_TMPFILE, or unlinked at once): a crash leaves nothing behind. Not for two threads at once.
    """

    __slots__ = ("_file", "_folder", "_pieces", "memory_bytes", "size_bytes")

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._pieces: list[bytes | bytearray] = []
        self._file: IO[bytes] | None = None
        self.memory_bytes = 0  # what is not in the file
        self.size_bytes = 0

    @property
    def is_full(self) -> bool:
        """More is in memory than one message may have there."""
        return self.memory_bytes > MEMORY_BYTES

    @property
    def is_on_disk(self) -> bool:
        return self._file is not None

    def append(self, piece: bytes) -> None:
        """Small pieces are put together: each by itself takes more room than it counts for."""
        if len(piece) >= _SMALL_BYTES or not self._pieces:
            self._pieces.append(piece)
        elif isinstance(last := self._pieces[-1], bytearray) and len(last) < _TOGETHER_BYTES:
            last += piece
        else:
            self._pieces.append(bytearray(piece))
        self.memory_bytes += len(piece)
        self.size_bytes += len(piece)

    def write_out(self) -> None:
        """Moves what is in memory to the file. Raises OSError."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - lives as long as we
        for piece in self._pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._pieces.clear()
        self.memory_bytes = 0

    def finish(self) -> Raw:
        """The whole message. Raises OSError; the spool is empty and closed after it, come what may."""
        try:
            if self._file is None:
                first = self._pieces[0] if self._pieces else b""
                return first if len(self._pieces) == 1 and isinstance(first, bytes) else b"".join(self._pieces)
            self.write_out()
            return mmap.mmap(self._file.fileno(), self.size_bytes, access=mmap.ACCESS_READ)
        finally:
            self.discard()

    def discard(self) -> None:
        self._pieces.clear()
        self.memory_bytes = 0
        if self._file is not None:
            self._file.close()
            self._file = None
