"""Maildir++ quotas, as Dovecot and Courier keep them: `maildirsize` in the Maildir says what it may hold, and holds.

The first line is the quota ("1000000S,500C": bytes, messages), each other one a change ("1234 1"). Only what is over it
by the files themselves is refused. The file is added to, never written anew: that is left to whoever set the quota.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "maildirsize"
MAX_FILE_BYTES = 5120  # of a larger one the sum counts no more: it is due to be made anew

_PART = re.compile(rb"(\d{1,18})([SC])\Z")
_CHANGE = re.compile(rb"\s*(-?\d{1,18})\s+(-?\d{1,9})\s*\Z")
_SIZE_IN_NAME = re.compile(r",S=(\d{1,18})(?=[,:]|\Z)")
_IS_DELETED = re.compile(r":2,[A-Za-z]*T[A-Za-z]*\Z")


@dataclass(frozen=True, slots=True)
class Quota:
    """0: as many as there are."""

    size_bytes: int = 0
    messages: int = 0

    def has_room(self, size_bytes: int, messages: int) -> bool:
        return (not self.size_bytes or size_bytes <= self.size_bytes) and (
            not self.messages or messages <= self.messages
        )

    def __str__(self) -> str:
        limits = ((self.size_bytes, "byte"), (self.messages, "message"))
        return " and ".join(f"{most} {what}{'s' * (most != 1)}" for most, what in limits if most)


def quota_exceeded(folder: Path, size_bytes: int) -> Quota | None:
    """The quota of the Maildir `folder`, where one more message of `size_bytes` is over it. Raises OSError."""
    root = _root(folder)
    text = _read(root / FILE_NAME)
    if text is None:
        return None
    definition, *changes = text.split(b"\n")
    quota = _quota(definition)
    if quota == Quota():
        return None
    if len(text) <= MAX_FILE_BYTES:
        used = [(int(found[1]), int(found[2])) for found in map(_CHANGE.match, changes) if found]
        if quota.has_room(sum(size for size, _ in used) + size_bytes, sum(count for _, count in used) + 1):
            return None
    sizes = list(_sizes(root))
    return None if quota.has_room(sum(sizes) + size_bytes, len(sizes) + 1) else quota


def count_in(folder: Path, size_bytes: int) -> None:
    """One more message is there. A quota that cannot be noted keeps no message from being delivered."""
    path = _root(folder) / FILE_NAME
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_size <= MAX_FILE_BYTES:
                os.write(descriptor, b"%d 1\n" % size_bytes)
        finally:
            os.close(descriptor)


def _root(folder: Path) -> Path:
    """Where the quota of `folder` is kept: of a subfolder (`.Support`) above it. Dovecot marks also others as one."""
    is_folder = folder.name.startswith(".") and (folder / "maildirfolder").exists()
    return folder.parent if is_folder and not (folder / FILE_NAME).exists() else folder


def _read(path: Path) -> bytes | None:
    """None: there is no such file. At most a byte more than what counts."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return os.read(descriptor, MAX_FILE_BYTES + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)


def _quota(definition: bytes) -> Quota:
    limits = {found[2]: int(found[1]) for found in map(_PART.match, definition.strip().split(b",")) if found}
    return Quota(limits.get(b"S", 0), limits.get(b"C", 0))


def _sizes(root: Path) -> Iterator[int]:
    """Of all messages, also in subfolders; what is marked as deleted, or in the Trash, takes nobody's place."""
    folders = [path for path in root.iterdir() if path.name.startswith(".") and path.name != ".Trash"]
    for folder in (root, *folders):
        for place in ("new", "cur"):
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder / place) as entries:
                yield from (_size(entry) for entry in entries if not _IS_DELETED.search(entry.name))


def _size(entry: os.DirEntry[str]) -> int:
    found = _SIZE_IN_NAME.search(entry.name)
    if found:
        return int(found[1])
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0  # moved or deleted meanwhile
