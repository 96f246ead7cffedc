"""An automatic reply, by a real daemon: what it looks like, and that it is one. See test_two_desks.py, too."""

import smtplib
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

from peers.daemon import RouterdDaemon

CONFIG = """
hostname: mx.a.example
state: "{{folder}}/state"
rules: "{{folder}}/rules.d"
templates: "{templates}"
listen:
  - {{{{address: "127.0.0.1:{{smtp_port}}"}}}}
  - {{{{address: "127.0.0.1:{{lmtp_port}}", protocol: lmtp}}}}
trusted_networks: [127.0.0.0/8]
authserv_ids: [mx.hop.example]
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: ewa
members:
  ewa: {{{{mailbox: ewa@a.example}}}}
inboxes:
  support@a.example: {{{{default: ewa}}}}
delivery:
  - {{{{domain: a.example, maildir: "{{folder}}/mail/{{{{local}}}}"}}}}
  - {{{{domain: "*", maildir: "{{folder}}/out/{{{{local}}}}"}}}}
limits_of_rules:
  - {{{{files: "*", actions: [reply]}}}}
"""
RULE = "rules:\n  - {name: hello, when: {always: true}, then: {reply: {template: received, once_per: 1h}}}\n"
ASKED = (
    "Authentication-Results: mx.hop.example; spf=pass smtp.mailfrom={sender}\r\n"
    "From: Somebody <{sender}>\r\nTo: support@a.example\r\nSubject: parcel\r\nMessage-ID: <{number}@x.example>\r\n\r\n"
    "Where is the parcel that I have ordered from you a week ago?\r\n"
)


def test_a_customer_gets_one_and_not_another(
    routerd: Callable[..., RouterdDaemon], wait_until: Any, tmp_path: Path
) -> None:
    """Under the inbox's name, without a word of ours; his second mail gets none within the hour."""
    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "received.txt").write_text("Subject: Re: {{subject}}\n\nWe have it, {{customer.name}}.\n")
    daemon = routerd(config=CONFIG.format(templates=templates), rules={"a.yaml": RULE})
    for number in (1, 2):
        _ask(daemon.smtp_port, "anna@klient.pl", number)
    out = daemon.folder / "out" / "anna" / "new"
    wait_until(lambda: out.is_dir() and list(out.iterdir()), "the reply", trouble=daemon.log_text)
    [path] = out.iterdir()
    message = message_from_bytes(path.read_bytes(), policy=default)
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["In-Reply-To"] == "<1@x.example>"
    assert message["From"].addresses[0].addr_spec == "support@a.example"
    assert not [name for name in message if name.lower().startswith("x-") and name != "X-Auto-Response-Suppress"]
    assert daemon.metric("routerd_auto_replies_total", result="once_per") == 1


def _ask(port: int, sender: str, number: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.sendmail(sender, ["support@a.example"], ASKED.format(sender=sender, number=number).encode())
