"""The JSON Schema and the reference, made from the models."""

import re
from typing import Any

import pytest
import yaml
from config_texts import FULL, SMALL
from jsonschema import Draft7Validator

from routerd.config.schema import settings_reference, settings_schema
from routerd.starter import starter_files


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    schema = settings_schema()
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def as_editors_read(text: str) -> Any:
    """Plain scalars typed as an editor's YAML library types them."""
    return yaml.load(text, Loader=_EditorLoader)


class _EditorLoader(yaml.SafeLoader):
    """YAML 1.2's core schema, in which dates are text."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        letter: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for letter, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@pytest.mark.parametrize(
    "text", [FULL, SMALL, starter_files()["routerd.yaml"].decode()], ids=["full", "small", "starter"]
)
def test_good_files_fit_the_schema(validator: Draft7Validator, text: str) -> None:
    """What routerd takes, editors do not mark."""
    assert [error.message for error in validator.iter_errors(as_editors_read(text))] == []


@pytest.mark.parametrize(
    "line",
    [
        "hostnam: mx1.example.com",
        "limits: {mesage_size: 5MB}",
        "limits: {message_size: 50 megs}",
        "retry: {first: 5x}",
        "teams: {finance: {members: []}}",
        "teams: {finance: {members: [jan], pick: robin}}",
        "workers: 0",
        "workers: some",
        "workers: -1",
        "workers: '65'",
        "workers: [2]",
        "dnsbl: [{zone: bl.example.org, refuse: true}]",
        "dnsbl: [[bl.example.org]]",
        "dnsbl: [{reject: true}]",
        "dns: {servers: 53}",
        "http: {address: 9925}",
        "tls: {certificate: a.pem}",
        "limits_of_rules: [{files: 10.yaml, actions: [holds]}]",
    ],
)
def test_bad_files_do_not_fit_the_schema(validator: Draft7Validator, line: str) -> None:
    """Unknown keys, and wrong values are marked while one types."""
    assert not validator.is_valid(as_editors_read(SMALL + line))


def test_an_inbox_key_is_an_address(validator: Draft7Validator) -> None:
    """A word without @ under `inboxes` is marked."""
    assert not validator.is_valid(as_editors_read(SMALL.replace("support@example.com", "support")))


@pytest.mark.parametrize("written", ["64", "'2'", "auto"])
def test_workers_may_be_quoted(validator: Draft7Validator, written: str) -> None:
    """As any number may."""
    assert validator.is_valid(as_editors_read(f"{SMALL}workers: {written}\n"))


def test_text_may_look_like_a_number_or_boolean(validator: Draft7Validator) -> None:
    """`name: 2026` and `postmaster: no` are text for routerd, so no editor may mark them."""
    text = SMALL.replace("{mailbox", "{name: 2026, mailbox").replace("postmaster: jan", "postmaster: no")
    assert [error.message for error in validator.iter_errors(as_editors_read(text))] == []


def test_defaults_are_written_as_in_the_file() -> None:
    """The schema shows `5m` and `50MB`, not seconds and bytes."""
    definitions = settings_schema()["definitions"]
    assert definitions["Retry"]["properties"]["first"]["default"] == "5m"
    assert definitions["Limits"]["properties"]["message_size"]["default"] == "50MB"
    assert definitions["Http"]["properties"]["address"]["default"] == "127.0.0.1:9925"


def test_every_key_has_its_help() -> None:
    """Neither the schema nor the reference has a key without a description."""

    def undescribed(schema: dict[str, Any]) -> list[str]:
        return [name for name, key in schema.get("properties", {}).items() if not key.get("description")]

    schema = settings_schema()
    assert undescribed(schema) == []
    assert {name: undescribed(part) for name, part in schema["definitions"].items() if undescribed(part)} == {}


def test_the_reference_has_every_key_of_the_example() -> None:
    """Each key of the full example is in the Markdown table, with its default."""
    reference = settings_reference()
    places = set(re.findall(r"^\| `([^`]+)`", reference, re.MULTILINE))

    def walk(value: Any, prefix: str, named: bool = False) -> None:
        if isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    walk(item, prefix + "[]")
        elif isinstance(value, dict):
            for key, inner in value.items():
                name = ("ADDRESS" if "@" in key else "NAME") if named else key
                place = f"{prefix}.{name}" if prefix else name
                assert named or place in places
                walk(inner, place, named=place in ("members", "teams", "calendars", "inboxes"))

    walk(as_editors_read(FULL), "")
    assert "| `retry.first` | `5m` |" in reference
    assert "| `postmaster` | required |" in reference
    assert "| `calendars.NAME.days` | `[mon-fri]` |" in reference
