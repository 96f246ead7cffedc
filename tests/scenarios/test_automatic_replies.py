"""Automatic replies, by real daemons: to whom they go, and that two who answer each other end at once."""

import smtplib
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

from peers.daemon import RouterdDaemon

CONFIG = """
hostname: mx.{here}.example
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
  ewa: {{{{mailbox: ewa@{here}.example}}}}
inboxes:
  support@{here}.example: {{{{default: ewa}}}}
delivery:
  - {{{{domain: {here}.example, maildir: "{{folder}}/mail/{{{{local}}}}"}}}}
  - {{{{domain: {there}.example, smtp: "127.0.0.1:{port}", tls: none}}}}
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


def test_two_who_reply_to_each_other_end_after_the_first(
    routerd: Callable[..., RouterdDaemon], free_port: Callable[[], int], wait_until: Any, tmp_path: Path
) -> None:
    """The reply of one is mail for the other, which sees that a machine wrote it."""
    ports = {"a": free_port(), "b": free_port()}
    one, other = (_daemon(routerd, tmp_path, here, there, ports) for here, there in (("a", "b"), ("b", "a")))
    _ask(ports["a"], "support@b.example", 1)
    wait_until(lambda: one.metric("routerd_auto_replies_total", result="sent") == 1, "its reply", trouble=one.log_text)
    wait_until(
        lambda: other.metric("routerd_auto_replies_total", result="null_sender") == 1,
        "it to come",
        trouble=one.log_text,
    )
    assert other.metric("routerd_auto_replies_total", result="sent") == 0
    [told] = other.log_events("message_accepted")
    assert told["owner"] == "ewa"


def test_a_customer_gets_one_and_not_another(
    routerd: Callable[..., RouterdDaemon], free_port: Callable[[], int], wait_until: Any, tmp_path: Path
) -> None:
    """Under the inbox's name, without a word of ours; his second mail gets none within the hour."""
    ports = {"a": free_port(), "b": free_port()}
    daemon = _daemon(routerd, tmp_path, "a", "b", ports)
    for number in (1, 2):
        _ask(ports["a"], "anna@klient.pl", number)
    out = daemon.folder / "out" / "anna" / "new"
    wait_until(lambda: out.is_dir() and list(out.iterdir()), "the reply", trouble=daemon.log_text)
    [path] = out.iterdir()
    message = message_from_bytes(path.read_bytes(), policy=default)
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["In-Reply-To"] == "<1@x.example>"
    assert message["From"].addresses[0].addr_spec == "support@a.example"
    assert not [name for name in message if name.lower().startswith("x-") and name != "X-Auto-Response-Suppress"]
    assert daemon.metric("routerd_auto_replies_total", result="once_per") == 1


def _daemon(
    routerd: Callable[..., RouterdDaemon], folder: Path, here: str, there: str, ports: dict[str, int]
) -> RouterdDaemon:
    templates = folder / "templates"
    templates.mkdir(exist_ok=True)
    (templates / "received.txt").write_text("Subject: Re: {{subject}}\n\nWe have it, {{customer.name}}.\n")
    config = CONFIG.format(here=here, there=there, port=ports[there], templates=templates)
    return routerd(config=config.replace("{smtp_port}", str(ports[here])), rules={"a.yaml": RULE})


def _ask(port: int, sender: str, number: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.sendmail(sender, ["support@a.example"], ASKED.format(sender=sender, number=number).encode())
