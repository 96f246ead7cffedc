"""The clients and servers that people run hand their mail over, by every door that they know how to use."""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from annotated import added_header, value
from peers import clients, relaying
from peers.certificate import make_certificate
from peers.clients import Errand
from peers.daemon import RouterdDaemon
from peers.machine import free_port, open_folder

from routerd.config.password_hash import make_hash

LONG = "A long line with ó: " + "0123456789" * 300
PASSWORD = "correct-horse-7"  # ASCII: smtplib sends nothing else
MESSAGE = """\
From: Anna =?utf-8?q?=C5=BB=C3=B3=C5=82ta?= <anna@client.example.net>
To: support@example.com
Subject: =?utf-8?b?2LTZg9mI2Yk=?= NAME
Date: Mon, 02 Nov 2026 10:00:00 +0000
Message-ID: <NAME@client.example.net>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=_x"

This is MIME.
--=_x
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Dzień dobry, شكوى
.one dot
..two dots
.
...
trailing space\x20
%FROM_ADDRESS% stays
From the start
LONG

--=_x
Content-Type: application/pdf; name="bill.pdf"
Content-Disposition: attachment; filename="bill.pdf"
Content-Transfer-Encoding: base64

JVBERi0xLjQgc2FtcGxlCg==
--=_x--
.
end
"""
CONFIG = """\
hostname: mx1.example.com
state: {folder}/state
rules: {folder}/rules.d
listen:
  - {{address: "127.0.0.1:{smtp_port}"}}
  - {{address: "127.0.0.1:{lmtp_port}", protocol: lmtp}}
  - {{address: "127.0.0.1:@implicit@", tls: implicit}}
  - {{address: "127.0.0.1:@submission@", tls: required, auth: required}}
  - {{address: "127.0.0.1:@submissions@", tls: implicit, auth: required}}
tls: {{certificate: "@certificate@", key: "@key@"}}
passwords: {folder}/passwords
http: {{address: "127.0.0.1:{http_port}"}}
postmaster: jan
members:
  jan: {{mailbox: jan@mail.example.com}}
inboxes:
  support@example.com: {{default: jan}}
delivery:
{delivery}
"""

Door = Literal["smtp", "implicit", "submission", "submissions", "lmtp"]
Way = Callable[[Errand, Path], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Case:
    """`protocol`: the `with` of Received; `ending`: what the client adds below the message."""

    client: str
    way: Way
    door: Door
    protocol: str
    mechanism: str = ""
    tls: Literal["no", "starttls", "implicit"] = "no"
    pipelining: bool = False
    esmtp: bool = True
    ending: str = ""

    @property
    def name(self) -> str:
        marks = [self.client, self.protocol, self.tls, self.mechanism, "pipelined" if self.pipelining else ""]
        return "-".join(mark for mark in marks if mark not in ("", "no"))


def _at_once(send: Callable[[Errand], object]) -> Way:
    """Of a client that is done when it ends."""

    @contextmanager
    def way(errand: Errand, folder: Path) -> Generator[None, None, None]:
        send(errand)
        yield

    return way


def _cases(client: str, way: Way, *, mechanisms: Sequence[str] = ("PLAIN",)) -> list[Case]:
    """Every door: in the clear, both kinds of TLS, and with a login behind each."""
    return [
        Case(client, way, "smtp", "ESMTP"),
        Case(client, way, "smtp", "ESMTPS", tls="starttls"),
        Case(client, way, "implicit", "ESMTPS", tls="implicit"),
        *(Case(client, way, "submission", "ESMTPSA", each, "starttls") for each in mechanisms),
        Case(client, way, "submissions", "ESMTPSA", mechanisms[0], "implicit"),
        Case(client, way, "lmtp", "LMTP"),
    ]


SMTPLIB, SWAKS = _at_once(clients.by_smtplib), _at_once(clients.by_swaks)
SMTP_SOURCE = _at_once(clients.by_smtp_source)
CASES = [
    *_cases("smtplib", SMTPLIB),
    Case("smtplib", SMTPLIB, "smtp", "SMTP", esmtp=False),
    *_cases("swaks", SWAKS, mechanisms=("PLAIN", "LOGIN")),
    Case("swaks", SWAKS, "smtp", "SMTP", esmtp=False),
    Case("swaks", SWAKS, "smtp", "ESMTP", pipelining=True),
    *_cases("msmtp", _at_once(clients.by_msmtp), mechanisms=("PLAIN", "LOGIN")),
    *_cases("nodemailer", _at_once(clients.by_nodemailer), mechanisms=("PLAIN", "LOGIN")),
    Case("smtp-source", SMTP_SOURCE, "smtp", "SMTP", ending="\n"),
    Case("smtp-source", SMTP_SOURCE, "lmtp", "LMTP", ending="\n"),
    *_cases("postfix", relaying.by_postfix, mechanisms=("PLAIN", "LOGIN")),
    *_cases("exim", relaying.by_exim, mechanisms=("PLAIN", "LOGIN")),
    *_cases("opensmtpd", relaying.by_opensmtpd),
]


@dataclass(frozen=True, slots=True)
class _Desk:
    daemon: RouterdDaemon
    ports: dict[str, int]
    authority: Path


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Desk]:
    """One daemon for all; each message is known by its id."""
    folder = tmp_path_factory.mktemp("desk")
    ports = {name: free_port() for name in ("implicit", "submission", "submissions")}
    certificate, key = make_certificate(folder, clients.SERVER)
    config = CONFIG
    for name, what in {**ports, "certificate": certificate, "key": key}.items():
        config = config.replace(f"@{name}@", str(what))
    passwords = folder / "passwords"
    passwords.write_text(f"jan:{make_hash(PASSWORD, b'0123456789abcdef')}\n")
    passwords.chmod(0o600)
    with RouterdDaemon(folder, config=config, rules={}) as daemon:
        yield _Desk(daemon, {**ports, "smtp": daemon.smtp_port, "lmtp": daemon.lmtp_port}, certificate)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_message_arrives_as_it_was_sent(
    desk: _Desk, case: Case, tmp_path: Path, peer_or_skip: Callable[[], AbstractContextManager[None]], wait_until: Any
) -> None:
    """Below what is added on top, octet for octet; and Received says how it came."""
    message = MESSAGE.replace("NAME", case.name).replace("LONG", LONG)
    errand = Errand(
        desk.ports[case.door],
        message.replace("\n", "\r\n").encode(),
        sender="anna@client.example.net",
        recipient="support@example.com",
        folder=tmp_path,
        authority=desk.authority,
        tls=case.tls,
        login=("jan", PASSWORD) if case.mechanism else None,
        mechanism=case.mechanism or "PLAIN",
        lmtp=case.door == "lmtp",
        pipelining=case.pipelining,
        esmtp=case.esmtp,
    )
    mark = f"<{case.name}@client.example.net>".encode()
    with open_folder("client") as folder, peer_or_skip(), case.way(errand, folder):
        [copy] = wait_until(
            lambda: [copy for copy in desk.daemon.copies("jan") if mark in copy],
            "the copy",
            seconds=120,
            trouble=lambda: _all_logs(folder) + desk.daemon.log_text()[-4000:],
        )
    head = added_header(copy, (message + case.ending).encode())
    assert head is not None, copy
    assert re.findall(r" with (\w+) id ", value(head, "Received")) == [case.protocol]


def _all_logs(folder: Path) -> str:
    """What a server of a client's own wrote."""
    paths = [path for path in folder.rglob("*") if path.name in ("maillog", "mainlog", "paniclog", "output")]
    return "\n".join(path.read_text(errors="replace")[-3000:] for path in paths)
