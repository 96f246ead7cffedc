"""The README's way to stand behind Postfix, as written there: mail comes from Postfix and copies go back to it."""

import re
import smtplib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from annotated import value
from peers.daemon import RouterdDaemon
from peers.dovecot import DovecotLmtp
from peers.machine import free_port
from peers.postfix import Postfix
from peers.readme import readme_example

PEOPLE = "ewa@example.com OK\njan@example.com OK\n"
INVOICE = b"From: anna@klient.pl\r\nTo: support@example.com\r\nSubject: Faktura 7\r\nMessage-ID: <7@a>\r\n\r\nx\r\n"


def _postfix(folder: Path, routerd_port: int, lmtp: Path) -> Postfix:
    """Has example.com itself; its mailboxes are Dovecot's. What the README says is added as it stands there."""
    example = readme_example("postfix main.cf").replace("/etc/postfix/", "{folder}/etc/").replace("hash:", "texthash:")
    settings = dict(re.findall(r"(?m)^(\w+) = (.*)$", example))
    settings["local_recipient_maps"] += " texthash:{folder}/etc/people"
    own = {"mydestination": "example.com", "local_transport": f"lmtp:unix:{lmtp}", "myhostname": "mail.example.com"}
    files = {
        "people": PEOPLE,
        "routerd_transport": readme_example("postfix transport").replace("10025", str(routerd_port)),
        "routerd_inboxes": readme_example("postfix inboxes"),
    }
    return Postfix(folder, {**own, **settings}, files)


def _config(postfix_port: int) -> str:
    """The README's config with the ports and folders of this test, as a template for `RouterdDaemon`."""
    text = readme_example("behind postfix").replace("{", "{{").replace("}", "}}")
    text = text.replace("127.0.0.1:10025", "127.0.0.1:{smtp_port}").replace("127.0.0.1:25", f"127.0.0.1:{postfix_port}")
    text = text.replace("/var/lib/routerd", "{folder}/state")
    return text + 'http: {{address: "127.0.0.1:{http_port}"}}\n'


def test_mail_goes_from_postfix_through_routerd_and_back(
    routerd: Callable[..., RouterdDaemon],
    dovecot: Callable[..., DovecotLmtp],
    postfix: Callable[..., Postfix],
    wait_until: Any,
) -> None:
    """A stranger's mail reaches Ewa annotated; a bounce to the copy's return path comes back to routerd."""
    mailboxes = dovecot(["ewa@example.com", "jan@example.com"])
    routerd_port = free_port()
    server = postfix(lambda folder: _postfix(folder, routerd_port, mailboxes.socket))
    rules = {"20-finance.yaml": readme_example("rule")}
    daemon = routerd(config=_config(server.port).replace("{smtp_port}", str(routerd_port)), rules=rules)
    _send(server.port, "anna@klient.pl", "support@example.com", INVOICE)
    copy = wait_until(lambda: _first(mailboxes, "ewa"), "Ewa's copy", trouble=lambda: server.log()[-3000:])
    assert value(copy, "X-Assigned-To") == "ewa@example.com"
    assert value(copy, "X-Labels") == "invoice"
    [sender] = re.findall(rb"(?m)^Return-Path: <(support\+b\.[a-z2-7]+@example\.com)>", copy)

    bounce = b"From: mailer-daemon@far.test\r\nTo: x\r\nSubject: Undelivered\r\n\r\nno such user\r\n"
    _send(server.port, "", sender.decode(), bounce)
    told = wait_until(lambda: _first(mailboxes, "jan"), "the postmaster's copy", trouble=daemon.log_text)
    assert value(told, "X-Labels") == "bounce"
    assert b"Return-Path: <>" in told


def _first(mailboxes: DovecotLmtp, user: str) -> bytes | None:
    files = list((mailboxes.maildir(f"{user}@example.com") / "new").glob("*"))
    return files[0].read_bytes() if files else None


def _send(port: int, sender: str, recipient: str, message: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.net", timeout=60) as client:
        assert not client.sendmail(sender, [recipient], message)
