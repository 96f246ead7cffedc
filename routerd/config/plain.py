"""From nodes to the plain values that pydantic reads, and back from its `loc` tuples to places in the file."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from routerd.config.nearest import quoted
from routerd.config.yaml_source import Mapping, Mark, Node, Problem, Scalar, Sequence

Loc = tuple[str | int, ...]
Plain = str | list["Plain"] | dict[str, "Plain"]


@dataclass(slots=True)
class Reading:
    """The values of one file, without the parts that were dropped from it, and where each stands."""

    values: dict[str, Plain]
    dropped: frozenset[Loc]  # in the file's own positions
    problems: list[Problem] = field(default_factory=list)  # keys without a value; they are dropped too
    marks: dict[Loc, Mark] = field(default_factory=dict)
    key_marks: dict[Loc, Mark] = field(default_factory=dict)
    origins: dict[Loc, Loc] = field(default_factory=dict)

    def known(self, loc: Iterable[str | int]) -> Loc:
        """The parts of `loc` that stand in the file; pydantic adds others (union tags, `[key]`)."""
        at: Loc = ()
        for part in loc:
            if (*at, part) in self.marks:
                at = (*at, part)
        return at

    def value_at(self, *loc: str | int) -> Plain:
        """The value at the known parts of `loc`."""
        value: Plain = self.values
        for part in self.known(loc):
            value = value[part]  # type: ignore[index]  # the map says that it is there
        return value

    def keys_at(self, *loc: str | int) -> tuple[str, ...]:
        """The keys of the mapping at `loc`, as written; none where there is no mapping."""
        value = self.value_at(*loc) if self.known(loc) == loc else None
        return tuple(value) if isinstance(value, dict) else ()

    def mark(self, *loc: str | int) -> Mark:
        """Where the value at `loc` stands, or what there is of its surroundings."""
        return self.marks[self.known(loc)]

    def key_mark(self, *loc: str | int) -> Mark:
        """Where the key of `loc` stands; for a list's item, its value's place."""
        at = self.known(loc)
        return self.key_marks.get(at) or self.marks[at]

    def origin(self, loc: Iterable[str | int]) -> Loc:
        """`loc` in the file's own positions (list items move up where one before them was dropped)."""
        return self.origins[self.known(loc)]

    def is_whole(self, *loc: str | int) -> bool:
        """Whether nothing was dropped from the mapping or list at `loc`, so that what is absent is absent."""
        at = self.origins.get(loc)
        return at is not None and all(gone[:-1] != at for gone in self.dropped)


def read_plain(root: Mapping, dropped: frozenset[Loc] = frozenset()) -> Reading:
    """All values below `root` as text, lists and dicts, without those at `dropped`. read_yaml bounds the depth."""
    reading = Reading({}, dropped)
    values = _Walk(reading).plain(root, (), ())
    if isinstance(values, dict):
        reading.values = values
    return reading


class _Walk:
    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def plain(self, node: Node, at: Loc, origin: Loc) -> Plain:
        self.reading.marks[at] = node.mark
        self.reading.origins[at] = origin
        match node:
            case Scalar():
                return node.text
            case Sequence():
                return self._list(node, at, origin)
            case Mapping():
                return self._dict(node, at, origin)

    def _list(self, node: Sequence, at: Loc, origin: Loc) -> list[Plain]:
        values: list[Plain] = []
        for index, item in enumerate(node.items):
            if self._is_kept(item, (*origin, index), "an item of the list"):
                values.append(self.plain(item, (*at, len(values)), (*origin, index)))
        return values

    def _dict(self, node: Mapping, at: Loc, origin: Loc) -> dict[str, Plain]:
        values: dict[str, Plain] = {}
        for key, value in node.entries:
            if self._is_kept(value, (*origin, key.text), quoted(key.text)):
                self.reading.key_marks[(*at, key.text)] = key.mark
                values[key.text] = self.plain(value, (*at, key.text), (*origin, key.text))
        return values

    def _is_kept(self, node: Node, origin: Loc, what: str) -> bool:
        if origin in self.reading.dropped:
            return False
        if isinstance(node, Scalar) and node.plain and not node.text:
            self.reading.problems.append(Problem(node.mark, f"{what} has no value; write one, or remove it"))
            self.reading.dropped |= {origin}
            return False
        return True
