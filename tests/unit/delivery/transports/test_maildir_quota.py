"""Maildir++ quotas: a full mailbox is refused as one, and only where it is full by its files."""

import os
from dataclasses import replace

import pytest
from copies import NOW

from routerd.delivery.outcome import Deferred, Delivered
from routerd.delivery.transports.content import Content
from routerd.delivery.transports.maildir import MaildirLetter, deliver_file, name_start
from routerd.delivery.transports.maildir_quota import MAX_FILE_BYTES

LETTER = MaildirLetter("01J0-2", "ewa@local.test", NOW, Content(b"A: b\r\n\r\nbody\r\n"))
NAME = name_start(LETTER.copy_id, LETTER.created_at) + "mx.test"
STORED_BYTES = len(b"A: b\n\nbody\n")


@pytest.fixture
def folder(tmp_path):
    for place in ("tmp", "new", "cur", ".Sent/tmp", ".Sent/new", ".Sent/cur", ".Trash/cur"):
        (tmp_path / place).mkdir(parents=True)
    return tmp_path


def test_what_is_stored_is_counted_in(folder):
    """As it is stored, with LF; without `maildirsize` there is no quota, and none is made."""
    deliver_file(folder, NAME, LETTER)
    assert not (folder / "maildirsize").exists()
    (folder / "new" / NAME).unlink()
    (folder / "maildirsize").write_bytes(b"1000S\n10 1\n")
    assert isinstance(deliver_file(folder, NAME, LETTER), Delivered)
    assert (folder / "maildirsize").read_bytes() == b"1000S\n10 1\n%d 1\n" % STORED_BYTES


@pytest.mark.parametrize(
    ("quota", "name", "what"),
    [
        ("100S", "1.a.mx,S=95", "100 bytes"),
        ("5S,9C", ".Sent/cur/1.a.mx:2,S", "5 bytes and 9 messages"),
        ("1C", "cur/1.a.mx:2,S", "1 message"),
    ],
)
def test_a_full_mailbox_is_trouble_of_the_mailbox(folder, quota, name, what):
    """Not now (4.2.2), so that the next in line gets the copy if it lasts; nothing is left in the folder."""
    (folder / (name if "/" in name else f"new/{name}")).write_bytes(b"old")
    (folder / "maildirsize").write_text(f"{quota}\n1000000 1000\n")
    outcome = deliver_file(folder, NAME, LETTER)
    assert isinstance(outcome, Deferred)
    assert outcome.of_mailbox
    assert (outcome.status, outcome.reason) == ("4.2.2", f"the mailbox is full: {folder} may hold {what}")
    assert not [*(folder / "tmp").iterdir()]
    assert not (folder / "new" / NAME).exists()


@pytest.mark.parametrize("name", ["cur/1.a.mx,S=990:2,ST", ".Trash/cur/1.a.mx,S=990:2,S"])
def test_the_files_count_where_the_sum_says_full(folder, name):
    """Somebody may have tidied up without a word; what is deleted takes no place."""
    (folder / name).write_bytes(b"old")
    (folder / "maildirsize").write_bytes(b"1000S\n990 1\n")
    assert isinstance(deliver_file(folder, NAME, LETTER), Delivered)


def test_a_file_grown_large_counts_no_more_and_does_not_grow(folder):
    """Whoever keeps the quota makes it anew; meanwhile the files count."""
    text = b"2C\n" + b"-1 -1\n" * MAX_FILE_BYTES
    (folder / "maildirsize").write_bytes(text)
    assert isinstance(deliver_file(folder, NAME, LETTER), Delivered)
    assert (folder / "maildirsize").read_bytes() == text
    (folder / "cur" / "1.a.mx:2,").write_bytes(b"old")
    other = MaildirLetter("01J0-3", LETTER.mailbox, NOW, LETTER.content)
    assert isinstance(deliver_file(folder, name_start("01J0-3", NOW) + "mx.test", other), Deferred)


def test_a_subfolder_counts_in_its_maildir(folder):
    """Where the copies go to a folder of the mailbox, its `maildirfolder` says whose it is."""
    (folder / ".Sent" / "maildirfolder").touch()
    (folder / "maildirsize").write_bytes(b"1000S\n")
    deliver_file(folder / ".Sent", NAME, LETTER)
    assert (folder / "maildirsize").read_bytes() == b"1000S\n%d 1\n" % STORED_BYTES


@pytest.mark.parametrize("name", ["Maildir", ".maildir"])
def test_a_maildir_that_dovecot_calls_a_folder_has_its_own_quota(tmp_path, name):
    """It puts `maildirfolder` into the Maildir itself, too."""
    folder = tmp_path / name
    folder.mkdir()
    for place in ("tmp", "new", "cur"):
        (folder / place).mkdir()
    (folder / "maildirfolder").touch()
    (folder / "maildirsize").write_bytes(b"20S\n")
    assert isinstance(deliver_file(folder, NAME, LETTER), Delivered)
    assert (folder / "maildirsize").read_bytes() == b"20S\n%d 1\n" % STORED_BYTES
    other = replace(LETTER, copy_id="01J0-3")
    assert isinstance(deliver_file(folder, name_start(other.copy_id, NOW) + "mx", other), Deferred)


@pytest.mark.parametrize("text", [b"", b"\n", b"S,C\n", b"0S,0C\n9 9\n", b"\xff" * 9000, b"5X\n", b"99S\nsome words\n"])
def test_what_is_no_quota_keeps_nothing_out(folder, text):
    """Nor does a line that is no change."""
    (folder / "maildirsize").write_bytes(text)
    assert isinstance(deliver_file(folder, NAME, LETTER), Delivered)


def test_a_pipe_in_its_place_holds_nobody_up(folder):
    """The mailbox's owner may put there what he likes."""
    os.mkfifo(folder / "maildirsize")
    assert isinstance(deliver_file(folder, NAME, LETTER), Delivered)


def test_a_link_in_its_place_is_not_followed(folder, tmp_path):
    """What it leads to is neither read nor written; the mailbox waits for its owner."""
    target = tmp_path / "elsewhere"
    target.write_bytes(b"1C\n")
    (folder / "maildirsize").symlink_to(target)
    assert isinstance(deliver_file(folder, NAME, LETTER), Deferred)
    assert target.read_bytes() == b"1C\n"
