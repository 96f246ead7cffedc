"""Copies that leave for servers of others bear our seal (ARC), and it holds there."""

import smtplib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from annotated import value
from delivery_in_memory import policy_for, running, to
from peers.daemon import RouterdDaemon
from peers.dns_server import DnsServer
from peers.hand_signed import ED25519, RSA, arc_sealed
from peers.postfix import Postfix
from peers.signing_keys import make_key
from queue_in_memory import RAW, MemoryQueue
from scripted_next_hop import NextHop
from signed_mail import our_chain

from routerd.auth.arc_sealing import sealer_of
from routerd.auth.dkim_signing import Signer, sign_by_all
from routerd.config.settings import Dns
from routerd.message.dkim_keys import parse_private_key
from routerd.ops.dns import Resolver
from routerd.ops.metrics import Metrics

CONFIG = """\
hostname: mx1.example.com
state: {{folder}}/state
rules: {{folder}}/rules.d
listen:
  - {{{{address: "127.0.0.1:{{smtp_port}}", verify: {verify}}}}}
dns: {{{{servers: ["{dns}"], timeout: 2s}}}}
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: jan
members:
  jan: {{{{mailbox: jan@mail.example.com}}}}
inboxes:
  support@example.com: {{{{default: jan}}}}
dkim:
  - {{{{domain: example.com, selector: ours, key: {key}}}}}
arc_seal: example.com
delivery:
{{delivery}}
"""
MESSAGE = (
    b"From: Anna <anna@firm.test>\r\nTo: support@example.com\r\nSubject: parcel\r\nMessage-ID: <1@firm.test>\r\n"
    b"Date: Wed, 15 Jan 2025 10:00:00 +0000\r\n\r\nWhere?\r\n"
)


def test_of_several_keys_an_rsa_one_seals() -> None:
    """Of the domain itself; an elliptic one where there is no other."""
    elliptic, rsa = Signer("example.com", "ed", ED25519), Signer("example.com", "rsa", RSA)
    assert sealer_of("example.com", (elliptic, rsa)) is rsa
    assert sealer_of("example.com", (elliptic,)) is elliptic
    assert sealer_of("desk.example.com", (elliptic, rsa)) is None


@pytest.mark.parametrize("verify", ["true", "false"])
@pytest.mark.parametrize("has_chain", [False, True])
async def test_a_copy_at_another_server_bears_a_chain_that_holds(
    behind: Callable[..., Postfix],
    routerd: Callable[..., RouterdDaemon],
    wait_until: Any,
    tmp_path: Path,
    verify: str,
    has_chain: bool,
) -> None:
    """By a real Postfix, a list's seal below ours; none where nothing was verified."""
    server = behind("mail.example.com", ["jan"])
    with DnsServer() as dns:
        ours, theirs, of_list = (
            make_key(tmp_path, domain, name)
            for domain, name in (("example.com", "ours"), ("firm.test", "s1"), ("lista.pl", "s1"))
        )
        for key in (ours, theirs, of_list):
            key.publish(dns)
        dns.has("_dmarc.firm.test", "TXT", '"v=DMARC1; p=reject"')
        delivery = f'  - {{domain: "*", smtp: "127.0.0.1:{server.port}", tls: none}}'
        config = CONFIG.format(dns=dns.endpoint, key=ours.path, verify=verify)
        daemon = routerd(config=config, delivery=delivery, rules={})
        mail = MESSAGE
        if has_chain:
            mail = arc_sealed(mail, 1, key=parse_private_key(of_list.path.read_bytes()))
        signer = Signer("firm.test", "s1", parse_private_key(theirs.path.read_bytes()))
        with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as client:
            client.sendmail("anna@firm.test", ["support@example.com"], sign_by_all(mail, [signer], datetime.now(UTC)))
        folder = server.folder / "mail" / "jan" / "new"
        wait_until(lambda: any(folder.glob("*")), "the copy", trouble=lambda: daemon.log_text()[-5000:])
        [copy] = [path.read_bytes().replace(b"\n", b"\r\n") for path in folder.glob("*")]
        resolver = Resolver(Dns.model_validate({"servers": [dns.endpoint], "timeout": "2s"}), Metrics())
        chain = await our_chain(copy, resolver.look_up)
        await resolver.close()
    if verify == "false":
        assert [one.sealer for one in chain.sets] == (["lista.pl"] if has_chain else [])
        return
    assert (chain.result, chain.reason, chain.oldest_pass) == ("pass", "", 0)
    assert [one.sealer for one in chain.sets] == (["lista.pl", "example.com"] if has_chain else ["example.com"])
    assert value(copy, "Authentication-Results").split() == chain.sets[-1].results.decode().split()
    assert b"dmarc=pass header.from=firm.test" in chain.sets[-1].results


@pytest.mark.parametrize(
    ("route", "chain", "is_sealed"),
    [
        ({"tls": "none"}, "none", True),
        ({"tls": "none"}, "", False),
        ({"tls": "none", "trusts_us": "true"}, "none", False),
    ],
)
async def test_only_what_others_are_to_believe_is_sealed(route: dict[str, str], chain: str, is_sealed: bool) -> None:
    """Servers that trust us need no seal, and of what was not looked at nothing is said."""
    hop = await NextHop().start()
    try:
        queue = MemoryQueue()
        policy = replace(policy_for(to(hop, **route)), sealer=Signer("desk.test", "s", RSA))
        copy = queue.add(policy.routes.destination("ewa@example.com"))
        about = replace(copy.annotation, auth_results="mx.desk.test; dmarc=pass", arc_chain=chain)
        async with running(queue, policy) as worker:
            worker.offer([replace(copy, annotation=about)], RAW)
            await queue.concluded(1)
    finally:
        hop.stop()
    [taken] = hop.taken
    assert (b"ARC-Seal: i=1;" in taken.content) is is_sealed
