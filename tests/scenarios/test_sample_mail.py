"""The whole set of sample messages through the real daemon, alone and between real mail servers."""

import smtplib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from annotated import added_header, value
from peers.daemon import RouterdDaemon
from peers.dovecot import DovecotLmtp
from peers.golden import Golden, load_golden
from peers.postfix import Postfix

SAMPLES = load_golden()
TEAMS = {"finance": {"ewa", "jan"}, "sales": {"omar", "ewa"}, "duty": {"jan"}}
MEMBERS = ["ewa", "jan", "omar"]
# Postfix's client breaks lines of more than 998 bytes (RFC 5321 4.5.3.1.6); its cleanup adds an empty line where one
# lacks, and ends the header at an mbox line.
CHANGED_IN_FRONT = {"long-lines", "headers-only", "mbox-from-lines"}


def _assert_all_arrived(samples: Iterable[Golden], copies: list[bytes]) -> None:
    """Each sample byte for byte under an added header that names the right owner and labels."""
    for sample in samples:
        heads = [
            head for copy in copies if (head := added_header(copy, sample.kept.replace(b"\r\n", b"\n"))) is not None
        ]
        assert heads, f"{sample.name} did not arrive as it was sent"
        assert len(heads) <= len(sample.recipients), f"{sample.name} arrived {len(heads)} times"
        head = heads[0]
        owner = value(head, "X-Assigned-To").partition("@")[0]
        assert owner in TEAMS[sample.team], f"{sample.name} went to {owner}"
        labels = [label for label in value(head, "X-Labels").split(", ") if label]
        assert sorted(labels) == sorted(sample.labels), f"{sample.name} bears {labels}"
        assert value(head, "Delivered-To")
        assert value(head, "X-Routerd-Copy").startswith(value(head, "X-Routerd-Id"))
        assert "owner by" in value(head, "X-Routerd-Why") or value(head, "X-Routerd-Why").startswith("=?utf-8?")


def test_swaks_hands_every_sample_to_routerd(routerd: Callable[..., RouterdDaemon], swaks: Callable[..., str]) -> None:
    """Plain, HTML, every charset, forged headers, broken MIME: each reaches the right Maildir with the right labels."""
    daemon = routerd()
    for sample in SAMPLES:
        swaks(daemon.smtp_port, sample.raw, sender=sample.sender, recipients=sample.recipients)
    copies = daemon.wait_for_copies(len(SAMPLES))
    _assert_all_arrived(SAMPLES, copies)
    assert daemon.metric("routerd_unowned_messages_total") == 0
    assert daemon.metric("routerd_undecided_messages_total") == 0


def test_every_sample_comes_through_a_postfix_in_front(
    routerd: Callable[..., RouterdDaemon], front: Callable[[int], Postfix], wait_until: Any
) -> None:
    """A transport map sends the shared addresses to routerd; only what Postfix itself adds stands above the sample."""
    daemon = routerd()
    postfix = front(daemon.smtp_port)
    samples = [sample for sample in SAMPLES if sample.name not in CHANGED_IN_FRONT]
    _send_all(postfix.port, samples)
    wait_until(lambda: not postfix.queue(), "an empty queue", trouble=postfix.log)
    _assert_all_arrived(samples, daemon.wait_for_copies(len(samples)))


@pytest.mark.parametrize("door", ["postfix", "dovecot-tcp", "dovecot-unix"])
def test_every_sample_reaches_the_mail_servers_behind(
    door: str,
    routerd: Callable[..., RouterdDaemon],
    behind: Callable[..., Postfix],
    dovecot: Callable[..., DovecotLmtp],
    wait_until: Any,
) -> None:
    """A Postfix with the mailboxes, or Dovecot's LMTP by TCP and by its socket."""
    if door == "postfix":
        server = behind("mail.example.com", MEMBERS)
        route = f'smtp: "127.0.0.1:{server.port}", tls: none'
        folders = [server.folder / "mail" / name / "new" for name in MEMBERS]
    else:
        store = dovecot([f"{name}@mail.example.com" for name in MEMBERS])
        route = (
            f'lmtp: "127.0.0.1:{store.port}", tls: none' if door == "dovecot-tcp" else f'lmtp: "unix:{store.socket}"'
        )
        folders = [store.maildir(f"{name}@mail.example.com") / "new" for name in MEMBERS]
    daemon = routerd(delivery=f'  - {{domain: "*", {route}}}')
    _send_all(daemon.smtp_port, SAMPLES)

    def found() -> list[bytes] | None:
        copies = [path.read_bytes() for folder in folders for path in folder.glob("*")]
        return copies if len(copies) >= len(SAMPLES) else None

    copies = wait_until(found, f"{len(SAMPLES)} copies", trouble=lambda: daemon.log_text()[-3000:])
    _assert_all_arrived(SAMPLES, copies)


def _send_all(port: int, samples: Iterable[Golden]) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.net", timeout=60) as client:
        for sample in samples:
            refused = client.sendmail(sample.sender, sample.recipients, sample.raw, mail_options=["BODY=8BITMIME"])
            assert not refused
