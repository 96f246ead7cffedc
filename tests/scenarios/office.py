"""A desk with its neighbours: a Postfix in front, to which everybody writes, as from outside; the members' mailboxes at
a Dovecot, by LMTP. Everybody's domain signs."""

import json
import smtplib
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import Header
from email.policy import default
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from as_received import words
from peers.clock import SettableClock
from peers.daemon import RouterdDaemon
from peers.dns_server import DnsServer
from peers.dovecot import DovecotLmtp
from peers.machine import wait_for
from peers.postfix import Postfix
from peers.readme import readme_example
from peers.signing_keys import signer_in
from written_by import Client

from routerd.auth.dkim_signing import Signer, sign_by_all

ZONE = ZoneInfo("Europe/Warsaw")
MONDAY, TUESDAY = datetime(2027, 3, 1, tzinfo=ZONE), datetime(2027, 3, 2, tzinfo=ZONE)
SUPPORT = "support@example.com"
ANNA, AMAL = "Anna Żak <anna@klient.test>", "أمل <amal@zabun.test>"
EWA, JAN = "Ewa Nowak <ewa@team.test>", "Jan Kowalski <jan@team.test>"
MEMBERS = ("ewa", "jan", "omar")
DOMAINS = ("klient.test", "zabun.test", "team.test")
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
  desk: {{{{members: [ewa, jan], calendar: office, pick: first, lead: omar}}}}
  duty: {{{{members: [jan], pick: first}}}}
inboxes:
  support@example.com:
    default: desk
    copies: team
    replies: through
    escalate: [{{{{watch: jan}}}}, {{{{after: 30m, assign: duty}}}}]
digest: "08:00"
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
FRONT = {
    "myhostname": "mx.example.com",
    "relay_domains": "example.com",
    "smtpd_relay_restrictions": "permit_auth_destination, reject",
    "transport_maps": "texthash:{folder}/etc/transport",
    "header_checks": "regexp:{folder}/etc/header_checks",
}


class Office:
    """Its clock stands still but for where the test sets it: what routerd measures is exact to the second."""

    def __init__(
        self,
        daemon: RouterdDaemon,
        front: Postfix,
        mailboxes: DovecotLmtp,
        signers: dict[str, Signer],
        clock: SettableClock,
    ) -> None:
        self.daemon = daemon
        self._front, self._mailboxes, self._signers, self._clock = front, mailboxes, signers, clock
        self._now = MONDAY
        self._numbers = count(1)

    def at(self, hour: int, minute: int = 0, day: datetime = MONDAY) -> None:
        """In Warsaw."""
        self._now = day.replace(hour=hour, minute=minute)
        self._clock.stop_at(self._now)

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
        """Gives the Message-ID. `sender`: MAIL FROM, without it the author's address."""
        name, _, address = author.rstrip(">").rpartition(" <")
        domain = address.partition("@")[2]
        written = by(text, quoted)
        message_id = f"<{next(self._numbers)}.x@{domain}>"
        lines = (
            f"From: {_encoded(name)} <{address}>",
            f"To: {to}",
            f"Subject: {_encoded(subject)}",
            f"Date: {self._now:%a, %d %b %Y %H:%M:%S %z}",
            f"Message-ID: {message_id}",
            *more,
            *written.fields,
        )
        raw = "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + written.body
        with smtplib.SMTP("127.0.0.1", self._front.port, timeout=60) as client:
            signed = sign_by_all(raw, [self._signers[domain]], self._now.astimezone(UTC))
            client.sendmail(address if sender is None else sender, [to], signed)
        return message_id

    def mail(self, member: str, text: str, subject: str = "") -> Any:
        """What the member got that has `text` in it, once it is there."""
        folder = self._mailboxes.maildir(f"{member}@team.test") / "new"

        def found() -> Any:
            return next((one for one in _read(folder) if text in words(one) and subject in str(one["Subject"])), None)

        return wait_for(found, f"{text!r} in {folder}", 60, self._trouble)

    def outside(self, customer: str, number: int) -> list[Any]:
        """All that the customer got, oldest first, once it is so many; fails where it is more."""
        folder = self.daemon.folder / "outside" / customer / "new"
        wait_for(lambda: len(list(folder.glob("*"))) >= number, f"{number} in {folder}", 60, self._trouble)
        found = _read(folder)
        assert len(found) == number, [str(one["Subject"]) for one in found]
        return found

    def conversation(self, customer: str) -> dict[str, Any]:
        done = self.daemon.command("conversations", "--json")
        assert done.returncode == 0, done.stderr
        (found,) = (one for one in json.loads(done.stdout) if one["customer"] == customer)
        assert isinstance(found, dict)
        return found

    def wait_for_conversation(self, customer: str, **wanted: object) -> None:
        def is_so() -> bool:
            found = self.conversation(customer)
            return all(found[name] == value for name, value in wanted.items())

        wait_for(is_so, f"{customer}: {wanted}", 60, self._trouble)

    def _trouble(self) -> str:
        return f"{self._front.log()[-3000:]}\n{self._mailboxes.log()[-2000:]}\n{self.daemon.log_text()[-4000:]}"


def open_office(
    folder: Path,
    compiler: str,
    dns: DnsServer,
    start: Callable[..., RouterdDaemon],
    start_front: Callable[[Callable[[Path], Postfix]], Postfix],
    start_mailboxes: Callable[..., DovecotLmtp],
) -> Office:
    clock = SettableClock(folder, compiler)
    clock.stop_at(MONDAY)
    templates = folder / "templates"
    templates.mkdir()
    for name, text in TEMPLATES.items():
        (templates / name).write_text(text)
    mailboxes = start_mailboxes([f"{member}@team.test" for member in MEMBERS])
    config = CONFIG.format(templates=templates, dns=dns.endpoint, lmtp=mailboxes.port)
    environ = {**clock.environ, "ROUTERD_REHEARSAL": "notices:0.5,timers:0.2,loopback"}
    daemon = start(config=config, rules={"10.yaml": RULES}, environ=environ)
    files = {
        "transport": f"example.com smtp:[127.0.0.1]:{daemon.smtp_port}\n",
        "header_checks": readme_example("postfix header_checks"),
    }
    front = start_front(lambda its_folder: Postfix(its_folder, FRONT, files))
    return Office(daemon, front, mailboxes, _signers(folder, dns), clock)


def _signers(folder: Path, dns: DnsServer) -> dict[str, Signer]:
    found = {}
    for domain in DOMAINS:
        dns.has(domain, "TXT", '"v=spf1 -all"')
        dns.has(f"_dmarc.{domain}", "TXT", '"v=DMARC1; p=reject"')
        found[domain] = signer_in(dns, folder, domain)
    return found


def _read(folder: Path) -> list[Any]:
    paths = sorted(folder.glob("*"), key=lambda path: path.stat().st_mtime_ns)
    return [message_from_bytes(path.read_bytes(), policy=default) for path in paths]


def _encoded(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8").encode(linesep="\r\n")
