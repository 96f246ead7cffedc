"""What copies say to members, and what members answer: the real daemon, with a mailbox for each label."""

import re
import smtplib
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

from hop_beside import next_hop_beside
from peers.daemon import RouterdDaemon
from peers.machine import free_port, wait_for

CONFIG = """\
hostname: mx1.example.com
state: {{folder}}/state
rules: {{folder}}/rules.d
listen:
  - {{{{address: "127.0.0.1:{{smtp_port}}", verify: false}}}}
  - {{{{address: "127.0.0.1:{inside}", members: true, verify: false}}}}
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: jan
members:
  ewa: {{{{name: Ewa, mailbox: ewa@team.test, show: {{{{subject_tag: true}}}}}}}}
  jan: {{{{name: Jan, mailbox: jan@sorted.test, show: {{{{mailbox: "jan+{{{{label}}}}@sorted.test"}}}}}}}}
inboxes:
  support@example.com: {{{{default: ewa}}}}
delivery:
  - {{{{domain: team.test, maildir: "{{folder}}/mail/{{{{local}}}}", trusts_us: true}}}}
  - {{{{domain: sorted.test, smtp: "127.0.0.1:{sorted}"}}}}
  - {{{{domain: "*", maildir: "{{folder}}/outside/{{{{mailbox}}}}"}}}}
"""
RULES = """\
rules:
  - {name: invoices, when: {subject: {contains: faktur}}, then: {label: [faktura-ą, invoice], watch: jan}}
"""


def read(raw: bytes) -> EmailMessage:
    found = message_from_bytes(raw, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_labels_are_shown_to_members_and_to_no_customer(routerd: Callable[..., RouterdDaemon]) -> None:
    """On top of the subject, or in the mailbox's address; the answer has the subject that the customer wrote."""
    inside = free_port()
    with next_hop_beside(lambda step, connection: None) as hop:
        daemon = routerd(config=CONFIG.format(inside=inside, sorted=hop.port), rules={"10.yaml": RULES})
        question = "From: Anna <anna@klient.test>\r\nTo: support@example.com\r\nSubject: =?utf-8?q?Faktur=C4=99?=\r\n"
        question += "Reply-To: biuro@klient.test\r\nMessage-ID: <1@klient.test>\r\n\r\nProsze.\r\n"
        with smtplib.SMTP("127.0.0.1", daemon.smtp_port) as session:
            session.sendmail("anna@klient.test", ["support@example.com"], question)
        copy = read(daemon.wait_for_copies(1, "ewa")[0])
        wait_for(lambda: hop.taken, "Jan's copy")
    assert copy["Subject"] == "[[faktura-ą, invoice]]\N{NO-BREAK SPACE}Fakturę"
    assert copy["X-Original-Reply-To"] == "biuro@klient.test"
    assert copy["From"] == "Anna <anna@klient.test>"
    [jans] = hop.taken
    assert jans.recipients == ["jan+invoice@sorted.test"]
    untouched = read(jans.content)
    assert (untouched["Subject"], untouched["Reply-To"]) == ("Fakturę", "biuro@klient.test")
    assert untouched["X-Routerd-Note"] != copy["X-Routerd-Note"]

    to = re.search(r"<(\S+)>", copy["Reply-To"])
    assert to
    assert copy["Reply-To"].startswith("Anna via Support <support+c.")
    reply = EmailMessage(policy=policy.SMTP)
    reply["From"], reply["To"], reply["Subject"] = "ewa@team.test", copy["Reply-To"], f"Odp: {copy['Subject']}"
    reply["Message-ID"], reply["In-Reply-To"] = "<2@team.test>", "<1@klient.test>"
    reply.set_content("Oto ona.")
    with smtplib.SMTP("127.0.0.1", inside) as session:
        session.sendmail("ewa@team.test", [to[1]], reply.as_bytes())
    outside = daemon.folder / "outside"
    [path] = wait_for(lambda: list(outside.glob("*/new/*")), "the answer", 60, daemon.log_text) or []
    answer = read(path.read_bytes())
    assert (answer["Subject"], answer["To"]) == ("Odp: Fakturę", "biuro@klient.test")
    assert "[[" not in path.read_bytes().decode()
