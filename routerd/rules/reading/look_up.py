"""Look-up tables beside the rule files: whom an address, or else its domain, belongs to.

One row a line: `anna@klient.pl,ewa` or `klient.pl,finance`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from routerd.config.nearest import invisible, quoted
from routerd.config.yaml_source import Mark, Problem
from routerd.message.address import AddressError, parse_address, parse_host_name
from routerd.rules.names import suggestion

MAX_PROBLEMS = 1_000  # of one table, after which it is not read on
SHAPE = "a row is ADDRESS-OR-DOMAIN,MEMBER-OR-TEAM, such as klient.pl,finance"


class Entry(NamedTuple):
    """One line of a list that says something."""

    text: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Table:
    rows: Mapping[str, str]  # address or domain in lower case → member or team
    named: Mapping[str, Mark]  # each member or team, and the first row that names it
    problems: tuple[Problem, ...]


def read_table(entries: Iterable[Entry], targets: Collection[str]) -> Table:
    """`targets`: the members and teams that there are. Never raises."""
    rows: dict[str, str] = {}
    places: dict[str, Mark] = {}
    named: dict[str, Mark] = {}
    problems: list[Problem] = []
    for number, entry in enumerate(entries):
        if len(problems) >= MAX_PROBLEMS:
            break
        try:
            if number == 0 and _is_header(entry.text, targets):
                raise ValueError(f"{quoted(entry.text)} is a header row; leave it out: {SHAPE}")
            key, target = _row(entry, targets)
            if key in rows:
                raise ValueError(f"a second row for {quoted(key)}; the first is at line {places[key].line}")
        except ValueError as error:
            problems.append(Problem(entry.mark, str(error)))
            continue
        rows[key] = target
        places[key] = entry.mark
        named.setdefault(target, entry.mark)
    return Table(rows, named, tuple(problems))


def _is_header(text: str, targets: Collection[str]) -> bool:
    """Whether a first line names columns: no part of it is what would stand in a row."""
    parts = [part.strip().strip('"') for part in text.split(",")]
    return len(parts) > 1 and parts[1] not in targets and all(part.isidentifier() for part in parts)


def _row(entry: Entry, targets: Collection[str]) -> tuple[str, str]:
    """Raises ValueError with a sentence."""
    written, comma, target = (part.strip() for part in entry.text.partition(","))
    said = written + target
    hidden = None if said.isprintable() else invisible(said)
    if hidden:
        raise ValueError(f"the row {quoted(entry.text)} contains the invisible character {hidden}; remove it")
    if not comma or not written or not target or "," in target:
        raise ValueError(f"{quoted(entry.text)} is no row of a look-up table; {SHAPE}")
    if target not in targets:
        raise ValueError(f"no member or team {quoted(target)}{suggestion(target, targets)}")
    return _key(written), target


def _key(written: str) -> str:
    local, at, domain = written.rpartition("@")
    try:
        if not at or not local:
            if "." not in domain:
                raise AddressError("a domain has a dot")
            return parse_host_name(domain)
        address = parse_address(written, utf8=True)
    except AddressError as error:
        raise ValueError(f"{quoted(written)} is neither an address nor a domain: {error}") from None
    return address.key
