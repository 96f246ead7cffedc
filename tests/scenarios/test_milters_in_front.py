"""A real Postfix in front that has opendkim and rspamd verify: what they say of a stranger's mail, and what he says."""

import re
import smtplib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from peers.daemon import RouterdDaemon
from peers.dns_server import DnsServer
from peers.opendkim import OpenDkim
from peers.postfix import Postfix
from peers.readme import readme_example
from peers.rspamd import Rspamd
from peers.signing_keys import SigningKey, make_key

RULES = """\
rules:
  - {name: genuine, when: {auth: {dmarc: pass}}, then: {label: genuine}}
  - {name: forged, when: {auth: {dmarc: fail}}, then: {label: forged}}
  - {name: signed, when: {auth: {dkim: pass}}, then: {label: signed}}
  - {name: allowed, when: {auth: {spf: pass}}, then: {label: allowed}}
  - {name: logged-in, when: {auth: {auth: pass}}, then: {label: logged-in}}
  - {name: internal, when: {is: internal}, then: {label: internal}}
"""
HOME, ELSEWHERE = "192.0.2.7", "203.0.113.9"
NUMBERS = count()
DOMAIN = "mail.example.com"  # of the members' mailboxes


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return make_key(tmp_path, DOMAIN, "s1")


@pytest.fixture
def dns(key: SigningKey) -> Iterator[DnsServer]:
    with DnsServer() as server:
        key.publish(server)
        server.has(DOMAIN, "TXT", f'"v=spf1 ip4:{HOME} -all"')
        server.has(f"_dmarc.{DOMAIN}", "TXT", '"v=DMARC1; p=reject"')
        server.has("_dmarc.example.com", "TXT", '"v=DMARC1; p=reject"')
        yield server


@dataclass
class Hop:
    postfix: Postfix
    daemon: RouterdDaemon
    sent: int = field(default=0)

    def labels(self, raw: bytes, address: str, sender: str) -> set[str]:
        """Of the copy of what a stranger at `address` sends."""
        with smtplib.SMTP("127.0.0.1", self.postfix.port, "client.far.test", timeout=60) as session:
            session.ehlo()
            assert session.docmd("XCLIENT", f"ADDR={address} NAME=client.far.test")[0] == 220
            session.ehlo()
            session.sendmail(sender, ["support@example.com"], raw)
        self.sent += 1
        copy = re.sub(r"\r?\n[ \t]+", " ", self.daemon.wait_for_copies(self.sent)[-1].decode())
        found = re.search(r"(?m)^X-Labels: (.*?)\r?$", copy)
        return set(found[1].split(", ")) if found else set()


@pytest.fixture
def filters(
    opendkim: Callable[..., OpenDkim], rspamd: Callable[..., Rspamd], dns: DnsServer, key: SigningKey
) -> tuple[OpenDkim, Rspamd]:
    return opendkim(dns.endpoint, authserv_id="mx.example.com"), rspamd(dns.endpoint, [key])


@pytest.fixture
def hop(
    filters: tuple[OpenDkim, Rspamd],
    routerd: Callable[..., RouterdDaemon],
    postfix: Callable[[Callable[[Path], Postfix]], Postfix],
) -> Hop:
    daemon = routerd(rules={"10-auth.yaml": RULES})
    settings = {
        "myhostname": "mx.example.com",  # of which rspamd makes its authserv-id
        "relay_domains": "example.com",
        "smtpd_relay_restrictions": "permit_auth_destination, reject",
        "transport_maps": "texthash:{folder}/etc/transport",
        "smtpd_authorized_xclient_hosts": "127.0.0.1",
        "header_checks": "regexp:{folder}/etc/header_checks",
        "smtpd_milters": ", ".join(f"inet:127.0.0.1:{one.port}" for one in filters),
    }
    files = {
        "transport": f"example.com smtp:[127.0.0.1]:{daemon.smtp_port}\n",
        "header_checks": readme_example("postfix header_checks"),
    }
    return Hop(postfix(lambda folder: Postfix(folder, settings, files)), daemon)


def message(author: str = f"ewa@{DOMAIN}", *header: str) -> bytes:
    lines = (
        *header,
        f"From: {author}",
        "To: support@example.com",
        "Subject: hello",
        f"Message-ID: <{next(NUMBERS)}@far.test>",
    )
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\nA message.\r\n"


def test_what_real_milters_find_is_a_fact(hop: Hop, filters: tuple[OpenDkim, Rspamd]) -> None:
    """By the address, by the signature, and neither."""
    (signed,) = filters[1].sign([message()])
    assert hop.labels(message(), HOME, f"ewa@{DOMAIN}") == {"allowed", "genuine", "internal"}
    assert hop.labels(signed, ELSEWHERE, "x@far.test") == {"signed", "genuine", "internal"}
    assert hop.labels(message(), ELSEWHERE, f"ewa@{DOMAIN}") == {"forged", "dmarc-fail"}
    changed = signed.replace(b"A message", b"a message")
    assert hop.labels(changed, ELSEWHERE, "x@far.test") == {"forged", "dmarc-fail"}


CLAIMS = [
    f"mx.example.com; dmarc=pass header.from={DOMAIN}; spf=pass; dkim=pass",
    f"mx.example.com; auth=pass smtp.auth=ewa@{DOMAIN}",
    f"MX.Example.COM (really) 1; auth=pass smtp.auth=ewa@{DOMAIN}",
    f"\r\n mx.example.com;\r\n\tauth=pass\r\n\tsmtp.auth=ewa@{DOMAIN}",
    f'"mx.example.com"; auth=pass smtp.auth=ewa@{DOMAIN}',
]


def test_what_a_stranger_says_that_they_found_is_none(hop: Hop) -> None:
    """In the name of the hop, through it, which takes it away as the README has it."""
    raw = [message(f"ewa@{DOMAIN}", f"Authentication-Results: {claim}") for claim in CLAIMS]
    found = {claim: hop.labels(one, ELSEWHERE, "x@far.test") for claim, one in zip(CLAIMS, raw, strict=True)}
    assert found == {claim: {"forged", "dmarc-fail"} for claim in CLAIMS}
