"""`routerd dkim`: keys that are made, and records that are shown."""

import json
import os
import re
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from routerd.auth.dns_answers import Records
from routerd.auth.key_publication import amiss
from routerd.cli.dkim import command
from routerd.config.dkim_key_file import read_key

CONFIG = """\
hostname: mx1.example.com
state: state
postmaster: jan
members:
  jan: {mailbox: jan@example.com}
inboxes:
  support@example.com: {default: jan}
delivery:
  - {domain: "*", smtp: "mail.example.com:25"}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (tmp_path / "routerd.yaml").write_text(CONFIG)
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(command, args)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_key_record_and_config_fit(folder: Path, kind: str) -> None:
    """The key is ours alone; the lines to add to the config load; `record` prints the same as `keygen` did."""
    made = run("keygen", "example.com", "s2026", "--kind", kind)
    assert made.exit_code == 0
    path = folder / "s2026.example.com.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = re.search(r"^  dkim:\n.*\n", made.stderr, re.MULTILINE)
    assert lines
    (folder / "routerd.yaml").write_text(CONFIG + lines[0].replace("\n  ", "\n").lstrip())
    shown = run("record")
    assert shown.exit_code == 0
    assert shown.stdout == made.stdout
    [row] = json.loads(run("record", "example.com", "--json").stdout)
    assert amiss(row["name"], Records((row["value"],), 300), read_key(path).public) is None
    assert run("record", "example.com", "s2026", "--value").stdout == f"{row['name']} {row['value']}\n"


def test_nothing_is_overwritten(folder: Path) -> None:
    """A key that is there already signs for somebody."""
    (folder / "s1.example.com.pem").write_text("precious")
    refused = run("keygen", "example.com", "s1")
    assert refused.exit_code == 1
    assert "there already" in refused.stderr
    assert (folder / "s1.example.com.pem").read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files that the daemon's user is given")
def test_key_made_by_root_is_the_daemons(folder: Path) -> None:
    """The daemon must be able to read it, and runs as the owner of the state."""
    (folder / "state").mkdir()
    os.chown(folder / "state", 1234, 1234)
    run("keygen", "example.com", "s1", "--file", "my.key", "--kind", "ed25519")
    assert (folder / "my.key").stat().st_uid == 1234


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files that the daemon's user is given")
def test_root_is_told_where_nobody_knows_whose_the_key_is_to_be(folder: Path) -> None:
    """The daemon has not run yet, or there is no config; the key is usable all the same."""
    said = "s1.example.com.pem belongs to root, and the daemon must be able to read it: chown it to the daemon's user"
    assert said in run("keygen", "example.com", "s1").stderr
    (folder / "routerd.yaml").unlink()
    assert said.replace("s1", "s2") in run("keygen", "example.com", "s2").stderr
    (folder / "state").mkdir()
    (folder / "routerd.yaml").write_text(CONFIG)
    assert "chown" not in run("keygen", "example.com", "s3").stderr


def test_file_that_the_config_does_not_name(folder: Path) -> None:
    """A key that systemd will hand over is shown by its file."""
    (folder / "routerd.yaml").write_text(
        CONFIG + "dkim: [{domain: example.com, selector: s1, key: /run/credentials/routerd.service/dkim}]\n"
    )
    hint = run("record")
    assert hint.exit_code == 1
    assert "dkim record example.com s1 --file FILE" in hint.stderr
    made = run("keygen", "example.com", "s1")
    assert run("record", "example.com", "s1", "--file", "s1.example.com.pem").stdout == made.stdout
    assert run("record", "--file", "s1.example.com.pem").exit_code == 2


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("record",), 2, "dkim keygen"),
        (("keygen", "example..com", "s1"), 2, "is not a domain"),
        (("keygen", "[192.0.2.1]", "s1"), 2, "is an address"),
        (("keygen", "example.com", "s 1"), 2, "is not a selector"),
        (("keygen", "example.com", "s1", "--bits", "512"), 2, "512"),
        (("keygen", "example.com", "s1", "--file", "none/x.pem"), 1, "No such file"),
        (("record", "example.com", "s1", "--file", "routerd.yaml"), 1, "holds no private key"),
        (("record", "example.com", "s1", "--file", "none.pem"), 1, "No such file"),
    ],
)
def test_what_cannot_be_done(folder: Path, args: tuple[str, ...], code: int, words: str) -> None:
    """Each refusal says why."""
    result = run(*args)
    assert result.exit_code == code
    assert words in result.stderr
