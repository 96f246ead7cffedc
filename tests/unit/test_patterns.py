r"""Regular expressions mean the same in every CPython that we run on.

Before 3.11.5 (Debian 12 has 3.11.2) a possessive repeat forgets where it stood when its group has moved on and then
fails (CPython issue 106052): `(?:\.[a-z]++)*+` takes the dot of "a." away. An alternative behind the group that fails
where it stands, `(?:\.[a-z]++|(?!))*+`, puts that right.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from re import _constants as codes  # type: ignore[attr-defined]  # not public: what patterns are made of
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

import routerd

_STAYS = {codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY, codes.AT}  # where they fail, nothing has moved
_FAILS = (codes.ASSERT_NOT, codes.FAILURE)


def _nested(value: Any) -> Iterator[Any]:
    if isinstance(value, parser.SubPattern):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _nested(one)


def _forgets(body: Any) -> bool:
    """Whether a failure of the repeated `body` may leave the repeat elsewhere than it was."""
    if all(code in _STAYS for code, _ in body):
        return False
    if len(body) == 1 and body[0][0] is codes.SUBPATTERN:
        return _forgets(body[0][1][-1])
    if len(body) != 1 or body[0][0] is not codes.BRANCH:
        return True
    last = body[0][1][1][-1]
    return not ((len(last) == 1 and last[0][0] in _FAILS) or all(code in _STAYS for code, _ in last))


def _bad_parts(pattern: Any) -> Iterator[str]:
    for code, value in pattern:
        if code is codes.POSSESSIVE_REPEAT and _forgets(value[2]):
            yield str(value[2])
        for inner in _nested(value):
            yield from _bad_parts(inner)


def _patterns_in(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from _patterns_in(list(value.values()))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _patterns_in(one)


def test_no_possessive_repeat_forgets_where_it_stood() -> None:
    """Every pattern that a module has, as it is parsed."""
    modules = [importlib.import_module(one.name) for one in pkgutil.walk_packages(routerd.__path__, "routerd.")]
    named = [
        (f"{module.__name__}.{name}", pattern)
        for module in modules
        for name, value in vars(module).items()
        for pattern in _patterns_in(value)
    ]
    assert len(named) > 100
    flags = re.IGNORECASE | re.VERBOSE | re.ASCII
    bad = {name for name, one in named if any(_bad_parts(parser.parse(one.pattern, one.flags & flags)))}
    assert not bad


@pytest.mark.parametrize(("pattern", "is_bad"), [(r"(?:\.[a-z]++)*+", True), (r"(?:\.[a-z]++|(?!))*+", False)])
def test_such_a_repeat_is_seen(pattern: str, is_bad: bool) -> None:
    """With and without the alternative that puts it right."""
    assert any(_bad_parts(parser.parse(pattern))) is is_bad
