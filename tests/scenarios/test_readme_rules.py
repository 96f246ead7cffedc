"""The README's rules, as written there: each file is read, finds nothing to complain of, and passes its own tests."""

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import click.testing
import pytest
import yaml
from peers.readme import README, readme_example, readme_examples

from routerd.cli.main import routerd

LISTS = ("desk vip", "desk complaints", "desk accounts")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `init` writes, with the lists and the settings of "Rules by example"."""
    monkeypatch.chdir(tmp_path)
    run("init", ".")
    for name in LISTS:
        put(readme_example(name))
    more_settings(readme_example("desk settings"))
    return tmp_path


def run(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(routerd, arguments, catch_exceptions=False)


def put(text: str) -> str:
    """A file under the name that its first line says."""
    name = text.partition("\n")[0].removeprefix("# ").partition(",")[0]
    assert name.startswith("rules.d/"), name
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return name


def more_settings(text: str) -> None:
    """Keys that `routerd.yaml` has already are added to where they are mappings, and else replaced."""
    path = Path("routerd.yaml")
    settings = yaml.safe_load(path.read_text())
    for key, value in yaml.safe_load(text).items():
        known = settings.get(key)
        settings[key] = {**known, **value} if isinstance(known, dict) else value
    path.write_text(yaml.safe_dump(settings, allow_unicode=True))


def findings_in(name: str) -> list[str]:
    """What `check --strict` says of one file; there must be no problem in any."""
    found = json.loads(run("check", "--strict", "--format", "json").stdout)
    assert found["problems"] == []
    return [f"{one['line']}: {one['message']}" for one in found["findings"] if one["file"] == name]


def shown_by(*arguments: str) -> str:
    """A command and what it prints, as the README shows it."""
    lines = [f"$ routerd {' '.join(arguments)}", *run(*arguments).output.splitlines()]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def check_shown(name: str, shown: str) -> None:
    """`ROUTERD_WRITE_README=1` writes what is printed now into the README."""
    if os.environ.get("ROUTERD_WRITE_README"):
        README.write_text(README.read_text().replace(readme_example(name), shown))
    assert less_revisions(shown) == less_revisions(readme_example(name))


def less_revisions(text: str) -> str:
    return re.sub(r"\b(revision|rules) [0-9a-f]{12}\b", r"\1 …", text)


def only(*texts: str) -> None:
    """These files in the place of the starter's rules."""
    shutil.rmtree("rules.d")
    for text in texts:
        put(text)


def lone_rule_file() -> None:
    """The rules of "Rules by example"."""
    only(readme_example("desk rules") + readme_example("desk tests"), *map(readme_example, LISTS))


@pytest.mark.usefixtures("desk")
def test_the_rules_by_example_hold() -> None:
    """Nothing to complain of, every test passes, and together they notice every change to a rule."""
    lone_rule_file()
    assert run("check", "--strict").exit_code == 0, run("check", "--strict").output
    tested = run("test", "--mutate")
    assert tested.exit_code == 0, tested.output


def test_what_explain_says_of_the_example(desk: Path) -> None:
    lone_rule_file()
    (desk / "mail.eml").write_text(readme_example("desk mail"))
    check_shown("desk explained", shown_by("explain", "mail.eml", "--at", "2026-11-23T19:00+01:00"))


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("name", [*readme_examples("recipe "), "literal values"])
def test_each_recipe_holds_beside_the_starter(name: str) -> None:
    """Its tests pass, every rule of it is tested, and nothing else is to be said against it."""
    file = put(readme_example(name))
    more_settings("limits_of_rules: [{files: '*.yaml'}]")
    tested = run("test", file)
    assert tested.exit_code == 0, tested.output
    assert findings_in(file) == []


def test_the_first_rule_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In what `init` writes, under the name that it bears; the starter's own tests pass beside it."""
    monkeypatch.chdir(tmp_path)
    run("init", ".")
    file = put(readme_example("rule"))
    tested = run("test")
    assert tested.exit_code == 0, tested.output
    assert findings_in(file) == []


def test_the_rule_on_dns_lists_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the lists as written, beside the starter."""
    monkeypatch.chdir(tmp_path)
    run("init", ".")
    more_settings(readme_example("dns lists"))
    file = put(readme_example("dns lists rule"))
    tested = run("test", file)
    assert tested.exit_code == 0, tested.output
    assert findings_in(file) == []


def test_the_second_team_holds_and_cannot_overstep(desk: Path) -> None:
    """With the limits as written; what oversteps is said as shown."""
    for path in desk.glob("rules.d/[34]*.yaml"):
        path.unlink()
    more_settings(readme_example("second team limits"))
    file = put(readme_example("second team"))
    tested = run("test")
    assert tested.exit_code == 0, tested.output
    assert findings_in(file) == []

    wrong = readme_example("second team").replace(
        "then: {assign: sales, label: sales/offer}", "then: {assign: finance, label: urgent, hold: look first}"
    )
    Path(file).write_text(wrong)
    check_shown("second team oversteps", shown_by("check"))


@pytest.mark.usefixtures("desk")
def test_what_is_found_in_two_rules_that_overlap() -> None:
    """What `check` finds, and what their tests do not hold."""
    only(readme_example("two owners"))
    more_settings("limits_of_rules: [{files: '*.yaml'}]")
    check_shown("two owners found", shown_by("check"))
    check_shown("two owners tested", shown_by("test", "--coverage", "--mutate"))


def test_explain_is_asked_of_another_conversation(desk: Path) -> None:
    """As the README writes the command."""
    lone_rule_file()
    (desk / "mail.eml").write_text(readme_example("desk mail"))
    command, *arguments = shlex.split(readme_example("conversation asked"))
    explained = run(*arguments)
    assert (command, explained.exit_code) == ("routerd", 0), explained.output
    assert "escalated" in explained.output


@pytest.mark.usefixtures("desk")
def test_the_beginning_of_a_file_for_editors_is_a_rule_file() -> None:
    (Path("rules.d") / "60-mine.yaml").write_text(readme_example("editor"))
    assert run("check").exit_code == 0


@pytest.mark.usefixtures("desk")
def test_the_grant_grants() -> None:
    """To the files that it names, and to no other."""
    rules = "rules: [{name: a, when: {subject: x}, then: {hold: look, stop: all}}]\n"
    only(f"# rules.d/00-policy.yaml\n{rules}")
    more_settings(readme_example("grant"))
    assert run("check").exit_code == 0
    put(f"# rules.d/10-other.yaml\n{rules}")
    refused = run("check")
    assert refused.exit_code == 1
    assert "00-policy" not in refused.output
