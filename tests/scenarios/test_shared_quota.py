"""A Maildir with a quota that Dovecot and routerd both deliver into: each counts what the other has put there."""

import os
import pwd
import smtplib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from peers.dovecot import DovecotLmtp

from routerd.delivery.outcome import Deferred, Delivered, Outcome
from routerd.delivery.transports.content import Content
from routerd.delivery.transports.maildir import MaildirLetter, deliver_file, name_start

EWA = "ewa@mail.example.com"
NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
BODY = b"x" * 70 + b"\r\n"
MESSAGE = b"From: anna@klient.pl\r\nSubject: parcel\r\n\r\n" + BODY * 40  # about 3 KB


def _by_lmtp(server: DovecotLmtp) -> None:
    with smtplib.LMTP("127.0.0.1", server.port) as client:
        client.sendmail("a@klient.pl", [EWA], MESSAGE)


def _by_routerd(server: DovecotLmtp, number: int) -> Outcome:
    """As the mailbox's owner would have it: what root writes Dovecot could not read."""
    folder = server.maildir(EWA)
    letter = MaildirLetter(f"01J0-{number}", EWA, NOW, Content(b"", MESSAGE, 0), may_be_there=False)
    outcome = deliver_file(folder, name_start(letter.copy_id, NOW) + "mx.test", letter)
    owner = pwd.getpwnam("mail")
    for path in (folder / "new").iterdir():
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return outcome


def _counted(folder: Path) -> tuple[str, int, int]:
    """The quota, bytes and messages by `maildirsize`."""
    definition, *changes = (folder / "maildirsize").read_text().splitlines()
    sizes, counts = zip(*(map(int, line.split()) for line in changes), strict=True)
    return definition, sum(sizes), sum(counts)


def _stored(folder: Path) -> tuple[int, int]:
    files = [path for place in ("new", "cur") for path in (folder / place).iterdir()]
    return sum(path.stat().st_size for path in files), len(files)


@pytest.mark.parametrize("quota", ["bytes=20000", "messages=4"])
def test_dovecot_and_routerd_keep_to_one_quota(dovecot: Callable[..., DovecotLmtp], quota: str) -> None:
    """Both add to what the other has counted; Dovecot counting anew comes to the same; what is over it, neither takes;
    and what Dovecot deletes makes room.
    """
    server = dovecot([EWA], quotas={EWA: quota})
    folder = server.maildir(EWA)
    _by_lmtp(server)
    assert isinstance(_by_routerd(server, 1), Delivered)
    _by_lmtp(server)
    assert isinstance(_by_routerd(server, 2), Delivered)
    definition, *counted = _counted(folder)
    assert definition == {"bytes=20000": "20000S", "messages=4": "4C"}[quota]
    assert tuple(counted) == _stored(folder)
    server.doveadm("quota", "recalc", "-u", EWA)
    assert _counted(folder) == (definition, *counted)
    number = 3
    while isinstance(_by_routerd(server, number), Delivered):
        number += 1
        assert number < 10
    refused = _by_routerd(server, number)
    assert isinstance(refused, Deferred)
    assert refused.status == "4.2.2"
    with pytest.raises(smtplib.SMTPException, match=r"5\.2\.2"):
        _by_lmtp(server)
    full = _stored(folder)
    server.doveadm("expunge", "-u", EWA, "mailbox", "INBOX", "1:2")
    assert _stored(folder) < full
    assert isinstance(_by_routerd(server, number), Delivered)
    server.doveadm("quota", "recalc", "-u", EWA)
    assert _counted(folder) == (definition, *_stored(folder))
