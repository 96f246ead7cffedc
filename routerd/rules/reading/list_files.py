"""The files inside the rules folder that rules name: word lists, address lists, look-up tables.

What was read belongs to the revision. The bytes come from outside (a folder, or what was saved of it), once each.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar, cast

from routerd.config.nearest import invisible, quoted
from routerd.config.regular_file import lines_of
from routerd.config.yaml_source import Mark
from routerd.rules.reading.look_up import Entry, Table, read_table

MAX_ENTRIES = 500_000  # of one list
MAX_ALL_BYTES = 64_000_000  # of all lists
MAX_ALL_ENTRIES = 1_000_000
MAX_WEIGHT = 1_000_000
_RULE_FILES = (".yaml", ".yml")

T = TypeVar("T")
ReadBeside = Callable[[str], bytes]  # a path relative to the folder; raises OSError


class ListError(ValueError):
    """The list cannot be had; the message says why."""


@dataclass(frozen=True, slots=True)
class ListFile:
    """The lines of one file that say something: without `#` comments and blank ones, trimmed."""

    path: str
    entries: tuple[Entry, ...]


def nothing_beside(path: str) -> bytes:
    """For rule files that stand alone: there is no file beside them."""
    raise FileNotFoundError(2, "there is no such file", path)


class ListFiles:
    """The lists of one compilation."""

    def __init__(self, read_beside: ReadBeside, folder_label: str) -> None:
        self._read_beside = read_beside
        self._label = f"{folder_label.rstrip('/')}/" if folder_label else ""
        self._read: dict[str, bytes] = {}
        self._lists: dict[str, ListFile] = {}
        self._made: dict[tuple[str, str], object] = {}
        self._tables: dict[str, Table] = {}
        self._count = 0  # of entries
        self._weight = 0  # of all that was made of them

    @property
    def read(self) -> Mapping[str, bytes]:
        """What was read: path inside the folder → bytes."""
        return self._read

    def open(self, path: str) -> ListFile:
        """The list at `path`. Raises ListError."""
        path = _inside(path)
        found = self._lists.get(path)
        if found is None:
            found = self._lists[path] = ListFile(path, self._entries(path))
        return found

    def table(self, path: str, targets: Collection[str]) -> tuple[Table, bool]:
        """The list at `path` read as a look-up table; and whether it is read for the first time. Raises ListError.

        `targets`: the members and teams that there are.
        """
        file = self.open(path)
        found = self._tables.get(file.path)
        if found is not None:
            return found, False
        made = self._tables[file.path] = read_table(file.entries, targets)
        return made, True

    def read_as(self, file: ListFile, kind: str, make: Callable[[ListFile], T], weight: int = 1) -> T:
        """What `make` makes of the list; it is asked once for each kind, whoever names the list.

        `weight`: what an entry so read costs, of MAX_WEIGHT in all. Raises ListError where that is spent.
        """
        if (file.path, kind) not in self._made:
            self._weight += weight * len(file.entries)
            if self._weight > MAX_WEIGHT:
                most = MAX_WEIGHT // weight
                raise ListError(f"with {quoted(file.path)} the lists that rules read so have more than {most} entries")
            self._made[file.path, kind] = make(file)
        return cast(T, self._made[file.path, kind])

    def _entries(self, path: str) -> tuple[Entry, ...]:
        label = self._label + path
        try:
            data = self._read_beside(path)
        except OSError as error:
            raise ListError(f"{quoted(path)} cannot be read: {error.strerror or error}") from None
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            bad_line = data.count(b"\n", 0, error.start) + 1
            raise ListError(f"{quoted(path)} is not UTF-8 (line {bad_line})") from None
        if sum(map(len, self._read.values())) + len(data) > MAX_ALL_BYTES:
            raise ListError(f"with {quoted(path)} the lists have more than {MAX_ALL_BYTES} bytes in all")
        self._read[path] = data
        entries = []
        for number, line in enumerate(lines_of(text), 1):
            said = line.strip()
            if said and not said.startswith("#"):
                column = len(line) - len(line.lstrip()) + 1
                entries.append(Entry(_without_comment(said), Mark(label, number, column)))
        if not entries:
            raise ListError(f"{quoted(path)} has no entry")
        if len(entries) > MAX_ENTRIES:
            raise ListError(f"{quoted(path)} has more than {MAX_ENTRIES} entries")
        self._count += len(entries)
        if self._count > MAX_ALL_ENTRIES:
            raise ListError(f"with {quoted(path)} the lists have more than {MAX_ALL_ENTRIES} entries in all")
        return tuple(entries)


def _without_comment(line: str) -> str:
    """A `#` behind white space begins a comment, as in YAML."""
    for at, letter in enumerate(line) if "#" in line else ():
        if letter == "#" and line[at - 1].isspace():
            return line[:at].rstrip()
    return line


def _inside(path: str) -> str:
    """The path in its plain form. Raises ListError where it leads out of the folder, or to a rule file."""
    hidden = invisible(path)
    if hidden:
        raise ListError(f"{quoted(path)} contains the invisible character {hidden}; remove it")
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or not parts:
        raise ListError(f"{quoted(path)} leads out of the rules folder; name a file inside it, such as lists/vip.txt")
    if len(parts) == 1 and path.endswith(_RULE_FILES):
        raise ListError(f"{quoted(path)} is a rule file; a list is a text file with one entry a line")
    return str(PurePosixPath(path))
