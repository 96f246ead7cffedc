"""What stands in which text, in eight languages; compiled rules and those read in the plainest way say the same."""

import json
from pathlib import Path
from typing import Any

import pytest
import reference
import yaml
from rule_sets import facts_of, ruleset_of

from routerd.message.fold import display, nfc_visible

TABLE = yaml.safe_load((Path(__file__).parents[2] / "golden" / "languages.yaml").read_text(encoding="utf-8"))
CASES = [
    pytest.param(group["lang"], case, id=f"{language}-{case['it']}")
    for language, group in TABLE.items()
    for case in group["cases"]
]


@pytest.mark.parametrize(("lang", "case"), CASES)
def test_language(lang: list[str], case: dict[str, Any]) -> None:
    """The text has it, or has it not; and where it has, the trace shows words of the text."""
    on = case.get("field", "body")
    facts = facts_of(**{"subject": "", "text": "", {"body": "text"}.get(on, on): case["in"]})
    rule = {"name": "it", "when": {on: case["is"]}, "then": {"label": ["hit"]}}
    decision = ruleset_of(json.dumps({"lang": lang, "rules": [rule]})).decide(facts)
    assert (decision.labels == ("hit",)) is case["holds"]
    assert (reference.decide([{"rules": [rule]}], facts, lang)["labels"] == ["hit"]) is case["holds"]
    for match in decision.trace.matches:
        (evidence,) = match.evidence
        assert evidence.field == on
        assert evidence.found
        text = nfc_visible(case["in"]) if "regex" in case["is"] else case["in"]
        assert evidence.found in display(" ".join(text.split()), 500)


def test_the_table_is_large() -> None:
    """Every language has its share, and no name stands twice."""
    names = [param.id for param in CASES]
    assert len(names) == len(set(names)) >= 140
    languages = {str(name).partition("-")[0] for name in names}
    assert languages >= {"polish", "arabic", "german", "turkish", "russian", "greek", "chinese", "english"}
