"""What `disk_shim.c` recorded, and the folder as a loss of power at any moment might have left it.

The disk is taken at its word, and at nothing more: what was written and not synced since is there, or is not, or in
part; a name is sure only once its folder was synced. A folder keeps those changes of its names that came first.
"""

import random
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = struct.Struct("<4IqQ")
_SECTOR = 512
NOT_SYNCED = ("-shm",)  # the log's index, which is made anew from the log


def build_shim(folder: Path, compiler: str) -> Path:
    """The shared object, to be preloaded."""
    shim = folder / "disk_shim.so"
    source = Path(__file__).with_name("disk_shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", shim, source], check=True)
    return shim


@dataclass(frozen=True, slots=True)
class Change:
    """c: made a file; d: a folder; w: wrote; t: cut to `offset`; s: synced; u: removed; r: renamed; a: answered."""

    kind: str
    path: str
    other: str
    offset: int
    data: bytes


def read_record(path: Path) -> list[Change]:
    """In the order it happened; without what does not outlive the process anyway."""
    return [change for change in _changes(path.read_bytes()) if not change.path.endswith(NOT_SYNCED)]


def _changes(record: bytes) -> Iterator[Change]:
    at = 0
    while at + _HEAD.size <= len(record):
        kind, path_size, other_size, _, offset, size = _HEAD.unpack_from(record, at)
        at += _HEAD.size
        path, other = record[at : at + path_size], record[at + path_size : at + path_size + other_size]
        at += path_size + other_size
        yield Change(chr(kind), path.decode(), other.decode(), offset, record[at : at + size])
        at += size


@dataclass(slots=True)
class _File:
    content: bytearray = field(default_factory=bytearray)  # what is sure
    since: list[tuple[int, bytes | None]] = field(default_factory=list)  # offset and data; None: cut to the offset

    def sync(self) -> None:
        for offset, data in self.since:
            _apply(self.content, offset, data)
        self.since.clear()


@dataclass(slots=True)
class _Folder:
    names: "dict[str, _File | _Folder]" = field(default_factory=dict)  # what is sure
    since: "list[tuple[str, _File | _Folder | None]]" = field(default_factory=list)  # None: removed

    def now(self) -> "dict[str, _File | _Folder]":
        return self.after(len(self.since))

    def after(self, changes: int) -> "dict[str, _File | _Folder]":
        names = dict(self.names)
        for name, node in self.since[:changes]:
            if node is None:
                names.pop(name, None)
            else:
                names[name] = node
        return names

    def sync(self) -> None:
        self.names = self.now()
        self.since.clear()


class Disk:
    """The folder `root`, which was empty when the record began. `take` the changes one after the other."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._top = _Folder()

    def take(self, change: Change) -> None:
        if change.kind == "a":
            return
        folder, name = self._place(change.path)
        node = folder.now().get(name) if name else folder
        match change.kind:
            case "c":
                folder.since.append((name, _File()))
            case "d":
                folder.since.append((name, _Folder()))
            case "u":
                folder.since.append((name, None))
            case "r" | "l":
                other_folder, other = self._place(change.other)
                other_folder.since.append((other, node))
                if change.kind == "r":
                    folder.since.append((name, None))
            case "s":
                assert node is not None, change.path
                node.sync()
            case _ if isinstance(node, _File):
                node.since.append((change.offset, change.data if change.kind == "w" else None))

    def lose_power(self, into: Path, chance: random.Random, kept: float) -> None:
        """Writes what is left, to an empty folder. `kept`: of what was not synced; 0: nothing, 1: all of it."""
        _leave(self._top, into, chance, kept)

    def _place(self, path: str) -> tuple[_Folder, str]:
        inside = path[len(self._root) :].strip("/")
        *folders, name = inside.split("/")
        folder = self._top
        for one in folders:
            found = folder.now()[one]
            assert isinstance(found, _Folder)
            folder = found
        return folder, name


def _leave(folder: _Folder, into: Path, chance: random.Random, kept: float) -> None:
    into.mkdir(exist_ok=True, mode=0o700)
    changes = round(kept) * len(folder.since) if kept in (0, 1) else chance.randint(0, len(folder.since))
    for name, node in folder.after(changes).items():
        if isinstance(node, _Folder):
            _leave(node, into / name, chance, kept)
        else:
            content = bytearray(node.content)
            for offset, data in node.since:
                if chance.random() < kept:
                    _apply(content, offset, _torn(data, chance) if 0 < kept < 1 else data)
            (into / name).write_bytes(content)


def _torn(data: bytes | None, chance: random.Random) -> bytes | None:
    """Now and then a write got no further than some sector."""
    if data is None or chance.random() < 0.7:
        return data
    return data[: chance.randint(0, len(data) // _SECTOR) * _SECTOR]


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data:
        content[offset : offset + len(data)] = data
