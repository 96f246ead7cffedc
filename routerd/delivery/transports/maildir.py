"""Delivery into a Maildir: durable, and once only, for the file's name is made from the copy's id."""

import asyncio
import errno
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from routerd.config.settings import Route
from routerd.delivery.outcome import Deferred, Delivered, Failed, Outcome, Stage
from routerd.delivery.transports.content import Content, with_lf
from routerd.delivery.transports.maildir_quota import count_in, quota_exceeded
from routerd.message.address import AddressError, parse_address

THREADS = 16  # of one route; each mostly waits for an fsync

_UNSAFE = re.compile(r"[/\x00-\x1f\x7f]|^\.|^-|^\s|^\Z")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9.-]")

_FULL = "4.2.2"  # RFC 3463 3.3
# What the system lacks is everybody's trouble (4.3), what one folder refuses is its mailbox's (4.2).
_STATUS = {
    errno.ENOSPC: "4.3.1",
    errno.EIO: "4.3.0",
    errno.EROFS: "4.3.0",
    errno.EMFILE: "4.3.0",
    errno.ENFILE: "4.3.0",
    errno.EDQUOT: _FULL,
}

NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP})  # a file system without hard links


@dataclass(frozen=True, slots=True)
class MaildirLetter:
    """One copy for a Maildir. `may_be_there`: it may have been stored before, by an attempt that nobody noted."""

    copy_id: str
    mailbox: str
    created_at: datetime
    content: Content
    may_be_there: bool = True


class MaildirStore:
    """All Maildirs of this machine. Each route has threads of its own: its disk may hang while others work."""

    def __init__(self) -> None:
        self._threads: dict[str, ThreadPoolExecutor] = {}

    async def deliver(self, route: Route, letter: MaildirLetter, hostname: str) -> Outcome:
        """`route` has `maildir`. Raises nothing but what reading the content raises."""
        try:
            folder = maildir_path(route, letter.mailbox)
        except ValueError as error:
            return Failed(str(error), Stage.MAILDIR, status="5.3.5")
        name = name_start(letter.copy_id, letter.created_at) + _NOT_IN_A_NAME.sub("_", hostname)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads_of(route), deliver_file, folder, name, letter)

    def close(self) -> None:
        """Waits for what is being written."""
        for threads in self._threads.values():
            threads.shutdown(wait=True)

    def _threads_of(self, route: Route) -> ThreadPoolExecutor:
        where = str(route.maildir)
        threads = self._threads.get(where)
        if threads is None:
            threads = self._threads[where] = ThreadPoolExecutor(THREADS, thread_name_prefix="maildir")
        return threads


def maildir_path(route: Route, mailbox: str) -> Path:
    """Where the mailbox's copies go. Raises ValueError where its address would lead elsewhere."""
    try:
        address = parse_address(mailbox)
    except AddressError as error:
        raise ValueError(f"{mailbox!r} is not a mailbox: {error}") from None
    for part in (address.local, address.domain):
        if _UNSAFE.search(part) or len(part) > 200:
            raise ValueError(f"{mailbox!r} cannot be the name of a folder")
    return route.maildir_of(address)


def name_start(copy_id: str, created_at: datetime) -> str:
    """What comes before the host name; flags or sizes may follow that."""
    return f"{int(created_at.timestamp())}{_known_by(copy_id)}"


def _known_by(copy_id: str) -> str:
    """By what a copy's file is known; the moment before it may be another where the clock was set meanwhile."""
    return f".{_NOT_IN_A_NAME.sub('_', copy_id)}."


def deliver_file(folder: Path, name: str, letter: MaildirLetter) -> Outcome:
    """tmp/, fsync, link into new/, fsync of the folder: what is said to be delivered outlives a power cut."""
    try:
        _make_maildir(folder)
        if letter.may_be_there and _is_there(folder, _known_by(letter.copy_id)):
            return Delivered("stored before", Stage.MAILDIR, f"already in {folder}")
        quota = quota_exceeded(folder, letter.content.size_bytes)
        if quota:
            return Deferred(f"the mailbox is full: {folder} may hold {quota}", Stage.MAILDIR, status=_FULL)
        count_in(folder, _store(folder, name, with_lf(letter.content.pieces())))
    except OSError as error:
        status = _STATUS.get(error.errno or 0, "4.2.0")
        why = f"cannot store in {folder}: {error.strerror or error}"
        return Deferred(why, Stage.MAILDIR, status=status)
    return Delivered("stored", Stage.MAILDIR, f"stored in {folder}")


def _is_there(folder: Path, known: str) -> bool:
    """Looks in new/ first: a client moves files from there to cur/, never back."""
    for place in (folder / "new", folder / "cur"):
        if any(path.name.lstrip("0123456789").startswith(known) for path in place.iterdir()):
            _sync_folder(place)  # whoever put it there may have died before
            return True
    return False


def _store(folder: Path, name: str, pieces: Iterator[bytes]) -> int:
    """Gives its size in bytes."""
    temporary = folder / "tmp" / name
    temporary.unlink(missing_ok=True)  # of an attempt that was cut short
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for piece in pieces:
                _write_all(file.fileno(), piece)
            os.fsync(file.fileno())
            size_bytes = os.fstat(file.fileno()).st_size
        _publish(temporary, folder / "new" / name)
        return size_bytes
    finally:
        temporary.unlink(missing_ok=True)


def _publish(temporary: Path, final: Path) -> None:
    try:
        os.link(temporary, final)  # unlike a rename, it never replaces what is there
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        temporary.rename(final)
    try:
        _sync_folder(final.parent)
    except OSError:
        final.unlink(missing_ok=True)  # what may not outlive a power cut must not be found by the next attempt
        raise


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _make_maildir(folder: Path) -> None:
    """cur/ is made last, so where it is, all is."""
    if (folder / "cur").is_dir():
        return
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in (*reversed(missing), folder / "tmp", folder / "new", folder / "cur"):
        path.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
