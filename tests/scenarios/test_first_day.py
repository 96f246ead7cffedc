"""The first day with routerd: the demo, `init`, `check`, `test`, `explain`."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from annotated import value
from click.testing import CliRunner
from peers.daemon import RouterdDaemon
from peers.golden import Golden, load_golden

from routerd.cli.explain import command as explain
from routerd.message.view import MessageView


def _routerd(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "routerd.cli.main", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_demo_shows_the_main_job_and_ends(tmp_path: Path) -> None:
    """Mail in three languages is received, decided and delivered; the table says why; the copies lie in Maildirs."""
    done = _routerd("demo", "--once", "--dir", "D", "--smtp-port", "0", "--http-port", "0", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(heading in done.stdout for heading in ("message", "owner", "labels", "rules", "why"))
    assert max(map(len, done.stdout.partition("The copies are")[0].splitlines())) <= 80
    assert "…" not in done.stdout.partition("The copies are")[0]
    assert "Skarga" in done.stdout
    copies = {path: path.read_bytes().partition(b"\n\n")[0] for path in tmp_path.glob("D/mail/*/new/*")}
    assert len(copies) == 8
    for path, head in copies.items():
        assert value(head, "X-Assigned-To") == f"{path.parent.parent.name}@example.com"
        assert value(head, "Delivered-To") in ("support@example.com", "billing@example.com")
        assert all(value(head, name) for name in ("X-Routerd-Id", "X-Routerd-Copy", "X-Routerd-Why", "Received"))
    labels = sorted(value(head, "X-Labels") for head in copies.values())
    assert labels == [
        "",
        *sorted(["complaint, urgent"] * 2 + ["invoice"] * 2 + ["invoice, complaint, urgent"] + ["newsletter", "sales"]),
    ]


def test_the_demo_runs_again_in_the_same_folder(tmp_path: Path) -> None:
    """Its mail is new mail each time, and edited rules are kept."""
    arguments = ("demo", "--once", "--dir", "D", "--smtp-port", "0", "--http-port", "0")
    assert _routerd(*arguments, folder=tmp_path).returncode == 0
    (tmp_path / "D/rules.d/90-own.yaml").write_text(
        "rules:\n  - {name: own, when: {always: true}, then: {label: mine}}\n"
    )
    assert _routerd(*arguments, folder=tmp_path).returncode == 0
    copies = [path.read_bytes() for path in tmp_path.glob("D/mail/*/new/*")]
    assert len(copies) == 16
    assert sum(b"mine\n" in copy.partition(b"\n\n")[0] for copy in copies) == 8


def test_the_demo_leaves_folders_alone_that_are_not_its_own(tmp_path: Path) -> None:
    """Somebody's real config is never run, and a folder that cannot be written is said in plain words."""
    arguments = ("demo", "--once", "--smtp-port", "0", "--http-port", "0", "--dir")
    assert _routerd("init", "desk", folder=tmp_path).returncode == 0
    before = sorted(tmp_path.rglob("*"))
    refused = _routerd(*arguments, "desk", folder=tmp_path)
    assert refused.returncode == 1
    assert f"{tmp_path}/desk is not empty, and no demo's folder" in refused.stderr
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "file").touch()
    for command in (*arguments, "file/demo"), ("init", "file/desk"):
        refused = _routerd(*command, folder=tmp_path)
        assert refused.returncode == 1
        assert "file" in refused.stderr
        assert "Not a directory" in refused.stderr
        assert "fault" not in refused.stderr


def test_what_init_writes_is_right_and_is_never_overwritten(tmp_path: Path) -> None:
    """`check` and `test` pass on it; a second `init` changes nothing and says what is there."""
    assert _routerd("init", "desk", folder=tmp_path).returncode == 0
    checked = _routerd("check", "-c", "desk/routerd.yaml", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = _routerd("test", "-c", "desk/routerd.yaml", folder=tmp_path)
    assert tested.returncode == 0, tested.stdout
    assert tested.stdout.startswith("ok: ")
    (tmp_path / "desk/routerd.yaml").write_text("mine")
    again = _routerd("init", "desk", folder=tmp_path)
    assert again.returncode == 1
    assert "routerd.yaml" in again.stderr
    assert (tmp_path / "desk/routerd.yaml").read_text() == "mine"


def _explained(sample: Golden, config: Path) -> dict[str, object]:
    rcpt = [option for recipient in sample.recipients for option in ("--rcpt", recipient)]
    arguments = [str(sample.path), "-c", str(config), *rcpt, "--from", sample.sender, "--client", "127.0.0.1", "--json"]
    result = CliRunner().invoke(explain, arguments)
    assert result.exit_code == 0, result.output
    explained: dict[str, object] = json.loads(result.stdout)
    return explained


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_explain_says_of_each_sample_what_the_daemon_says(
    routerd: Callable[..., RouterdDaemon], swaks: Callable[..., str]
) -> None:
    """The rules that matched, the words that decided, and why the owner is who he is."""
    daemon = routerd()
    samples = load_golden()
    said = {sample.name: _explained(sample, daemon.config_path) for sample in samples}
    for sample in samples:
        swaks(daemon.smtp_port, sample.raw, sender=sample.sender, recipients=sample.recipients)
    copies = daemon.wait_for_copies(len(samples))
    for sample in samples:
        kept = sample.kept.replace(b"\r\n", b"\n")
        head = next(copy[: -len(kept)] for copy in copies if copy.endswith(kept))
        view = MessageView(head.replace(b"\n", b"\r\n") + b"\r\n")
        [why] = view.header("x-routerd-why")
        full = str(said[sample.name]["why"])
        assert why == full or (why.endswith("...") and full.startswith(why.removesuffix("..."))), sample.name
        assert said[sample.name]["labels"] == [label for label in value(head, "X-Labels").split(", ") if label]
