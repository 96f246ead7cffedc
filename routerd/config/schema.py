"""The JSON Schema of `routerd.yaml` for editors, and its reference for people: both made from the models."""

import types
import typing
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from routerd.config.calendar_values import Weekdays
from routerd.config.model import keys_of
from routerd.config.settings import Settings
from routerd.config.values import HostPort, format_duration, format_size, parse_size

SCHEMA_URI = "http://json-schema.org/draft-07/schema#"
_DEFINITIONS = "#/definitions/"
# Where a key of the models has no default, but a file without it is complete.
_DEFAULT_ELSEWHERE = {"hostname": "the machine's FQDN"}


def settings_schema() -> dict[str, Any]:
    """Draft-07, as far as editors take it: no key that routerd does not know, defaults as they would be written."""
    made = Settings.model_json_schema(ref_template=_DEFINITIONS + "{model}")
    definitions = made.pop("$defs", {})
    schemas = {Settings.__name__: made, **definitions}
    for model in _models(Settings):
        _show_defaults(schemas[model.__name__], model)
    made["required"] = [key for key in made["required"] if key not in _DEFAULT_ELSEWHERE]
    named = {"title": "routerd.yaml", "$schema": SCHEMA_URI, **_tidy(made)}
    return {**named, "definitions": {name: _tidy(schema) for name, schema in sorted(definitions.items())}}


def settings_reference() -> str:
    """A Markdown table of every key with its default and help: `listen[]` is a list's item, `members.NAME` a name."""
    lines = ["| key | default | what it is |", "|---|---|---|"]
    for place, field in _keys(Settings, ""):
        lines.append(f"| `{place}` | {_default_in_words(place, field)} | {_cell(field.description or '')} |")
    return "\n".join(lines) + "\n"


def _show_defaults(schema: dict[str, Any], model: type[BaseModel]) -> None:
    for name, field in keys_of(model).items():
        properties = schema["properties"][name]
        properties.pop("default", None)
        default = _written_default(field)
        if default is not None:
            properties["default"] = default


def _written_default(field: FieldInfo) -> object:
    """The default as it would stand in the file; None where there is none, or where its parts show it."""
    default = field.default
    if default is PydanticUndefined or default is None or isinstance(default, BaseModel):
        return None
    if _is_size(field) and isinstance(default, int):
        return format_size(default)
    return _written(default)


def _written(value: object) -> object:
    """`value` as the text, number, list or mapping that stands for it in the file."""
    if isinstance(value, BaseModel):
        return {name: _written(getattr(value, name)) for name in value.model_fields_set}
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, HostPort | Path | StrEnum | Weekdays):
        return str(value)
    return value


def _is_size(field: FieldInfo) -> bool:
    return any(isinstance(part, BeforeValidator) and part.func is parse_size for part in field.metadata)


def _tidy(schema: Any) -> Any:
    """Without the titles that pydantic makes from names, and without the `null` that no file can hold."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    tidy = {key: _tidy(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
    if "patternProperties" in tidy:
        tidy.pop("propertyNames", None)
        tidy["additionalProperties"] = False
    if "$ref" in tidy and len(tidy) > 1:  # draft-07 looks at nothing beside a $ref
        tidy = {"allOf": [{"$ref": tidy.pop("$ref")}], **tidy}
    choices = tidy.get("anyOf")
    if isinstance(choices, list):
        choices = [choice for choice in choices if choice != {"type": "null"}]
        if len(choices) == 1:
            del tidy["anyOf"]
            return _tidy({**choices[0], **tidy})
        tidy["anyOf"] = choices
    return tidy


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """`model` and every model below it."""
    yield model
    for field in model.model_fields.values():
        inner, _ = _inner_model(field.annotation)
        if inner is not None:
            yield from _models(inner)


def _keys(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in keys_of(model).items():
        inner, suffix = _inner_model(field.annotation)
        yield prefix + name, field
        if inner is not None:
            yield from _keys(inner, f"{prefix}{name}{'.ADDRESS' if name == 'inboxes' else suffix}.")


def _inner_model(kind: Any) -> tuple[type[BaseModel] | None, str]:
    """The model that a key holds, and how its place is written: `[]` for a list's items, `.NAME` for a mapping's."""
    if isinstance(kind, type) and not typing.get_origin(kind):
        return (kind, "") if issubclass(kind, BaseModel) else (None, "")
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return next((found for found in map(_inner_model, parts) if found[0]), (None, ""))
    if origin is typing.Annotated:
        return _inner_model(parts[0])
    if origin is tuple:
        return _inner_model(parts[0])[0], "[]"
    if origin is dict:
        return _inner_model(parts[1])[0], ".NAME"
    return None, ""


def _default_in_words(place: str, field: FieldInfo) -> str:
    if place in _DEFAULT_ELSEWHERE:
        return _DEFAULT_ELSEWHERE[place]
    if field.is_required():
        return "required"
    written = _written_default(field)
    return f"`{_flow(written)}`" if written is not None else ""


def _flow(value: object) -> str:
    """`value` as YAML on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return "[" + ", ".join(_flow(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
        case str() if not value or value[0] in "+-*&!%@`{[|>":
            return f'"{value}"'
        case _:
            return str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
