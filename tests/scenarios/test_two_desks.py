"""Two desks that are each other's customers: both reply by rule, and the mailboxes of their members answer by
themselves, each in its way, at a real Dovecot. Whatever they say to each other comes to an end."""

import smtplib
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from as_received import addr_spec, words
from peers.daemon import RouterdDaemon
from peers.dns_server import DnsServer
from peers.dovecot import DovecotLmtp
from peers.machine import wait_for

HOP = "127.0.0.9"  # of both: their members' own servers
CONFIG = """
hostname: mx.{here}.example
state: "{{folder}}/state"
rules: "{{folder}}/rules.d"
templates: "{templates}"
listen:
  - {{{{address: "127.0.0.1:{{smtp_port}}", reverse_name: ignore, verify: true}}}}
trusted_networks: [{hop}/32]
authserv_ids: [hop.{here}.example]
dns: {{{{servers: ["{dns}"], timeout: 2s}}}}
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: ewa
members:
  ewa: {{{{mailbox: ewa@team-{here}.example}}}}
inboxes:
  support@{here}.example: {{{{default: ewa, replies: through}}}}
delivery:
  - {{{{domain: team-{here}.example, lmtp: "127.0.0.1:{lmtp}", tls: none, trusts_us: true}}}}
  - {{{{domain: {there}.example, smtp: "127.0.0.1:{port}", tls: none}}}}
  - {{{{domain: "*", lmtp: "127.0.0.1:{lmtp}", tls: none}}}}
limits_of_rules:
  - {{{{files: "*", actions: [reply]}}}}
"""
RULE = "rules:\n  - {name: hello, when: {always: true}, then: {reply: {template: received, once_per: 1h}}}\n"
AWAY = "I am not in the office until Monday. Please turn to my colleagues."
MAX_ROUNDS = 20
Fields = dict[str, str]
Script = Callable[[Any], tuple[str, str, Fields] | None]
"""What a mailbox answers to a mail that came: as who in MAIL FROM ("": nobody), to whom, and under which header."""


def by_rfc_3834(mail: Any) -> tuple[str, str, Fields] | None:
    """To the return path, from nobody, marked; and nothing to what a machine sent."""
    if mail["Return-Path"] == "<>" or mail.get("Auto-Submitted", "no") != "no":
        return None
    fields = {"Auto-Submitted": "auto-replied", "In-Reply-To": str(mail["Message-ID"])}
    return "", str(mail["Return-Path"]).strip("<>"), {"Subject": f"Auto: {mail['Subject']}", **fields}


def by_exchange(mail: Any) -> tuple[str, str, Fields] | None:
    """To where an answer goes, from nobody, marked in two ways; nothing to what asks for nothing."""
    if mail["Return-Path"] == "<>" or mail["X-Auto-Response-Suppress"]:
        return None
    fields = {"X-Auto-Response-Suppress": "All", "auto-submitted": "auto-generated"}
    return "", _answered(mail), {"Subject": f"Automatic reply: {mail['Subject']}", **fields}


def by_a_naive_script(mail: Any) -> tuple[str, str, Fields] | None:
    """From the member, as if he had answered; whatever it is that came, but for what came from nobody."""
    if mail["Return-Path"] == "<>":
        return None
    return "ewa", _answered(mail), {"Subject": f"Re: {mail['Subject']}", "References": str(mail["Message-ID"])}


def _answered(mail: Any) -> str:
    return addr_spec(mail, "Reply-To" if mail["Reply-To"] else "From")


SCRIPTS = (by_rfc_3834, by_exchange, by_a_naive_script)


class TwoDesks:
    def __init__(self, daemons: dict[str, RouterdDaemon], ports: dict[str, int], mailboxes: DovecotLmtp) -> None:
        self.daemons, self._ports, self._mailboxes = daemons, ports, mailboxes
        self._read: set[Path] = set()
        self._count = 0

    def write(self, sender: str, author: str, to: str, fields: Fields, text: str, *, by_hop: str = "") -> None:
        """`by_hop`: of whose desk its server says that the author has logged in. What is refused is lost."""
        self._count += 1
        header = {"From": author, "To": to, "Message-ID": f"<{self._count}@script.example>", **fields}
        if by_hop:
            header = {"Authentication-Results": f"hop.{by_hop}.example; auth=pass smtp.auth={author}", **header}
        raw = "".join(f"{name}: {value}\r\n" for name, value in header.items()) + f"\r\n{text}\r\n"
        here = to.rpartition("@")[2].partition(".")[0]
        source = (HOP if by_hop else "127.0.0.1", 0)
        with smtplib.SMTP("127.0.0.1", self._ports[here], timeout=60, source_address=source) as client:
            try:
                client.sendmail(sender, [to], raw.encode())
            except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException):
                return

    def answer_until_all_is_quiet(self, script: Script) -> None:
        for _ in range(MAX_ROUNDS):
            self._wait_until_nothing_waits()
            new = [(here, mail) for here in self.daemons for mail in self._unread(here)]
            if not new:
                return
            for here, mail in new:
                answered = script(mail)
                if answered is not None:
                    name, to, fields = answered
                    author = f"ewa@team-{here}.example"
                    by_hop = here if to.endswith(f"@{here}.example") else ""
                    self.write(author if name else "", author, to, fields, AWAY, by_hop=by_hop)
        pytest.fail("they would go on for ever")

    def mails(self, here: str) -> list[Any]:
        """All that its member got, oldest first."""
        return [message_from_bytes(path.read_bytes(), policy=default) for path in self._paths(here)]

    def metric(self, name: str, **labels: str) -> list[float]:
        return [daemon.metric(f"routerd_{name}", **labels) for daemon in self.daemons.values()]

    def _wait_until_nothing_waits(self) -> None:
        """Each is asked twice: what leaves the one is at the other before."""
        daemons = (*self.daemons.values(), *self.daemons.values())
        waits = lambda daemon: daemon.metric("routerd_queue_copies", state="queued")  # noqa: E731
        wait_for(lambda: not any([waits(daemon) for daemon in daemons]), "empty queues", 60, self._trouble)

    def _unread(self, here: str) -> Iterator[Any]:
        for path in self._paths(here):
            if path not in self._read:
                self._read.add(path)
                yield message_from_bytes(path.read_bytes(), policy=default)

    def _paths(self, here: str) -> list[Path]:
        folder = self._mailboxes.maildir(f"ewa@team-{here}.example") / "new"
        return sorted(folder.glob("*"), key=lambda path: path.stat().st_mtime_ns)

    def _trouble(self) -> str:
        return "\n\n".join(daemon.log_text()[-4000:] for daemon in self.daemons.values())


@pytest.fixture
def desks(
    routerd: Callable[..., RouterdDaemon],
    dovecot: Callable[..., DovecotLmtp],
    free_port: Callable[[], int],
    tmp_path: Path,
) -> Iterator[TwoDesks]:
    mailboxes = dovecot(["ewa@team-a.example", "ewa@team-b.example"])
    ports = {"a": free_port(), "b": free_port()}
    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "received.txt").write_text("Subject: Re: {{subject}}\n\nWe have it, {{customer.name}}.\n")
    with DnsServer() as dns:
        daemons = {}
        for here, there in (("a", "b"), ("b", "a")):
            for domain in (f"{here}.example", f"team-{here}.example"):
                dns.has(domain, "TXT", '"v=spf1 ip4:127.0.0.1 -all"')
            given = {"here": here, "there": there, "port": ports[there], "hop": HOP, "lmtp": mailboxes.port}
            config = CONFIG.format(**given, dns=dns.endpoint, templates=templates)
            daemons[here] = routerd(config=config.replace("{smtp_port}", str(ports[here])), rules={"a.yaml": RULE})
        yield TwoDesks(daemons, ports, mailboxes)


@pytest.mark.parametrize("script", [by_rfc_3834, by_exchange])
def test_out_of_offices_that_say_so_end_after_the_first(desks: TwoDesks, script: Script) -> None:
    """The one desk's reply is all that the other gets; its member is told that she counts as away."""
    desks.write("support@b.example", "support@b.example", "support@a.example", {"Subject": "parcel"}, "Where is it?")
    desks.answer_until_all_is_quiet(script)
    assert desks.metric("auto_replies_total", result="sent") == [1, 0]
    assert desks.metric("auto_replies_total", result="null_sender") == [0, 1]
    assert desks.metric("answers_total") == [0, 0]
    assert [str(mail["Subject"]) for mail in desks.mails("a")] == ["parcel", "You count as away"]
    [reply] = desks.mails("b")
    assert (reply["Subject"], reply["Auto-Submitted"]) == ("Re: parcel", "auto-replied")


def test_out_of_offices_that_do_not_say_so_end_after_the_first(desks: TwoDesks) -> None:
    """Nothing tells the first from an answer; what says the same again is held. The other desk's member answers its
    reply, too, past her desk: that is a conversation of its own, which ends likewise."""
    desks.write("support@b.example", "support@b.example", "support@a.example", {"Subject": "parcel"}, "Where is it?")
    desks.answer_until_all_is_quiet(by_a_naive_script)
    assert desks.metric("answers_total") == [2, 1]
    assert desks.metric("said_by_itself_total", what="answer") == [2, 0]
    assert desks.metric("auto_replies_total", result="sent") == [2, 1]
    to_customers = [mail for mail in desks.mails("b") if "support@a.example" in str(mail["From"])]
    assert sum(AWAY in words(mail) for mail in to_customers) == 2
    assert sum(str(mail["Subject"]).startswith("[not sent]") for mail in desks.mails("a")) == 2


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_no_one_reads_gets_no_reply(desks: TwoDesks, script: Script) -> None:
    """Nor does the member's mailbox set off another, whatever it sends there."""
    desks.write("no-reply@b.example", "no-reply@b.example", "support@a.example", {"Subject": "parcel"}, "It is sent.")
    desks.answer_until_all_is_quiet(script)
    assert desks.metric("auto_replies_total", result="no_reply_address") == [1, 0]
    assert desks.metric("auto_replies_total", result="sent") == [0, 0]
    assert desks.metric("messages_received_total", result="accepted")[1] == 0


@pytest.mark.parametrize(("sender", "reason"), [("", "null_sender"), ("mailer-daemon@b.example", "automatic")])
def test_a_bounce_gets_no_reply(desks: TwoDesks, sender: str, reason: str) -> None:
    """Also where its server says a sender, as none should (RFC 5321 4.5.5)."""
    fields = {
        "Subject": "Undelivered Mail Returned to Sender",
        "MIME-Version": "1.0",
        "Content-Type": "multipart/report; report-type=delivery-status; boundary=x",
    }
    report = "--x\r\n\r\nNo such user.\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n--x--"
    desks.write(sender, "MAILER-DAEMON@b.example", "support@a.example", fields, report)
    desks.answer_until_all_is_quiet(by_a_naive_script)
    assert desks.metric("auto_replies_total", result=reason) == [1, 0]
    assert desks.metric("auto_replies_total", result="sent") == [0, 0]
    assert desks.metric("messages_received_total", result="accepted")[1] == 0
