"""The real daemon, and who says that he is somebody: strangers that a proxy tells of, and a Postfix that is trusted."""

import re
import smtplib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from peers.daemon import RouterdDaemon
from peers.dns_server import DnsServer, Fault
from peers.machine import free_port
from peers.postfix import Postfix
from peers.signing_keys import signer_in
from peers.stranger import Stranger

from routerd.auth.dkim_signing import Signer, sign_by_all

CONFIG = """\
hostname: mx1.example.com
state: {{folder}}/state
rules: {{folder}}/rules.d
listen:
  - {{{{address: "127.0.0.1:{{smtp_port}}", reverse_name: ignore}}}}
  - {{{{address: "127.0.0.1:{checked}", reverse_name: ignore, verify: true}}}}
  - {{{{address: "127.0.0.1:{unchecked}", reverse_name: ignore, verify: false}}}}
trusted_networks: [198.51.100.0/24{trusted}]
authserv_ids: [mx.example.com]
proxies: [{proxies}]
dns: {{{{servers: ["{dns}"], timeout: 2s}}}}
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: jan
members:
  jan: {{{{mailbox: jan@team.test}}}}
  ewa: {{{{mailbox: ewa@mail.example.com, addresses: [ewa@team.test]}}}}
inboxes:
  support@example.com: {{{{default: jan}}}}
  hold@example.com: {{{{default: jan, dmarc: hold}}}}
  reject@example.com: {{{{default: jan, dmarc: reject}}}}
delivery:
{{delivery}}
"""
RULES = """\
rules:
  - {name: genuine, when: {auth: {dmarc: pass}}, then: {label: genuine}}
  - {name: forged, when: {auth: {dmarc: fail}}, then: {label: forged}}
  - {name: internal, when: {is: internal}, then: {label: internal}}
  - {name: sent, when: {auth: {spf: pass}}, then: {label: spf}}
  - {name: signed, when: {auth: {dkim: pass}}, then: {label: dkim}}
"""
FIRM, ELSEWHERE, HOP = "192.0.2.7", "203.0.113.9", "198.51.100.1"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        for domain in ("firm.test", "team.test"):
            server.has(domain, "TXT", f'"v=spf1 ip4:{FIRM} -all"')
            server.has(f"_dmarc.{domain}", "TXT", '"v=DMARC1; p=reject"')
        server.has("_dmarc.lax.test", "TXT", '"v=DMARC1; p=quarantine"')
        yield server


@pytest.fixture
def signer(tmp_path: Path, dns: DnsServer) -> Callable[[str], Signer]:
    """`signer(domain)`: with a key that DNS has."""
    return partial(signer_in, dns, tmp_path)


class Desk:
    """A daemon behind a proxy that this test is."""

    def __init__(self, start: Callable[..., RouterdDaemon], dns: DnsServer, *, proxied: bool = True) -> None:
        self.checked, self.unchecked = free_port(), free_port()
        config = CONFIG.format(
            checked=self.checked,
            unchecked=self.unchecked,
            dns=dns.endpoint,
            proxies="127.0.0.1/32" if proxied else "",
            trusted="" if proxied else ", 127.0.0.0/8",
        )
        self.daemon = start(config=config, rules={"10-auth.yaml": RULES})
        self.sent = 0

    def send(
        self, raw: bytes, sender: str, address: str = FIRM, port: int = 0, to: str = "support@example.com"
    ) -> None:
        with Stranger(address, port or self.daemon.smtp_port) as session:
            session.sendmail(sender, [to], raw)

    def copy(self, raw: bytes, sender: str = "anna@firm.test", address: str = FIRM, port: int = 0) -> str:
        """The header of its copy, unfolded."""
        self.send(raw, sender, address, port)
        return self.next_copy()

    def next_copy(self) -> str:
        self.sent += 1
        return re.sub(r"\r?\n[ \t]+", " ", self.daemon.wait_for_copies(self.sent)[-1].decode())


@pytest.fixture
def desk(routerd: Callable[..., RouterdDaemon], dns: DnsServer) -> Desk:
    return Desk(routerd, dns)


def message(author: str = "anna@firm.test", *header: str) -> bytes:
    lines = (*header, f"From: {author}", "To: support@example.com", "Subject: hello", f"Date: {datetime.now(UTC)}")
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\nA message.\r\n"


def field(name: str, copy: str) -> str:
    found = re.search(rf"(?m)^{name}: (.*?)\r?$", copy)
    return found[1] if found else ""


def labels(copy: str) -> set[str]:
    return set(filter(None, field("X-Labels", copy).split(", ")))


def results(copy: str) -> list[str]:
    return re.findall(r"(?m)^Authentication-Results: (.*?)\r?$", copy)


def test_what_proves_it_stands_in_the_copy_and_rules_see_it(desk: Desk, signer: Callable[[str], Signer]) -> None:
    """SPF, DKIM and DMARC of a stranger, by DNS as it is asked for real; one count for each."""
    copy = desk.copy(sign_by_all(message(), [signer("firm.test")], datetime.now(UTC)))
    [said] = results(copy)
    assert said.startswith("mx1.example.com; spf=pass smtp.mailfrom=anna@firm.test; ")
    assert "; dmarc=pass header.from=firm.test; dkim=pass header.d=firm.test header.s=s1 " in said
    assert labels(copy) == {"genuine", "spf", "dkim"}
    for method in ("spf", "dkim", "dmarc"):
        assert desk.daemon.metric("routerd_auth_results_total", method=method, result="pass") == 1


def test_what_fails_is_labelled_and_no_mail_is_lost_by_default(desk: Desk) -> None:
    """`dmarc: report`."""
    copy = desk.copy(message(), "anna@zly.test", ELSEWHERE)
    assert "dmarc=fail header.from=firm.test policy.dmarc=reject" in results(copy)[0]
    assert labels(copy) == {"forged", "dmarc-fail"}


def test_an_inbox_goes_as_far_as_the_domain_asks(desk: Desk) -> None:
    """Refused with its reason, held and visible, or delivered."""
    for inbox, domain in (("hold", "firm.test"), ("hold", "lax.test"), ("reject", "lax.test")):
        desk.send(message(f"x@{domain}"), "x@zly.test", ELSEWHERE, to=f"{inbox}@example.com")
    held = desk.daemon.command("queue", "list", "--state", "held", "--json").stdout
    assert held.count("DMARC fails, and lax.test asks to quarantine such mail") == 2
    assert held.count("DMARC fails, and firm.test asks to reject such mail") == 1
    with pytest.raises(smtplib.SMTPDataError, match=r"5\.7\.1 rejected per DMARC policy of firm\.test"):
        desk.send(message("x@firm.test"), "x@zly.test", ELSEWHERE, to="reject@example.com")
    assert desk.daemon.metric("routerd_rejections_total", reason="dmarc") == 1
    for inbox in ("hold", "reject"):
        desk.send(message("x@silent.test"), "x@zly.test", ELSEWHERE, to=f"{inbox}@example.com")
        assert labels(desk.next_copy()) == set()
    assert not desk.copy(message("x@firm.test"), "x@zly.test", HOP).count("dmarc-fail")


def test_trouble_with_dns_refuses_nobody(desk: Desk, dns: DnsServer) -> None:
    """What cannot be told now is `temperror`, and mail comes in."""
    dns.fails("*", Fault.SERVFAIL)
    desk.send(message(), "anna@firm.test", ELSEWHERE, to="reject@example.com")
    copy = desk.next_copy()
    assert "spf=temperror" in results(copy)[0]
    assert "dmarc=temperror" in results(copy)[0]
    assert labels(copy) == set()


def test_servers_that_are_silent_do_not_keep_mail_waiting_for_ever(desk: Desk, dns: DnsServer) -> None:
    """Not over 5 seconds, all questions together."""
    dns.fails("*", Fault.SILENT)
    copy = desk.copy(message())
    assert "dmarc=temperror" in results(copy)[0]
    assert desk.daemon.metric("routerd_step_seconds_bucket", step="verify", le="10.0") == 1


FORGED = [
    "Authentication-Results: mx1.example.com; dmarc=pass header.from=firm.test",
    "Authentication-Results: mx.example.com; dmarc=pass header.from=team.test; spf=pass smtp.mailfrom=x@y.z",
    "Authentication-Results: MX.Example.COM; auth=pass smtp.auth=jan@team.test",
    "AUTHENTICATION-RESULTS:mx.example.com;dkim=pass",
    "authentication-results : (comment) mx.example.com (another) 1; dmarc=pass",
    "Authentication-Results:\r\n mx.example.com;\r\n dmarc=pass\r\n header.from=team.test",
    'Authentication-Results: "mx.example.com"; dmarc=pass',
    "Authentication-Results: (a (nested) one) mx.example.com; dmarc=pass",
    "Authentication-Results: mx1.example.com/1; dmarc=pass",
    "Authentication-Results: mx1.example.com; none",
]


def test_what_a_stranger_claims_was_verified_is_never_a_fact(desk: Desk) -> None:
    """Neither in our name nor in that of a hop, in whatever spelling; it is cut, and what we found stands alone."""
    for forged in FORGED:
        raw = message("jan@team.test", forged)
        for port, found in ((desk.daemon.smtp_port, {"forged", "dmarc-fail"}), (desk.unchecked, set())):
            copy = desk.copy(raw, f"{desk.sent}@zly.test", ELSEWHERE, port)
            [said] = re.findall(r"(?mi)^authentication-results *:(.*?)\r?$", copy)
            assert ("; dmarc=fail" if found else "mx1.example.com; none") in said, forged
            assert labels(copy) == found, forged


class TestImpostors:
    """Who may speak as a member."""

    def test_a_member_whose_domain_says_so_is_one(self, desk: Desk) -> None:
        """By our own verification, with DMARC aligned."""
        assert "internal" in labels(desk.copy(message("Jan <jan@team.test>"), "jan@team.test"))

    def test_another_address_of_his_is_his(self, desk: Desk, signer: Callable[[str], Signer]) -> None:
        """Signed at home, sent from anywhere."""
        raw = sign_by_all(message("ewa@team.test"), [signer("team.test")], datetime.now(UTC))
        assert "internal" in labels(desk.copy(raw, "", ELSEWHERE))

    def test_who_only_says_so_is_none(self, desk: Desk, dns: DnsServer) -> None:
        """Whatever his own domain proves."""
        dns.has("zly.test", "TXT", f'"v=spf1 ip4:{ELSEWHERE} -all"')
        dns.has("_dmarc.zly.test", "TXT", '"v=DMARC1; p=none"')
        for author, sender in (
            ("jan@team.test", "jan@team.test"),  # sent by somebody else
            ("jan@team.test", "x@firm.test"),
            ("jan@team.test", "x@zly.test"),  # SPF passes for his own domain
            ('"jan@team.test" <x@zly.test>', "x@zly.test"),
            ("x@zly.test, jan@team.test", "x@zly.test"),
            ("jan@team.test, x@zly.test", "x@zly.test"),
            ("jan@team.test\r\nFrom: x@zly.test", "x@zly.test"),
            ("x@zly.test\r\nFrom: jan@team.test", "x@zly.test"),
            ("jan@team.test\r\nSender: jan@team.test\r\nReply-To: jan@team.test", "x@zly.test"),
        ):
            assert "internal" not in labels(desk.copy(message(author), sender, ELSEWHERE)), author

    def test_a_signature_of_somebody_else_proves_nothing(self, desk: Desk, signer: Callable[[str], Signer]) -> None:
        """Nor one of the member's that another message bears."""
        raw = sign_by_all(message("jan@team.test"), [signer("zly.test")], datetime.now(UTC))
        assert labels(desk.copy(raw, "x@zly.test", ELSEWHERE)) == {"forged", "dmarc-fail", "dkim"}
        good = sign_by_all(message("jan@team.test"), [signer("team.test")], datetime.now(UTC))
        changed = good.replace(b"A message.", b"Pay this.")
        assert labels(desk.copy(changed, "x@zly.test", ELSEWHERE)) == {"forged", "dmarc-fail"}

    def test_a_hop_is_no_identity(self, desk: Desk) -> None:
        """What a trusted network hands over is nobody's for that, and nothing is asked of it."""
        copy = desk.copy(message("jan@team.test"), "jan@team.test", HOP)
        assert results(copy) == ["mx1.example.com; none"]
        assert labels(copy) == set()

    def test_what_a_hop_found_is_believed(self, desk: Desk) -> None:
        """Under the id that the config names, with its own domain in From."""
        said = "Authentication-Results: mx.example.com; dmarc={} header.from=team.test"
        assert labels(desk.copy(message("jan@team.test", said.format("pass")), "x@y.test", HOP)) == {
            "genuine",
            "internal",
        }
        assert labels(desk.copy(message("jan@team.test", said.format("fail")), "x@y.test", HOP)) == {
            "forged",
            "dmarc-fail",
        }


def test_behind_a_real_postfix_signatures_tell_members_from_impostors(
    routerd: Callable[..., RouterdDaemon],
    front: Callable[[int], Postfix],
    dns: DnsServer,
    signer: Callable[[str], Signer],
) -> None:
    """It is a trusted hop without any milter: every stranger comes from there, and `verify: true` asks who it was."""
    desk = Desk(routerd, dns, proxied=False)
    hop = front(desk.checked)
    ours = signer("team.test")

    def handed_over(raw: bytes, sender: str) -> set[str]:
        with smtplib.SMTP("127.0.0.1", hop.port, "client.far.test", timeout=60) as session:
            session.sendmail(sender, ["support@example.com"], raw)
        return labels(desk.next_copy())

    raw = message("jan@team.test")
    assert handed_over(sign_by_all(raw, [ours], datetime.now(UTC)), "jan@team.test") == {"genuine", "dkim", "internal"}
    assert handed_over(raw, "jan@team.test") == set()
    changed = sign_by_all(raw, [ours], datetime.now(UTC)).replace(b"A message.", b"Pay this.")
    assert handed_over(changed, "jan@team.test") == set()
    assert handed_over(sign_by_all(raw, [signer("zly.test")], datetime.now(UTC)), "jan@team.test") == {"dkim"}
