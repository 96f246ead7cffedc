"""`routerd password`: what it writes, what it keeps, and what it says."""

import errno
import fcntl
import json
import os
import pty
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from routerd.cli import password_edit
from routerd.cli.options import load_or_exit
from routerd.cli.password import command
from routerd.config import password_hash
from routerd.config.load import load_settings
from routerd.config.password_file import read_passwords
from routerd.config.password_hash import make_hash

CONFIG = """\
hostname: mx1.example.com
state: state
postmaster: jan
members:
  ewa: {mailbox: ewa@example.com}
  jan: {mailbox: jan@example.com}
inboxes:
  support@example.com: {default: jan}
delivery:
  - {domain: "*", smtp: "mail.example.com:25"}
"""
LISTENER = """\
listen:
  - {address: "127.0.0.1:2587", tls: required, auth: required}
passwords: passwords
tls: {certificate: /run/credentials/routerd.service/crt, key: /run/credentials/routerd.service/key}
"""
GENERATED = re.compile(r"[a-z2-9]{4}(-[a-z2-9]{4}){4}\n")
KEPT = str(make_hash("kept as it is", b"0123456789abcdef"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the config in it; hashes are made with a sixth of the work."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(password_hash, "_LN", 14)
    monkeypatch.setattr(password_hash, "_P", 1)
    (tmp_path / "routerd.yaml").write_text(CONFIG + LISTENER)
    return tmp_path


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / "passwords"


Run = Callable[..., Result]


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs the command on the folder's config, with something on standard input."""

    def invoke(*arguments: str, stdin: str | bytes = "") -> Result:
        return CliRunner().invoke(command, ["-c", str(folder / "routerd.yaml"), *arguments], input=stdin)

    return invoke


def is_password(file: Path, member: str, password: str) -> bool:
    found = read_passwords(file, ("ewa", "jan"))
    assert found.problems == ()
    return found.hashes[member].is_of(password)


def write(file: Path, text: str, mode: int = 0o600) -> None:
    file.write_text(text)
    file.chmod(mode)


# Setting


def test_first_password_makes_the_file(run: Run, file: Path) -> None:
    """For its owner alone, whatever the umask; what was typed stands nowhere."""
    before = os.umask(0)
    try:
        result = run("ewa", "--stdin", stdin="open sesame\n")
    finally:
        os.umask(before)
    assert result.exit_code == 0
    assert f"ewa has a password, kept in {file}" in result.output
    assert is_password(file, "ewa", "open sesame")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "sesame" not in file.read_text() + result.output
    assert [path.name for path in file.parent.iterdir()] == ["routerd.yaml", "passwords"]


def test_the_rest_of_the_file_is_kept(run: Run, file: Path) -> None:
    """Comments, empty lines, order; one line where there were two of a member."""
    write(file, f"# ours\r\n\njan:{KEPT}\n# ewa left\newa: {KEPT}\newa:nonsense\n\n# end")
    assert run("ewa", "--stdin", stdin="open sesame").exit_code == 0
    lines = file.read_text().split("\n")
    assert lines[:4] == ["# ours", "", f"jan:{KEPT}", "# ewa left"]
    assert lines[4].startswith("ewa:$scrypt$")
    assert lines[5:] == ["", "# end", ""]
    assert is_password(file, "ewa", "open sesame")
    assert is_password(file, "jan", "kept as it is")


def test_a_new_line_comes_at_the_end(run: Run, file: Path) -> None:
    write(file, f"jan:{KEPT}")
    run("ewa", "--stdin", stdin="open sesame")
    assert [line.partition(":")[0] for line in file.read_text().split("\n")] == ["jan", "ewa", ""]


def test_generated_password_is_told_once(run: Run, file: Path) -> None:
    """On standard output, alone, once it holds; another time it is another."""
    first, second = run("ewa", "--generate"), run("ewa", "--generate")
    assert GENERATED.fullmatch(first.stdout)
    assert GENERATED.fullmatch(second.stdout)
    assert first.stdout != second.stdout
    assert "ewa has a new password" in second.stderr
    assert is_password(file, "ewa", second.stdout.strip())
    assert second.stdout.strip() not in file.read_text()


@pytest.mark.parametrize(
    ("stdin", "why"),
    [
        ("short", "fewer than 8 characters"),
        ("", "fewer than 8 characters"),
        ("open\nsesame\n", "control character"),
        (b"open \xff sesame", "not UTF-8"),
        ("x" * 2000, "more than 1000 octets"),
        ("x" * 20_000, "more than 1000 octets"),
    ],
)
def test_password_that_cannot_be_set(run: Run, file: Path, stdin: str | bytes, why: str) -> None:
    """It is refused with the reason, and the file stays as it is."""
    result = run("ewa", "--stdin", stdin=stdin)
    assert result.exit_code == 1
    assert why in result.stderr
    assert not file.exists()


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_line_end_is_no_part_of_it(run: Run, file: Path, end: str) -> None:
    run("ewa", "--stdin", stdin=" zażółć gęślą " + end)
    assert is_password(file, "ewa", " zażółć gęślą ")


def test_it_is_asked_for_twice_without_echo(folder: Path, file: Path) -> None:
    """At a terminal; two that differ are asked for again."""
    ours, theirs = pty.openpty()
    arguments = ["-m", "routerd.cli.main", "password", "ewa", "-c", str(folder / "routerd.yaml")]
    process = subprocess.Popen(
        [sys.executable, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    for asked, typed in (
        (b"Password: ", b"open sesame\n"),
        (b"again: ", b"open sesam\n"),
        (b"Password: ", b"open sesame\n"),
        (b"again: ", b"open sesame\n"),
    ):
        while not shown.endswith(asked):
            shown += os.read(ours, 1000)
        shown = b""
        os.write(ours, typed)
    try:
        while part := os.read(ours, 1000):
            shown += part
    except OSError:  # how Linux says that the terminal's other end is closed
        pass
    os.close(ours)
    assert process.wait(60) == 0
    assert b"sesam" not in shown
    assert is_password(file, "ewa", "open sesame")


def test_without_a_terminal_it_says_how(run: Run) -> None:
    result = run("ewa", stdin="open sesame\n")
    assert result.exit_code == 2
    assert "--stdin" in result.stderr


# Removing, trying, listing


def test_remove(run: Run, file: Path) -> None:
    """All lines of the member, also of one who is none any more; the rest stays."""
    write(file, f"# ours\new:{KEPT}\newa:{KEPT}\nola:{KEPT}\newa:{KEPT}\n# end\n")
    assert run("ewa", "--remove").exit_code == 1  # the others are still wrong
    assert run("ola", "--remove").exit_code == 1
    assert run("ew", "--remove").exit_code == 0
    assert file.read_text() == "# ours\n# end\n"
    again = run("ewa", "--remove")
    assert (again.exit_code, again.stderr) == (1, f"'ewa' has no password in {file}\n")


def test_remove_without_a_file_makes_none(run: Run, file: Path) -> None:
    assert run("ewa", "--remove").exit_code == 1
    assert not file.exists()


def test_check(run: Run, file: Path) -> None:
    """0 for the right one, 1 for a wrong one, or none."""
    write(file, f"ewa:{KEPT}\n")
    assert run("ewa", "--check", "--stdin", stdin="kept as it is\n").exit_code == 0
    assert run("ewa", "--check", "--stdin", stdin="Kept as it is\n").exit_code == 1
    assert run("jan", "--check", "--stdin", stdin="kept as it is\n").exit_code == 1
    assert file.read_text() == f"ewa:{KEPT}\n"


def test_list(run: Run, file: Path) -> None:
    """Every member of the config, with or without a file; no hash is shown."""
    assert run("--list").stdout == "ewa  -\njan  -\n"
    write(file, f"jan:{KEPT}\n")
    listed = run("--list", "--json")
    assert json.loads(listed.stdout) == [{"member": "ewa", "password": False}, {"member": "jan", "password": True}]
    assert run("--list").stdout == "ewa  -\njan  password\n"


def test_list_says_what_is_wrong(run: Run, file: Path) -> None:
    write(file, f"jan:{KEPT}\nola:{KEPT}\n")
    result = run("--list")
    assert result.exit_code == 1
    assert f"{file}:2:1: no member 'ola'" in result.stderr


# What is wrong


def test_problems_elsewhere_in_the_file_are_said(run: Run, file: Path) -> None:
    """The line is set all the same, and it says that the daemon waits for the rest."""
    write(file, f"jna:{KEPT}\n", 0o644)
    result = run("ewa", "--stdin", stdin="open sesame")
    assert result.exit_code == 1
    assert f"{file}:1:1: no member 'jna'; did you mean 'jan'?" in result.stderr
    assert "the daemon does not take the file until that is mended" in result.stderr
    assert "ewa:$scrypt$" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("ewa", "--list"),
        ("ewa", "--json"),
        ("ewa", "--generate", "--stdin"),
        ("ewa", "--generate", "--remove"),
        ("ewa", "--remove", "--check"),
        ("--list", "--stdin"),
        ("ola", "--generate"),
        ("ewa@example.com", "--generate"),
    ],
)
def test_wrong_usage(run: Run, file: Path, arguments: tuple[str, ...]) -> None:
    """What does not go together, and who is no member by this name: 2, and nothing is written."""
    assert run(*arguments).exit_code == 2
    assert not file.exists()


def test_config_that_names_no_file(run: Run, folder: Path) -> None:
    """It says what to add."""
    (folder / "routerd.yaml").write_text(CONFIG)
    result = run("ewa", "--generate")
    assert result.exit_code == 2
    assert "passwords: passwords\n" in result.stderr
    assert result.stdout == ""


def test_credentials_of_systemd_are_not_written(run: Run, folder: Path) -> None:
    """They are copies; the file itself is to be named."""
    credential = LISTENER.replace("passwords: passwords", "passwords: /run/credentials/routerd.service/passwords")
    (folder / "routerd.yaml").write_text(CONFIG + credential)
    result = run("ewa", "--generate")
    assert result.exit_code == 2
    assert "name the file itself" in result.stderr


def test_file_that_is_no_text_is_not_touched(run: Run, file: Path) -> None:
    file.write_bytes(b"ewa:\xff\n")
    result = run("ewa", "--generate")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "not UTF-8" in result.stderr
    assert file.read_bytes() == b"ewa:\xff\n"


def test_folder_that_is_not_there(run: Run, folder: Path) -> None:
    text = LISTENER.replace("passwords: passwords", "passwords: nowhere/passwords")
    (folder / "routerd.yaml").write_text(CONFIG + text)
    result = run("ewa", "--generate")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nowhere: No such file or directory" in result.stderr


# On the disk


def test_failure_leaves_the_old_file(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs nobody his password, and leaves nothing behind."""
    write(file, f"ewa:{KEPT}\n")

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    result = run("ewa", "--generate")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "No space left on device" in result.stderr
    assert file.read_text() == f"ewa:{KEPT}\n"
    assert sorted(path.name for path in file.parent.iterdir()) == ["passwords", "routerd.yaml"]


def test_link_stays_a_link(run: Run, folder: Path, file: Path) -> None:
    """What it leads to is what changes, with a mode as narrow as it was."""
    (folder / "kept").mkdir()
    write(folder / "kept" / "file", f"ewa:{KEPT}\n", 0o400)
    file.symlink_to("kept/file")
    assert run("ewa", "--stdin", stdin="open sesame").exit_code == 0
    assert file.is_symlink()
    assert is_password(folder / "kept" / "file", "ewa", "open sesame")
    assert stat.S_IMODE((folder / "kept" / "file").stat().st_mode) == 0o400


def test_root_makes_it_for_the_daemon(run: Run, folder: Path, file: Path) -> None:
    """It belongs to the owner of the state; one that is there keeps its owner."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    (folder / "state").mkdir()
    os.chown(folder / "state", 4711, 4712)
    run("ewa", "--generate")
    assert (file.stat().st_uid, file.stat().st_gid) == (4711, 4712)
    os.chown(file, 4713, 4714)
    run("jan", "--generate")
    assert (file.stat().st_uid, file.stat().st_gid) == (4713, 4714)


def test_two_at_once_lose_nothing(folder: Path, file: Path) -> None:
    """Each changes the file as the other left it."""
    names = [f"m{number}" for number in range(24)]
    kept = make_hash("kept as it is", b"0123456789abcdef")
    threads = [threading.Thread(target=password_edit.change, args=(file, name, kept, folder)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_passwords(file).hashes) == sorted(names)


def test_one_that_stays_at_work_is_not_waited_for_long(
    run: Run, folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(password_edit, "_PATIENCE_SECONDS", 0.0)
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    result = run("ewa", "--generate")
    os.close(descriptor)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "somebody else is changing a file" in result.stderr
    assert not file.exists()


def test_a_slip_in_the_file_keeps_nobody_from_the_queue(folder: Path, file: Path) -> None:
    """Only the daemon does not start with it."""
    write(file, "ewa:nonsense\n")
    assert load_or_exit(folder / "routerd.yaml").passwords == file
    with pytest.raises(SystemExit) as caught:
        load_or_exit(folder / "routerd.yaml", reads_secrets=True)
    assert caught.value.code == 2


def test_a_slip_in_what_only_the_daemon_reads_keeps_nobody_from_his_password(run: Run, folder: Path) -> None:
    """A certificate that is not there yet, a key that only root may read, a password of a next hop: 'check' says so."""
    relay = '  - {domain: "*", smtp: "mail.example.com:25", tls: required, auth: {user: us, password_file: relay}}\n'
    at = LISTENER.replace("/run/credentials/routerd.service", str(folder))
    (folder / "routerd.yaml").write_text(CONFIG.replace('  - {domain: "*", smtp: "mail.example.com:25"}\n', relay) + at)
    assert run("ewa", "--generate").exit_code == 0
    assert load_settings(folder / "routerd.yaml").settings is None
    assert len(load_settings(folder / "routerd.yaml").problems) == 3


def test_root_is_told_where_nobody_knows_whose_the_file_is_to_be(run: Run, folder: Path) -> None:
    """The daemon has not run yet; once, as long as the file is new."""
    if os.geteuid() != 0:
        pytest.skip("only root makes files for others")
    said = f"{folder}/passwords belongs to root, and the daemon must be able to read it"
    assert said in run("ewa", "--generate").stderr
    assert said not in run("jan", "--generate").stderr
