"""The file of `passwords:`: `MEMBER:HASH` a line, `#` comments; of us or of root, and for nobody else to read."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from routerd.config.nearest import did_you_mean, quoted
from routerd.config.password_hash import PasswordError, PasswordHash, parse_hash
from routerd.config.regular_file import lines_of, read_regular
from routerd.config.secret_file import open_to
from routerd.config.yaml_source import Mark, Problem

_MOST_BYTES = 4_000_000
_MOST_PROBLEMS = 20  # told of one file: one that is something else entirely has as many as lines


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that sets a password. `hashed` is None where it is wrong, which `problems` say."""

    member: str
    hashed: PasswordHash | None
    line: int  # from 1


@dataclass(frozen=True, slots=True)
class PasswordFile:
    """What could be read of it; nobody may log in by one that has problems."""

    lines: tuple[str, ...]
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]

    @property
    def hashes(self) -> dict[str, PasswordHash]:
        """By member."""
        return {entry.member: entry.hashed for entry in self.entries if entry.hashed is not None}


def read_passwords(path: Path, members: Collection[str] | None = None) -> PasswordFile:
    """Never raises for what is in the file. `members`: who may have a password; None: anybody.

    Raises OSError where it cannot be read. Those whom it is open to are a problem too, with line 0.
    """
    data = read_regular(path, _MOST_BYTES)
    shown_to = open_to(path)
    problems = [Problem(Mark(str(path), 0, 0), shown_to)] if shown_to else []
    try:
        lines = lines_of(data.decode())
    except UnicodeDecodeError as error:
        at = Mark(str(path), data.count(b"\n", 0, error.start) + 1, 1)
        return PasswordFile((), (), (*problems, Problem(at, "not UTF-8; save the file as UTF-8")))
    entries: list[Entry] = []
    first: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        member, _, written = line.partition(":")
        entry = Entry(member.strip(), _hash_of(written), number)
        entries.append(entry)
        if len(problems) < _MOST_PROBLEMS:
            problems += _problems(entry, line, Mark(str(path), number, 1), first, members)
        first.setdefault(entry.member, number)
    return PasswordFile(tuple(lines), tuple(entries), tuple(problems))


def _hash_of(written: str) -> PasswordHash | None:
    try:
        return parse_hash(written.strip())
    except PasswordError:
        return None


def _problems(
    entry: Entry, line: str, at: Mark, first: dict[str, int], members: Collection[str] | None
) -> Iterator[Problem]:
    """Never with what stands behind the colon, which might be a password in the clear."""
    member, colon, written = line.partition(":")
    at = at._replace(column=len(member) - len(member.lstrip()) + 1)
    if not colon:
        yield Problem(at, "not MEMBER:HASH, as 'routerd password MEMBER' writes it")
        return
    if members is not None and entry.member not in members:
        yield Problem(at, f"no member {quoted(entry.member)}{did_you_mean(entry.member, members)}")
    if entry.member in first:
        wrong = f"{quoted(entry.member)} has a password already, in line {first[entry.member]}"
        yield Problem(at, wrong)
    if entry.hashed is None:
        column = len(line) - len(written.lstrip()) + 1
        try:
            parse_hash(written.strip())
        except PasswordError as error:
            yield Problem(at._replace(column=column), f"what follows the colon {error}")
