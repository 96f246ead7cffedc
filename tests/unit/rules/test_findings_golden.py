"""`check` finds in a prepared set what its files say, and in the samples nothing; what it shows is so."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import reference
import yaml
from rule_sets import AT

from routerd.cli.test import place_by
from routerd.config.load import load_settings
from routerd.config.rule_files import load_rule_files, names_of_lists
from routerd.config.settings import Settings
from routerd.desk.own_labels import OWN_LABELS
from routerd.message.compose import Draft, compose_message
from routerd.message.view import MessageView
from routerd.rules.compile import Compiled, compile_ruleset
from routerd.rules.facts import Facts
from routerd.rules.finding import KINDS, Finding
from routerd.rules.lint.findings import find_all
from routerd.rules.lint.witness import matched
from routerd.rules.names import names_of
from routerd.rules.ruleset import Ruleset
from routerd.rules.trying.cases import CaseResult, run_case

ROOT = Path(__file__).parents[3]
PREPARED = ROOT / "tests/golden/findings"
EXPECTED = re.compile(r"# expect: (\d+):(\d+): ([a-z-]+)")


def settings_at(path: Path) -> Settings:
    loaded = load_settings(path)
    assert loaded.settings is not None, loaded.problems
    return loaded.settings


def found_in(settings: Settings, *, strict: bool = True) -> tuple[Finding, ...]:
    read = load_rule_files(settings.rules)
    compiled = compile_ruleset(read.files, settings, read_beside=read.read_beside)
    beside = names_of_lists(settings.rules)
    results = results_of(compiled, settings)
    found = find_all(compiled, settings, results=results, beside=beside, own_labels=OWN_LABELS, strict=strict)
    return found.listed


def results_of(compiled: Compiled, settings: Settings) -> list[CaseResult]:
    assert compiled.ruleset is not None, compiled.problems
    return [run_case(case, compiled.ruleset, place_by(settings)) for case in compiled.cases]


PREPARED_SETTINGS = settings_at(PREPARED / "routerd.yaml")
FOUND = found_in(PREPARED_SETTINGS)


def test_the_prepared_set_has_what_its_files_say() -> None:
    """Each finding at its place and no other; `untested` is looked at in the file that is about tests."""
    expected = Counter(
        (path.relative_to(PREPARED / "rules.d").as_posix(), int(line), int(column), kind)
        for path in sorted((PREPARED / "rules.d").rglob("*.*"))
        for line, column, kind in EXPECTED.findall(path.read_text())
    )
    found = Counter(
        (one.mark.file, one.mark.line, one.mark.column, one.kind)
        for one in FOUND
        if one.kind != "untested" or one.mark.file == "60-tests.yaml"
    )
    assert found == expected


def test_every_kind_is_in_the_prepared_set() -> None:
    assert {one.kind for one in FOUND} == set(KINDS)


def test_untested_is_for_strict() -> None:
    assert {one.kind for one in found_in(PREPARED_SETTINGS, strict=False)} == set(KINDS) - {"untested"}


def test_the_samples_have_no_finding() -> None:
    """Not even with `strict`, but for rules that they have no test for."""
    settings = settings_at(ROOT / "routerd/starter/routerd.yaml").model_copy(update={"rules": ROOT / "rules.d"})
    assert [str(one) for one in found_in(settings) if one.kind != "untested"] == []


@pytest.mark.parametrize("finding", [one for one in FOUND if one.witness], ids=lambda one: f"{one.kind} {one.mark}")
def test_a_witness_shows_what_it_is_said_to(finding: Finding) -> None:
    """By the plain reference: the rules that the finding is about match it."""
    facts = facts_of_witness(finding.witness)
    named = re.findall(r"'([^']+)' (?:assigns|is never asked|never gives|\()", finding.message)
    assert named or finding.kind == "always-by-not"
    for name in named or [rule.name for rule in finding.rules]:
        assert reference.truth(listed(WHENS[name]), facts, []) is True, name
    if finding.kind == "two-owners":
        assert set(finding.rules) <= matched(ruleset_at(PREPARED_SETTINGS).decide(facts))


def ruleset_at(settings: Settings) -> Ruleset:
    read = load_rule_files(settings.rules)
    ruleset = compile_ruleset(read.files, settings, read_beside=read.read_beside).ruleset
    assert ruleset is not None
    return ruleset


def whens() -> dict[str, Any]:
    files = (PREPARED / "rules.d").glob("*.yaml")
    return {rule["name"]: rule["when"] for path in files for rule in yaml.safe_load(path.read_text())["rules"]}


WHENS = whens()


def listed(when: Any) -> Any:
    """Every single term as a list of one, as the reference wants them."""
    if isinstance(when, str):
        return [when]
    if isinstance(when, list):
        return [listed(part) if isinstance(part, dict) else part for part in when]
    return {key: listed(value) for key, value in when.items()} if isinstance(when, dict) else when


def facts_of_witness(witness: str) -> Facts:
    """The message that a witness shows, read back."""
    head, _, text = witness.partition("\n\n")
    fields = dict(line.partition(":")[::2] for line in head.splitlines())
    fields = {name: value.strip() for name, value in fields.items()}
    draft = Draft(
        sender=fields.pop("From"),
        to=tuple(fields.pop("To").split(", ")),
        subject=fields.pop("Subject"),
        at=AT,
        text=text,
        headers=tuple(fields.items()),
    )
    inbox = draft.to[-1]
    own = names_of(PREPARED_SETTINGS).own_addresses
    view = MessageView(compose_message(draft))
    return Facts(
        view=view, sender=draft.sender, recipients=(inbox,), inbox=inbox, own_addresses=own, internal=False, at=AT
    )
