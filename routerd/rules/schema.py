"""The JSON Schema of a rule file (draft-07, which editors know), made from the tables of `keys`."""

from collections.abc import Mapping
from typing import Any

from routerd.config.settings import Pick
from routerd.rules import keys
from routerd.rules.finding import KINDS
from routerd.rules.keys import Takes

Schema = dict[str, Any]

# Editors take a plain `2026`, `0755` or `no` for a number or a boolean; routerd reads them as written.
_TEXT: Schema = {"type": ["string", "number", "boolean"]}
_TRUE: Schema = {"type": "boolean", "const": True}
_FLAG: Schema = {"type": "boolean"}
_SIZE: Schema = {"type": ["string", "integer"], "pattern": r"^[0-9]+\s*(B|KB|MB|GB)?$"}
_CONDITION: Schema = {"$ref": "#/definitions/condition"}
_LABEL: Schema = {"type": ["string", "number", "boolean"], "maxLength": 64}


def rules_schema() -> Schema:
    """The schema of one rule file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "routerd rule file",
        **_object(
            {
                "inbox": _some(_TEXT),
                "rules": {"type": "array", "minItems": 1, "items": _rule()},
                "tests": {"type": "array", "minItems": 1, "items": _test()},
                "mode": {"const": "trial"},
            },
            keys.FILE_KEYS,
        ),
        "definitions": {
            "condition": _object(
                {name: _takes(key.takes) for name, key in keys.CONDITIONS.items()},
                {name: key.help for name, key in keys.CONDITIONS.items()},
            ),
            "text": _text_test(),
        },
    }


def _rule() -> Schema:
    return _object(
        {
            "name": {"type": ["string", "number", "boolean"], "maxLength": 80},
            "when": _CONDITION,
            "then": _object(
                {
                    "assign": {"anyOf": [_TEXT, _assign()]},
                    "label": _some(_LABEL),
                    "priority": {"enum": ["high", "normal", "low"]},
                    "watch": _some(_TEXT),
                    "respond_within": {"type": "string", "pattern": r"^[0-9]+\s*[smhdwy]$", "examples": ["4h", "2d"]},
                    "header": {
                        "type": "object",
                        "minProperties": 1,
                        "propertyNames": {"pattern": "^[Xx]-"},
                        "additionalProperties": _TEXT,
                    },
                    "forward": _some(_TEXT),
                    "hold": _TEXT,
                    "reject": _TEXT,
                    "reassign": _TRUE,
                    "stop": {"enum": [True, "all"]},
                },
                keys.ACTIONS,
            ),
            "mode": {"const": "trial"},
            "allow": _some({"enum": list(KINDS)}),
        },
        keys.RULE_KEYS,
        required=("name", "when", "then"),
    )


def _assign() -> Schema:
    pick: Schema = {"enum": [str(way) for way in Pick]}
    team = _object({"team": _TEXT, "pick": pick}, keys.ASSIGN_KEYS, required=("team",))
    table = _object({"by": {"enum": list(keys.LOOK_UP_FIELDS)}, "in": _TEXT}, keys.ASSIGN_KEYS, required=("by", "in"))
    return {"anyOf": [team, table]}


def _takes(takes: Takes) -> Schema:
    text: Schema = {"$ref": "#/definitions/text"}
    conditions: Schema = {"type": "array", "minItems": 1, "items": _CONDITION}
    return {
        Takes.TEXT: text,
        Takes.ADDRESS: {
            "anyOf": [_some(_TEXT), _one_of({"regex": _some(_TEXT), "exists": _FLAG}, keys.ADDRESS_OPERATORS)]
        },
        Takes.HEADERS: {"type": "object", "minProperties": 1, "additionalProperties": text},
        Takes.ATTACHMENT: _object(
            {"name": text, "type": _some(_TEXT), "size": _number(), "exists": _FLAG}, keys.ATTACHMENT_KEYS
        ),
        Takes.NUMBER: _number(),
        Takes.KINDS: _some({"enum": list(keys.KINDS)}),
        Takes.LABELS: _some(_LABEL),
        Takes.TRUE: _TRUE,
        Takes.CONDITIONS: conditions,
        Takes.NEGATED: {"anyOf": [{"allOf": [_CONDITION], "maxProperties": 1, "type": "object"}, conditions]},
    }[takes]


def _text_test() -> Schema:
    operators = {name: _FLAG if name == "exists" else _some(_TEXT) for name in keys.TEXT_OPERATORS}
    return {"anyOf": [_some(_TEXT), _one_of(operators, keys.TEXT_OPERATORS)]}


def _number() -> Schema:
    return _one_of(dict.fromkeys(keys.NUMBER_OPERATORS, _SIZE), keys.NUMBER_OPERATORS)


def _test() -> Schema:
    listed: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
    attachment = _object({"name": _TEXT, "type": _TEXT, "size": _SIZE}, keys.ATTACHMENT_OF_TEST_KEYS)
    message = _object(
        {
            "from": _TEXT,
            "to": _some(_TEXT),
            "subject": _TEXT,
            "body": _TEXT,
            "html": _TEXT,
            "headers": {"type": "object", "additionalProperties": _some(_TEXT)},
            "attachments": {"type": "array", "minItems": 1, "items": attachment},
            "eml": _TEXT,
        },
        keys.MESSAGE_KEYS,
    )
    given = _object(
        {
            "at": _TEXT,
            "away": _some(_TEXT),
            "load": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
            "recipient": _TEXT,
            "internal": _FLAG,
        },
        keys.GIVEN_KEYS,
    )
    one_value = ("owner", "team", "priority", "held", "rejected", "inbox")
    expect = _object({name: _TEXT if name in one_value else listed for name in keys.EXPECT_KEYS}, keys.EXPECT_KEYS)
    return _object(
        {"name": _TEXT, "message": message, "given": given, "expect": expect, "todo": _FLAG},
        keys.TEST_KEYS,
        required=("name", "message", "expect"),
    )


def _some(item: Schema) -> Schema:
    """One, or a list that means any of these."""
    return {"anyOf": [item, {"type": "array", "minItems": 1, "items": item}]}


def _object(properties: Mapping[str, Schema], helps: Mapping[str, str], required: tuple[str, ...] = ()) -> Schema:
    """`$ref` hides its neighbours in draft-07, so a help text stands beside `allOf`."""
    described = {
        name: {"description": helps[name], **({"allOf": [schema]} if "$ref" in schema else schema)}
        for name, schema in properties.items()
    }
    found: Schema = {"type": "object", "minProperties": 1, "additionalProperties": False, "properties": described}
    return found | ({"required": list(required)} if required else {})


def _one_of(properties: Mapping[str, Schema], helps: Mapping[str, str]) -> Schema:
    return _object(properties, helps) | {"maxProperties": 1}
