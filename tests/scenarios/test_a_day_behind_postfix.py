"""A day at the desk with a real Postfix in front and the members' mailboxes at a real Dovecot, by LMTP: what Gmail,
Outlook, Apple Mail and Thunderbird write, signed by their domains, in Polish and in Arabic."""

import json
import re
import smtplib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.header import Header
from email.policy import default
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from peers.clock import SettableClock
from peers.daemon import RouterdDaemon
from peers.dns_server import DnsServer
from peers.dovecot import DovecotLmtp
from peers.machine import wait_for
from peers.postfix import Postfix
from peers.readme import readme_example
from peers.signing_keys import make_key
from written_by import Client, by_apple_mail, by_gmail, by_outlook, by_thunderbird

from routerd.auth.dkim_signing import Signer, sign_by_all
from routerd.message.dkim_keys import parse_private_key

MONDAY = datetime(2027, 3, 1, 8, tzinfo=UTC)  # 09:00 in Warsaw
CONFIG = """\
hostname: mx1.example.com
state: {{folder}}/state
rules: {{folder}}/rules.d
templates: "{templates}"
listen:
  - {{{{address: "127.0.0.1:{{smtp_port}}", reverse_name: ignore, verify: true}}}}
trusted_networks: [127.0.0.0/8]
authserv_ids: [mx.example.com]
dns: {{{{servers: ["{dns}"], timeout: 2s}}}}
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: omar
calendars:
  office: {{{{zone: Europe/Warsaw, days: mon-fri, hours: "08:00-17:00"}}}}
members:
  ewa: {{{{name: Ewa Nowak, mailbox: ewa@team.test, deputy: omar}}}}
  jan: {{{{name: Jan Kowalski, mailbox: jan@team.test}}}}
  omar: {{{{name: عمر, mailbox: omar@team.test}}}}
teams:
  desk: {{{{members: [ewa, jan], calendar: office, pick: first}}}}
inboxes:
  support@example.com: {{{{default: desk, replies: through}}}}
delivery:
  - {{{{domain: team.test, lmtp: "127.0.0.1:{lmtp}", tls: none, trusts_us: true}}}}
  - {{{{domain: "*", maildir: "{{folder}}/outside/{{{{local}}}}"}}}}
limits_of_rules:
  - {{{{files: "*", actions: [reply]}}}}
"""
RULES = """\
rules:
  - name: complaints
    when: {subject: {stem: [skarga, complaint, شكوى], also: [skargi, skargę]}}
    then: {label: complaint, respond_within: 4h, reply: {template: received, once_per: 24h}}
"""
TEMPLATES = {
    "received.txt": "Subject: Re: {{subject}}\n\nDear {{customer.name}}, we answer by {{respond_by}}.\n",
    "received.pl.txt": "Subject: Odp: {{subject}}\n\nDzień dobry, odpowiemy do {{respond_by}}.\n",
    "received.ar.txt": "Subject: رد: {{subject}}\n\nمرحبا، سنرد قبل {{respond_by}}.\n",
}
DOMAINS = ("klient.test", "zabun.test", "team.test")
ANNA, AMAL = "Anna Żak <anna@klient.test>", "أمل <amal@zabun.test>"
EWA, JAN = "Ewa Nowak <ewa@team.test>", "Jan Kowalski <jan@team.test>"
ASKED = "Dzień dobry,\nfaktura, którą dostałam wczoraj, jest błędna. Proszę o pilny kontakt w tej sprawie."
ASKED_IN_ARABIC = "السلام عليكم،\nلم يصل الطلب الذي دفعت ثمنه قبل أسبوع. أرجو الرد في أقرب وقت ممكن."
SUPPORT = "support@example.com"
NUMBERS = count(1)


class Office:
    """routerd with its neighbours. Everybody's mail goes to the Postfix in front, as from outside."""

    def __init__(
        self,
        daemon: RouterdDaemon,
        front: Postfix,
        mailboxes: DovecotLmtp,
        signers: dict[str, Signer],
        ahead: timedelta,
    ) -> None:
        self.daemon = daemon
        self._front, self._mailboxes, self._signers, self._ahead = front, mailboxes, signers, ahead

    def write(
        self,
        author: str,
        to: str,
        subject: str,
        by: Client,
        text: str,
        *more: str,
        quoted: str = "",
        sender: str | None = None,
    ) -> str:
        """Gives the Message-ID."""
        name, _, address = author.rstrip(">").rpartition(" <")
        domain = address.partition("@")[2]
        at = datetime.now(UTC) + self._ahead
        written = by(text, quoted)
        message_id = f"<{next(NUMBERS)}.x@{domain}>"
        lines = (
            f"From: {_encoded(name)} <{address}>",
            f"To: {to}",
            f"Subject: {_encoded(subject)}",
            f"Date: {at:%a, %d %b %Y %H:%M:%S +0000}",
            f"Message-ID: {message_id}",
            *more,
            *written.fields,
        )
        raw = "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + written.body
        with smtplib.SMTP("127.0.0.1", self._front.port, timeout=60) as client:
            signed = sign_by_all(raw, [self._signers[domain]], at)
            client.sendmail(address if sender is None else sender, [to], signed)
        return message_id

    def mails(self, member: str, number: int) -> list[Any]:
        """All in the member's mailbox, oldest first, once it is so many."""
        return self._read(self._mailboxes.maildir(f"{member}@team.test") / "new", number)

    def outside(self, customer: str, number: int) -> list[Any]:
        return self._read(self.daemon.folder / "outside" / customer / "new", number)

    def conversation(self, customer: str) -> dict[str, Any]:
        done = self.daemon.command("conversations", "--json")
        assert done.returncode == 0, done.stderr
        (found,) = (one for one in json.loads(done.stdout) if one["customer"] == customer)
        assert isinstance(found, dict)
        return found

    def _read(self, folder: Path, number: int) -> list[Any]:
        wait_for(lambda: len(list(folder.glob("*"))) >= number, f"{number} in {folder}", 60, self._trouble)
        paths = sorted(folder.glob("*"), key=lambda path: path.stat().st_mtime_ns)
        found = [message_from_bytes(path.read_bytes(), policy=default) for path in paths]
        assert len(found) == number, [str(one["Subject"]) for one in found]
        return found

    def _trouble(self) -> str:
        return f"{self._front.log()[-3000:]}\n{self._mailboxes.log()[-2000:]}\n{self.daemon.log_text()[-4000:]}"


def _encoded(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8").encode(linesep="\r\n")


@pytest.fixture
def signers(tmp_path: Path) -> Iterator[tuple[DnsServer, dict[str, Signer]]]:
    """A DNS server that has everybody's keys, and these keys."""
    with DnsServer() as server:
        found = {}
        for domain in DOMAINS:
            server.has(domain, "TXT", '"v=spf1 -all"')
            server.has(f"_dmarc.{domain}", "TXT", '"v=DMARC1; p=reject"')
            key = make_key(tmp_path, domain, "s1", "ed25519")
            key.publish(server)
            found[domain] = Signer(domain, key.selector, parse_private_key(key.path.read_bytes()))
        yield server, found


@pytest.fixture
def office(
    routerd: Callable[..., RouterdDaemon],
    postfix: Callable[[Callable[[Path], Postfix]], Postfix],
    dovecot: Callable[..., DovecotLmtp],
    need: Callable[[str, str], str],
    signers: tuple[DnsServer, dict[str, Signer]],
    tmp_path: Path,
) -> Office:
    clock = SettableClock(tmp_path, need("cc", "gcc"))
    ahead = MONDAY - datetime.now(UTC)
    clock.set(ahead)
    templates = tmp_path / "templates"
    templates.mkdir()
    for name, text in TEMPLATES.items():
        (templates / name).write_text(text)
    server, keys = signers
    mailboxes = dovecot([f"{member}@team.test" for member in ("ewa", "jan", "omar")])
    config = CONFIG.format(templates=templates, dns=server.endpoint, lmtp=mailboxes.port)
    environ = {**clock.environ, "ROUTERD_REHEARSAL": "notices:0.5,timers:0.2,loopback"}
    daemon = routerd(config=config, rules={"10.yaml": RULES}, environ=environ)
    settings = {
        "myhostname": "mx.example.com",
        "relay_domains": "example.com",
        "smtpd_relay_restrictions": "permit_auth_destination, reject",
        "transport_maps": "texthash:{folder}/etc/transport",
        "header_checks": "regexp:{folder}/etc/header_checks",
    }
    files = {
        "transport": f"example.com smtp:[127.0.0.1]:{daemon.smtp_port}\n",
        "header_checks": readme_example("postfix header_checks"),
    }
    front = postfix(lambda folder: Postfix(folder, settings, files))
    return Office(daemon, front, mailboxes, keys, ahead)


def addr_spec(mail: Any, field: str) -> str:
    return str(mail[field].addresses[0].addr_spec)


def note_address(mail: Any) -> str:
    return str(mail["X-Routerd-Note"]).removeprefix("<mailto:").removesuffix(">")


def words(mail: Any) -> str:
    return str(mail.get_body(("plain", "html")).get_content())


def inner_fields(mail: Any) -> list[str]:
    return [name for name in mail if re.match(r"(?i)x-(?!auto-response)|authentication-results|received|thread-", name)]


def test_a_polish_complaint_from_gmail_is_answered_from_outlook(office: Office) -> None:
    """She hears at once, in Polish and once, that it came; the answer comes from the inbox, in her thread; her next
    mail goes to the same member."""
    first = office.write(ANNA, SUPPORT, "Skarga na fakturę", by_gmail, ASKED)
    (copy,) = office.mails("ewa", 1)
    assert (copy["X-Labels"], copy["X-Assigned-To"], words(copy).strip()) == ("complaint", "ewa@team.test", ASKED)
    (reply,) = office.outside("anna", 1)
    assert (addr_spec(reply, "From"), reply["In-Reply-To"], reply["Auto-Submitted"]) == (SUPPORT, first, "auto-replied")
    assert (reply["Subject"], words(reply).strip()) == (
        "Odp: Skarga na fakturę",
        "Dzień dobry, odpowiemy do 2027-03-01 13:00.",
    )
    said = "Już to sprawdzam.\nProszę o chwilę cierpliwości."
    answer = office.write(
        EWA,
        addr_spec(copy, "Reply-To"),
        "ODP: Skarga na fakturę",
        by_outlook,
        said,
        f"In-Reply-To: {first}",
        f"References: {first}",
        quoted=ASKED,
    )
    seen = office.outside("anna", 2)[1]
    assert (addr_spec(seen, "From"), addr_spec(seen, "To")) == (SUPPORT, "anna@klient.test")
    assert (seen["Message-ID"], seen["In-Reply-To"], seen["References"]) == (answer, first, first)
    assert words(seen).startswith(said)
    assert [inner_fields(one) for one in (reply, seen)] == [[], []]
    thanks = ("Re: ODP: Skarga na fakturę", by_gmail, "Bardzo dziękuję, czekam na fakturę.")
    office.write(ANNA, SUPPORT, *thanks, f"In-Reply-To: {answer}", f"References: {first} {answer}", quoted=said)
    assert office.mails("ewa", 2)[1]["X-Assigned-To"] == "ewa@team.test"
    wait_for(lambda: office.daemon.metric("routerd_auto_replies_total", result="once_per") == 1, "no other reply", 60)
    assert len(office.outside("anna", 2)) == 2
    known = office.conversation("anna@klient.test")
    assert (known["state"], known["owner"], known["messages"]) == ("open", "ewa", 3)


def test_an_arabic_complaint_from_apple_mail_is_talked_over_in_thunderbird(office: Office) -> None:
    """A note with @jan reaches him; he has it given to him, answers and closes it. She sees the automatic reply and his
    answer, and nothing of what was said within."""
    first = office.write(AMAL, SUPPORT, "شكوى: طلب متأخر", by_apple_mail, ASKED_IN_ARABIC)
    (copy,) = office.mails("ewa", 1)
    assert (copy["X-Labels"], words(copy).strip()) == ("complaint", ASKED_IN_ARABIC)
    (reply,) = office.outside("amal", 1)
    assert (reply["Subject"], words(reply).strip()) == ("رد: شكوى: طلب متأخر", "مرحبا، سنرد قبل 2027-03-01 13:00.")
    subject = "Re: شكوى: طلب متأخر"
    office.write(
        EWA, note_address(copy), subject, by_thunderbird, "#label +pilne\n\n@jan znasz arabski?", quoted=ASKED_IN_ARABIC
    )
    (note,) = office.mails("jan", 1)
    assert note["Subject"] == f"[note] {subject}"
    assert "@jan znasz arabski?" in words(note)
    office.write(JAN, note_address(note), subject, by_gmail, "#assign jan", quoted="#close")
    given = next(mail for mail in office.mails("jan", 3) if ASKED_IN_ARABIC in words(mail) and mail["X-Assigned-To"])
    known = office.conversation("amal@zabun.test")
    assert (known["owner"], known["state"], known["labels"]) == ("jan", "open", ["complaint", "pilne"])
    said = "مرحبا أمل، سيصل الطلب غدا."
    answer = office.write(
        JAN, addr_spec(given, "Reply-To"), subject, by_apple_mail, said, f"In-Reply-To: {first}", quoted=ASKED_IN_ARABIC
    )
    seen = office.outside("amal", 2)[1]
    assert (addr_spec(seen, "From"), seen["Message-ID"], seen["In-Reply-To"]) == (SUPPORT, answer, first)
    assert words(seen).startswith(said)
    office.write(JAN, note_address(given), subject, by_outlook, "#close")
    wait_for(lambda: office.conversation("amal@zabun.test")["state"] == "closed", "it to be closed", 60)
    assert [inner_fields(one) for one in office.outside("amal", 2)] == [[], []]


def test_an_out_of_office_is_noticed_and_the_deputy_gets_the_next(office: Office) -> None:
    """It comes back to the return path that Dovecot wrote into the mailbox; no customer gets it."""
    first = office.write(ANNA, SUPPORT, "Pytanie", by_apple_mail, ASKED)
    (copy,) = office.mails("ewa", 1)
    back = str(copy["Return-Path"]).strip("<>")
    assert back.startswith("support+b.")
    automatic = ("Auto-Submitted: auto-replied", f"In-Reply-To: {first}", "X-Auto-Response-Suppress: All")
    office.write(EWA, back, "Odpowiedź automatyczna: Pytanie", by_outlook, "Jestem na urlopie.", *automatic, sender="")
    told = office.mails("ewa", 2)[1]
    assert "away" in words(told)
    office.write(ANNA, SUPPORT, "Re: Pytanie", by_gmail, "Halo, czy ktoś to czyta?", f"References: {first}")
    wait_for(lambda: office.conversation("anna@klient.test")["owner"] == "omar", "the deputy to own it", 60)
    kept = office.mails("ewa", 3)[2]
    assert words(kept).strip() == "Halo, czy ktoś to czyta?"
    assert not (office.daemon.folder / "outside").exists()
