"""The README's cases of a queue in trouble: each command is run against the real daemon, and prints what stands there.

`ROUTERD_WRITE_README=1` writes what is printed now. What differs from run to run stands there as of one day in March:
ids, moments, ages, ports and this machine's address.
"""

import json
import os
import pty
import re
import smtplib
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hop_beside import next_hop_beside
from peers.daemon import CONFIG, RouterdDaemon
from peers.readme import README, readme_example
from scripted_next_hop import NextHop

COLUMNS = 110
TRACE_INDENT = 22
RULES = {
    "20-billing.yaml": (
        "rules:\n"
        "  - {name: invoices, when: {subject: invoice}, then: {assign: finance, label: invoice}}\n"
        "  - {name: contracts, when: {subject: contract}, then: {hold: the lawyer reads it first}}\n"
    )
}
PATIENT = CONFIG.replace("retry: {{first: 1s, factor: 1, max: 1s}}", "retry: {{first: 5m}}")
GRANTING = PATIENT + 'limits_of_rules: [{{files: "*", actions: [all]}}]\n'
IDS = ("01KJVX7GQ2M4T8Z0R5B6C9D1EF", "01KJVY3HN8P6S2W7X1A4K5J0QT")
NOTICE = "01KJVZ5RM3D9F6B1C8T0W2X4HY"
ROW = re.compile(r"(COPY|01)\S*  ")  # of a table
ID = r"[0-9A-Z]{26}"
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")
INVOICE = (
    "From: Anna <anna@klient.pl>\r\nTo: support@example.com\r\nSubject: invoice 7\r\n"
    "Message-ID: <7@klient.pl>\r\n\r\nHello\r\n"
)
CONTRACT = INVOICE.replace("invoice 7", "our contract")
REPORT = """\
From: MAILER-DAEMON@mail.example.com\r
To: {to}\r
Subject: Undelivered Mail Returned to Sender\r
Auto-Submitted: auto-replied\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary=b\r
\r
--b\r
Content-Type: text/plain\r
\r
I'm sorry to have to inform you.\r
--b\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mail.example.com\r
\r
Final-Recipient: rfc822; {mailbox}\r
Action: failed\r
Status: 5.2.1\r
Diagnostic-Code: smtp; 550 5.2.1 mailbox closed\r
--b--\r
"""
PLAIN = (
    "From: Ewa <ewa@mail.example.com>\r\nTo: {to}\r\nSubject: I have left\r\n\r\nThis mailbox is not read any more.\r\n"
)


class Desk:
    """A daemon, its next hop, and what a postmaster sees of them."""

    def __init__(self, daemon: RouterdDaemon, hop: NextHop | None, port: int) -> None:
        self.daemon = daemon
        self._hop = hop
        self.port = port  # of the next hop

    @property
    def hop(self) -> NextHop:
        assert self._hop is not None
        return self._hop

    def send(self, text: str, sender: str = "anna@klient.pl", to: str = "support@example.com") -> None:
        with smtplib.SMTP("127.0.0.1", self.daemon.smtp_port, local_hostname="mail.klient.pl", timeout=60) as client:
            client.sendmail(sender, [to], text.encode())

    def ids(self) -> list[str]:
        return [event["id"] for event in self.daemon.log_events("message_accepted")]

    def states(self, number: int = 0) -> list[str]:
        if len(self.ids()) <= number:  # the log is written a moment after the reply
            return []
        shown = self.daemon.command("queue", "show", "--json", self.ids()[number])
        return [copy["state"] for copy in json.loads(shown.stdout)["copies"]] if shown.returncode == 0 else []

    def see(self, name: str, *commands: str, times: str = "", age: str = "5m2s") -> None:
        """What the commands print is the example of that name. ID1, ID2 are the messages, HOP the next hop."""
        printed = ""
        for command in commands:
            arguments = command.replace("HOP", f"127.0.0.1:{self.port}").split(" ")[1:]
            for example, real in zip(("ID1", "ID2"), self.ids(), strict=False):
                arguments = [argument.replace(example, real) for argument in arguments]
            typed = command.replace("ID1", IDS[0]).replace("ID2", IDS[1]).replace("HOP", "mail.example.com:25")
            printed += f"$ {typed}\n{self._seen(_on_terminal(self.daemon, arguments), age)}"
        moments = times.split()
        assert len(TIME.findall(printed)) == len(moments), printed
        remaining = iter(moments)
        printed = TIME.sub(lambda _: f"2026-03-04 {next(remaining)}Z", printed)
        check_shown(f"queue {name}", "\n".join(line for text in printed.splitlines() for line in _wrapped(text)) + "\n")

    def _seen(self, text: str, age: str) -> str:
        for real, example in zip(self.ids(), IDS, strict=False):
            text = text.replace(real, example)
        text = re.sub(rf"notice is {ID}", f"notice is {NOTICE}", text)
        text = text.replace(f"127.0.0.1:{self.port}", "mail.example.com:25")
        text = text.replace(f"127.0.0.1:{self.daemon.smtp_port}", "0.0.0.0:25").replace("127.0.0.1", "192.0.2.7")
        return _aligned(_notice_last(text), age)


def _on_terminal(daemon: RouterdDaemon, arguments: list[str]) -> str:
    """What the command prints there: lists are as wide as the terminal; a trace is wrapped later."""
    if arguments[0] == "trace":
        done = daemon.command(*arguments)
        return done.stdout + done.stderr
    mine, theirs = pty.openpty()
    environ = {**os.environ, "COLUMNS": str(COLUMNS), "LINES": "50"}
    with subprocess.Popen(
        daemon.command_line(*arguments), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environ
    ):
        os.close(theirs)
        printed = b""
        try:
            while chunk := os.read(mine, 65_536):
                printed += chunk
        except OSError:  # EIO: its last user has closed it
            pass
        os.close(mine)
    return printed.decode().replace("\r\n", "\n")


def _notice_last(text: str) -> str:
    """A notice is written whenever there is time for it."""
    lines = text.splitlines(keepends=True)
    notices = [line for line in lines if "the postmaster was told" in line]
    others = [line for line in lines if line not in notices]
    now = next((number for number, line in enumerate(others) if line.startswith("now ")), len(others))
    return "".join((*others[:now], *notices, *others[now:]))


def _aligned(text: str, age: str) -> str:
    """Tables anew, after words of another length took the place of some."""
    lines = text.splitlines()
    rows = [re.split(r"\s{2,}", line) for line in lines if ROW.match(line)]
    rows = [[*row[:2], age, *row[3:]] if row[0] != "COPY" else row for row in rows]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    padded = iter(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
    return "".join(f"{next(padded) if ROW.match(line) else line}\n" for line in lines)


def _wrapped(line: str) -> Iterator[str]:
    """As `trace` does it on a terminal."""
    indent = " " * TRACE_INDENT
    while len(line) > COLUMNS and " " in line[TRACE_INDENT + 1 : COLUMNS + 1] and not line.startswith("$"):
        cut = line.rindex(" ", TRACE_INDENT + 1, COLUMNS + 1)
        yield line[:cut].rstrip()
        line = indent + line[cut + 1 :]
    yield line


def check_shown(name: str, shown: str) -> None:
    """Where lines are broken is the terminal's affair."""
    if os.environ.get("ROUTERD_WRITE_README"):
        begin = f"<!-- example: {name} -->\n```text\n"
        README.write_text(README.read_text().replace(begin + readme_example(name), begin + shown))
    assert _words(shown) == _words(readme_example(name))


def _words(text: str) -> list[str]:
    return re.sub(r"\brevision [0-9a-f]{12}\b", "revision …", text).split()


@pytest.fixture
def desk(routerd: Callable[..., RouterdDaemon], free_port: Callable[[], int]) -> Iterator[Callable[..., Desk]]:
    """`desk(answer)`: a daemon with a next hop that answers so; without one, nobody listens there."""
    opened: list[Any] = []

    def start(answer: Callable[[str, int], str | None] | None = None, config: str = GRANTING) -> Desk:
        hop = None
        port = free_port()
        if answer is not None:
            beside = next_hop_beside(answer, port=port)
            hop = beside.__enter__()
            opened.append(beside)
        delivery = f'  - {{domain: "*", smtp: "127.0.0.1:{port}", tls: none}}'
        return Desk(routerd(config=config, delivery=delivery, rules=RULES), hop, port)

    yield start
    for beside in opened:
        beside.__exit__(None, None, None)


def _refusing(
    mailbox: str, reply: str, at: str = "rcpt"
) -> tuple[Callable[[str, int], str | None], Callable[[NextHop], None]]:
    """An answer that refuses one mailbox; it must be told of the hop whose commands it looks at."""
    hops: list[NextHop] = []

    def answer(step: str, _: int) -> str | None:
        spoken = hops[0].commands if hops and step == at else []
        latest = next((command for command in reversed(spoken) if command.startswith("RCPT")), "")
        return reply if mailbox in latest else None

    return answer, hops.append


def test_mail_to_ewa_is_refused(desk: Callable[..., Desk], wait_until: Any) -> None:
    """The next in line has it, and the trace says so with the server's words."""
    answer, tell = _refusing("ewa@", "550 5.1.1 <ewa@mail.example.com>: no such user here")
    found = desk(answer)
    tell(found.hop)
    found.send(INVOICE)
    wait_until(lambda: found.states() == ["rerouted", "delivered"], "the copy for jan")
    found.daemon.wait_for_event("postmaster_told")
    found.see("refused", "routerd trace ID1", times="09:12:07 09:12:08 09:12:08 09:12:13 09:12:08")


def test_the_next_hop_is_down(desk: Callable[..., Desk], wait_until: Any) -> None:
    """It waits, and says why; by hand it goes at once when the server is back."""
    found = desk(None)
    found.send(INVOICE)
    found.daemon.wait_for_event("copy_deferred")
    wait_until(lambda: found.states() == ["queued"] and _reason(found), "the reason")
    found.see("down", "routerd queue list", times="09:17:11")
    with next_hop_beside(lambda *_: None, port=found.port):
        found.see("down again", "routerd queue retry --destination HOP")
        wait_until(lambda: found.states() == ["delivered"], "the copy at the next hop")


def _reason(desk: Desk) -> str:
    [copy] = json.loads(desk.daemon.command("queue", "list", "--json").stdout)
    return str(copy["reason"])


def test_a_message_is_held(desk: Callable[..., Desk], wait_until: Any) -> None:
    """By a rule, and because its content was refused: each with its reason and its way out."""
    answer, tell = _refusing("ewa@", "554 5.7.1 Message rejected: looks like spam", at="content")
    found = desk(answer)
    tell(found.hop)
    found.send(INVOICE)
    wait_until(lambda: found.states() == ["held"], "the refused copy")
    found.send(CONTRACT)
    found.daemon.wait_for_event("message_accepted", 2)
    found.see("held", "routerd queue list --state held")
    found.daemon.wait_for_event("postmaster_told")
    told = found.daemon.command("trace", found.ids()[0]).stdout.splitlines()[-1]
    assert "sends it as it is, 'bounce' gives it to the next in line, 'drop' ends it" in told
    exported = found.daemon.command("queue", "export", found.ids()[0])
    assert exported.stdout.replace("\n", "\r\n") == INVOICE
    found.hop.answer = lambda *_: None
    found.see("held released", "routerd queue release ID1-1 --reason reported", "routerd queue drop ID2-1 --yes")
    wait_until(lambda: found.states() == ["delivered"], "the released copy")
    assert found.states(1) == ["dropped"]


def test_who_got_this_message_and_why(desk: Callable[..., Desk], wait_until: Any) -> None:
    """By its Message-ID, also when it was delivered long ago."""
    found = desk(lambda step, _: "250 2.0.0 Ok: queued as 4fqXk21tTz" if step == "content" else None)
    found.send(INVOICE)
    wait_until(lambda: found.states() == ["delivered"], "the copy")
    for name in ("7@klient.pl", found.ids()[0], f"{found.ids()[0]}-1"):
        assert "its server said: 250 2.0.0 Ok: queued as 4fqXk21tTz" in found.daemon.command("trace", name).stdout


def test_a_bounce_came_later(desk: Callable[..., Desk], wait_until: Any) -> None:
    """One that routerd can read is acted upon at once; of another the postmaster says what it means."""
    found = desk(lambda *_: None)
    found.send(INVOICE)
    wait_until(lambda: found.states() == ["delivered"], "the copy")
    returned = found.hop.taken[0].sender
    found.send(REPORT.format(to=returned, mailbox="ewa@mail.example.com"), sender="", to=returned)
    wait_until(lambda: found.states() == ["rerouted", "delivered"], "the copy for jan")
    found.daemon.wait_for_event("postmaster_told")
    moments = "09:12:07 09:12:08 11:03:40 11:03:40 11:03:41 11:03:45 11:03:41"
    found.see("bounced", "routerd trace ID1", times=moments)


def test_the_disk_is_full(desk: Callable[..., Desk]) -> None:
    """The log and the metrics say so, with what is wanted and what is there."""
    found = desk(lambda *_: None, GRANTING + "limits: {{free_space: 900000GB}}\n")
    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        found.send(INVOICE)
    assert (refused.value.smtp_code, refused.value.smtp_error[:5]) == (452, b"4.3.1")
    [complaint] = found.daemon.wait_for_event("pressure_high")
    reason, said = re.subn(r"^\d+MB are free (.*) 900000000MB", r"12MB are free \1 50MB", complaint["reason"])
    assert said == 1, complaint["reason"]
    metrics = found.daemon.http_get("/metrics")[1]
    values = [line for line in metrics.splitlines() if re.match(r"routerd_(pressure|store_free_bytes) ", line)]
    shown = [
        "$ journalctl -u routerd -o cat | jq -r 'select(.event == \"pressure_high\").reason'",
        reason,
        "$ curl -s http://127.0.0.1:9925/metrics | grep -E '^routerd_(pressure|store_free_bytes) '",
        *(re.sub(r"(free_bytes) .*", r"\1 1.2058624e+07", value) for value in values),
    ]
    check_shown("queue disk full", "\n".join(shown) + "\n")
    assert found.daemon.command("queue", "list").returncode == 0


def test_a_bounce_that_only_a_person_can_read(desk: Callable[..., Desk], wait_until: Any) -> None:
    found = desk(lambda *_: None)
    found.send(INVOICE)
    wait_until(lambda: found.states() == ["delivered"], "the copy")
    returned = found.hop.taken[0].sender
    found.send(PLAIN.format(to=returned), sender="", to=returned)
    found.daemon.wait_for_event("message_accepted", 2)
    wait_until(lambda: found.states(1) == ["delivered"], "the postmaster's copy")
    came_back = found.daemon.command("trace", found.ids()[1]).stdout
    assert f"it came back for {found.ids()[0]}-1, sent to ewa@mail.example.com" in came_back
    found.see("odd bounce", "routerd queue bounce ID1-1 --reason left")
    wait_until(lambda: found.states() == ["rerouted", "delivered"], "the copy for jan")
