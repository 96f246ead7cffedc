"""The rules folder as bytes, in the order in which rules are read."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from errno import EILSEQ, ENOENT, EPERM
from functools import partial
from pathlib import Path

from routerd.config.regular_file import read_regular, resolved
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

    Never raises: a folder or file that cannot be read, is too large, or lies elsewhere behind its links, is a problem
    that bears its path. The folder's own links are followed once, so that all is read of the same one.
    """
    real = folder
    try:
        real = resolved(folder)
        names = sorted(entry.name for entry in os.scandir(real) if _is_rule_file(entry))
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        wrong = "there is no such folder of rules" if missing else f"cannot be read: {error.strerror or error}"
        return RuleFiles({}, (_about(folder, wrong),), partial(_read_inside, real))
    if len(names) > MAX_FILES:
        wrong = f"holds more than {MAX_FILES} rule files"
        return RuleFiles({}, (_about(folder, wrong),), partial(_read_inside, real))
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    left = MAX_TOTAL_BYTES
    for name in names:
        try:
            files[name] = _read_inside(real, name, min(MAX_BYTES, left))
            left -= len(files[name])
        except OSError as error:
            problems.append(_about(folder / name, f"cannot be read: {error.strerror or error}"))
    return RuleFiles(files, tuple(problems), partial(_read_inside, real))


def read_in_folder(folder: Path, path: str) -> bytes:
    """A file of the rules folder by its path relative to it, as a list or a message of a test. Raises OSError."""
    return _read_inside(resolved(folder), path)


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


def _read_inside(real: Path, path: str, most_bytes: int = MAX_BYTES) -> bytes:
    """Symbolic links are followed as far as they stay inside: that is how mounted volumes and git worktrees swap files.

    Raises OSError.
    """
    if not _is_utf8(path):
        raise OSError(EILSEQ, "its name is not UTF-8; rename it", path)
    place = resolved(real / path)
    if not place.is_relative_to(real):
        raise PermissionError(EPERM, "it lies outside the rules folder", path)
    return read_regular(place, most_bytes)


def _is_rule_file(entry: os.DirEntry[str]) -> bool:
    if not entry.name.endswith(_SUFFIXES) or entry.name.startswith("."):
        return False
    try:
        return not entry.is_dir()
    except OSError:  # its links go round in circles: that is said when it is read
        return True


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _about(path: Path, message: str) -> Problem:
    return Problem(Mark(str(path).encode("utf-8", "backslashreplace").decode("utf-8"), 0, 0), message)
