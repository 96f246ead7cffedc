"""What the README says of conversations, row by row, by the real daemon."""

import smtplib
from collections.abc import Callable
from typing import Any

import pytest
from peers.daemon import CONFIG, RouterdDaemon

LABELS = """\
rules:
  - {name: known, when: {conversation: {known: true}}, then: {label: known}}
  - {name: closed, when: {conversation: {state: closed}}, then: {label: closed}}
  - {name: two, when: {conversation: {messages: {over: 1}}}, then: {label: two-before}}
  - {name: waits, when: {conversation: {waiting: {over: 0s}}}, then: {label: waits}}
  - {name: waits just now, when: {conversation: {waiting: {equals: 0s}}}, then: {label: waits}}
  - {name: had it, when: {conversation: {label: order}}, then: {label: about-order}}
  - {name: order, when: {subject: order}, then: {label: order}}
  - {name: internal, when: {is: internal}, then: {label: internal}}
  - {name: finance, when: {always: true}, then: {assign: finance}}
"""
ANNA, EWA, JAN = "anna@klient.pl", "ewa@mail.example.com", "jan@mail.example.com"
DESK = "support@example.com"
PROVED = "Authentication-Results: mx.example.com; dmarc=pass header.from=mail.example.com"


class Desk:
    """Sends messages that are numbered from 1, and tells whom each went to and which labels it was given."""

    def __init__(self, daemon: RouterdDaemon) -> None:
        self._daemon = daemon
        self._sent = 0

    def labels(self, author: str, to: str, subject: str, *headers: str) -> set[str]:
        return set(self.send(author, to, subject, *headers)["labels"])

    def owner(self, author: str, to: str, subject: str, *headers: str) -> str:
        return str(self.send(author, to, subject, *headers)["owner"])

    def send(self, author: str, to: str, subject: str, *headers: str) -> dict[str, Any]:
        """What the log says of it."""
        self._sent += 1
        proof = (PROVED,) if author.endswith("@mail.example.com") else ()
        head = (f"From: {author}", f"To: {to}", f"Subject: {subject}", f"Message-ID: <{self._sent}@x>")
        text = "\r\n".join((*proof, *head, *headers, "", "text", ""))
        with smtplib.SMTP("127.0.0.1", self._daemon.smtp_port) as client:
            client.sendmail(author, [DESK], text.encode())
        return self._daemon.wait_for_event("message_accepted", self._sent)[-1]


@pytest.fixture
def desk(routerd: Callable[..., RouterdDaemon]) -> Desk:
    return Desk(routerd(config=CONFIG, rules={"10.yaml": LABELS}))


def test_how_a_message_joins(desk: Desk) -> None:
    """By References or In-Reply-To and a part in it; never by the subject, and never a stranger."""
    bob, eve = "bob@friend.example", "eve@far.example"
    assert desk.labels(ANNA, f"{DESK}, {bob}", "an order") == {"order"}
    assert desk.labels(ANNA, DESK, "x", "References: <1@x>") == {"known", "waits", "about-order"}
    assert desk.labels(bob, DESK, "x", "In-Reply-To: <2@x>") == {"known", "waits", "about-order", "two-before"}
    assert desk.labels(ANNA, DESK, "Re: an order") == {"order"}
    assert desk.labels(eve, DESK, "x", "References: <1@x>") == {"thread-suspect"}
    assert desk.labels(eve, DESK, "x", "References: <1@x> <5@x>") == {"known", "waits"}, "the newest that is known"


def test_a_member_who_is_proven_needs_no_part_and_one_who_is_not_is_a_stranger(desk: Desk) -> None:
    """No message before names the owner: he has it from routerd."""
    assert desk.labels(ANNA, DESK, "hello") == set()
    assert desk.labels(EWA, f"{ANNA}, {DESK}", "x", "References: <1@x>") == {"known", "waits", "internal"}
    assert desk.labels("omar@far.example", DESK, "x", "References: <1@x>") == {"thread-suspect"}
    assert "waits" not in desk.labels(ANNA, DESK, "x", "References: <2@x>")


def test_who_waits_and_what_ends_it(desk: Desk) -> None:
    """Only a member's proven answer to somebody outside does; a machine and a talk among colleagues do not."""
    assert desk.labels(ANNA, f"{DESK}, {EWA}", "hello") == set()
    among = desk.labels(EWA, f"{DESK}, {JAN}", "x", "References: <1@x>")
    assert among == {"known", "waits", "internal"}
    machine = desk.labels(ANNA, DESK, "x", "References: <1@x>", "Auto-Submitted: auto-replied")
    assert machine == {"known", "waits", "two-before"}
    answer = desk.labels(EWA, f"{ANNA}, {DESK}", "x", "References: <1@x>")
    assert answer == {"known", "waits", "two-before", "internal"}
    assert "waits" not in desk.labels(ANNA, DESK, "x", "References: <4@x>")
    assert "waits" in desk.labels(ANNA, DESK, "x", "References: <5@x>")


def test_what_a_machine_began_is_closed_until_a_customer_writes(desk: Desk) -> None:
    """A machine's next message leaves it so."""
    automatic = "Auto-Submitted: auto-replied"
    assert desk.labels(ANNA, DESK, "away", automatic) == set()
    assert desk.labels(ANNA, DESK, "away", "References: <1@x>", automatic) == {"known", "closed"}
    assert desk.labels(ANNA, DESK, "hello", "References: <1@x>") == {"known", "closed", "two-before"}
    assert desk.labels(ANNA, DESK, "hello", "References: <1@x>") == {"known", "two-before", "waits"}


def test_who_has_it(routerd: Callable[..., RouterdDaemon]) -> None:
    """The owner stays against the rotation; while he is away his deputy takes it over, and keeps it."""
    config = CONFIG.replace("mailbox: ewa@mail.example.com", "mailbox: ewa@mail.example.com, deputy: omar")
    daemon = routerd(config=config, rules={"10.yaml": LABELS})
    desk = Desk(daemon)
    owners = [desk.owner(ANNA, DESK, "x", *headers) for headers in ((), ("References: <1@x>",), ("References: <1@x>",))]
    assert owners == ["ewa", "ewa", "ewa"]
    there = daemon.config_path.read_text()
    daemon.config_path.write_text(there.replace("deputy: omar", "deputy: omar, away: 2020-01-01..2099-12-31"))
    daemon.restart()
    assert desk.owner(ANNA, DESK, "x", "References: <1@x>") == "omar"
    daemon.config_path.write_text(there)
    daemon.restart()
    assert desk.owner(ANNA, DESK, "x", "References: <1@x>") == "omar"
