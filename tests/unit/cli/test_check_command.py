"""`routerd check` and `routerd test`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from routerd.cli import test as cli_test
from routerd.cli.check import command as check

CONFIG = """
hostname: mx.example.com
rules: rules.d
postmaster: jan
members: {jan: {mailbox: jan@example.com}}
inboxes: {support@example.com: {default: jan}}
delivery: [{domain: "*", smtp: "mail.example.com:25"}]
"""
GOOD = """
rules: [{name: a, when: {subject: x}, then: {label: x}}]
tests:
  - {name: it, message: {from: a@b.example, to: support@example.com, subject: x}, expect: {labels: x}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routerd.yaml").write_text(CONFIG)
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "10-a.yaml").write_text(GOOD)
    return tmp_path


def run(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, catch_exceptions=False)  # type: ignore[arg-type]


def test_all_is_well(folder: Path) -> None:
    """`ok`, how much there is, and the revision; exit 0."""
    result = run(check)
    assert result.exit_code == 0
    assert result.output.startswith("ok: 1 rule in 1 file, revision ")


def test_every_problem_with_its_place(folder: Path) -> None:
    """All problems of all files, one a line, as the shell would find the file; exit 1."""
    (folder / "rules.d" / "20-b.yaml").write_text("rules:\n  - {name: a, when: {subjct: x}, then: {assign: ann}}\n")
    result = run(check)
    assert result.exit_code == 1
    assert "rules.d/20-b.yaml:2:22: unknown key 'subjct' in when; did you mean 'subject'?\n" in result.output
    assert "rules.d/20-b.yaml:2:49: no member or team 'ann'" in result.output


def test_json_and_github(folder: Path) -> None:
    """The same for programs, and as annotations of a workflow."""
    (folder / "rules.d" / "20-b.yaml").write_text("rules: [{name: a, when: {subject: x}, then: {priority: hihg}}]\n")
    report = json.loads(run(check, "--format", "json").stdout)
    assert report["ok"] is False
    assert report["problems"][0]["line"] == 1
    (line,) = run(check, "--format", "github").stdout.splitlines()
    assert line == "::error file=rules.d/20-b.yaml,line=1,col=56::no priority 'hihg'; did you mean 'high'?"


def test_a_bad_config(folder: Path) -> None:
    """Problems of the config are reported too; exit 1."""
    (folder / "routerd.yaml").write_text(CONFIG.replace("postmaster: jan", "postmaster: ann"))
    result = run(check)
    assert result.exit_code == 1
    assert "routerd.yaml:4:13: " in result.output


def test_tests_are_run(folder: Path) -> None:
    """Passing tests are counted; exit 0."""
    result = run(cli_test.command, "-c", str(folder / "routerd.yaml"))
    assert (result.exit_code, result.output) == (0, "ok: 1 test\n")


def test_a_failing_test(folder: Path) -> None:
    """What differed is shown with its place; exit 1; the same as JSON."""
    (folder / "rules.d" / "10-a.yaml").write_text(GOOD.replace("labels: x", "labels: y"))
    result = run(cli_test.command)
    assert result.exit_code == 1
    assert "rules.d/10-a.yaml:4:5: 'it' failed" in result.output
    assert "labels: expected [y], got [x]" in result.output
    assert result.output.endswith("1 of 1 test failed\n")
    (found,) = json.loads(run(cli_test.command, "--json").stdout)
    assert (found["passed"], found["differences"][0]["key"], found["rules"]) == (False, "labels", ["10-a.yaml/a"])


def test_tests_of_bad_rules_are_not_run(folder: Path) -> None:
    """A ruleset with problems has no tests to run: the problems are shown; exit 1."""
    (folder / "rules.d" / "20-b.yaml").write_text("rules: 1\n")
    result = run(cli_test.command)
    assert result.exit_code == 1
    assert "rules.d/20-b.yaml:1:8: rules must be a list" in result.output
