"""The file of passwords changed by hand: one line at a time, by one at a time, the rest kept, never half written."""

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from routerd.config.password_file import read_passwords
from routerd.config.password_hash import PasswordHash
from routerd.config.regular_file import resolved

_HEAD = "# Passwords of routerd's members, a line each, as 'routerd password MEMBER' writes them."
_PATIENCE_SECONDS = 5.0


class BusyError(Exception):
    """Somebody else is changing the file."""


def change(path: Path, member: str, hashed: PasswordHash | None, owner_of_new: Path) -> bool:
    """Sets the member's line, or removes it where `hashed` is None; all other lines stay. Whether there was one before.

    A file that is not there is made, mode 0600; made by root it belongs to whom `owner_of_new` belongs to. Raises
    OSError, also for what is no text, and BusyError.
    """
    with contextlib.suppress(FileNotFoundError):
        path = resolved(path)  # what a link leads to is replaced, not the link
    with _alone_in(path.parent):
        try:
            found = read_passwords(path)
        except FileNotFoundError:
            if hashed is not None:
                _write(path, [_HEAD, f"{member}:{hashed}", ""], 0o600, owner_like(owner_of_new))
            return False
        if not found.lines:
            raise OSError(0, str(found.problems[-1].message), str(path))
        places = [entry.line - 1 for entry in found.entries if entry.member == member]
        if places or hashed is not None:
            before = path.stat()
            mode = stat.S_IMODE(before.st_mode) & 0o600 or 0o600
            _write(path, _changed(list(found.lines), places, member, hashed), mode, (before.st_uid, before.st_gid))
        return bool(places)


def _changed(lines: list[str], places: list[int], member: str, hashed: PasswordHash | None) -> list[str]:
    """`places`: where the member's lines are; the first takes the new one, else it comes at the end."""
    if lines[-1]:
        lines.append("")
    kept = [line for number, line in enumerate(lines) if number not in places]
    if hashed is not None:
        kept.insert(places[0] if places else len(kept) - 1, f"{member}:{hashed}")
    return kept


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """A lock on the folder, as the file itself is replaced."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        ends_at = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > ends_at:
                    raise BusyError(f"somebody else is changing a file in {folder}; try again") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def owner_like(beside: Path) -> tuple[int, int]:
    """User and group: the daemon's, where root makes the file; otherwise our own."""
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            found = beside.stat()
            return found.st_uid, found.st_gid
    return os.geteuid(), os.getegid()


def left_to_root(path: Path, beside: Path | None) -> str:
    """What to say of a file that root has made, where nobody can tell as whom the daemon runs; "" for others."""
    if os.geteuid() != 0 or (beside is not None and beside.exists()):
        return ""
    return f"{path} belongs to root, and the daemon must be able to read it: chown it to the daemon's user"


def _write(path: Path, lines: list[str], mode: int, owner: tuple[int, int]) -> None:
    """In a file beside it that takes its place."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    written = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            os.fchmod(descriptor, mode)
            if owner[0] != os.geteuid():
                os.fchown(descriptor, *owner)
            opened.write("\n".join(lines).encode())
            opened.flush()
            os.fsync(descriptor)
        written.replace(path)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
