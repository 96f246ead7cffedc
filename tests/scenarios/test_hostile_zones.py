"""What SPF makes of zones that nsd serves and unbound asks for us: right, and with a bounded number of questions."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from hostile_zones import CLIENT, CROWDED, ROOT, ZONE, key_records
from peers.daemon import RouterdDaemon
from peers.machine import open_folder
from peers.name_servers import NameServers
from peers.signing_keys import SigningKey, make_key
from peers.stranger import Stranger
from signed_mail import our_results

from routerd.auth.dkim_signing import Signer, sign_by_all
from routerd.auth.dns_answers import Answer, RecordKind
from routerd.auth.spf import check_spf
from routerd.auth.verify import Incoming, verify
from routerd.config.settings import Dns
from routerd.message.dkim_keys import parse_private_key
from routerd.message.envelope import Client, Envelope, Protocol
from routerd.message.view import MessageView
from routerd.ops.dns import Resolver
from routerd.ops.metrics import Metrics

CONFIG = """\
hostname: mx1.example.com
state: {{folder}}/state
rules: {{folder}}/rules.d
listen: [{{{{address: "127.0.0.1:{{smtp_port}}"}}}}]
proxies: [127.0.0.1/32]
dns: {{{{servers: ["{dns}"], timeout: 1s}}}}
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: jan
members:
  jan: {{{{mailbox: jan@mail.example.com}}}}
inboxes:
  support@example.com: {{{{default: jan, dmarc: reject}}}}
delivery:
{{delivery}}
"""

T = TypeVar("T")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return make_key(tmp_path_factory.mktemp("keys"), "keys.test", "plain")


@pytest.fixture(scope="module")
def names(peer_or_skip: Callable[[], AbstractContextManager[None]], key: SigningKey) -> Iterator[NameServers]:
    with open_folder("names") as folder:
        servers = NameServers(folder, ZONE + key_records(key), ROOT)
        with peer_or_skip():
            servers.__enter__()
        yield servers
        servers.__exit__()


class Asking:
    """Counts the questions."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self.count = 0

    async def __call__(self, name: str, kind: RecordKind) -> Answer:
        self.count += 1
        return await self._resolver.look_up(name, kind)


@pytest.fixture
async def asking(names: NameServers) -> AsyncIterator[Asking]:
    resolver = Resolver(Dns.model_validate({"servers": [names.endpoint], "timeout": "1s"}), Metrics())
    yield Asking(resolver)
    await resolver.close()


@pytest.mark.parametrize(
    ("domain", "result", "most"),
    [
        ("good.test", "pass", 1),
        ("stranger.test", "fail", 1),
        ("nobody.test", "none", 1),
        ("alias.test", "pass", 1),
        ("hop0.test", "temperror", 1),  # forty of them are too many for the resolver
        ("loop1.test", "temperror", 1),
        ("itself.test", "temperror", 1),
        ("x.broken.test", "temperror", 1),
        ("x.silent.test", "temperror", 1),
        ("ten-mx.test", "pass", 12),
        ("hundred-mx.test", "permerror", 12),
        ("nine-includes.test", "pass", 10),
        ("twenty-includes.test", "permerror", 11),
        ("side-by-side.test", "permerror", 11),
        ("includes-itself.test", "permerror", 11),
        ("redirects-in-a-ring.test", "permerror", 11),
        ("two-records.test", "permerror", 1),
        ("long.test", "pass", 1),
        ("huge.test", "temperror", 1),  # more than is taken of one answer
        ("chatty.test", "pass", 1),
        ("crowd.test", "temperror", 1),
        ("voids.test", "permerror", 4),
        ("two-voids.test", "pass", 3),
        ("asks-the-broken.test", "temperror", 2),
        ("asks-the-silent.test", "temperror", 2),
        ("asks-a-loop.test", "temperror", 2),
        ("not-needed.test", "pass", 1),
        ("by-name.test", "pass", 12),
        ("by-macro.test", "pass", 2),
    ],
)
async def test_spf_of_zones_that_mean_no_good(asking: Asking, domain: str, result: str, most: int) -> None:
    """Limits of RFC 7208 4.6.4 and ours hold; trouble is temporary, and never a pass."""
    _, found = await check_spf(CLIENT, "client", f"anna@{domain}", asking)
    assert found.result == result, found.reason
    assert asking.count <= most


async def test_a_client_with_many_names(asking: Asking) -> None:
    """Ten of them are looked at (RFC 7208 4.6.4)."""
    _, found = await check_spf(CROWDED, "client", "anna@by-name.test", asking)
    assert found.result == "fail"
    assert asking.count <= 12


@pytest.mark.parametrize(
    ("selector", "domain", "result"),
    [
        ("plain", "keys.test", "pass"),
        ("alias", "keys.test", "pass"),
        ("split", "keys.test", "pass"),
        ("two", "keys.test", "pass"),
        ("testing", "keys.test", "pass"),
        ("revoked", "keys.test", "permerror"),
        ("nonsense", "keys.test", "permerror"),
        ("long", "keys.test", "permerror"),
        ("huge", "keys.test", "temperror"),
        ("address", "keys.test", "permerror"),
        ("nobody", "keys.test", "permerror"),
        ("loop", "keys.test", "temperror"),
        ("plain", "x.broken.test", "temperror"),
        ("plain", "x.silent.test", "temperror"),
    ],
)
async def test_keys_in_zones_that_mean_no_good(
    asking: Asking, key: SigningKey, selector: str, domain: str, result: str
) -> None:
    """Asked for once, and what is no key makes no pass."""
    signer = Signer(domain, selector, parse_private_key(key.path.read_bytes()))
    raw = sign_by_all(b"From: anna@keys.test\r\n\r\nHello\r\n", [signer], datetime.now(UTC))
    (found,) = await our_results(raw, asking, domain)
    assert found.result == result, found.reason
    assert asking.count == 1


@pytest.mark.parametrize(
    ("author", "result"),
    [
        ("good.test", "pass"),
        ("alias.test", "fail"),  # SPF is of another domain
        (f"{'sub.' * 40}good.test", "pass"),
        ("chatty.test", "fail"),
        ("two-records.test", "none"),
        ("nobody.test", "none"),
        ("loop1.test", "temperror"),
        ("huge.test", "temperror"),
        ("x.broken.test", "temperror"),
        ("x.silent.test", "temperror"),
    ],
)
async def test_authors_whose_zones_mean_no_good(asking: Asking, author: str, result: str) -> None:
    """DMARC by a bounded number of questions; what cannot be told is told so."""
    raw = f"From: anna@{author}\r\n\r\nHello\r\n".encode()
    client = Client(CLIENT, 4711, "client", Protocol.SMTP, "127.0.0.1:25")
    mail = Incoming(MessageView(raw), Envelope("anna@good.test", ()), client, datetime.now(UTC))
    found = await verify(mail, asking, at_once, pytest.fail)
    (dmarc,) = [one.result for one in found.results if one.method == "dmarc"]
    assert dmarc == result
    assert asking.count <= 20


async def at_once(work: Callable[[], T]) -> T:
    return work()


def test_mail_of_all_of_them_comes_in(names: NameServers, routerd: Callable[..., RouterdDaemon]) -> None:
    """At once, within the ten seconds of the largest bucket but one; each copy says what was found, nothing is lost."""
    daemon = routerd(config=CONFIG.format(dns=names.endpoint), rules={})
    senders = {
        "good.test": "dmarc=pass header.from=good.test",
        "hundred-mx.test": "spf=permerror",
        "twenty-includes.test": "spf=permerror",
        "itself.test": "dmarc=none",
        "loop1.test": "dmarc=temperror",
        "huge.test": "dmarc=temperror",
        "crowd.test": "spf=temperror",
        "x.broken.test": "dmarc=temperror",
        "x.silent.test": "dmarc=temperror",
        "asks-the-silent.test": "spf=temperror",
    }

    def send(domain: str) -> None:
        raw = f"From: anna@{domain}\r\nSubject: {domain}\r\n\r\nHello\r\n".encode()
        with Stranger(CLIENT, daemon.smtp_port, f"mail.{domain}") as session:
            session.sendmail(f"anna@{domain}", ["support@example.com"], raw)

    with ThreadPoolExecutor(len(senders)) as pool:
        for sent in [pool.submit(send, domain) for domain in senders]:
            sent.result()
    found = {}
    for copy in daemon.wait_for_copies(len(senders)):
        unfolded = re.sub(r"\r?\n[ \t]+", " ", copy.decode())
        said = re.search(r"(?m)^Authentication-Results: (.*)$", unfolded)
        domain = re.search(r"(?m)^Subject: (\S+)", unfolded)
        assert said, unfolded
        assert domain, unfolded
        found[domain[1]] = said[1]
    assert {domain: said for domain, said in senders.items() if said not in found[domain]} == {}, found
    assert daemon.metric("routerd_step_seconds_bucket", step="verify", le="10.0") == len(senders)
