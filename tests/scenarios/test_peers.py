"""The peers themselves: a scenario that fails should not be about them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from peers.dovecot import DovecotLmtp
from peers.load import SmtpSink
from peers.machine import PeerError
from peers.postfix import Postfix

MESSAGE = (
    b"From: Anna <anna@klient.pl>\r\nTo: support@example.com\r\nSubject: dots\r\n\r\n"
    b".one\r\n..two\r\n%FROM_ADDRESS% stays\r\n\xc5\xbc\xf3\r\n.\r\nend\r\n"
)
USERS = ["ewa", "jan"]


def _files(maildir: Path) -> list[Path]:
    return list((maildir / "new").glob("*"))


def test_a_message_goes_through_postfix_into_maildirs(
    behind: Callable[..., Postfix], front: Callable[[int], Postfix], swaks: Callable[..., str], wait_until: Any
) -> None:
    """The Postfix in front hands over, the one behind stores, and no byte of the message changes on the way."""
    last = behind("example.com", USERS)
    first = front(last.port)
    swaks(first.port, MESSAGE, sender="anna@klient.pl", recipients=["ewa@example.com"])
    [path] = wait_until(lambda: _files(last.folder / "mail/ewa"), "the message", trouble=last.log)
    assert path.read_bytes().endswith(MESSAGE.replace(b"\r\n", b"\n"))
    wait_until(lambda: not first.queue() and not last.queue(), "empty queues")


def test_postfix_refuses_an_unknown_mailbox(behind: Callable[..., Postfix], swaks: Callable[..., str]) -> None:
    """550 5.1.1, which makes routerd reroute."""
    last = behind("example.com", USERS)
    with pytest.raises(PeerError, match=r"550 5\.1\.1"):
        swaks(last.port, MESSAGE, sender="anna@klient.pl", recipients=["nobody@example.com"])


def test_postfix_hands_over_to_dovecot(
    behind: Callable[..., Postfix],
    dovecot: Callable[..., DovecotLmtp],
    swaks: Callable[..., str],
    wait_until: Any,
) -> None:
    """Both of Dovecot's doors, TCP and the unix socket, lead into the user's Maildir."""
    store = dovecot(["ewa@example.com"])
    for number, door in enumerate((f"inet:127.0.0.1:{store.port}", f"unix:{store.socket}"), 1):
        last = behind("example.com", USERS, lmtp=door)
        swaks(last.port, MESSAGE, sender="anna@klient.pl", recipients=["ewa@example.com"])
        found = wait_until(
            lambda wanted=number: (
                len(_files(store.maildir("ewa@example.com"))) == wanted and _files(store.maildir("ewa@example.com"))
            ),
            "the message",
            trouble=lambda last=last: last.log() + store.log(),
        )
        assert all(path.read_bytes().endswith(MESSAGE.replace(b"\r\n", b"\n")) for path in found)


def test_swaks_makes_messages_and_the_sink_keeps_them(
    tmp_path: Path, sink: Callable[..., SmtpSink], swaks: Callable[..., str], wait_until: Any
) -> None:
    """An attachment made by swaks arrives at smtp-sink."""
    kept = tmp_path / "kept"
    kept.mkdir()
    taking = sink(captured=kept)
    (tmp_path / "bill.pdf").write_bytes(b"%PDF-1.4 sample")
    swaks(
        taking.port,
        *("--h-Subject", "with a bill", "--body", "see there", "--attach", f"@{tmp_path}/bill.pdf"),
        sender="anna@klient.pl",
        recipients=["ewa@example.com"],
    )
    [message] = wait_until(taking.messages, "a captured message")
    assert b"Subject: with a bill" in message
    assert b"bill.pdf" in message
