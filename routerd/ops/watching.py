"""Says when a folder has changed, in whatever way: a file written in place or replaced, a git checkout, a link swapped.

The kernel's word is taken as a hint to look, and a look now and then makes up for what it does not tell (a link above
the folder, a network file system, a full table of watches). What counts is what is there.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import NamedTuple

import structlog
from watchfiles import awatch

from routerd.config.regular_file import resolved

QUIET_MS = 200  # an editor or a checkout writes many files: it is over when nothing was written for so long
LONGEST_MS = 2_000  # … or after so long
LOOK_MS = 2_000  # without a hint
MAX_DEPTH = 5
MAX_ENTRIES = 50_000  # that are looked at

log = structlog.get_logger()


class _Stamp(NamedTuple):
    path: str
    inode: int
    size_bytes: int
    modified_ns: int


class Seen(NamedTuple):
    """A folder as it was found: where it is behind its links (None: there is none), and the files in it."""

    real: Path | None
    stamps: frozenset[_Stamp]


def look(folder: Path) -> Seen:
    """The folder as it is now; touches the disk, never raises."""
    try:
        real = resolved(folder)
    except OSError:
        return Seen(None, frozenset())
    return Seen(real, _stamps(real)) if real.is_dir() else Seen(None, frozenset())


async def changes_of(folder: Path, since: Seen) -> AsyncGenerator[None]:
    """Yields once whenever `folder` has come to rest in another state than before, at first than `since`.

    Runs until it is closed.
    """
    known = since
    warned = False
    while True:
        try:
            async with aclosing(_hints(known.real)) as hints:
                async for _ in hints:
                    now = await asyncio.to_thread(look, folder)
                    changed, moved = now != known, now.real != known.real
                    known = now
                    if changed:
                        yield
                    if moved:
                        break
        except OSError as error:  # the kernel has no watch to give; it may have later
            if not warned:
                log.warning("folder_unwatched", folder=folder, reason=str(error))
                warned = True
            await asyncio.sleep(LOOK_MS / 1000)


async def _hints(real: Path | None) -> AsyncGenerator[None]:
    """When to look. Raises OSError where the folder cannot be watched."""
    if real is None:
        await asyncio.sleep(LOOK_MS / 1000)
        yield
        return
    yield  # what happened before the watch began
    changes = awatch(
        real, watch_filter=None, step=QUIET_MS, debounce=LONGEST_MS, rust_timeout=LOOK_MS, yield_on_timeout=True
    )
    async for _ in changes:
        yield


def _stamps(real: Path) -> frozenset[_Stamp]:
    """All files below, as they are behind their links."""
    found: list[_Stamp] = []
    for stamp in _walk(real, real, MAX_DEPTH):
        found.append(stamp)
        if len(found) >= MAX_ENTRIES:
            break
    return frozenset(found)


def _walk(folder: Path, real: Path, depth: int) -> Iterator[_Stamp]:
    """Passes over what begins with a dot (a repository's own files are none of ours), and over links to folders
    elsewhere: nothing is read there."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir():
                if depth and (not entry.is_symlink() or resolved(Path(entry.path)).is_relative_to(real)):
                    yield from _walk(Path(entry.path), real, depth - 1)
                continue
            seen = entry.stat()
        except OSError:  # it has just gone, or its link leads nowhere
            yield _Stamp(entry.path, 0, 0, 0)
            continue
        yield _Stamp(entry.path, seen.st_ino, seen.st_size, seen.st_mtime_ns)
