"""Terms wherever they may stand: written in the rule, or in a list beside the rule files."""

from collections.abc import Callable
from typing import TypeVar

from routerd.config.yaml_source import Mapping, Node, Scalar, Sequence
from routerd.rules import keys
from routerd.rules.conditions.terms import Sought, Terms
from routerd.rules.reading.list_files import ListError, ListFile
from routerd.rules.reading.reader import Reader

_OPERATORS = keys.TEXT_OPERATORS.keys() | keys.ADDRESS_OPERATORS.keys() | {"other_than"}
MAX_TERM = 2_000  # characters
WEIGHT = 5  # of a listed term, beside that of an address
MAX_LISTED_TERMS = 50_000  # of one list, for texts; addresses are found by looking them up, and may be more

T = TypeVar("T", bound=Sought)
V = TypeVar("V")

ReadTerm = Callable[[Scalar], V | None]  # refuses what is wrong


def read_terms(reader: Reader, what: str, node: Node, kind: str, read: ReadTerm[T]) -> tuple[Terms[T], ...]:
    """A term, a list of terms, or `{in: FILE}` in the place of any; those of each file by themselves.

    `kind` says what `read` makes of a term: rules that name the same list for the same kind share what was read.
    """
    scalars, lists = terms_and_lists(reader, what, node)
    own = tuple(read_each(reader, scalars, read))
    groups = [Terms(own)] if own else []
    for file in lists:
        if len(file.entries) > MAX_LISTED_TERMS:
            reader.refuse(
                node.mark,
                f"{file.path} has {len(file.entries)} terms; at most {MAX_LISTED_TERMS} can be looked for in a text",
            )
            continue
        try:
            listed = reader.lists.read_as(
                file,
                kind,
                lambda file: Terms(tuple(read_each(reader, entry_scalars(file), read)), file.path),
                weight=WEIGHT,
            )
        except ListError as error:
            reader.refuse(node.mark, str(error))
            continue
        if listed.terms:
            groups.append(listed)
    return tuple(groups)


def read_each(reader: Reader, scalars: list[Scalar], read: ReadTerm[V]) -> list[V]:
    """What can be read of them."""
    found = []
    for scalar in scalars:
        if len(scalar.text) > MAX_TERM:
            reader.refuse(scalar.mark, f"a term of {len(scalar.text)} characters; at most {MAX_TERM} are allowed")
            continue
        value = read(scalar)
        if value is not None:
            found.append(value)
    return found


def terms_and_lists(reader: Reader, what: str, node: Node) -> tuple[list[Scalar], list[ListFile]]:
    """The terms that stand here, none of them empty, and the lists that are named here."""
    if isinstance(node, Sequence):
        items, each = reader.sequence(node, what), f"an entry of {what}"
    else:
        items, each = [node], what
    scalars: list[Scalar] = []
    lists: list[ListFile] = []
    has_operators = isinstance(node, Sequence) and what != "label"
    tests = [item for item in items if _is_test(item)] if has_operators else []
    if tests:
        reader.refuse(tests[0].mark, f"{each} must be text or {{in: FILE}}; {_as_any(what, tests, len(items))}")
    refused = set(map(id, tests))
    for item in items:
        if id(item) in refused:
            continue
        if isinstance(item, Mapping):
            lists += _lists(reader, each, item)
        else:
            scalar = reader.text(item, each)
            if scalar is not None:
                scalars.append(scalar)
    return scalars, lists


def _is_test(node: Node) -> bool:
    """Whether it asks something by an operator of its own."""
    return isinstance(node, Mapping) and len(node.entries) == 1 and node.entries[0][0].text in _OPERATORS


def _as_any(what: str, tests: list[Node], terms: int) -> str:
    """How to ask several things of one field, where `tests` stand among `terms` in all."""
    field = what.split(": ")
    if field[-1] in _OPERATORS and len(field) > 1:
        field.pop()
    field[:1] = field[0].split(" ")  # header X-Spam
    operators = dict.fromkeys(test.entries[0][0].text for test in tests if isinstance(test, Mapping))
    asked = ["…"] * (terms > len(tests)) + [f"{{{operator}: …}}" for operator in operators]
    before, behind = "".join(f"{{{key}: " for key in field), "}" * len(field)
    return f"to ask one thing or another write `any: [{', '.join(f'{before}{one}{behind}' for one in asked)}]`"


def entry_scalars(file: ListFile) -> list[Scalar]:
    """The entries as if they stood in the rule; what is wrong with one is said with the list's own place."""
    return [Scalar(entry.text, entry.mark, plain=False) for entry in file.entries]


def _lists(reader: Reader, what: str, node: Mapping) -> list[ListFile]:
    if [key.text for key, _ in node.entries] != ["in"]:
        reader.refuse(node.mark, f"{what} must be text, a list, or {{in: FILE}}, not another mapping")
        return []
    found = []
    for path in reader.texts(node.entries[0][1], "in"):
        try:
            found.append(reader.lists.open(path.text))
        except ListError as error:
            reader.refuse(path.mark, str(error))
    return found
