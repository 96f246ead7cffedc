"""Numbers behind a condition's key: sizes, counts and durations, each `over`, `under` or `equals` one."""

import re
from collections.abc import Callable

from routerd.config.nearest import quoted
from routerd.config.values import parse_duration, parse_size
from routerd.config.yaml_source import Mapping, Node
from routerd.rules import keys
from routerd.rules.conditions.numbers import NumberTest
from routerd.rules.reading.reader import Reader
from routerd.rules.reading.text import one_operator

_COUNT = re.compile("[0-9]{1,9}")


def read_size_test(reader: Reader, key: str, node: Node) -> NumberTest | None:
    """Bytes."""
    return _read(reader, key, node, parse_size, "5MB")


def read_count_test(reader: Reader, key: str, node: Node) -> NumberTest | None:
    """A whole number."""
    return _read(reader, key, node, _parse_count, "3")


def read_duration_test(reader: Reader, key: str, node: Node) -> NumberTest | None:
    """Seconds."""
    return _read(reader, key, node, lambda text: int(parse_duration(text).total_seconds()), "2d")


def _read(reader: Reader, key: str, node: Node, parse: Callable[[str], int], example: str) -> NumberTest | None:
    if not isinstance(node, Mapping):
        reader.refuse(node.mark, f"{key} takes {{over: {example}}}, {{under: {example}}} or {{equals: {example}}}")
        return None
    operator = one_operator(reader, key, node, keys.NUMBER_OPERATORS)
    if operator is None:
        return None
    name, value = operator
    scalar = reader.text(value, f"{key}: {name.text}")
    if scalar is None:
        return None
    try:
        number = parse(scalar.text)
    except ValueError as error:
        reader.refuse(scalar.mark, str(error))
        return None
    if name.text == "under" and number == 0:
        reader.refuse(scalar.mark, f"{key}: nothing is under 0")
        return None
    return NumberTest(name.text, number, scalar.text)


def _parse_count(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not a whole number")
    return int(text)
