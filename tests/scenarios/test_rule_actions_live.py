"""What rules do with live mail: the real daemon, its copies, its history."""

import json
import smtplib
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from peers.daemon import CONFIG, RouterdDaemon

GRANTING = CONFIG + 'limits_of_rules: [{{files: "*", actions: [all]}}]\n'
FURTHER = """\
rules:
  - name: accounts
    when: {always: true}
    then: {assign: {by: customer, in: lists/accounts.csv}, label: known}
  - name: class
    when: {subject: ticket}
    then: {header: {X-Ticket-Class: Łódź, X-Internal: "1"}, respond_within: 4h, forward: log@archive.example}
  - name: tried
    when: {subject: ticket}
    then: {assign: jan, label: wrong, hold: never, header: {X-Tried: "1"}}
    mode: trial
"""
TALK = """\
rules:
  - name: so far
    when: {conversation: {known: true, label: first, messages: {over: 0}}}
    then: {label: again}
  - name: first
    when: {always: true}
    then: {label: first, assign: {team: sales, pick: last}}
  - name: move
    when: {subject: escalate}
    then: {assign: jan, reassign: true}
"""
HOLDING = "rules:\n  - {name: look, when: {subject: parcel}, then: {hold: look first, assign: ewa}}\n"


def send(daemon: RouterdDaemon, number: int, subject: str, *headers: str, author: str = "anna@klient.pl") -> None:
    lines = (f"From: {author}", "To: support@example.com", f"Subject: {subject}", f"Message-ID: <{number}@klient.pl>")
    text = "\r\n".join((*lines, *headers, "", "text", ""))
    with smtplib.SMTP("127.0.0.1", daemon.smtp_port) as client:
        client.sendmail(author, ["support@example.com"], text.encode())


def named(daemon: RouterdDaemon, member: str, count: int = 1) -> list[Message]:
    return [message_from_bytes(copy) for copy in daemon.wait_for_copies(count, member)]


def test_headers_deadlines_forwards_tables_and_trials(routerd: Callable[..., RouterdDaemon], tmp_path: Path) -> None:
    """Given headers are ours alone; what goes outside names nobody; a rule on trial does nothing."""
    folder = tmp_path / "rules"
    (folder / "lists").mkdir(parents=True)
    (folder / "10.yaml").write_text(FURTHER)
    (folder / "lists/accounts.csv").write_text("klient.pl,ewa\nanna@klient.pl,omar\n")
    daemon = routerd(config=GRANTING, rules=folder)
    before = datetime.now(UTC)
    send(daemon, 1, "ticket", "x-ticket-class : forged", "X-Routerd-Respond-By: forged", "X-Tried: stays")
    [own] = named(daemon, "omar")
    [outside] = named(daemon, "log")

    assert own.get_all("X-Ticket-Class") == ["=?utf-8?b?xYHDs2TFug==?="]
    assert own["X-Internal"] == "1"
    assert own["X-Tried"] == "stays"
    assert own["X-Labels"] == "known"
    by = datetime.strptime(own["X-Routerd-Respond-By"], "%a, %d %b %Y %H:%M:%S %z")
    assert 4 * 3600 - 1 <= (by - before).total_seconds() < 4 * 3600 + 60
    assert "tried" not in own["X-Routerd-Why"]

    given = ["Delivered-To", "X-Routerd-Id", "X-Routerd-Copy", "X-Routerd-Trace", "Authentication-Results", "Received"]
    stranger = ["From", "To", "Subject", "Message-ID", "X-Tried"]
    assert [name for name in outside.keys() if name != "Return-Path"] == [*given, *stranger]  # noqa: SIM118

    shown = json.loads(daemon.command("queue", "show", own["X-Routerd-Id"], "--json").stdout)
    [decision] = shown["decisions"]
    assert decision["trials"] == [
        {"rule": "10.yaml/tried", "would": "assign jan, label wrong, header X-Tried: 1, hold (never)"}
    ]
    assert shown["respond_by"].startswith(by.strftime("%Y-%m-%dT%H:%M"))
    assert daemon.metric("routerd_rule_trials_total", rule="10.yaml/tried") == 1
    assert daemon.metric("routerd_rule_matches_total", rule="10.yaml/tried") == 0
    assert "archive.example" not in daemon.http_get("/metrics")[1]


def test_a_conversation_is_known_and_moved_and_its_customer_remembered(routerd: Callable[..., RouterdDaemon]) -> None:
    """The owner stays until a rule moves him; the next conversation goes to who had the customer last."""
    daemon = routerd(config=GRANTING, rules={"10.yaml": TALK})
    send(daemon, 1, "hello")
    [first] = named(daemon, "omar")
    assert first["X-Labels"] == "first"

    send(daemon, 2, "Re: hello", "References: <1@klient.pl>")
    again = next(copy for copy in named(daemon, "omar", 2) if copy["Message-ID"] == "<2@klient.pl>")
    assert again["X-Labels"] == "again, first"

    send(daemon, 3, "escalate", "References: <1@klient.pl>")
    moved = next(copy for copy in named(daemon, "jan", 4) if copy["Message-ID"] == "<3@klient.pl>")  # and all before
    assert moved["X-Assigned-To"] == "jan@mail.example.com"
    assert "reassigned from omar by move" in " ".join(moved["X-Routerd-Why"].split())
    assert len(named(daemon, "omar", 3)) == 3  # he sees who has it now

    send(daemon, 4, "Re: hello", "References: <3@klient.pl>")
    assert "<4@klient.pl>" in {copy["Message-ID"] for copy in named(daemon, "jan", 5)}
    assert len(named(daemon, "omar", 3)) == 3

    send(daemon, 5, "else", author="bob@klient.pl")  # a new customer: the rotation goes on, to ewa
    assert len(named(daemon, "ewa")) == 1
    send(daemon, 6, "once more", author="bob@klient.pl")
    assert len(named(daemon, "ewa", 2)) == 2


def test_a_held_message_is_released_to_who_is_there(routerd: Callable[..., RouterdDaemon]) -> None:
    """It keeps its owner while it is held; should he be away then, the next in line has it."""
    daemon = routerd(config=GRANTING, rules={"10.yaml": HOLDING})
    send(daemon, 1, "parcel")
    daemon.wait_for_event("message_accepted")
    [held] = json.loads(daemon.command("queue", "list", "--json").stdout)
    assert (held["member"], held["state"]) == ("ewa", "held")

    text = daemon.config_path.read_text()
    away = "mailbox: ewa@mail.example.com, away: 2020-01-01..2099-12-31, deputy: omar"
    daemon.config_path.write_text(text.replace("mailbox: ewa@mail.example.com", away))
    daemon.restart()
    done = daemon.command("queue", "release", held["copy"])
    assert done.returncode == 0, done.stderr
    [copy] = named(daemon, "omar")
    assert copy["X-Assigned-To"] == "omar@mail.example.com"
    assert "ewa is away" in " ".join(copy["X-Routerd-Why"].split())
    assert daemon.copies("ewa") == []
