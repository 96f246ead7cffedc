"""`routerd` itself: its help, and how it was called."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from routerd.cli import init
from routerd.cli.main import routerd


def test_help_says_every_command_in_full() -> None:
    """No summary is cut, at 80 columns, also those of `queue`."""
    for arguments in (["--help"], ["queue", "--help"]):
        result = CliRunner().invoke(routerd, arguments, terminal_width=80)
        assert result.exit_code == 0
        assert "..." not in result.stdout.partition("Commands:")[2]


def test_without_a_command_the_help_is_wrong_usage() -> None:
    """As `queue` without one: a script that forgot it must not go on."""
    for arguments in ([], ["queue"]):
        result = CliRunner().invoke(routerd, arguments)
        assert result.exit_code == 2
        assert "Commands:" in result.output


def test_every_command_has_a_help_of_its_own() -> None:
    context = click.Context(routerd)
    for name in routerd.list_commands(context):
        assert CliRunner().invoke(routerd, [name, "--help"]).exit_code == 0


HEAVY = ("routerd.rules.ruleset", "routerd.rules.facts", "routerd.message.view", "turbohtml", "structlog", "dns")


@pytest.mark.parametrize(
    ("called", "without"),
    [
        ("from routerd.cli.main import routerd; routerd(['--help'], standalone_mode=False)", ("pydantic", *HEAVY)),
        ("import routerd.cli.report", HEAVY),
        ("import routerd.cli.conversations", HEAVY),
        ("import routerd.cli.conversation", HEAVY),
    ],
)
def test_who_only_looks_waits_for_no_import_of_what_works(called: str, without: tuple[str, ...]) -> None:
    """The list of commands needs none of them; who reads the store reads no mail and no rules."""
    code = f"import sys; {called}; print('\\nloaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(without) & set(done.stdout.rpartition("loaded")[2].split())


@pytest.mark.parametrize("on_path", [True, False])
def test_init_says_commands_that_work_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: bool) -> None:
    """By name where the shell finds routerd, else by the path that was typed."""
    monkeypatch.chdir(tmp_path)
    script = tmp_path / ".venv/bin/routerd"
    script.parent.mkdir(parents=True)
    script.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [".venv/bin/routerd", "init", "my desk"])
    monkeypatch.setenv("PATH", str(script.parent) if on_path else "/nowhere")
    result = CliRunner().invoke(init.command, ["my desk"])
    called = "routerd" if on_path else ".venv/bin/routerd"
    assert result.output.splitlines()[-3:] == [
        f"Next: {called} check -c 'my desk/routerd.yaml'",
        f"      {called} test -c 'my desk/routerd.yaml'",
        f"      {called} run -c 'my desk/routerd.yaml'",
    ]


def test_a_command_that_there_is_not() -> None:
    """With the one that was probably meant; an option in its place is click's to tell of."""
    for typed, said in (
        ("chek", "no command 'chek'; did you mean 'check'?"),
        ("frobnicate", "no command 'frobnicate'\n"),
    ):
        result = CliRunner().invoke(routerd, [typed])
        assert result.exit_code == 2
        assert said in result.output
    assert "No such option" in CliRunner().invoke(routerd, ["--chek"]).output


def test_output_that_finds_no_room_is_not_routerds_fault() -> None:
    """`routerd … > FILE` on a full disk: the system's words, and no request for a report."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "routerd.cli.main", "schema", "rules"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    said = "routerd: stopped, as its output could not be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)
