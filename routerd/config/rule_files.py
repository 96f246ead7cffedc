"""The rules folder as bytes, in the order in which rules are read."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from errno import EFBIG, EINVAL, ENOENT, EPERM
from functools import partial
from pathlib import Path

from routerd.config.yaml_source import MAX_BYTES, Mark, Problem

MAX_FILES = 10_000
MAX_TOTAL_BYTES = 256_000_000
LISTS = "lists"  # where word lists and look-up tables lie by custom
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """`files`: name inside the folder → bytes, in the order of the names by code point.

    `read_beside` reads a file inside the folder that rules name, by its path relative to it; raises OSError.
    """

    files: Mapping[str, bytes]
    problems: tuple[Problem, ...]
    read_beside: Callable[[str], bytes]


def split_saved(saved: Mapping[str, bytes]) -> RuleFiles:
    """Rule files and what they named, out of one mapping as it was saved."""

    def read_beside(path: str) -> bytes:
        if path not in saved:
            raise FileNotFoundError(ENOENT, "there is no such file", path)
        return saved[path]

    rules = {name: data for name, data in saved.items() if "/" not in name and name.endswith(_SUFFIXES)}
    return RuleFiles(rules, (), read_beside)


def load_rule_files(folder: Path) -> RuleFiles:
    """Every `*.yaml` and `*.yml` directly in `folder`; dotfiles and names that end in `~` are passed over.

    Never raises: a folder or file that cannot be read, or is too large, is a problem that bears its path.
    """
    read_beside = partial(_read_beside, folder)
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if _is_rule_file(entry))
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        wrong = "there is no such folder of rules" if missing else f"cannot be read: {error.strerror or error}"
        return RuleFiles({}, (_about(folder, wrong),), read_beside)
    if len(names) > MAX_FILES:
        return RuleFiles({}, (_about(folder, f"holds more than {MAX_FILES} rule files"),), read_beside)
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    left = MAX_TOTAL_BYTES
    for name in names:
        read = _read(folder / name, min(MAX_BYTES, left))
        if isinstance(read, Problem):
            problems.append(read)
        else:
            files[name] = read
            left -= len(read)
    return RuleFiles(files, tuple(problems), read_beside)


def names_of_lists(folder: Path) -> tuple[str, ...]:
    """The files below `lists` in the rules folder, by their paths relative to it; dotfiles and names that end in `~`
    are passed over. None where there is no such folder, or it cannot be read.
    """
    found: list[str] = []
    for place, folders, files in os.walk(folder / LISTS):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = Path(place).relative_to(folder)
        found += [(inside / name).as_posix() for name in files if not name.startswith(".") and not name.endswith("~")]
        if len(found) >= MAX_FILES:
            break
    return tuple(sorted(name for name in found if _is_utf8(name)))


def _read_beside(folder: Path, path: str) -> bytes:
    """Symbolic links are followed as far as they stay inside: that is how mounted volumes and git worktrees swap files.

    Raises OSError.
    """
    place = (folder / path).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise PermissionError(EPERM, "it lies outside the rules folder", path)
    if place.exists() and not place.is_file():
        raise OSError(EINVAL, "it is not a regular file", path)
    with place.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(EFBIG, f"it is larger than {MAX_BYTES} bytes", path)
    return data


def _is_rule_file(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(_SUFFIXES) and not entry.name.startswith(".") and not entry.is_dir()


def _read(path: Path, most: int) -> bytes | Problem:
    if not _is_utf8(path.name):
        return _about(path, "the file's name is not UTF-8; rename it")
    try:
        if not path.is_file():
            return _about(path, "is not a regular file")  # a pipe would block, a dangling link has nothing to read
        with path.open("rb") as opened:
            data = opened.read(most + 1)
    except OSError as error:
        return _about(path, f"cannot be read: {error.strerror or error}")
    return data if len(data) <= most else _about(path, f"is larger than {most} bytes")


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _about(path: Path, message: str) -> Problem:
    return Problem(Mark(str(path).encode("utf-8", "backslashreplace").decode("utf-8"), 0, 0), message)
