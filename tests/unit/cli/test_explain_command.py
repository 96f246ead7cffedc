"""`routerd explain`: what it says of options and files that are wrong."""

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
