"""`hash`: YAML took what follows a `#` for a comment: `ticket #12` is `ticket`."""

import re
from collections.abc import Iterator

from routerd.config.nearest import quoted
from routerd.config.yaml_source import Mapping, Node, Scalar, walk
from routerd.rules.decision import RuleRef
from routerd.rules.finding import Finding
from routerd.rules.lint.written import WrittenRule

# A comment has space around its sign: one space before and none behind is how people write numbers and channels.
_NO_COMMENT = re.compile(r" (#[^\s#!-][^\s,\]}]*)")


def find_hashes(root: Node, rules: tuple[WrittenRule, ...], lines: list[str]) -> Iterator[Finding]:
    """In the whole file. `lines` are those of its source."""
    owners = {id(scalar): rule.ref for rule in rules for scalar in _all_scalars(rule.node)}
    for scalar in _all_scalars(root):
        if not scalar.plain or not scalar.text or scalar.mark.line > len(lines):
            continue
        line = lines[scalar.mark.line - 1]
        start = scalar.mark.column - 1
        if "#" not in line or not line.startswith(scalar.text, start):
            continue
        cut = _NO_COMMENT.match(line, start + len(scalar.text))
        if cut is not None:
            meant = f"{scalar.text} {cut[1]}"
            owner = owners.get(id(scalar))
            yield Finding(
                "hash",
                scalar.mark,
                f'this is {quoted(scalar.text)}: YAML took {quoted(cut[1])} for a comment; write "{meant}" in quotes, '
                "or a space behind the #",
                _refs(owner),
            )


def _refs(owner: RuleRef | None) -> tuple[RuleRef, ...]:
    return () if owner is None else (owner,)


def _all_scalars(node: Node) -> Iterator[Scalar]:
    for one in walk(node):
        if isinstance(one, Scalar):
            yield one
        elif isinstance(one, Mapping):
            yield from (key for key, _ in one.entries)
