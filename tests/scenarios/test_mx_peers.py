"""Delivery by MX with the real daemon, a real authoritative server, a real resolver, and Postfix behind them."""

import json
import os
import pwd
import random
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from annotated import value
from peers.certificate import make_certificate
from peers.daemon import RouterdDaemon
from peers.machine import open_folder
from peers.name_servers import NameServers
from peers.postfix import Postfix

CONFIG = """\
hostname: us.test
state: {{folder}}/state
rules: {{folder}}/rules.d
listen:
  - {{{{address: "127.0.0.1:{{smtp_port}}"}}}}
  - {{{{address: "{us}:25"}}}}
dns: {{{{servers: ["{dns}"], timeout: 2s}}}}
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: jan
members:
  jan: {{{{mailbox: jan@here.test}}}}
{members}
inboxes:
  support@example.com: {{{{default: jan}}}}
{inboxes}
delivery:
  - {{{{domain: here.test, maildir: "{{folder}}/mail/{{{{local}}}}"}}}}
  - {{{{domain: secure.test, mx: true, tls: required}}}}
  - {{{{domain: renamed.test, mx: true, tls: required}}}}
  - {{{{domain: "*", mx: true}}}}
retry: {{{{first: 1s, factor: 1, max: 1s}}}}
"""
ZONE = """\
mail A {up}
down A {down}
us A {up}
mirror MX 10 looking
looking A {us}
secure MX 10 mail
renamed MX 10 other
other A {up}
good MX 10 mail
alias CNAME good
plain A {up}
backup MX 10 down
       MX 20 mail
null MX 0 .
bare TXT "nothing else"
dangling MX 10 nowhere
loop CNAME loop2
loop2 CNAME loop
self MX 10 us
     MX 20 mail
asleep MX 10 down
halfway MX 10 host.silent.test.
many MX 0 down
"""
MANY = "".join(f"many MX {number} many{number}\nmany{number} A {{up}}\n" for number in range(1, 100))
# By domain: what becomes of a copy, and why.
DELIVERED = ("good.test", "alias.test", "plain.test", "backup.test", "many.test", "secure.test")
REROUTED = {
    "null.test": "null.test takes no mail: DNS says so by a null MX",
    "bare.test": "bare.test has neither MX nor address in DNS",
    "dangling.test": "no MX of dangling.test has an address in DNS: nowhere.test",
    "missing.test": "there is no domain missing.test in DNS (NXDOMAIN)",
}
WAITING = {
    "a.broken.test": "cannot look up the MX of a.broken.test: the DNS server said SERVFAIL",
    "a.lame": "cannot look up the MX of a.lame: the DNS server said SERVFAIL",
    "loop.test": "cannot look up the MX of loop.test: the DNS server said SERVFAIL",
    "a.silent.test": "cannot look up the MX of a.silent.test: no answer in time",
    "halfway.test": "cannot look up the address of host.silent.test, an MX of halfway.test: no answer in time",
    "renamed.test": "other.test[{up}]:25: TLS handshake failed: ",
    "asleep.test": "cannot connect to down.test[{down}]:25: Connection refused",
}
HELD = {
    "self.test": "us.test, the MX of self.test, is this host, so copies would come back (a loop)",
    "mirror.test": "looking.test, the MX of mirror.test, is this host, so copies would come back (a loop)",
}
DOMAINS = (*DELIVERED, *REROUTED, *WAITING, *HELD)

MESSAGE = b"From: anna@klient.pl\r\nTo: support@example.com\r\nSubject: hello\r\n\r\nA message.\r\n"


def _free_address() -> str:
    """Of this machine, with nobody at its port 25."""
    while True:
        address = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        with socket.socket() as probe:
            try:
                probe.bind((address, 25))
            except OSError:
                continue
            return address


def _mailboxes(folder: Path, address: str) -> Postfix:
    """A Postfix that takes mail for anybody at `address`, into one Maildir; its certificate is for mail.test."""
    pem, key = make_certificate(folder, "mail.test")
    owner = pwd.getpwnam("mail")
    (folder / "mail").mkdir()
    os.chown(folder / "mail", owner.pw_uid, owner.pw_gid)
    settings = {
        "virtual_mailbox_domains": "static:all",
        "virtual_mailbox_maps": "static:all/",
        "virtual_mailbox_base": f"{folder}/mail",
        "virtual_minimum_uid": "1",
        "virtual_uid_maps": f"static:{owner.pw_uid}",
        "virtual_gid_maps": f"static:{owner.pw_gid}",
        "smtpd_tls_security_level": "may",
        "smtpd_tls_cert_file": str(pem),
        "smtpd_tls_key_file": str(key),
        "smtpd_tls_received_header": "yes",
    }
    return Postfix(folder, settings, services=f"{address}:25 inet n - n - - smtpd\n")


@dataclass
class World:
    daemon: RouterdDaemon
    names: NameServers
    postfix: Postfix
    up: str
    down: str

    @property
    def addresses(self) -> dict[str, str]:
        return {"up": self.up, "down": self.down}

    def send(self, swaks: Callable[..., str], *domains: str) -> None:
        for domain in domains:
            swaks(self.daemon.smtp_port, MESSAGE, sender="anna@klient.pl", recipients=[f"to-{domain}@example.com"])

    def heads(self) -> list[bytes]:
        """The headers of the copies that Postfix has."""
        files = (self.postfix.folder / "mail").glob("all/new/*")
        return [path.read_bytes().partition(b"\n\n")[0] for path in files]

    def arrived(self) -> list[str]:
        """The mailboxes whose copies Postfix has."""
        return sorted(value(head, "X-Assigned-To") for head in self.heads())

    def queued(self) -> dict[str, dict[str, Any]]:
        """What `queue list` says, by destination."""
        copies = json.loads(self.daemon.command("queue", "list", "--json").stdout)
        return {copy["destination"]: copy for copy in copies}

    def log(self) -> str:
        return self.daemon.log_text()[-4000:] + self.postfix.log()[-2000:]


@pytest.fixture
def world(
    routerd: Callable[..., RouterdDaemon],
    postfix: Callable[..., Postfix],
    need: Callable[[str, str], str],
    need_root: Callable[[str], None],
) -> Iterator[World]:
    need("nsd", "nsd")
    need("unbound", "unbound")
    need_root("postfix at port 25")
    up, down, us = _free_address(), _free_address(), _free_address()
    server = postfix(lambda folder: _mailboxes(folder, up))
    zone = (ZONE + MANY).format(up=up, down=down, us=us)
    with open_folder("names") as folder, NameServers(folder, zone) as names:
        members = "\n".join(f"  to-{domain}: {{{{mailbox: ewa@{domain}}}}}" for domain in DOMAINS)
        inboxes = "\n".join(f"  to-{domain}@example.com: {{{{default: to-{domain}}}}}" for domain in DOMAINS)
        config = CONFIG.format(dns=names.endpoint, us=us, members=members, inboxes=inboxes)
        trusted = {"SSL_CERT_FILE": str(server.folder / "mail.test.pem")}
        yield World(routerd(config=config, rules={}, environ=trusted), names, server, up, down)


def test_what_dns_says_decides(world: World, swaks: Callable[..., str], wait_until: Any) -> None:
    """Who has a host gets the copy; who surely has none hands over; trouble waits; what leads back to us is held."""
    world.send(swaks, *DOMAINS)
    expected = sorted(f"ewa@{domain}" for domain in DELIVERED)
    wait_until(lambda: world.arrived() == expected, "copies at Postfix", trouble=world.log)

    def judged() -> Any:
        queued = world.queued()
        copies = [queued.get(f"mx:{domain}") for domain in (*WAITING, *HELD)]
        return queued if all(copy and copy["reason"] for copy in copies) else None

    queued = wait_until(judged, "an attempt for each", trouble=world.log)
    for domain, reason in WAITING.items():
        copy = queued[f"mx:{domain}"]
        assert copy["state"] == "queued"
        assert copy["reason"].startswith(reason.format(**world.addresses))
        assert copy["next_attempt_at"]
    for domain, reason in HELD.items():
        copy = queued[f"mx:{domain}"]
        assert copy["state"] == "held"
        assert copy["reason"].startswith(reason)
    assert not {f"mx:{domain}" for domain in REROUTED} & set(queued)

    def handed_over() -> Any:
        heads = [copy.partition(b"\n\n")[0] for copy in world.daemon.copies("jan")]
        whys = {value(head, "Delivered-To"): value(head, "X-Routerd-Why") for head in heads if b"rerouted" in head}
        return whys if len(whys) == len(REROUTED) else None

    whys = wait_until(handed_over, "copies of the next in line", trouble=world.log)
    for domain, reason in REROUTED.items():
        assert reason in whys[f"to-{domain}@example.com"]

    def told() -> Any:
        hosts = {event["destination"]: event.get("host") for event in world.daemon.log_events("copy_delivered")}
        wanted = {f"mx:{domain}.test" for domain in ("good", "alias", "backup", "plain")}
        return hosts if wanted <= hosts.keys() else None

    hosts = wait_until(told, "the log to say who took what", trouble=world.log)
    assert {hosts[f"mx:{domain}.test"] for domain in ("good", "alias", "backup")} == {f"mail.test[{world.up}]:25"}
    assert hosts["mx:plain.test"] == f"plain.test[{world.up}]:25"
    assert all(b"with ESMTPS id" in head for head in world.heads())


def test_what_led_back_to_us_is_mended_by_a_route(world: World, swaks: Callable[..., str], wait_until: Any) -> None:
    """As its reason says: name the server under `delivery`, reload, release."""
    world.send(swaks, "self.test")
    (held,) = world.daemon.wait_for_event("copy_held")
    route = f'delivery:\n  - {{domain: self.test, smtp: "{world.up}:25"}}\n'
    config = world.daemon.config_path
    config.write_text(config.read_text().replace("delivery:\n", route))
    world.daemon.signal(signal.SIGHUP)
    world.daemon.wait_for_event("config_reloaded")
    released = world.daemon.command("queue", "release", held["copy"])
    assert released.returncode == 0, released.stderr
    wait_until(lambda: world.arrived() == ["ewa@self.test"], "the copy at Postfix", trouble=world.log)


def test_a_resolver_that_is_down_bounces_nothing(world: World, swaks: Callable[..., str], wait_until: Any) -> None:
    """Copies wait with the reason; when it is back, they go out, each once."""
    world.names.stop_resolver()
    world.send(swaks, *DELIVERED, "missing.test")
    world.daemon.wait_for_event("copy_deferred", 12)
    reasons = {copy["reason"] for copy in world.queued().values()}
    assert {copy["state"] for copy in world.queued().values()} == {"queued"}
    assert all("127.0.0.1" in reason and "cannot be reached: Connection refused" in reason for reason in reasons)
    world.names.start_resolver()
    expected = sorted(f"ewa@{domain}" for domain in DELIVERED)
    wait_until(lambda: world.arrived() == expected, "copies at Postfix", trouble=world.log)
    wait_until(lambda: world.daemon.copies("jan"), "the copy of the next in line", trouble=world.log)
