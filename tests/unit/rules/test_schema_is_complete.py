"""The editors' schemas know every key that routerd knows, with its help."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from routerd.config.model import keys_of
from routerd.config.schema import settings_schema
from routerd.config.settings import Settings
from routerd.rules import keys
from routerd.rules.finding import KINDS as FINDINGS
from routerd.rules.keys import ConditionKey
from routerd.rules.schema import rules_schema

TABLES = {name: table for name, table in vars(keys).items() if name.isupper() and isinstance(table, dict)}
VALUES = {"KINDS"}  # what stands there is a value


def properties(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every property anywhere in a schema, by name."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for part in schema.values():
            yield from properties(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from properties(part)


def enumerated(schema: Any) -> Iterator[Any]:
    if isinstance(schema, dict):
        yield from schema.get("enum", ())
        for part in schema.values():
            yield from enumerated(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from enumerated(part)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_key_of_the_rule_language(name: str) -> None:
    """Whoever adds a key and forgets the schema is told so here."""
    schema = rules_schema()
    if name in VALUES:
        assert set(TABLES[name]) <= set(enumerated(schema))
        return
    helps: dict[str, set[str]] = {}
    for key, described in properties(schema):
        helps.setdefault(key, set()).add(described.get("description", ""))
    for key, said in TABLES[name].items():
        wanted = said.help if isinstance(said, ConditionKey) else said
        assert wanted in helps.get(key, ()), key


def test_every_finding_can_be_allowed() -> None:
    assert set(FINDINGS) <= set(enumerated(rules_schema()))


def test_every_setting() -> None:
    """Those of every model below Settings, too."""
    schema = settings_schema()

    def missing(model: type[BaseModel], properties: dict[str, Any]) -> list[str]:
        return [f"{model.__name__}.{name}" for name in keys_of(model) if name not in properties]

    found = missing(Settings, schema["properties"])
    models = {one.__name__: one for one in Settings.__base__.__subclasses__()}  # type: ignore[union-attr]
    for name, part in schema["definitions"].items():
        if name in models:
            found += missing(models[name], part["properties"])
    assert found == []
    assert len(models.keys() & schema["definitions"].keys()) >= 8


@pytest.mark.parametrize("schema", [settings_schema(), rules_schema()], ids=["config", "rules"])
def test_it_keeps_to_draft_07(schema: dict[str, Any]) -> None:
    """No word of later drafts, and nothing beside a $ref, which draft-07 would not look at."""
    later = {"$defs", "dependentRequired", "dependentSchemas", "unevaluatedProperties", "prefixItems", "minContains"}

    def check(part: Any, named: bool = False) -> None:
        if isinstance(part, dict):
            if not named:
                assert not later & part.keys()
                assert "$ref" not in part or len(part) == 1
            for key, value in part.items():
                check(value, named=key in ("properties", "definitions", "patternProperties") and not named)
        elif isinstance(part, list):
            for one in part:
                check(one)

    check(schema)
