"""`routerd explain`: what it says of options and files that are wrong."""

import json
import os
from pathlib import Path

import click.testing
import pytest

from routerd.cli.explain import command

CONFIG = """\
hostname: mx1.example.com
state: state
postmaster: ewa
members: {ewa: {mailbox: ewa@example.com}}
inboxes: {support@example.com: {default: ewa}}
delivery: [{domain: "*", smtp: "mail.example.com:25"}]
"""
MESSAGE = b"From: Anna <anna@klient.pl>\r\nTo: support@example.com\r\nSubject: x\r\n\r\nHello\r\n"


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routerd.yaml").write_text(CONFIG)
    (tmp_path / "rules.d").mkdir()
    path = tmp_path / "mail.eml"
    path.write_bytes(MESSAGE)
    return path


def explain(*arguments: str | Path) -> click.testing.Result:
    return click.testing.CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)


def test_a_state_that_does_not_exist_yet_is_no_matter(mail: Path) -> None:
    """Before the first run, rotations are at their start, and nothing is said of it or made."""
    result = explain(mail)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "owner     ewa" in result.stdout
    assert not (mail.parent / "state").exists()


def test_a_state_that_cannot_be_read_is_said(mail: Path) -> None:
    (mail.parent / "state").touch()
    result = explain(mail)
    assert result.exit_code == 0
    assert f"{mail.parent}/state is not a folder" in result.stderr


def test_an_empty_file_is_said(mail: Path) -> None:
    mail.write_bytes(b"\r\n\n")
    result = explain(mail, "--rcpt", "support@example.com")
    assert (result.exit_code, result.output) == (2, f"{mail} is empty\n")


@pytest.mark.parametrize("sender", ["", "<>", "bob@far.test", "<bob@far.test>"])
def test_from_is_an_address_or_the_null_sender(mail: Path, sender: str) -> None:
    assert explain(mail, "--from", sender).exit_code == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--from", "bob"),
        ("--from", "a\nb@far.test"),
        ("--at", "yesterday"),
        ("--at", "2026-11-23T09:00"),
        ("--at", "0001-01-01T00:00+14:00"),
        ("--at", "0001-01-01T00:00Z"),
        ("--at", "9999-12-31T23:59-12:00"),
    ],
)
def test_a_value_that_cannot_be_is_wrong_usage(mail: Path, option: str, value: str) -> None:
    """Named with its option; never a traceback."""
    result = explain(mail, option, value)
    assert result.exit_code == 2
    assert f"Invalid value for {option}" in result.output.replace("'", "")
    assert "Traceback" not in result.output


def test_a_file_that_is_not_there_is_wrong_usage(mail: Path) -> None:
    assert explain(f"{mail}{os.sep}x").exit_code == 2
    assert explain(mail.parent).exit_code == 2


RULES = """\
rules:
  - {name: greets, when: {body: hell}, then: {label: greeting}}
  - {name: tried, mode: trial, when: {subject: x}, then: {assign: ewa}}
  - {name: nearly, when: {subject: x, from: other.example}, then: {label: y}}
  - {name: stops, when: {always: true}, then: {stop: true}}
  - {name: behind, when: {always: true}, then: {label: z}}
"""


@pytest.fixture
def ruled(mail: Path) -> Path:
    (mail.parent / "rules.d" / "a.yaml").write_text(RULES)
    mail.write_bytes(MESSAGE.replace(b"Hello", b"Well, Hello \x1b[2J there"))
    return mail


def test_each_rule_with_its_reasons(ruled: Path) -> None:
    """Words in their context, what a trial would do, what was nearly met, what a `stop` kept away."""
    result = explain(ruled)
    assert result.exit_code == 0
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert "+ a.yaml/greets  (rules.d/a.yaml:2:5)" in lines
    assert "label greeting" in lines
    assert "«Well, [Hello] <U+001B>[2J there»" in lines
    assert "on trial: would assign ewa" in lines
    assert "near miss: all but `from other.example` held" in lines
    assert "not reached: a.yaml/stops stops this file" in lines
    assert "\x1b" not in result.stdout


def test_colour_only_where_it_is_wanted(ruled: Path) -> None:
    """On a terminal the mark is coloured and what was found is bold; the sender's own escapes are not passed on."""
    runner = click.testing.CliRunner()
    text = runner.invoke(command, [str(ruled)], color=True, catch_exceptions=False).stdout
    assert "\x1b[1m[Hello]\x1b[0m" in text
    assert "\x1b[2J" not in text


def test_json_has_all_of_it(ruled: Path) -> None:
    found = json.loads(explain(ruled, "--json").stdout)
    rules = {one["rule"].partition("/")[2]: one for one in found["inboxes"][0]["rules"]}
    assert rules["greets"]["evidence"] == [
        {
            "field": "body",
            "found": "Hello",
            "term": "contains hell",
            "context": ["Well, ", "Hello", " <U+001B>[2J there"],
        }
    ]
    assert (rules["greets"]["does"], rules["tried"]["reason"]) == ("label greeting", "would assign ewa")
    assert (rules["nearly"]["near_miss"], rules["behind"]["outcome"]) == (
        "all but `from other.example` held",
        "not reached",
    )
    assert rules["nearly"]["failing"][0]["saw"] == "from is anna@klient.pl"


def test_of_many_rules_those_that_matter(ruled: Path) -> None:
    """What matched, nearly matched or is on trial; the others are counted, and listed with --all."""
    more = "".join(
        f"  - {{name: r{number}, when: {{subject: zzz{number}}}, then: {{label: y}}}}\n" for number in range(100)
    )
    (ruled.parent / "rules.d" / "b.yaml").write_text(f"rules:\n{more}")
    text = explain(ruled).stdout
    assert "and 101 more that did not match (--all lists them)" in text
    assert "b.yaml/r7 " not in text
    assert "a.yaml/nearly" in text
    assert "b.yaml/r7 " in explain(ruled, "--all").stdout
