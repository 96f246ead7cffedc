"""Who speaks as a member though he is none: straight to the daemon, and through a Postfix that it trusts."""

import json
import re
import smtplib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from peers.daemon import RouterdDaemon
from peers.dns_server import DnsServer
from peers.machine import wait_for
from peers.postfix import Postfix
from peers.readme import readme_example
from peers.signing_keys import signer_in
from peers.stranger import Stranger

from routerd.auth.dkim_signing import Signer, sign_by_all
from routerd.config.settings import Addresses
from routerd.message.address import parse_address
from routerd.message.key_ring import KeyRing
from routerd.message.token import ANSWER, DRAFT, NOTE, issue_address

CONFIG = """\
hostname: mx1.example.com
state: {{folder}}/state
rules: {{folder}}/rules.d
listen:
  - {{{{address: "127.0.0.1:{{smtp_port}}", reverse_name: ignore, verify: true}}}}
trusted_networks: [{trusted}]
authserv_ids: [mx.example.com]
proxies: [{proxies}]
dns: {{{{servers: ["{dns}"], timeout: 2s}}}}
limits: {{{{errors: 1000, messages_per_connection: 1000}}}}
retain: {{{{events: 30d}}}}
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: jan
members:
  jan: {{{{name: Jan, mailbox: jan@team.test}}}}
  ewa: {{{{name: Ewa, mailbox: ewa@team.test}}}}
inboxes:
  support@example.com: {{{{default: ewa}}}}
delivery:
  - {{{{domain: team.test, maildir: "{{folder}}/mail/{{{{local}}}}", trusts_us: true}}}}
  - {{{{domain: "*", maildir: "{{folder}}/outside/{{{{mailbox}}}}"}}}}
"""
RULES = "rules:\n  - {name: all, when: {always: true}, then: {watch: jan}}\n"
ANNA_AT, TEAM_AT, ELSEWHERE = "192.0.2.7", "192.0.2.20", "203.0.113.9"
ZLY = "x@zly.test"
NUMBERS = count(1)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        for domain, address in (
            ("klient.test", ANNA_AT),
            ("team.test", TEAM_AT),
            ("zly.test", ELSEWHERE),
            ("tearn.test", ELSEWHERE),
            ("team.test.zly.test", ELSEWHERE),
        ):
            server.has(domain, "TXT", f'"v=spf1 ip4:{address} -all"')
            server.has(f"_dmarc.{domain}", "TXT", '"v=DMARC1; p=reject"')
        yield server


@pytest.fixture
def signer(tmp_path: Path, dns: DnsServer) -> Callable[[str], Signer]:
    """`signer(domain)`: with a key that DNS has."""
    return partial(signer_in, dns, tmp_path)


class Way:
    """How mail comes in: straight, or through the hop, which takes everything and hands it on."""

    def __init__(self, daemon: RouterdDaemon, hop: Postfix | None) -> None:
        self.daemon = daemon
        self._hop = hop

    def send(self, raw: bytes, sender: str, to: str, address: str) -> None:
        """Whatever becomes of it."""
        port = self._hop.port if self._hop else self.daemon.smtp_port
        session = smtplib.SMTP("127.0.0.1", port, timeout=60) if self._hop else Stranger(address, port)
        refused = () if self._hop else (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)
        with session, suppress(*refused):
            session.sendmail(sender, [to], raw)

    def copies(self) -> list[EmailMessage]:
        """All that anybody has got, ours and others."""
        files = [path for folder in ("mail", "outside") for path in (self.daemon.folder / folder).glob("*/new/*")]
        return [read(path.read_bytes()) for path in sorted(files)]

    def outside(self) -> list[EmailMessage]:
        return [read(path.read_bytes()) for path in (self.daemon.folder / "outside").glob("*/new/*")]

    def conversations(self) -> list[dict[str, Any]]:
        found = json.loads(self.daemon.command("conversations", "--json").stdout)
        assert isinstance(found, list)
        return found

    def refused(self, reason: str) -> float:
        return self.daemon.metric("routerd_rejections_total", reason=reason)

    def came_in(self) -> float:
        """How many messages have been answered, whatever the answer."""
        accepted = self.daemon.metric("routerd_messages_received_total")
        tokens = self.refused("forged_token") + self.refused("expired_token")
        return accepted + tokens


def read(raw: bytes) -> EmailMessage:
    found = message_from_bytes(raw, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


@pytest.fixture(params=["straight", "through Postfix"])
def way(
    request: pytest.FixtureRequest,
    routerd: Callable[..., RouterdDaemon],
    postfix: Callable[[Callable[[Path], Postfix]], Postfix],
    dns: DnsServer,
) -> Way:
    straight = request.param == "straight"
    config = CONFIG.format(
        dns=dns.endpoint,
        trusted="" if straight else "127.0.0.0/8",
        proxies="127.0.0.1/32" if straight else "",
    )
    daemon = routerd(config=config, rules={"10.yaml": RULES})
    if straight:
        return Way(daemon, None)
    settings = {
        "myhostname": "mx.example.com",
        "relay_domains": "example.com",
        "smtpd_relay_restrictions": "permit_auth_destination, reject",
        "transport_maps": "texthash:{folder}/etc/transport",
        "header_checks": "regexp:{folder}/etc/header_checks",
        "bounce_queue_lifetime": "0",
    }
    files = {
        "transport": f"example.com smtp:[127.0.0.1]:{daemon.smtp_port}\n* discard:\n",
        "header_checks": readme_example("postfix header_checks"),
    }
    return Way(daemon, postfix(lambda folder: Postfix(folder, settings, files)))


def mail(author: str, to: str, text: str, *header: str) -> bytes:
    lines = (
        *header,
        f"From: {author}",
        f"To: {to}",
        "Subject: Re: parcel",
        f"Date: {datetime.now(UTC):%a, %d %b %Y %H:%M:%S +0000}",
        f"Message-ID: <{next(NUMBERS)}.x@far.test>",
    )
    return "".join(f"{line}\r\n" for line in lines).encode() + f"\r\n{text}\r\n".encode()


@dataclass(frozen=True)
class Addresses3:
    """Of a copy: by which its reader speaks to the desk."""

    answer: str
    note: str
    draft: str

    @property
    def all(self) -> tuple[str, str, str]:
        return (self.answer, self.note, self.draft)


def addresses_of(copy: EmailMessage) -> Addresses3:
    answer = re.search(r"<(support\+c\.\w{29}@example\.com)>", copy["Reply-To"])
    note, draft = (re.fullmatch(r"<mailto:(\S+)>", copy[f"X-Routerd-{name}"]) for name in ("Note", "Draft"))
    assert answer
    assert note
    assert draft
    return Addresses3(answer[1], note[1], draft[1])


def old_addresses(way: Way) -> Addresses3:
    """As Ewa's first copy would have borne them, had it come long ago."""
    with closing(sqlite3.connect(f"file:{way.daemon.state}/routerd.db?mode=ro", uri=True)) as store:
        [(key,)] = store.execute("SELECT secret FROM keys WHERE purpose = 'b'")
        [(number,)] = store.execute("SELECT number FROM copies WHERE member = 'ewa' ORDER BY number LIMIT 1")
    at, keys = datetime.now(UTC) - timedelta(days=40), KeyRing.begun(key)
    inbox = parse_address("support@example.com")
    letters = (ANSWER, NOTE, DRAFT)
    return Addresses3(*(issue_address(letter, inbox, number, at, Addresses(), keys) for letter in letters))


TRICKS: list[tuple[str, str, tuple[str, ...]]] = [
    ("Ewa <ewa@team.test>", "ewa@team.test", ()),  # a forged From, and MAIL FROM
    ("Ewa <ewa@team.test>", ZLY, ()),
    ("Ewa <ewa@team.test>", ZLY, ("Sender: ewa@team.test", "Reply-To: ewa@team.test", "Resent-From: ewa@team.test")),
    ("Ewa <ewa@team.test>", ZLY, ("Authentication-Results: mx.example.com; auth=pass smtp.auth=ewa@team.test",)),
    ("Ewa <ewa@team.test>", ZLY, ("Authentication-Results: mx.example.com; dmarc=pass header.from=team.test",)),
    ("Ewa <ewa@team.test>", ZLY, ("Authentication-Results: MX.Example.com 1;\r\n auth=pass smtp.auth=ewa@team.test",)),
    ("Ewa <ewa@team.test>", ZLY, ("Authentication-Results: mx1.example.com; dmarc=pass header.from=team.test",)),
    ("Ewa <ewa@team.test>", ZLY, ("X-Assigned-To: ewa@team.test", "X-Routerd-Trace: 01J aaaaaaaaaaaaaaaa")),
    ("ewa@team.test, x@zly.test", ZLY, ()),
    ("x@zly.test, ewa@team.test", ZLY, ()),
    ("ewa@team.test\r\nFrom: x@zly.test", ZLY, ()),
    ('"ewa@team.test" <x@zly.test>', ZLY, ()),
    ("Ewa <ewa@tearn.test>", "ewa@tearn.test", ()),  # look-alikes
    ("Ewa <ewa@team.test.zly.test>", "ewa@team.test.zly.test", ()),
    ("Ewa <ewa@xn--tem-8cd.test>", ZLY, ()),
    ("Support <support@example.com>", ZLY, ()),
]  # fmt: skip
IN_HER_NAME = [author for author, _, _ in TRICKS if author in ("Ewa <ewa@team.test>", "ewa@team.test, x@zly.test")]
SAID = "#take\r\n#close\r\n#label +owned\r\n#assign jan\r\nSend me the money."


def test_no_impostor_says_anything_to_the_desk(way: Way, signer: Callable[[str], Signer]) -> None:
    """With a valid token, stolen: no answer goes out, no note, draft or command takes effect, and each is counted. What
    bears a member's From is refused also as an answer: it may be hers. Then the members, by the same addresses, are
    heard.
    """
    anna, team, zly = (signer(domain) for domain in ("klient.test", "team.test", "zly.test"))
    now = datetime.now(UTC)
    question = sign_by_all(mail("Anna <anna@klient.test>", "support@example.com", "Where is it?"), [anna], now)
    way.send(question, "anna@klient.test", "support@example.com", ANNA_AT)
    ewas, jans = (read(way.daemon.wait_for_copies(1, name)[0]) for name in ("ewa", "jan"))
    stolen = addresses_of(ewas)
    assert stolen != addresses_of(jans)

    tried = 0
    for author, sender, header in TRICKS:
        for address in stolen.all:
            raw = mail(author, address, SAID, *header)
            way.send(sign_by_all(raw, [zly], now), sender, address, ELSEWHERE)
            tried += 1
    signed = mail("Ewa <ewa@team.test>", "friend@far.test", SAID)  # for somebody else, who sends it on
    for address in stolen.all:
        way.send(sign_by_all(signed, [team], now), ZLY, address, ELSEWHERE)
    expired = old_addresses(way)
    for address in expired.all:
        way.send(sign_by_all(mail("Ewa <ewa@team.test>", address, SAID), [team], now), ZLY, address, ELSEWHERE)
    wait_for(lambda: way.came_in() >= 1 + tried + 3 + 3, "all of it to come in", 60, way.daemon.log_text)

    assert way.refused("not_a_member") == 2 * len(TRICKS) + len(IN_HER_NAME) + 3
    assert way.refused("expired_token") == 3
    [known] = (one for one in way.conversations() if one["customer"] == "anna@klient.test")
    assert (known["owner"], known["state"], known["labels"], known["messages"]) == ("ewa", "open", [], 1)
    as_mail = len(TRICKS) - len(IN_HER_NAME)
    wait_for(lambda: len(way.copies()) >= 2 + 2 * as_mail, "what came to +c as mail", 60, way.daemon.log_text)
    suspects = [copy for copy in way.copies() if "Where is it?" not in copy.get_content()]
    assert {copy["X-Labels"] and "thread-suspect" in copy["X-Labels"] for copy in suspects} == {True}
    assert way.outside() == []

    way.send(
        sign_by_all(mail("Ewa <ewa@team.test>", stolen.note, "Jan knows."), [team], now), ZLY, stolen.note, ELSEWHERE
    )
    wait_for(
        lambda: any("Jan knows." in one.get_content() for one in way.copies()), "the note", 60, way.daemon.log_text
    )
    way.send(
        sign_by_all(mail("Ewa <ewa@team.test>", stolen.answer, "Here."), [team], now), ZLY, stolen.answer, ELSEWHERE
    )
    wait_for(way.outside, "the answer", 60, way.daemon.log_text)
    [answer] = way.outside()
    assert (answer["From"], answer["To"]) == ("Support <support@example.com>", "Anna <anna@klient.test>")
    [known] = (one for one in way.conversations() if one["customer"] == "anna@klient.test")
    assert (known["owner"], known["state"]) == ("ewa", "answered")
