"""Delivery into a Maildir: durable, once, and nowhere else than its folder."""

import asyncio
import errno
import os
import stat
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from copies import NOW, settings_with

from routerd.delivery.outcome import Deferred, Delivered, Failed
from routerd.delivery.transports import maildir
from routerd.delivery.transports.content import Content
from routerd.delivery.transports.maildir import MaildirLetter, MaildirStore, deliver_file, maildir_path, name_start

LETTER = MaildirLetter("01J0-2", "ewa@local.test", NOW, Content(b"A: b\r\n\r\n", b"A: b\r\n\r\nbody\r\n.\r\n", 8))
NAME = name_start(LETTER.copy_id, LETTER.created_at) + "mx.test"


def route(template):
    return settings_with({"domain": "local.test", "maildir": str(template)}).delivery[0]


def files(folder):
    return {place: sorted(path.name for path in (folder / place).iterdir()) for place in ("tmp", "new", "cur")}


def test_a_copy_is_stored_with_lf_line_ends_and_for_its_owner_only(tmp_path):
    """The folder is made where it is missing, with mode 0700, the file has 0600, tmp/ is left empty."""
    folder = tmp_path / "mail" / "ewa"
    assert isinstance(deliver_file(folder, NAME, LETTER), Delivered)
    assert files(folder) == {"tmp": [], "new": [NAME], "cur": []}
    assert (folder / "new" / NAME).read_bytes() == b"A: b\n\nbody\n.\n"
    assert stat.S_IMODE((folder / "new" / NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE((folder / "cur").stat().st_mode) == 0o700


@pytest.mark.parametrize("suffix", ["", ":2,S", ",S=123,W=125:2,", ":2,"])
def test_the_same_copy_is_stored_once(tmp_path, suffix):
    """A repeated attempt finds the file by its name, also where a client read it or another host name was in force."""
    deliver_file(tmp_path, NAME, LETTER)
    if suffix:
        (tmp_path / "new" / NAME).rename(tmp_path / "cur" / (NAME + suffix))
    before = files(tmp_path)
    for name in (NAME, name_start(LETTER.copy_id, LETTER.created_at) + "new-name.test"):
        assert isinstance(deliver_file(tmp_path, name, LETTER), Delivered)
    assert files(tmp_path) == before


def test_a_copy_is_known_after_the_clock_was_set(tmp_path):
    """What came while it was ahead is said to have come when it was set back."""
    deliver_file(tmp_path, NAME, LETTER)
    before = files(tmp_path)
    later = replace(LETTER, created_at=NOW - timedelta(days=3650))
    assert isinstance(deliver_file(tmp_path, name_start(later.copy_id, later.created_at) + "mx.test", later), Delivered)
    assert files(tmp_path) == before


def test_two_copies_of_one_message_are_two_files(tmp_path):
    """The name is the copy's, and no copy's name is the start of another's."""
    deliver_file(tmp_path, NAME, LETTER)
    other = MaildirLetter("01J0-21", LETTER.mailbox, NOW, LETTER.content)
    deliver_file(tmp_path, name_start(other.copy_id, NOW) + "mx.test", other)
    assert len(files(tmp_path)["new"]) == 2
    assert name_start("01J0-2", NOW) != name_start("01J0-2", NOW + timedelta(seconds=1))


def test_a_torn_attempt_leaves_nothing_behind(tmp_path):
    """What a crash left in tmp/ under the same name is written anew."""
    deliver_file(tmp_path, NAME, LETTER)
    (tmp_path / "new" / NAME).unlink()
    (tmp_path / "tmp" / NAME).write_bytes(b"half a mess")
    assert isinstance(deliver_file(tmp_path, NAME, LETTER), Delivered)
    assert (tmp_path / "new" / NAME).read_bytes() == b"A: b\n\nbody\n.\n"
    assert files(tmp_path)["tmp"] == []


def test_a_link_in_tmp_is_not_followed(tmp_path):
    """A symbolic link placed under the name in tmp/ cannot make us write elsewhere."""
    deliver_file(tmp_path, NAME, LETTER)
    (tmp_path / "new" / NAME).unlink()
    target = tmp_path / "elsewhere"
    (tmp_path / "tmp" / NAME).symlink_to(target)
    deliver_file(tmp_path, NAME, LETTER)
    assert not target.exists()


@pytest.mark.parametrize(
    ("number", "status", "of_mailbox"),
    [
        (errno.ENOSPC, "4.3.1", False),
        (errno.EIO, "4.3.0", False),
        (errno.EDQUOT, "4.2.2", True),
        (errno.EACCES, "4.2.0", True),
    ],
)
def test_what_the_disk_refuses_is_deferred(tmp_path, monkeypatch, number, status, of_mailbox):
    """A full disk is everybody's, a full quota its mailbox's trouble; nothing is left in tmp/ and nothing claimed."""

    def refuse(descriptor):
        raise OSError(number, os.strerror(number))

    (tmp_path / "cur").mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(maildir.os, "fsync", refuse)
    outcome = deliver_file(tmp_path, NAME, LETTER)
    assert isinstance(outcome, Deferred)
    assert (outcome.status, outcome.of_mailbox) == (status, of_mailbox)
    assert files(tmp_path)["tmp"] == files(tmp_path)["new"] == []


def test_a_folder_that_cannot_be_synced_is_no_delivery(tmp_path, monkeypatch):
    """An EIO for new/ takes the file back: the next attempt must not find it and call it delivered."""
    deliver_file(tmp_path, NAME, LETTER)
    (tmp_path / "new" / NAME).unlink()
    real = os.fsync

    def refuse_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(maildir.os, "fsync", refuse_folders)
    assert isinstance(deliver_file(tmp_path, NAME, LETTER), Deferred)
    assert files(tmp_path)["new"] == []


def test_a_file_system_without_links_gets_a_rename(tmp_path, monkeypatch):
    """Some network file systems know no hard links."""

    def refuse(source, target):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(maildir.os, "link", refuse)
    assert isinstance(deliver_file(tmp_path, NAME, LETTER), Delivered)
    assert files(tmp_path) == {"tmp": [], "new": [NAME], "cur": []}


def test_the_path_is_filled_in_from_the_mailbox():
    """{local}, {domain} and {mailbox}; what is filled in is not filled in again."""
    found = maildir_path(route("/m/{domain}/{local}/{mailbox}"), "ewa@local.test")
    assert str(found) == "/m/local.test/ewa/ewa@local.test"
    assert str(maildir_path(route("/m/{local}"), "{domain}@local.test")) == "/m/{domain}"


@pytest.mark.parametrize(
    "mailbox", ['"../etc"@local.test', '"a/b"@local.test', '".."@local.test', '".hidden"@local.test', "no-address", ""]
)
async def test_a_mailbox_that_would_lead_elsewhere_fails(tmp_path, mailbox):
    """No address makes a path outside its folder; the copy is held with the reason."""
    store = MaildirStore()
    outcome = await store.deliver(
        route(tmp_path / "{local}"), MaildirLetter("01J0-2", mailbox, NOW, LETTER.content), "mx.test"
    )
    store.close()
    assert isinstance(outcome, Failed)
    assert outcome.status == "5.3.5"
    assert list(tmp_path.iterdir()) == []


async def test_a_disk_that_hangs_stops_no_other(tmp_path, monkeypatch):
    """However many copies wait for it: each route has its own threads."""
    mended = threading.Event()
    store = deliver_file

    def slow(folder, name, letter):
        if "slow" in folder.parts:
            mended.wait(10)
        return store(folder, name, letter)

    monkeypatch.setattr(maildir, "deliver_file", slow)
    maildirs = MaildirStore()
    letters = [replace(LETTER, copy_id=f"01J0-{number}") for number in range(2 * maildir.THREADS)]
    slow_route = route(tmp_path / "slow")
    waiting = [asyncio.ensure_future(maildirs.deliver(slow_route, letter, "mx.test")) for letter in letters]
    assert isinstance(await maildirs.deliver(route(tmp_path / "well"), LETTER, "mx.test"), Delivered)
    assert not any(one.done() for one in waiting)
    mended.set()
    assert all(isinstance(outcome, Delivered) for outcome in await asyncio.gather(*waiting))
    maildirs.close()
