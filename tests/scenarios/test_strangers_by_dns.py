"""The real daemon, strangers that a proxy tells of, and what DNS says of them."""

import re
import signal
import smtplib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from peers.daemon import RouterdDaemon
from peers.dns_server import DnsServer, Fault
from peers.machine import free_port
from peers.stranger import Stranger

CONFIG = """\
hostname: mx1.example.com
state: {{folder}}/state
rules: {{folder}}/rules.d
listen:
  - {{{{address: "127.0.0.1:{{smtp_port}}", verify: false}}}}
  - {{{{address: "127.0.0.1:{strict}", reverse_name: require, verify: false}}}}
  - {{{{address: "127.0.0.1:{deaf}", reverse_name: ignore, verify: false}}}}
  - {{{{address: "127.0.0.1:{judging}", reverse_name: ignore, verify: true}}}}
proxies: [127.0.0.1/32]
trusted_networks: [192.0.2.0/24]
dns: {{{{servers: ["{dns}"], timeout: {timeout}}}}}
dnsbl: [soft.test, {{{{zone: hard.test, answers: 127.0.0.4, reject: true}}}}]
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: jan
members:
  jan: {{{{mailbox: jan@mail.example.com}}}}
inboxes:
  support@example.com: {{{{default: jan}}}}
  billing@example.com: {{{{default: jan, dmarc: reject}}}}
delivery:
{{delivery}}
"""
RULES = """\
rules:
  - {name: listed, when: {dnsbl: [soft.test, hard.test]}, then: {label: listed}}
  - {name: unlisted, when: {not: {dnsbl: [soft.test, hard.test]}}, then: {label: unlisted}}
  - {name: named, when: {auth: {iprev: pass}}, then: {label: named}}
"""
CLIENT, NAME = "9.8.7.6", "mail.far.test"
REVERSE = "6.7.8.9.in-addr.arpa"
MESSAGE = b"From: anna@far.test\r\nTo: support@example.com\r\nSubject: hello\r\n\r\nA message.\r\n"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


class Desk:
    """A daemon behind a proxy that this test is."""

    def __init__(self, start: Callable[..., RouterdDaemon], dns: str, timeout: str) -> None:
        self.strict, self.deaf, self.judging = free_port(), free_port(), free_port()
        config = CONFIG.format(strict=self.strict, deaf=self.deaf, judging=self.judging, dns=dns, timeout=timeout)
        self.sent = 0
        self.daemon = start(config=config, rules={"10-lists.yaml": RULES})

    def open(self, address: str = CLIENT, port: int = 0) -> smtplib.SMTP:
        """A session of `address`, greeted and hello said."""
        session = Stranger(address, port or self.daemon.smtp_port)
        session.ehlo_or_helo_if_needed()
        return session

    def rcpt(self, address: str = CLIENT, port: int = 0, to: str = "support@example.com") -> str:
        """The reply to RCPT TO."""
        with self.open(address, port) as session:
            session.mail("anna@far.test")
            code, text = session.rcpt(to)
        return f"{code} {text.decode()}"

    def hand_over(self, to: str, message: bytes) -> int:
        """The code of the reply to the end of a message, at the listener that verifies."""
        with self.open(port=self.judging) as session:
            session.mail("anna@far.test")
            session.rcpt(to)
            return session.data(message)[0]

    def copy(self, address: str = CLIENT, port: int = 0) -> str:
        """The header of the copy of a message that `address` hands over, unfolded."""
        with self.open(address, port) as session:
            session.sendmail("anna@far.test", ["support@example.com"], MESSAGE)
        self.sent += 1
        copies = self.daemon.wait_for_copies(self.sent)
        return re.sub(r"\r?\n[ \t]+", " ", copies[-1].decode())


@pytest.fixture
def desk(routerd: Callable[..., RouterdDaemon], dns: DnsServer) -> Desk:
    return Desk(routerd, dns.endpoint, "5s")


def field(name: str, copy: str) -> str:
    found = re.search(rf"(?m)^{name}: (.*?)\r?$", copy)
    return found[1] if found else ""


def test_what_is_found_stands_in_the_copy_and_rules_see_it(desk: Desk, dns: DnsServer) -> None:
    """The name that leads back in Received and Authentication-Results; the lists at the end of Received."""
    dns.has(REVERSE, "PTR", f"{NAME}.")
    dns.has(NAME, "A", CLIENT)
    dns.has("6.7.8.9.soft.test", "A", "127.0.0.2")
    dns.has("6.7.8.9.hard.test", "A", "127.0.0.2")  # an answer that does not count
    copy = desk.copy()
    assert field("Received", copy).startswith(f"from client.far.test ({NAME} [{CLIENT}]) by mx1.example.com (routerd)")
    assert "for <support@example.com> (client listed by soft.test); " in field("Received", copy)
    assert field("Authentication-Results", copy) == f"mx1.example.com; iprev=pass policy.iprev={CLIENT}"
    assert field("X-Labels", copy) == "listed, named"


def test_ipv6_clients(desk: Desk, dns: DnsServer) -> None:
    dns.has(f"7.1.{'0.' * 26}0.0.a.2.ip6.arpa", "PTR", "six.far.test.")
    dns.has("six.far.test", "AAAA", "2a00::17")
    dns.has(f"7.1.{'0.' * 26}0.0.a.2.soft.test", "A", "127.0.0.9")
    copy = desk.copy("2a00::17")
    assert "(six.far.test [IPv6:2a00::17]) " in field("Received", copy)
    assert field("Authentication-Results", copy) == 'mx1.example.com; iprev=pass policy.iprev="2a00::17"'
    assert field("X-Labels", copy) == "listed, named"


def test_who_is_on_a_rejecting_list_reaches_the_postmaster_alone(desk: Desk, dns: DnsServer) -> None:
    """With the list's name in the reply, and counted."""
    dns.has("6.7.8.9.hard.test", "A", "127.0.0.4")
    assert desk.rcpt() == f"550 5.7.1 your address {CLIENT} is listed by hard.test"
    assert desk.rcpt(to="postmaster").startswith("250 ")
    assert desk.daemon.metric("routerd_rejections_total", reason="dns_list") == 1
    assert desk.daemon.metric("routerd_dns_list_answers_total", zone="hard.test", result="listed") == 2


def test_a_listener_may_demand_a_name(desk: Desk, dns: DnsServer) -> None:
    """None, or one that leads elsewhere, is refused for good; where DNS is in trouble, for now."""
    dns.fails("4.4.4.9.in-addr.arpa", Fault.SERVFAIL)
    dns.has("3.3.3.9.in-addr.arpa", "PTR", f"{NAME}.")
    dns.has(REVERSE, "PTR", f"{NAME}.")
    dns.has(NAME, "A", CLIENT)
    assert desk.rcpt("9.2.2.2", desk.strict) == "550 5.7.25 your address 9.2.2.2 has no name in DNS"
    assert desk.rcpt("9.3.3.3", desk.strict).startswith("550 5.7.25 the name that DNS has for 9.3.3.3 ")
    assert desk.rcpt("9.4.4.4", desk.strict).startswith("450 4.7.25 ")
    assert desk.rcpt(CLIENT, desk.strict).startswith("250 ")
    assert desk.daemon.metric("routerd_rejections_total", reason="reverse_name") == 3


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.SERVFAIL, Fault.GARBAGE])
def test_trouble_of_dns_refuses_nobody(routerd: Callable[..., RouterdDaemon], dns: DnsServer, fault: Fault) -> None:
    """Mail comes in after `dns.timeout` at the latest; rules that ask cannot be told, and do not match."""
    dns.fails("*", fault)
    copy = Desk(routerd, dns.endpoint, "1s").copy()
    assert field("Authentication-Results", copy) == f"mx1.example.com; iprev=temperror policy.iprev={CLIENT}"
    assert field("Received", copy).startswith(f"from client.far.test ([{CLIENT}]) by ")
    assert field("X-Labels", copy) == ""


def test_nobody_is_asked_about_ourselves_and_our_own(desk: Desk, dns: DnsServer) -> None:
    """Loopback and trusted networks; and where names are ignored, of private addresses nothing."""
    for address, port in (("127.0.0.1", 0), ("192.0.2.7", 0), ("::1", desk.strict), ("10.0.0.1", desk.deaf)):
        copy = desk.copy(address, port)
        assert field("Authentication-Results", copy) == "mx1.example.com; none"
    assert dns.asked == []


def test_nobody_hides_a_forgery_behind_his_own_slow_mail(routerd: Callable[..., RouterdDaemon], dns: DnsServer) -> None:
    """Whose other mail has all questions that he may ask comes again, where a fail of DMARC would count."""
    desk = Desk(routerd, dns.endpoint, "7s")  # longer than all that is asked about one message may take
    dns.has("_dmarc.bank.test", "TXT", '"v=DMARC1; p=reject"')
    slow = [f"s._domainkey.{number}.silent.test" for number in range(8)]
    for name in slow:
        dns.fails(name, Fault.SILENT)
    forged = MESSAGE.replace(b"anna@far.test", b"boss@bank.test")
    with ThreadPoolExecutor() as pool:
        taken = [pool.submit(desk.hand_over, "support@example.com", _signed_by(half)) for half in (slow[:4], slow[4:])]
        while not {name for name, _, _ in dns.asked}.issuperset(slow):
            assert not all(one.done() for one in taken)
            time.sleep(0.01)
        assert [desk.hand_over("billing@example.com", forged) for _ in range(2)] == [451, 550]
        assert [one.result() for one in taken] == [250, 250]


def _signed_by(keys: list[str]) -> bytes:
    """As if by the domains of such keys."""
    tags = f"v=1; a=rsa-sha256; s=s; h=from; bh={'A' * 43}=; b=AAAA"
    fields = (f"DKIM-Signature: {tags}; d={key.removeprefix('s._domainkey.')}\r\n" for key in keys)
    return "".join(fields).encode() + MESSAGE


def test_a_reload_asks_other_lists(desk: Desk, dns: DnsServer) -> None:
    dns.has("6.7.8.9.new.test", "A", "127.0.0.2")
    config = desk.daemon.config_path
    config.write_text(config.read_text().replace("dnsbl: [soft.test", "dnsbl: [soft.test, new.test"))
    desk.daemon.signal(signal.SIGHUP)
    desk.daemon.wait_for_event("config_reloaded")
    assert "(client listed by new.test)" in field("Received", desk.copy())
