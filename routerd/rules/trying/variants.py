"""A rule with one piece changed: made on its YAML nodes, so that every key is served and every piece has its place, and
read by the reader of real rules. `coverage` and `mutation` ask what the tests say of them."""

import re
from collections.abc import Callable, Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from enum import StrEnum

from routerd.config.settings import Settings
from routerd.config.yaml_source import Mapping, Mark, Node, Scalar, Sequence, read_yaml
from routerd.rules.limits import UNLIMITED, limit_of
from routerd.rules.names import names_of
from routerd.rules.reading.list_files import ListFiles
from routerd.rules.reading.reader import Reader
from routerd.rules.reading.rule_file import read_rule_nodes
from routerd.rules.ruleset import Rule, RuleFile

_MOST_SAID = 60  # characters
_NUMBER = re.compile(r"([0-9]{1,15})(\s*[A-Za-z]*)\Z")
_COMPARED = ("over", "under", "equals")
_NO_ALTERNATIVES = ("other_than", "exists", "exact")  # what is listed there does not mean "any of these"

Put = Callable[[Node], Node]  # puts another node in the place of one: gives the whole `when`


class Kind(StrEnum):
    ALTERNATIVE = "alternative"  # only this one of those of which any suffices
    BLOCKER = "blocker"  # all but this part of a `not`
    LOOSER = "looser"  # without one condition, or with one number moved
    OPPOSITE = "opposite"  # without the `not` before a condition


@dataclass(frozen=True, slots=True)
class Variant:
    """One change of a rule's `when`; `said` names the piece, `mark` is where it stands."""

    kind: Kind
    mark: Mark
    said: str
    when: Node


def alternatives_of(when: Node) -> Iterator[Variant]:
    """What the rule is with one alternative only, for each one; and without each part of a `not`."""
    if isinstance(when, Mapping):
        yield from _branches(when, lambda node: node)


def loosened(when: Node) -> Iterator[Variant]:
    """The rule without each of its conditions, with each `not` taken for its opposite, with each number moved."""
    if isinstance(when, Mapping):
        yield from _mutants(when, lambda node: node)


def _branches(mapping: Mapping, put: Put) -> Iterator[Variant]:
    for key, value in mapping.entries:
        keep = _putting_value(mapping, key, put)
        if key.text == "all" and isinstance(value, Sequence):
            for item in value.items:
                if isinstance(item, Mapping):
                    yield from _branches(item, _putting_item(value, item, keep))
        elif key.text == "any" and isinstance(value, Sequence):
            for item in value.items:
                only = _putting_alone(value, keep)
                if len(value.items) > 1:
                    yield Variant(Kind.ALTERNATIVE, item.mark, rendered(item), only(item))
                if isinstance(item, Mapping):
                    yield from _branches(item, only)
        elif key.text == "not":
            yield from _blockers(mapping, key, value, put)
        else:
            yield from _alternatives(key.text, value, keep)


def _blockers(mapping: Mapping, key: Scalar, value: Node, put: Put) -> Iterator[Variant]:
    if isinstance(value, Sequence) and len(value.items) > 1:
        keep = _putting_value(mapping, key, put)
        for item in value.items:
            rest = Sequence([other for other in value.items if other is not item], value.mark)
            yield Variant(Kind.BLOCKER, item.mark, f"not {rendered(item)}", keep(rest))
    else:
        yield Variant(Kind.BLOCKER, key.mark, f"not {rendered(value)}", put(_without(mapping, key)))


def _alternatives(field: str, value: Node, put: Put) -> Iterator[Variant]:
    """Of a field's terms each one alone; of a mapping those of all its keys."""
    if isinstance(value, Sequence):
        if len(value.items) > 1:
            for item in value.items:
                yield Variant(
                    Kind.ALTERNATIVE, item.mark, f"{field} {rendered(item)}", put(Sequence([item], value.mark))
                )
    elif isinstance(value, Mapping):
        also = value.get("also")
        if also is not None:
            yield from _with_also(field, value, also, put)
            return
        for key, inner in value.entries:
            if key.text not in _NO_ALTERNATIVES:
                yield from _alternatives(f"{field} {key.text}", inner, _putting_value(value, key, put))


def _with_also(field: str, value: Mapping, also: Node, put: Put) -> Iterator[Variant]:
    """`stem` and `also` are one list: each stem without `also`, and each of `also` as the word that it stands for."""
    exact = [(key, inner) for key, inner in value.entries if key.text == "exact"]
    for key, inner in value.entries:
        if key.text in ("also", "exact"):
            continue
        for item in _items(inner):
            alone = Mapping([(key, item), *exact], value.mark)
            yield Variant(Kind.ALTERNATIVE, item.mark, f"{field} {key.text} {rendered(item)}", put(alone))
    for item in _items(also):
        alone = Mapping([(Scalar("word", item.mark, True), item), *exact], value.mark)
        yield Variant(Kind.ALTERNATIVE, item.mark, f"{field} also {rendered(item)}", put(alone))


def _items(node: Node) -> list[Node]:
    return node.items if isinstance(node, Sequence) else [node]


def _mutants(mapping: Mapping, put: Put) -> Iterator[Variant]:
    for key, value in mapping.entries:
        keep = _putting_value(mapping, key, put)
        yield Variant(Kind.LOOSER, key.mark, f"without `{key.text}: {rendered(value)}`", put(_without(mapping, key)))
        if key.text in ("all", "any") and isinstance(value, Sequence):
            for item in value.items:
                rest = [other for other in value.items if other is not item]
                if rest:
                    yield Variant(
                        Kind.LOOSER,
                        item.mark,
                        f"without `{rendered(item)}` under {key.text}",
                        keep(Sequence(rest, value.mark)),
                    )
                if isinstance(item, Mapping) and len(item.entries) > 1:
                    yield from _mutants(item, _putting_item(value, item, keep))
        elif key.text == "not":
            yield from _mutants_of_not(mapping, key, value, put)
        else:
            yield from _moved_numbers(key.text, value, keep)


def _mutants_of_not(mapping: Mapping, key: Scalar, value: Node, put: Put) -> Iterator[Variant]:
    """Each part left out; and the `not` itself, where it has one part that can be asked straight."""
    if isinstance(value, Sequence) and len(value.items) > 1:
        keep = _putting_value(mapping, key, put)
        for item in value.items:
            rest = Sequence([other for other in value.items if other is not item], value.mark)
            yield Variant(Kind.LOOSER, item.mark, f"without `not {rendered(item)}`", keep(rest))
        return
    straight = value.items[0] if isinstance(value, Sequence) and value.items else value
    others = [(name, node) for name, node in mapping.entries if name is not key]
    asked = Sequence([straight, *([Mapping(others, mapping.mark)] if others else [])], value.mark)
    yield Variant(
        Kind.OPPOSITE,
        key.mark,
        f"with `{rendered(straight)}` in place of its `not`",
        put(Mapping([(Scalar("all", key.mark, True), asked)], mapping.mark)),
    )


def _moved_numbers(field: str, value: Node, put: Put) -> Iterator[Variant]:
    """Each number doubled and halved: a test on either side of it sees one of them at least."""
    if not isinstance(value, Mapping):
        return
    for key, inner in value.entries:
        keep = _putting_value(value, key, put)
        if isinstance(inner, Mapping):
            yield from _moved_numbers(f"{field} {key.text}", inner, keep)
        elif key.text in _COMPARED and isinstance(inner, Scalar):
            found = _NUMBER.match(inner.text.strip())
            for number in _moved(int(found[1])) if found else ():
                text = f"{number}{found[2] if found else ''}"
                yield Variant(
                    Kind.LOOSER,
                    inner.mark,
                    f"with `{field} {key.text} {text}` in place of {inner.text}",
                    keep(Scalar(text, inner.mark, inner.plain)),
                )


def _moved(number: int) -> tuple[int, ...]:
    return (number * 2, number // 2) if number > 1 else (number + 1,)


def _without(mapping: Mapping, key: Scalar) -> Node:
    """Less one key; what had no other holds for every message."""
    rest = [(name, value) for name, value in mapping.entries if name is not key]
    always = (Scalar("always", mapping.mark, True), Scalar("true", mapping.mark, True))
    return Mapping(rest or [always], mapping.mark)


def _putting_value(mapping: Mapping, key: Scalar, put: Put) -> Put:
    return lambda node: put(
        Mapping([(name, node if name is key else value) for name, value in mapping.entries], mapping.mark)
    )


def _putting_item(sequence: Sequence, item: Node, put: Put) -> Put:
    return lambda node: put(Sequence([node if one is item else one for one in sequence.items], sequence.mark))


def _putting_alone(sequence: Sequence, put: Put) -> Put:
    return lambda node: put(Sequence([node], sequence.mark))


def rendered(node: Node, most: int = _MOST_SAID) -> str:
    """The node in one line of YAML, shortened."""
    text = _rendered(node)
    return text if len(text) <= most else text[: most - 1] + "…"


def _rendered(node: Node) -> str:
    if isinstance(node, Mapping):
        if len(node.entries) == 1:
            return f"{node.entries[0][0].text}: {_rendered(node.entries[0][1])}"
        return "{" + ", ".join(f"{key.text}: {_rendered(value)}" for key, value in node.entries) + "}"
    if isinstance(node, Sequence):
        return "[" + ", ".join(map(_rendered, node.items[:8])) + ("…" if len(node.items) > 8 else "") + "]"
    return " ".join(node.text.split())


class VariantReader:
    """Makes rules of changed nodes. Everything is read from the bytes of `files`, as they were compiled."""

    def __init__(self, files: MappingOf[str, bytes], settings: Settings) -> None:
        self._files = files
        self._settings = settings
        self._names = names_of(settings)
        self._lists = ListFiles(self._read_beside, "")
        self._roots: dict[str, Mapping] = {}
        self._nodes: dict[tuple[str, int, int], Mapping] = {}  # file, line, column → the rule that stands there

    def node_of(self, rule: Rule) -> Mapping:
        """The rule as its file has it."""
        name = rule.ref.file
        if name not in self._roots:
            root = read_yaml(rule.mark.file, self._files[name]).root
            self._roots[name] = root if isinstance(root, Mapping) else Mapping([], rule.mark)
            listed = self._roots[name].get("rules")
            for node in listed.items if isinstance(listed, Sequence) else ():
                if isinstance(node, Mapping):
                    self._nodes[name, node.mark.line, node.mark.column] = node
        return self._nodes[name, rule.mark.line, rule.mark.column]

    def when_of(self, rule: Rule) -> Node:
        when = self.node_of(rule).get("when")
        return when if when is not None else Mapping([], rule.mark)

    def read(self, rule: Rule, when: Node) -> Rule | None:
        """`rule` with another `when`; None where no rule could have it."""
        node = self.node_of(rule)
        changed = Mapping([(key, when if key.text == "when" else value) for key, value in node.entries], node.mark)
        root = self._roots[rule.ref.file]
        entries = [(key, value) for key, value in root.entries if key.text not in ("rules", "tests")]
        entries.append((Scalar("rules", root.mark, True), Sequence([changed], root.mark)))
        reader = Reader(self._lists)
        limit = limit_of(rule.ref.file, self._settings) or UNLIMITED
        file, _ = read_rule_nodes(rule.ref.file, Mapping(entries, root.mark), self._names, limit, reader)
        if reader.problems or len(file.rules) != 1:
            return None
        return replace(file.rules[0], then=rule.then)

    def _read_beside(self, path: str) -> bytes:
        try:
            return self._files[path]
        except KeyError:
            raise FileNotFoundError(2, "there is no such file", path) from None


def with_rule(files: tuple[RuleFile, ...], rule: Rule, order: MappingOf[object, int]) -> tuple[RuleFile, ...]:
    """`files` with `rule` in the place of the one of its name, or where `order` (of RuleRefs) has it."""
    changed = []
    for file in files:
        if file.name == rule.ref.file:
            rules = [one for one in file.rules if one.ref != rule.ref]
            rules.append(rule)
            file = replace(file, rules=tuple(sorted(rules, key=lambda one: order[one.ref])))  # noqa: PLW2901
        changed.append(file)
    return tuple(changed)
