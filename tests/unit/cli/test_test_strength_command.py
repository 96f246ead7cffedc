"""`routerd test --coverage` and `--mutate`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from routerd.cli import test as cli_test

CONFIG = """
hostname: mx.example.com
postmaster: jan
members: {jan: {mailbox: jan@example.com}}
inboxes: {support@example.com: {default: jan}}
delivery: [{domain: "*", smtp: "mail.example.com:25"}]
"""
RULES = """
rules:
  - {name: a, when: {subject: [x, y]}, then: {label: x}}
  - {name: b, when: {subject: z}, then: {label: z}}
tests:
  - {name: it, message: {from: a@b.example, to: support@example.com, subject: x}, expect: {labels: x}}
"""
HOLDS = """  - {name: y, message: {from: a@b.example, to: support@example.com, subject: y}, expect: {labels: x}}
  - {name: z, message: {from: a@b.example, to: support@example.com, subject: z}, expect: {labels_exactly: z}}
  - {name: n, message: {from: a@b.example, to: support@example.com, subject: n}, expect: {labels_exactly: []}}
"""


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routerd.yaml").write_text(CONFIG)
    (tmp_path / "rules.d").mkdir()
    path = tmp_path / "rules.d" / "a.yaml"
    path.write_text(RULES)
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli_test.command, arguments, catch_exceptions=False)


@pytest.mark.usefixtures("rules")
def test_coverage_says_what_no_test_decides() -> None:
    """Each with its place, then each file's share, then all; the exit code is that of the tests."""
    result = run("--coverage")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "ok: 1 test",
        "",
        "rules.d/a.yaml:3:35: a: subject y",
        "rules.d/a.yaml:4:5: b: no test shows it matching",
        "",
        "rules.d/a.yaml   50.0 %  1 of 2 rules, 1 of 2 branches",
        "all              50.0 %  1 of 2 rules, 1 of 2 branches",
    ]


def test_fail_under(rules: Path) -> None:
    """Less than is asked for is exit 1, and says so; it implies --coverage."""
    result = run("--fail-under", "50.1")
    assert (result.exit_code, result.output.splitlines()[-1]) == (1, "less than the 50.1 % that are asked for")
    assert run("--fail-under", "50").exit_code == 0
    rules.write_text(RULES + HOLDS)
    assert run("--fail-under", "100").exit_code == 0


def test_mutate(rules: Path) -> None:
    """What no test noticed, each with its place, and exit 1; nothing and exit 0 where all was noticed."""
    result = run("--mutate")
    assert result.exit_code == 1
    assert "rules.d/a.yaml:3:22: a: without `subject: [x, y]`: no test fails\n" in result.output
    assert result.output.endswith("3 of 4 changes made no test fail\n")
    untested = "  - {name: far, when: {subject: far, body: off}, then: {label: y}}\n"
    rules.write_text(RULES.replace("tests:", f"{untested}tests:"))
    told = [line for line in run("--mutate").output.splitlines() if ": far: " in line]
    assert [line.partition("far: ")[2].split(": ")[0] for line in told] == ["untested"]
    rules.write_text(RULES + HOLDS)
    assert (run("--mutate").exit_code, run("--mutate").output) == (
        0,
        "ok: 4 tests\n\nok: each of 4 changes made a test fail\n",
    )


def test_mutate_needs_tests_that_pass(rules: Path) -> None:
    """Else it would say of every change that a test fails."""
    rules.write_text(RULES.replace("labels: x}", "labels: q}"))
    result = run("--mutate")
    assert result.exit_code == 1
    assert "needs tests that pass" in result.stderr
    assert "changes" not in result.stdout


@pytest.mark.usefixtures("rules")
def test_all_of_it_as_json() -> None:
    result = run("--coverage", "--mutate", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["passed"], len(found["tests"])) == (1, True, 1)
    assert found["coverage"]["percent"] == 50
    assert found["coverage"]["undecided"][0] == {
        "file": "rules.d/a.yaml", "line": 3, "column": 35, "rule": "a.yaml/a", "branch": "subject y",
    }  # fmt: skip
    assert found["mutants"]["made"] == 4
    assert found["mutants"]["survivors"][0]["change"] == "without `subject: [x, y]`"


def test_one_file_and_one_name(rules: Path) -> None:
    """The tests of a file, as the shell completes its name, and of those some; what there is not is wrong usage."""
    rules.write_text(RULES + HOLDS)
    (rules.parent / "b.yaml").write_text(RULES.replace("name: it,", "name: another,").replace("labels: x", "labels: q"))
    assert run().output.endswith("1 of 5 tests failed\n")
    assert run("rules.d/a.yaml").output == "ok: 4 tests\n"
    assert run("a.yaml", "-k", "IT").output == "ok: 1 test\n"
    assert run("c.yaml").exit_code == run("-k", "nothing").exit_code == run("a.yaml", "--mutate").exit_code == 2
    assert "no rule file 'c.yaml'" in run("c.yaml").output


def test_what_tests_hold_is_not_asked_while_some_fail(rules: Path) -> None:
    """What a failing test would decide is not known."""
    rules.write_text(RULES.replace("labels: x", "labels: q"))
    result = run("--coverage", "--mutate")
    assert result.exit_code == 1
    assert "1 of 1 test failed" in result.output
    assert "needs tests that pass" in result.output
    assert "no test shows it" not in result.output
