"""The JSON Schema of rule files, as editors use it."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rule_sets import problems_of

from routerd.config.yaml_source import Mapping, Node, Scalar, Sequence, read_yaml
from routerd.rules.schema import rules_schema

ROOT = Path(__file__).parents[3]
VALIDATOR = jsonschema.Draft7Validator(rules_schema())
# What only routerd can know: names, texts, places.
BEYOND_A_SCHEMA = {
    "bad_media_type", "bare_word_as_address", "empty_term", "empty_when_folded", "header_that_is_cut",
    "empty_when_exact", "invisible_in_name", "list_not_there", "stem_without_letters",
    "label_with_space", "name_with_colon", "regex_inner_border", "regex_look_ahead", "regex_matches_nothing_needed",
    "dnsbl", "regex_not_closed", "same_name_twice", "ungranted_actions", "unknown_inbox",
    "unknown_member", "unknown_owner", "word_without_letters", "yaml_at", "yaml_behind_quote", "yaml_comment_in_list",
    "short_name", "yaml_glob", "yaml_hash_first_in_list",
}  # fmt: skip


def as_editors_see(node: Node) -> Any:
    if isinstance(node, Mapping):
        return {key.text: as_editors_see(value) for key, value in node.entries}
    if isinstance(node, Sequence):
        return [as_editors_see(item) for item in node.items]
    assert isinstance(node, Scalar)
    if node.plain and node.text in ("true", "false"):
        return node.text == "true"
    if node.plain and node.text in ("null", "~"):
        return None
    return int(node.text) if node.plain and node.text.isdecimal() else node.text


def errors_of(path: Path) -> list[str]:
    root = read_yaml(path.name, path.read_bytes()).root
    return [error.message for error in VALIDATOR.iter_errors(as_editors_see(root))] if root else []


def test_the_schema_is_a_schema() -> None:
    """Draft-07, and nothing that draft-07 would ignore beside a $ref."""
    jsonschema.Draft7Validator.check_schema(rules_schema())


@pytest.mark.parametrize("path", sorted((ROOT / "rules.d").glob("*.yaml")), ids=lambda path: path.name)
def test_samples_are_valid(path: Path) -> None:
    """An editor finds nothing wrong in the samples."""
    assert errors_of(path) == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests/golden/rules").glob("*.bad.yaml")), ids=lambda path: path.name)
def test_bad_files_are_seen(path: Path) -> None:
    """An editor underlines every bad file, but for what a schema cannot know."""
    name = path.name.removesuffix(".bad.yaml")
    assert bool(errors_of(path)) is (name not in BEYOND_A_SCHEMA)


def test_numbers_and_booleans_where_text_goes() -> None:
    """Editors type `2026` and `no`; routerd reads them as written, and the schema lets them be."""
    text = "rules: [{name: 2026, when: {subject: [2026, no, true]}, then: {label: 2026}}]"
    assert not problems_of(text)
    assert not list(VALIDATOR.iter_errors(as_editors_see(read_yaml("a", text.encode()).root)))  # type: ignore[arg-type]
