"""What we add to a copy breaks no signature, and neither do the servers that keep it for us."""

import re
import smtplib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest
from peers.daemon import RouterdDaemon
from peers.dns_server import DnsServer
from peers.dovecot import DovecotLmtp
from peers.milter import dkim_results
from peers.opendkim import OpenDkim
from peers.postfix import Postfix
from peers.signing_keys import SigningKey, make_key
from signed_mail import DOMAIN, our_results, samples

from routerd.auth.dns_answers import LookUp
from routerd.config.settings import Dns
from routerd.ops.dns import Resolver
from routerd.ops.metrics import Metrics

SAMPLES = {sample.name: sample.raw for sample in samples()}
MEMBERS = ["ewa", "jan", "omar"]


@pytest.fixture
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return make_key(tmp_path_factory.mktemp("keys"), DOMAIN, "rsa")


@pytest.fixture
def dns(key: SigningKey) -> Iterator[DnsServer]:
    with DnsServer() as server:
        key.publish(server)
        yield server


@pytest.fixture
async def look_up(dns: DnsServer) -> AsyncIterator[LookUp]:
    resolver = Resolver(Dns.model_validate({"servers": [dns.endpoint]}), Metrics())
    yield resolver.look_up
    await resolver.close()


def send(port: int, messages: Sequence[bytes]) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.net", timeout=60) as client:
        for raw in messages:
            client.sendmail("anna@klient.pl", ["support@example.com"], raw, mail_options=["BODY=8BITMIME"])


@pytest.mark.parametrize(
    ("door", "canonicalization"),
    [("postfix", "simple/simple"), ("dovecot", "simple/simple"), ("dovecot", "relaxed/relaxed")],
)
async def test_signatures_of_copies_hold(
    door: str,
    canonicalization: str,
    routerd: Callable[..., RouterdDaemon],
    behind: Callable[..., Postfix],
    dovecot: Callable[..., DovecotLmtp],
    opendkim: Callable[..., OpenDkim],
    dns: DnsServer,
    key: SigningKey,
    look_up: LookUp,
    wait_until: Any,
) -> None:
    """Of samples of every kind, signed so that no field of those that we may add can be added unseen."""
    assert len(SAMPLES) >= 50
    filter_ = opendkim(dns.endpoint, [key], canonicalization=canonicalization, oversign=True)
    named = [b"X-Sample: %b\r\n%b" % (name.encode(), raw) for name, raw in SAMPLES.items()]
    if door == "postfix":
        server = behind("mail.example.com", MEMBERS)
        route = f'smtp: "127.0.0.1:{server.port}", tls: none'
        folders = [server.folder / "mail" / name / "new" for name in MEMBERS]
    else:
        store = dovecot([f"{name}@mail.example.com" for name in MEMBERS])
        route = f'lmtp: "127.0.0.1:{store.port}", tls: none'
        folders = [store.maildir(f"{name}@mail.example.com") / "new" for name in MEMBERS]
    daemon = routerd(delivery=f'  - {{domain: "*", {route}}}')
    send(daemon.smtp_port, filter_.sign(named))

    def found() -> list[bytes] | None:
        copies = [path.read_bytes() for folder in folders for path in folder.glob("*")]
        return copies if len(copies) >= len(SAMPLES) else None

    stored = wait_until(found, f"{len(SAMPLES)} copies", trouble=lambda: daemon.log_text()[-3000:])
    copies = [copy.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for copy in stored]
    arrived = [re.search(rb"(?m)^X-Sample: (.*)\r$", copy) for copy in copies]
    assert {found[1].decode() for found in arrived if found} == SAMPLES.keys()
    for name, copy, seen in zip(arrived, copies, filter_.verify(copies), strict=True):
        assert b"\nX-Assigned-To:" in copy, name
        assert dkim_results(seen, copy, DOMAIN) == ["pass"], name
        assert [one.result for one in await our_results(copy, look_up)] == ["pass"], name
