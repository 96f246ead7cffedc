"""`routerd queue export`: the exact bytes, also from a state that is damaged; no daemon runs."""

from contextlib import closing
from pathlib import Path

import click.testing
import pytest
from desk_at_work import DeskAtWork
from filled_desk import RAW, Desk, name

from routerd.cli.queue import command as queue
from routerd.desk.changes import PlannedCopy, Role
from routerd.store.base import StoreDamagedError
from routerd.store.connection import Connection

PAGE_BYTES = 8192  # of the database
SAVE = f"{StoreDamagedError.mend}\n"


def test_export_gives_the_bytes_as_they_came(desk: Desk, tmp_path: Path) -> None:
    """One to standard output, several into a folder, where nothing is overwritten."""
    desk.commit(1)
    large = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" + b"line\r\n" * 60_000
    desk.commit(2, raw=large)
    assert desk.queue("export", name(1)).stdout_bytes == RAW
    assert desk.queue("export", f"{name(2)}-2").stdout_bytes == large
    several = desk.queue("export", "all")
    assert (several.exit_code, "2 messages do not fit on standard output: --to FOLDER" in several.stderr) == (2, True)
    folder = tmp_path / "out"
    written = desk.queue("export", "all", "--to", str(folder))
    assert written.stdout.splitlines() == [str(folder / f"{name(number)}.eml") for number in (1, 2)]
    assert [(folder / f"{name(number)}.eml").read_bytes() for number in (1, 2)] == [RAW, large]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    again = desk.queue("export", "all", "--to", str(folder))
    assert (again.exit_code, again.stderr.count("is there already")) == (1, 2)


def test_export_gives_a_copy_as_it_leaves(desk: Desk, tmp_path: Path) -> None:
    """With what routerd adds; one file for each copy."""
    desk.commit(1)
    head, _, body = desk.queue("export", f"{name(1)}-1", "--copy").stdout_bytes.partition(b"\r\n\r\n")
    assert f"X-Routerd-Copy: {name(1)}-1\r\n".encode() in head
    assert b"X-Assigned-To: ewa@example.com\r\n" in head
    assert body == RAW.partition(b"\r\n\r\n")[2]
    assert desk.queue("export", name(1), "--copy").exit_code == 2
    assert desk.queue("export", name(1), "--copy", "--to", str(tmp_path / "out")).exit_code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{name(1)}-1.eml", f"{name(1)}-2.eml"}


def test_a_copy_that_is_signed_on_its_way_is_said_to_lack_that(tmp_path: Path) -> None:
    """Of what the inbox itself says, where a key of its domain, or of one above it, is in the config."""
    desk = DeskAtWork(tmp_path)
    came = desk.came(copies=(PlannedCopy("ewa", Role.OWNER), PlannedCopy("jan", Role.DESK)))
    lacks = "without the DKIM-Signature, which is made when it leaves"
    for domain, told in (("example.com", f"{came.copies[1].id}: {lacks}\n"), ("example.net", "")):
        key = tmp_path / f"{domain}.pem"
        key.touch(0o600)
        desk.configure(f"dkim:\n  - {{domain: {domain}, selector: s1, key: {key}}}\n")
        arguments = ["export", "-c", str(desk.config), "all", "--copy", "--to", str(tmp_path / domain)]
        done = click.testing.CliRunner().invoke(queue, arguments, catch_exceptions=False)
        assert (done.exit_code, done.stderr) == (0, told)
        assert not any(b"DKIM-Signature" in path.read_bytes() for path in (tmp_path / domain).iterdir())


def test_no_message_steers_a_terminal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw bytes go anywhere but there."""
    desk.commit(1)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    result = desk.queue("export", name(1))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "may steer your terminal" in result.stderr


def _spoil(desk: Desk, text: bytes, *, last: bool = False) -> None:
    """Overwrites the page of the database in which `text` stands first, or last."""
    path = desk.state / "routerd.db"
    content = bytearray(path.read_bytes())
    start = (content.rindex(text) if last else content.index(text)) // PAGE_BYTES * PAGE_BYTES
    content[start : start + PAGE_BYTES] = b"\xa5" * PAGE_BYTES
    path.write_bytes(content)


def test_a_message_whose_bytes_are_damaged_hinders_no_other(desk: Desk, tmp_path: Path) -> None:
    """It is named; all others are exported."""
    for number in range(1, 6):
        desk.commit(number, raw=b"Subject: x\r\n\r\n" + b"%06d\r\n" % number * 5_000)
    _spoil(desk, b"000003\r\n" * 1_000)
    result = desk.queue("export", "all", "--to", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "the database is damaged (database disk image is malformed)" in result.stderr
    assert name(3) in result.stderr
    assert {path.stem for path in (tmp_path / "out").glob("*")} >= {name(number) for number in (1, 2, 4, 5)}


def test_of_a_database_whose_messages_are_damaged_the_bytes_are_exported(desk: Desk, tmp_path: Path) -> None:
    """Under their ids, or by number where the id is lost; files that no row names any more are found, too."""
    desk.commit(1, raw=b"Subject: large\r\n\r\n" + b"line\r\n" * 60_000)
    for number in range(2, 31):
        desk.commit(number, raw=b"Subject: x\r\n\r\n%06d\r\n" % number)
    _spoil(desk, b'"helo":"mx.klient.pl"', last=True)
    assert desk.queue("export", name(2)).stdout_bytes.endswith(b"000002\r\n")
    for command in (desk.queue("export", "all"), desk.queue("list", "all"), desk.queue("show", name(9))):
        assert command.exit_code == 1
        assert "the database is damaged" in command.stderr
        assert command.stderr.endswith(SAVE)
    for command in (desk.trace(name(9)), desk.queue("hold", "all")):
        assert (command.exit_code, command.stderr[-len(SAVE) :]) == (1, SAVE)
    folder = tmp_path / "out"
    result = desk.queue("export", "all", "--to", str(folder))
    assert result.exit_code == 1
    assert result.stderr.endswith("30 messages were read and written, 0 were not\n")
    bodies = {path.read_bytes()[-8:-2] for path in folder.iterdir()}
    assert bodies >= {b"%06d" % number for number in range(2, 31)}
    stems = {path.stem for path in folder.iterdir()}
    assert name(1) in stems
    assert any(stem.startswith("message") for stem in stems)
    assert any(stem in stems for stem in map(name, range(2, 31)))


@pytest.mark.parametrize("pages", [3, 10, 20])
def test_of_a_truncated_database_what_is_left_is_exported(desk: Desk, tmp_path: Path, pages: int) -> None:
    """However much of it is gone, in words and without a traceback."""
    for number in range(1, 31):
        desk.commit(number, raw=b"Subject: x\r\n\r\n%06d\r\n" % number)
    path = desk.state / "routerd.db"
    path.write_bytes(path.read_bytes()[: pages * PAGE_BYTES])
    result = desk.queue("export", "all", "--to", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "damaged" in result.stderr
    assert "messages were read and written" in result.stderr


def test_a_damaged_id_is_no_way_out_of_the_folder(desk: Desk, tmp_path: Path) -> None:
    """What a row says its message is called by is not believed."""
    desk.commit(1)
    with closing(Connection(str(desk.state / "routerd.db"))) as db:
        db.execute("UPDATE messages SET queue_id = '../x\x1b'")
    (tmp_path / "out").mkdir()
    result = desk.queue("export", "all", "--to", str(tmp_path / "out" / "in"))
    assert (result.exit_code, "its row is damaged" in result.stderr, "\x1b" in result.output) == (1, True, False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["in"]
    assert "\x1b" not in desk.queue("list").output


@pytest.mark.parametrize("content", [b"no database at all" * 1000, b"", None])
def test_of_a_state_without_a_database_the_large_messages_are_exported(
    desk: Desk, tmp_path: Path, content: bytes | None
) -> None:
    """They are files of their own."""
    desk.commit(1, raw=b"Subject: large\r\n\r\n" + b"line\r\n" * 60_000)
    if content is None:
        (desk.state / "routerd.db").unlink()
    else:
        (desk.state / "routerd.db").write_bytes(content)
    result = desk.queue("export", "all", "--to", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{name(1)}.eml"]
