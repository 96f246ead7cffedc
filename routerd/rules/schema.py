"""The JSON Schema of a rule file (draft-07, which editors know), made from the tables of `keys`."""

from collections.abc import Mapping
from typing import Any

from routerd.config.settings import Pick
from routerd.rules import keys
from routerd.rules.conditions.proofs import TEMPORARY
from routerd.rules.finding import KINDS
from routerd.rules.keys import Takes
from routerd.rules.matching.languages import CODES
from routerd.rules.matching.stems import LATIN_LANGUAGES
from routerd.rules.reading.conversation import STATES
from routerd.rules.reading.proofs import RESULTS

Schema = dict[str, Any]

# Editors take a plain `2026`, `0755` or `no` for a number or a boolean; routerd reads them as written.
_TEXT: Schema = {"type": ["string", "number", "boolean"]}
_TRUE: Schema = {"type": "boolean", "const": True}
_FLAG: Schema = {"type": "boolean"}
_SIZE: Schema = {"type": ["string", "integer"], "pattern": r"^[0-9]+\s*(B|KB|MB|GB)?$"}
_COUNT: Schema = {"type": ["string", "integer"], "pattern": "^[0-9]+$"}
_DURATION: Schema = {"type": "string", "pattern": r"^[0-9]+\s*[smhdwy]$", "examples": ["4h", "2d"]}
_CONDITION: Schema = {"$ref": "#/definitions/condition"}
_NOT_TOGETHER = (("exists", "also"), ("exists", "exact"), ("regex", "exact"), ("stem", "exact"))
_LABEL: Schema = {"type": ["string", "number", "boolean"], "maxLength": 64}


def rules_schema() -> Schema:
    """The schema of one rule file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "routerd rule file",
        **_object(
            {
                "lang": _some({"enum": list(LATIN_LANGUAGES)}),
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
                    "respond_within": _DURATION,
                    "header": {
                        "type": "object",
                        "minProperties": 1,
                        "propertyNames": {"pattern": "^[Xx]-"},
                        "additionalProperties": _TEXT,
                    },
                    "forward": _some(_TEXT),
                    "hold": _TEXT,
                    "reject": _TEXT,
                    "approve": _some(_TEXT),
                    "reply": _reply(),
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


def _reply() -> Schema:
    return _object({"template": _TEXT, "once_per": _DURATION}, keys.REPLY_KEYS, required=("template",))


def _takes(takes: Takes) -> Schema:
    text: Schema = {"$ref": "#/definitions/text"}
    conditions: Schema = {"type": "array", "minItems": 1, "items": _CONDITION}
    return {
        Takes.TEXT: text,
        Takes.ADDRESS: {
            "anyOf": [
                _listed_terms(),
                _one_of(
                    {"other_than": _listed_terms(), "regex": _listed_terms(), "exists": _FLAG}, keys.ADDRESS_OPERATORS
                ),
            ]
        },
        Takes.HEADERS: {"type": "object", "minProperties": 1, "additionalProperties": text},
        Takes.ATTACHMENT: _attachment(text),
        Takes.NUMBER: _number(_SIZE),
        Takes.COUNT: _number(_COUNT),
        Takes.LANGUAGES: _some({"enum": list(CODES)}),
        Takes.RESULTS: _object({name: _some({"enum": list(results)}) for name, results in RESULTS.items()}, {}),
        Takes.LISTS: _some(_TEXT),
        Takes.TIME: _at(),
        Takes.CONVERSATION: _conversation(),
        Takes.KINDS: _some({"enum": list(keys.KINDS)}),
        Takes.LABELS: _listed_terms(_LABEL),
        Takes.TRUE: _TRUE,
        Takes.CONDITIONS: conditions,
        Takes.NEGATED: {"anyOf": [{"allOf": [_CONDITION], "maxProperties": 1, "type": "object"}, conditions]},
    }[takes]


def _text_test() -> Schema:
    operators = {name: _FLAG if name == "exists" else _listed_terms() for name in keys.TEXT_OPERATORS}
    beside = {"also": _listed_terms(), "exact": _FLAG}
    one = {
        **_object({**operators, **beside}, {**keys.TEXT_OPERATORS, **keys.BESIDE_OPERATORS}),
        "oneOf": [{"required": [name]} for name in operators],
        "not": {"anyOf": [{"required": [*both]} for both in _NOT_TOGETHER]},
    }
    return {"anyOf": [_listed_terms(), one]}


def _number(number: Schema) -> Schema:
    return _one_of(dict.fromkeys(keys.NUMBER_OPERATORS, number), keys.NUMBER_OPERATORS)


def _attachment(text: Schema) -> Schema:
    others = _object({"other_than": _listed_terms()}, keys.OTHER_THAN)
    return _object(
        {
            "name": {"anyOf": [text, others]},
            "type": {"anyOf": [_listed_terms(), others]},
            "size": _number(_SIZE),
            "exists": _FLAG,
        },
        keys.ATTACHMENT_KEYS,
    )


def _listed_terms(term: Schema = _TEXT) -> Schema:
    """Terms that stand there, or `{in: FILE}`."""
    return _some({"anyOf": [term, _object({"in": _some(_TEXT)}, keys.IN_FILE, required=("in",))]})


def _at() -> Schema:
    by_calendar = _one_of({"during": _some(_TEXT), "outside": _some(_TEXT)}, keys.AT_KEYS)
    own = _object({"days": _some(_TEXT), "hours": _some(_TEXT), "zone": _TEXT}, keys.AT_KEYS, required=("zone",))
    return {"anyOf": [by_calendar, {**own, "minProperties": 2}]}


def _conversation() -> Schema:
    return _object(
        {
            "known": _FLAG,
            "owner": _some(_TEXT),
            "label": _some(_LABEL),
            "state": _some({"enum": list(STATES)}),
            "messages": _number(_COUNT),
            "waiting": _number(_DURATION),
        },
        keys.CONVERSATION_KEYS,
    )


def _given_conversation() -> Schema:
    return _object(
        {
            "owner": _TEXT,
            "team": _TEXT,
            "label": _some(_LABEL),
            "state": {"enum": list(STATES)},
            "messages": _COUNT,
            "waiting": _DURATION,
        },
        keys.GIVEN_CONVERSATION_KEYS,
        required=("owner",),
    )


def _given_results() -> Schema:
    return _object({name: {"enum": [*results, TEMPORARY]} for name, results in RESULTS.items()}, {})


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
            "load": {"type": "object", "additionalProperties": _COUNT},
            "recipient": _TEXT,
            "internal": _FLAG,
            "auth": _given_results(),
            "dnsbl": _some(_TEXT),
            "conversation": _given_conversation(),
            "trial": {"const": "live"},
        },
        keys.GIVEN_KEYS,
    )
    one_value = ("owner", "team", "priority", "respond_within", "held", "rejected", "inbox")
    headers: Schema = {
        "anyOf": [{"type": "object", "additionalProperties": _TEXT}, {"type": "array", "maxItems": 0}],
    }
    expected = {name: _TEXT if name in one_value else listed for name in keys.EXPECT_KEYS} | {"headers": headers}
    expect = _object(expected, keys.EXPECT_KEYS)
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
        name: {
            **({"description": helps[name]} if name in helps else {}),
            **({"allOf": [schema]} if "$ref" in schema else schema),
        }
        for name, schema in properties.items()
    }
    found: Schema = {"type": "object", "minProperties": 1, "additionalProperties": False, "properties": described}
    return found | ({"required": list(required)} if required else {})


def _one_of(properties: Mapping[str, Schema], helps: Mapping[str, str]) -> Schema:
    return _object(properties, helps) | {"maxProperties": 1}
