"""Rules as they are written: each term and label with its place, and whether it is in quotes."""

from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

from routerd.config.yaml_source import Mapping, Mark, Node, Scalar, Sequence, read_yaml
from routerd.rules import keys
from routerd.rules.decision import RuleRef
from routerd.rules.keys import Takes
from routerd.rules.reading.list_files import ListError, ListFiles

_OPERATORS = frozenset(keys.TEXT_OPERATORS)
_BESIDE = ("exact",)  # what may stand beside an operator and is no operator


@dataclass(frozen=True, slots=True)
class WrittenTerm:
    """One term. `plain`: without quotes, in the rule file itself; `wanted`: not below a `not`."""

    field: str
    operator: str  # contains, word, …; "address" for a bare address
    text: str
    mark: Mark
    plain: bool
    listed: bool  # one of several, or of a list file
    wanted: bool


@dataclass(frozen=True, slots=True)
class WrittenRule:
    ref: RuleRef
    mark: Mark
    when: Node
    then: Node
    node: Node  # the whole rule

    def labels_read(self) -> Iterator[Scalar]:
        for entry in _entries(self.when):
            if entry.key.text == "label":
                yield from _scalars(entry.value)

    def labels_given(self) -> Iterator[Scalar]:
        labels = self.then.get("label") if isinstance(self.then, Mapping) else None
        if labels is not None:
            yield from _scalars(labels)

    def always_by_not(self) -> Iterator[Mark]:
        """The `not`s that are alternatives by themselves."""
        for entry in _entries(self.when):
            if entry.key.text == "any" and isinstance(entry.value, Sequence) and entry.wanted:
                for item in entry.value.items:
                    if isinstance(item, Mapping) and all(key.text == "not" for key, _ in item.entries):
                        yield item.mark

    def terms(self, lists: ListFiles) -> Iterator[WrittenTerm]:
        for entry in _entries(self.when):
            takes = keys.CONDITIONS[entry.key.text].takes if entry.key.text in keys.CONDITIONS else None
            if takes is Takes.TEXT:
                yield from _terms(entry.key.text, "contains", entry.value, entry.wanted, lists)
            elif takes is Takes.ADDRESS:
                yield from _terms(entry.key.text, "address", entry.value, entry.wanted, lists)
            elif takes is Takes.HEADERS and isinstance(entry.value, Mapping):
                for name, value in entry.value.entries:
                    yield from _terms(f"header {name.text}", "contains", value, entry.wanted, lists)
            elif takes is Takes.ATTACHMENT and isinstance(entry.value, Mapping):
                name_asked = entry.value.get("name")
                if name_asked is not None:
                    yield from _terms("attachment name", "contains", name_asked, entry.wanted, lists)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A key of a `when` or of a condition inside of it."""

    key: Scalar
    value: Node
    wanted: bool
    beside: tuple[str, ...]  # the other keys


def read_written(
    files: MappingOf[str, bytes], folder_label: str
) -> Iterator[tuple[str, Node, tuple[WrittenRule, ...]]]:
    """Each rule file that can be read: its name, its root, its rules."""
    for name in sorted(files):
        if "/" in name or not name.endswith((".yaml", ".yml")):
            continue
        label = f"{folder_label.rstrip('/')}/{name}" if folder_label else name
        root = read_yaml(label, files[name]).root
        if isinstance(root, Mapping):
            yield name, root, tuple(_rules(name, root))


def _rules(file: str, root: Mapping) -> Iterator[WrittenRule]:
    rules = root.get("rules")
    for node in rules.items if isinstance(rules, Sequence) else ():
        if not isinstance(node, Mapping):
            continue
        name, when, then = node.get("name"), node.get("when"), node.get("then")
        if isinstance(name, Scalar) and when is not None and then is not None:
            yield WrittenRule(RuleRef(file, name.text), node.mark, when, then, node)


def _entries(node: Node, wanted: bool = True) -> Iterator[_Entry]:
    for one in node.items if isinstance(node, Sequence) else (node,):
        if not isinstance(one, Mapping):
            continue
        names = tuple(key.text for key, _ in one.entries)
        for key, value in one.entries:
            yield _Entry(key, value, wanted, names)
            if key.text in ("all", "any", "not"):
                yield from _entries(value, wanted is not (key.text == "not"))


def _terms(field: str, operator: str, node: Node, wanted: bool, lists: ListFiles) -> Iterator[WrittenTerm]:
    if isinstance(node, Mapping):
        for key, value in node.entries:
            if key.text == "in":
                yield from _of_list(field, operator, value, wanted, lists)
            elif key.text not in _BESIDE:
                yield from _terms(field, key.text, value, wanted, lists)
        return
    listed = isinstance(node, Sequence)
    for item in node.items if isinstance(node, Sequence) else (node,):
        if isinstance(item, Scalar):
            yield WrittenTerm(field, operator, item.text, item.mark, item.plain, listed, wanted)
        elif isinstance(item, Mapping):
            yield from _terms(field, operator, item, wanted, lists)


def _of_list(field: str, operator: str, node: Node, wanted: bool, lists: ListFiles) -> Iterator[WrittenTerm]:
    if not isinstance(node, Scalar):
        return
    try:
        entries = lists.open(node.text).entries
    except ListError:
        return
    for entry in entries:
        yield WrittenTerm(field, operator, entry.text, entry.mark, True, True, wanted)


def _scalars(node: Node) -> Iterator[Scalar]:
    for item in node.items if isinstance(node, Sequence) else (node,):
        if isinstance(item, Scalar):
            yield item
