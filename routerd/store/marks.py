"""Marks on the messages being looked at, in a mapped file: one that is marked when the process dies may have killed it.

Nothing is synced: a map outlives the process, and a loss of power accuses no message. The file is the state lock's
holder's alone; where several processes take mail in, each of them has one beside it, `PATH.0`, `PATH.1`, …, and what
is suspect is kept in the holder's. Layout: magic; suspects (digest, moment in seconds since 1970); messages in hand
(digest). Zeros: free.
"""

import errno
import mmap
import os
import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from types import TracebackType

from routerd.message.envelope import Raw

DIGEST_BYTES = 32
DIGESTED_BYTES = 1_000  # of each end of a message: hashed in 2 µs, with no thread let in between
MAX_SUSPECTS = 64
MAX_IN_HAND = 1024
SUSPECT_FOR = timedelta(days=7)

_MAGIC = b"routerd marks 1\n"
_SUSPECT = struct.Struct(f"<{DIGEST_BYTES}sQ")
_SUSPECTS_AT = len(_MAGIC)
_IN_HAND_AT = _SUSPECTS_AT + MAX_SUSPECTS * _SUSPECT.size
_FILE_BYTES = _IN_HAND_AT + MAX_IN_HAND * DIGEST_BYTES
_FREE = bytes(DIGEST_BYTES)


def digest_of(raw: Raw) -> bytes:
    """By which a message is known again that killed the process: its size, and how it begins and ends.

    Another that shares all that with a suspect is taken undecided, which does little harm.
    """
    size_bytes = len(raw)
    known_by = raw if size_bytes <= 2 * DIGESTED_BYTES else raw[:DIGESTED_BYTES] + raw[-DIGESTED_BYTES:]
    return blake2b(b"%d\0%b" % (size_bytes, bytes(known_by)), digest_size=DIGEST_BYTES).digest()


class InHand:
    """Opened once by the daemon. Digests have 32 bytes; not for use from several threads at once.

    Beyond MAX_IN_HAND at once messages go unmarked, and of more than MAX_SUSPECTS the newest count.
    """

    def __init__(self, path: Path, *, now: datetime | None = None) -> None:
        """What a dead process left marked becomes suspect, for 7 days from `now` (default: the clock's); also what is
        marked in the files of workers, which go.

        A file that is damaged or not ours is begun anew. Raises OSError where there can be none.
        """
        self._map = _open_map(path)
        self._free = [_IN_HAND_AT + slot * DIGEST_BYTES for slot in reversed(range(MAX_IN_HAND))]
        self._suspects = _read(self._map[:], now or datetime.now(UTC))
        self._keep_suspects()
        self._map[_IN_HAND_AT:_FILE_BYTES] = bytes(_FILE_BYTES - _IN_HAND_AT)
        for left in path.parent.glob(f"{path.name}.*"):
            self.take_over(left, now=now)

    def holding(self, digest: bytes) -> "_Holding":
        """`with hands.holding(digest): …` marks the message meanwhile."""
        return _Holding(self._map, self._free, digest)

    @property
    def suspects(self) -> frozenset[bytes]:
        return frozenset(self._suspects)

    def add_suspects(self, digests: Iterable[bytes], *, now: datetime | None = None) -> None:
        """A process died with them in hand."""
        moment = int((now or datetime.now(UTC)).timestamp())
        self._suspects = _newest(dict.fromkeys(digests, moment) | self._suspects)
        self._keep_suspects()

    def take_over(self, path: Path, *, now: datetime | None = None) -> frozenset[bytes]:
        """What a dead worker left marked in its file becomes suspect here; the file goes. Gives what is new."""
        before = self.suspects
        try:
            if not path.is_symlink() and path.stat().st_size == _FILE_BYTES:
                found = _read(path.read_bytes(), now or datetime.now(UTC))
                self._suspects = _newest(found | self._suspects)
                self._keep_suspects()
            path.unlink()
        except OSError:  # there is none, or none that can be read; what is left of it is looked at at the next start
            pass
        return self.suspects - before

    def is_suspect(self, digest: bytes) -> bool:
        """Whether a process died with it in hand."""
        return digest in self._suspects

    def clear(self, digest: bytes) -> None:
        """It is dealt with."""
        if self._suspects.pop(digest, None) is not None:
            self._keep_suspects()

    def close(self) -> None:
        self._map.close()

    def _keep_suspects(self) -> None:
        kept = b"".join(_SUSPECT.pack(digest, at) for digest, at in self._suspects.items())
        self._map[_SUSPECTS_AT:_IN_HAND_AT] = kept.ljust(_IN_HAND_AT - _SUSPECTS_AT, b"\0")


class InHandOfWorker(InHand):
    """Of a process that takes mail in for the state's holder, who takes its file over when it is dead.

    Suspects are told by the holder, and kept in the holder's file alone: else what one clears would come back from
    another's. What such a file holds that nobody has taken over is among `suspects` until the holder is told.
    """

    def _keep_suspects(self) -> None:
        pass


class _Holding:
    """One mark. A class with slots: a generator's context would cost several times as much, for each message."""

    __slots__ = ("_digest", "_free", "_map", "_start")

    def __init__(self, file: mmap.mmap, free: list[int], digest: bytes) -> None:
        if len(digest) != DIGEST_BYTES:
            raise ValueError(f"a digest has {DIGEST_BYTES} bytes")
        self._map = file
        self._free = free
        self._digest = digest
        self._start = 0

    def __enter__(self) -> None:
        if self._free:
            self._start = start = self._free.pop()
            self._map[start : start + DIGEST_BYTES] = self._digest

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        start = self._start
        if start:
            self._start = 0
            try:  # noqa: SIM105  # `suppress` costs as much as all else here
                self._map[start : start + DIGEST_BYTES] = _FREE
            except ValueError:  # the daemon closed the file first, on its way out
                pass
            self._free.append(start)


def _read(content: bytes, now: datetime) -> dict[bytes, int]:
    """The suspects of a file, with the moments since which they are, and what is in hand there: suspect from now on."""
    if not content.startswith(_MAGIC):
        return {}
    moment = int(now.timestamp())
    oldest = moment - int(SUSPECT_FOR.total_seconds())
    found = [(digest, at) for digest, at in _SUSPECT.iter_unpack(content[_SUSPECTS_AT:_IN_HAND_AT]) if at >= oldest]
    found += [
        (content[start : start + DIGEST_BYTES], moment) for start in range(_IN_HAND_AT, _FILE_BYTES, DIGEST_BYTES)
    ]
    return _newest({digest: at for digest, at in found if digest != _FREE})


def _newest(suspects: dict[bytes, int]) -> dict[bytes, int]:
    return dict(sorted(suspects.items(), key=lambda one: one[1])[-MAX_SUSPECTS:])


def _open_map(path: Path) -> mmap.mmap:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        if os.fstat(descriptor).st_size != _FILE_BYTES or os.pread(descriptor, len(_MAGIC), 0) != _MAGIC:
            # Written in full, not stretched: a write to a hole of a map on a full disk is a SIGBUS.
            os.ftruncate(descriptor, 0)
            if os.pwrite(descriptor, _MAGIC.ljust(_FILE_BYTES, b"\0"), 0) != _FILE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return mmap.mmap(descriptor, _FILE_BYTES)
    finally:
        os.close(descriptor)
