"""`routerd check --live`: what is told of DNS, by a DNS that the test makes up."""

import ipaddress
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from peers.certificate import make_certificate

from routerd.auth.dkim_signing import Signer
from routerd.auth.dns_answers import Absent, Answer, LookUp, RecordKind, Records, Trouble
from routerd.auth.key_publication import record_of
from routerd.auth.signers import Signers
from routerd.cli.live.by_dns import look_at_keys, look_at_names, look_at_senders, look_at_ways_in
from routerd.cli.live.by_handshake import look_at_certificate
from routerd.cli.live.ourselves import our_addresses
from routerd.cli.live.told import Told
from routerd.config.settings import Settings
from routerd.message.dkim_keys import KeyKind, new_private_key, parse_private_key

OURS = (ipaddress.ip_address("198.51.100.7"),)
PTR = "7.100.51.198.in-addr.arpa"
KEY = parse_private_key(new_private_key(KeyKind.ED25519))
SIGNERS = Signers([Signer("example.com", "s1", KEY)])
Zone = Mapping[tuple[str, str], tuple[str, ...] | Answer]

GOOD: Zone = {
    ("mx1.example.com", "A"): ("198.51.100.7",),
    (PTR, "PTR"): ("mx1.example.com",),
    ("example.com", "MX"): ("10 mx1.example.com",),
    ("example.com", "TXT"): ("v=spf1 ip4:198.51.100.7 -all",),
    ("mx1.example.com", "TXT"): ("v=spf1 a -all",),
    ("s1._domainkey.example.com", "TXT"): (record_of(KEY.public),),
}


def look_up_in(zone: Zone) -> LookUp:
    async def look_up(name: str, kind: RecordKind) -> Answer:
        found = zone.get((name, kind.value), Absent(True, 300))
        return Records(found, 300) if isinstance(found, tuple) else found

    return look_up


def settings(**changed: Any) -> Settings:
    return Settings.model_validate(
        {
            "hostname": "mx1.example.com",
            "postmaster": "jan",
            "members": {"jan": {"mailbox": "jan@far.example"}},
            "inboxes": {"support@example.com": {"default": "jan"}},
            "delivery": [{"domain": "*", "mx": True}],
            **changed,
        }
    )


async def lines(told: AsyncIterator[Told]) -> list[str]:
    return [f"{one.state} {one.kind}: {one.text}" async for one in told]


async def test_all_is_well() -> None:
    """One line for each thing that was looked at."""
    look_up = look_up_in(GOOD)
    assert await lines(look_at_keys(SIGNERS, look_up)) == ["ok dkim: DNS has the key s1._domainkey.example.com"]
    assert await lines(look_at_names(settings(), OURS, look_up)) == [
        "ok name: 198.51.100.7 is mx1.example.com, and mx1.example.com leads to 198.51.100.7"
    ]
    assert await lines(look_at_senders(settings(), OURS, look_up)) == [
        "ok spf: mx1.example.com lets 198.51.100.7 send for it",
        "ok spf: example.com lets 198.51.100.7 send for it",
    ]
    assert await lines(look_at_ways_in(settings(), OURS, look_up)) == [
        "ok mx: mail for example.com comes to this machine"
    ]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({("s1._domainkey.example.com", "TXT"): Absent(True, 9)}, "wrong dkim: DNS has no record s1._domainkey"),
        ({("s1._domainkey.example.com", "TXT"): Trouble("no answer in time")}, "unknown dkim: s1._domainkey"),
        ({(PTR, "PTR"): Absent(True, 9)}, "wrong name: 198.51.100.7 has no name in DNS (PTR)"),
        ({(PTR, "PTR"): Trouble("no answer in time")}, "unknown name: the name of 198.51.100.7: no answer in time"),
        ({(PTR, "PTR"): ("a.provider.test",)}, "wrong name: 198.51.100.7 is called a.provider.test"),
        (
            {(PTR, "PTR"): ("a.provider.test",), ("a.provider.test", "A"): ("198.51.100.7",)},
            "ok name: 198.51.100.7 is a.provider.test, and a.provider.test leads to 198.51.100.7, which is not",
        ),
        (
            {("mx1.example.com", "A"): Trouble("SERVFAIL")},
            "unknown name: the address of 'hostname' (mx1.example.com): S",
        ),
        (
            {("mx1.example.com", "A"): Trouble("SERVFAIL")},
            "unknown name: whether mx1.example.com leads to 198.51.100.7: S",
        ),
        (
            {("mx1.example.com", "A"): Trouble("SERVFAIL")},
            "unknown mx: mail for example.com goes to mx1.example.com, whose",
        ),
        (
            {("example.com", "MX"): Absent(False, 9), ("example.com", "AAAA"): Trouble("SERVFAIL")},
            "unknown mx: the MX of example.com: SERVFAIL",
        ),
        ({("mx1.example.com", "A"): Absent(True, 9)}, "wrong name: 'hostname' (mx1.example.com) has no address in DNS"),
        ({("example.com", "TXT"): Absent(False, 9)}, "wrong spf: example.com has no SPF record; publish"),
        (
            {("example.com", "TXT"): ("v=spf1 -all",)},
            "wrong spf: example.com does not let 198.51.100.7 send for it: fail",
        ),
        (
            {("example.com", "TXT"): ("v=spf1 mx:!",)},
            "wrong spf: example.com does not let 198.51.100.7 send for it: perm",
        ),
        ({("example.com", "TXT"): Trouble("no answer in time")}, "unknown spf: SPF of example.com"),
        ({("example.com", "MX"): ("0 ",)}, "wrong mx: example.com takes no mail"),
        ({("example.com", "MX"): Absent(True, 9)}, "wrong mx: example.com takes no mail"),
        ({("example.com", "MX"): Trouble("SERVFAIL")}, "unknown mx: the MX of example.com: SERVFAIL"),
        (
            {("example.com", "MX"): ("5 mail.test",), ("mail.test", "A"): ("192.0.2.1",)},
            "ok mx: mail for example.com goes to mail.test, which must hand it to this machine",
        ),
        ({("example.com", "MX"): ("5 gone.test",)}, "wrong mx: mail for example.com goes to gone.test, which has no"),
        (
            {("example.com", "MX"): Absent(False, 9), ("example.com", "A"): ("198.51.100.7",)},
            "ok mx: mail for example.com comes to this machine",
        ),
    ],
)
async def test_what_is_amiss(changed: Zone, line: str) -> None:
    """Each thing that DNS says wrongly, or does not say, has its line; trouble of DNS is no verdict."""
    look_up = look_up_in({**GOOD, **changed})
    told = [
        *await lines(look_at_keys(SIGNERS, look_up)),
        *await lines(look_at_names(settings(), OURS, look_up)),
        *await lines(look_at_senders(settings(), OURS, look_up)),
        *await lines(look_at_ways_in(settings(), OURS, look_up)),
    ]
    assert [one for one in told if one.startswith(line)]


async def test_spf_is_asked_where_mail_leaves_from_here() -> None:
    """Not where our own server takes it; of a smarthost, its operator knows."""
    ours = settings(delivery=[{"domain": "*", "smtp": ["mail.example.com:25"], "trusts_us": True}])
    assert await lines(look_at_senders(ours, OURS, look_up_in({}))) == []
    auth = {"user": "us", "password_file": "/nowhere"}
    smart = settings(delivery=[{"domain": "*", "smtp": ["smart.test:587"], "tls": "required", "auth": auth}])
    [line] = await lines(look_at_senders(smart, OURS, look_up_in({})))
    assert line.startswith("unknown spf: what leaves by smart.test:587")
    named = settings(delivery=[{"domain": "*", "smtp": ["mail.test:25"]}])
    told = await lines(look_at_senders(named, OURS, look_up_in({**GOOD, ("example.com", "TXT"): ("v=spf1 -all",)})))
    assert told[0].startswith("ok spf: mx1.example.com")
    assert told[1].startswith("unknown spf: example.com does not let 198.51.100.7 send for it: fail")
    [line] = await lines(look_at_senders(settings(), (), look_up_in({})))
    assert "--address" in line


async def test_the_domain_of_return_paths_counts() -> None:
    """With `style: domain` it is that domain in whose name copies leave, and where bounces come."""
    apart = settings(addresses={"style": "domain", "domain": "desk.example.com"})
    told = await lines(look_at_senders(apart, OURS, look_up_in(GOOD)))
    assert told[1].startswith("wrong spf: desk.example.com has no SPF record")
    told = await lines(look_at_ways_in(apart, OURS, look_up_in(GOOD)))
    assert told[0].startswith("wrong mx: desk.example.com takes no mail")


async def test_addresses_that_are_given_are_ours() -> None:
    """A machine behind NAT does not know by which address others see it."""
    assert await our_addresses("mx1.example.com", OURS, look_up_in({})) == OURS


def test_certificate_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must be of somebody whom clients know, and of `hostname`; a file that cannot be read here is no verdict."""
    certificate, key = make_certificate(tmp_path, "mx1.example.com")
    ours = settings(tls={"certificate": str(certificate), "key": str(key)})
    [unknown] = look_at_certificate(ours)
    assert (unknown.state, unknown.text.rpartition(": ")[2]) == ("wrong", "self-signed certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert [str(told) for told in look_at_certificate(ours)] == [
        "ok      certificate that of 'tls' is good, and fits mx1.example.com"
    ]
    [other] = look_at_certificate(ours.model_copy(update={"hostname": "mx2.example.com"}))
    assert "Hostname mismatch" in other.text
    key.unlink()
    [gone] = look_at_certificate(ours)
    assert gone.state == "unknown"
    assert list(look_at_certificate(settings())) == []
