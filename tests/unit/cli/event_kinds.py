"""Which kinds of events routerd's code can write, as its source says."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import routerd

# What writes an event or hands it on: the place of its kind among the arguments, and how many there are at least.
_WRITERS = {
    "Event": (0, 1),
    "PastEvent": (1, 3),
    "add_event": (2, 4),
    "_note": (2, 5),
    "note": (1, 4),
    "_moved": (1, 4),
}
_HANDED_ON = {"_moved", "_note", "note", "work", "_add_events", "_event", "read_history"}


def written_kinds() -> set[str]:
    """Raises AssertionError for a kind that cannot be told from the source: then this file is to be taught."""
    paths = Path(routerd.__file__).parent.rglob("*.py")
    return {kind for path in paths for kind in _kinds_of(ast.parse(path.read_text()), path)}


def _kinds_of(tree: ast.Module, path: Path) -> Iterator[str]:
    tables = _assigned(tree.body)
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    for function in functions:
        known = {**tables, **_assigned(ast.walk(function))}
        for call in ast.walk(function):
            if not isinstance(call, ast.Call) or _name(call.func) not in _WRITERS:
                continue
            place, least = _WRITERS[_name(call.func)]
            if len(call.args) >= least:
                yield from _read(call.args[place], known, f"{path}:{call.lineno} {function.name}")


def _assigned(nodes: Iterable[ast.AST]) -> dict[str, list[ast.expr]]:
    """What each name is set to."""
    found: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                found.setdefault(_name(target), []).append(node.value)
    return found


def _read(node: ast.expr, known: dict[str, list[ast.expr]], where: str) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(kind)):
            yield kind
        case ast.IfExp():
            yield from _read(node.body, known, where)
            yield from _read(node.orelse, known, where)
        case ast.Subscript(value=ast.Name(id=name)):
            tables = [table for table in known.get(name, ()) if isinstance(table, ast.Dict)]
            assert tables, f"{where}: what is {name}?"
            for value in (value for table in tables for value in table.values):
                yield from _read(value, known, where)
        case ast.Name(id=name) if name in known:
            for value in known[name]:
                yield from _read(value, {**known, name: []}, where)
        case _:
            assert where.rsplit(maxsplit=1)[-1] in _HANDED_ON, f"{where}: which kind of event is that?"


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
