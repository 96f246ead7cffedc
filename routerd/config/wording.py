"""What pydantic found wrong, said as a postmaster would: the key, what is wrong with it, what would be right."""

import re
import types
import typing
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from routerd.config.model import keys_of
from routerd.config.nearest import did_you_mean, quoted
from routerd.config.plain import Loc, Reading
from routerd.config.settings import Settings
from routerd.config.values import format_duration, format_size
from routerd.config.yaml_source import Problem

_NAMED = {"members": "member", "teams": "team", "inboxes": "inbox", "calendars": "calendar"}
_LISTED = {
    "listen": "this listener",
    "delivery": "this route",
    "limits_of_rules": "this entry",
    "dnsbl": "this list",
    "dkim": "this key",
}
_TAKES = {
    "string_type": "text",
    "path_type": "a file name",
    "model_type": "a mapping (key: value)",
    "dict_type": "a mapping (key: value)",
    "tuple_type": "a list",
}
_BOUNDS = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}
_CHOICE = re.compile(r"'([^']*)'")


def problem_of(error: ErrorDetails, reading: Reading) -> Problem | None:
    """The problem with its place; None where it only follows from another one that is reported."""
    loc = reading.known(error["loc"])
    kind = error["type"]
    if kind == "missing":
        missing = str(error["loc"][-1])
        if (*reading.origin(loc), missing) in reading.dropped:
            return None
        return Problem(reading.key_mark(*loc), f"{quoted(missing)} is missing{_inside(loc)}")
    if follows_from_items(error):
        return None
    if kind == "extra_forbidden":
        key = str(error["loc"][-1])
        wrong = f"unknown key {quoted(key)}{_inside(loc[:-1])}{did_you_mean(key, _keys_of(loc[:-1]))}"
        return Problem(reading.key_mark(*loc), wrong)
    at_key = error["loc"][-1] == "[key]"
    return Problem(reading.key_mark(*loc) if at_key else reading.mark(*loc), _sentence(error, loc))


def follows_from_items(error: ErrorDetails) -> bool:
    """Whether a list is only too short for its wrong items, which have errors of their own."""
    return error["type"] == "too_short" and bool(error["input"])


def _sentence(error: ErrorDetails, loc: Loc) -> str:
    kind, context, name = error["type"], error.get("ctx", {}), _name_of(loc)
    if kind == "value_error":
        return _said_by_reader(error, name)
    if kind in ("enum", "literal_error"):
        choices = _CHOICE.findall(str(context.get("expected", "")))
        text = str(error["input"])
        return f"{quoted(text)} is not one of {', '.join(choices)}{did_you_mean(text, choices)}"
    if kind in _TAKES:
        return f"{name} takes {_TAKES[kind]}, not {_kind_of(error['input'])}"
    if kind in ("too_short", "too_long"):
        return _empty(loc, name) if kind == "too_short" else f"{name} takes at most {context['max_length']} entries"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"{name} must be {words} {_written(loc, context[bound])}"
    return f"{name}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _said_by_reader(error: ErrorDetails, name: str) -> str:
    said = str(error.get("ctx", {}).get("error", error["msg"]))
    if said.startswith("takes "):
        return f"{name} {said}"
    if isinstance(error["input"], list | Mapping):
        return f"{name} takes text, not {_kind_of(error['input'])}"
    return f"{name} {said}" if said.startswith("is ") else said


def _inside(loc: Loc) -> str:
    """` in team 'finance'`; nothing at the top of the file."""
    match loc:
        case ():
            return ""
        case (str(section), name) if section in _NAMED:
            return f" in {_NAMED[section]} {quoted(str(name))}"
        case (str(section), int()) if section in _LISTED:
            return f" in {_LISTED[section]}"
        case _:
            return f" in {_name_of(loc)}"


def _name_of(loc: Loc) -> str:
    """The key that a person would name: of a list's item, the list's."""
    match loc:
        case (str(section), str(name)) if section in _NAMED:
            return f"{_NAMED[section]} {quoted(name)}"
        case (str(section), int()) if section in _LISTED:
            return f"an entry of {quoted(section)}"
    keys = [part for part in loc if isinstance(part, str)]
    return quoted(keys[-1]) if keys else "the file"


def _empty(loc: Loc, name: str) -> str:
    if len(loc) == 3 and loc[0] == "teams":
        return f"team {quoted(str(loc[1]))} has no members"
    return f"{name} is empty; it needs at least one entry"


def _kind_of(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list) else quoted(str(value))


def _written(loc: Loc, bound: object) -> str:
    if isinstance(bound, timedelta):
        return format_duration(bound)
    return (
        format_size(bound)
        if isinstance(bound, int) and loc[-1] in ("message_size", "rule_text", "memory")
        else str(bound)
    )


def _keys_of(loc: Loc) -> tuple[str, ...]:
    """The keys that the mapping at `loc` may have."""
    kind: Any = Settings
    for part in loc:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = keys_of(kind).get(str(part))
            kind = _bare(field.annotation) if field else None
        else:
            kind = _bare((typing.get_args(kind) or (None, None))[0 if isinstance(part, int) else 1])
    return tuple(keys_of(kind)) if isinstance(kind, type) and issubclass(kind, BaseModel) else ()


def _bare(kind: Any) -> Any:
    """`kind` without Annotated and without `| None`."""
    if typing.get_origin(kind) is typing.Annotated:
        return _bare(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return _bare(next((one for one in typing.get_args(kind) if one is not type(None)), None))
    return kind
