"""Real signers and verifiers beside ours: what one signs the others verify, and nothing of it may change."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime

import dkim
import pytest
from peers.dns_server import DnsServer
from peers.milter import dkim_results
from peers.opendkim import OpenDkim
from peers.rspamd import Rspamd
from peers.signing_keys import SigningKey, make_key
from signed_mail import DOMAIN, our_chain, our_results, samples

from routerd.auth.arc import ArcResult
from routerd.auth.arc_sealing import arc_set
from routerd.auth.dkim_signing import Signer, sign_by_all
from routerd.auth.dns_answers import LookUp
from routerd.config.settings import Dns
from routerd.message.dkim_keys import parse_private_key
from routerd.message.headers import HeaderBlock
from routerd.ops.dns import Resolver
from routerd.ops.metrics import Metrics

SAMPLES = samples()
RAW = [sample.raw for sample in SAMPLES]
SHORT = next(sample.raw for sample in SAMPLES if sample.name == "plain-question")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[SigningKey, ...]:
    """RSA, Ed25519."""
    folder = tmp_path_factory.mktemp("keys")
    return make_key(folder, DOMAIN, "rsa"), make_key(folder, DOMAIN, "ed", "ed25519")


@pytest.fixture
def dns(keys: Sequence[SigningKey]) -> Iterator[DnsServer]:
    with DnsServer() as server:
        for key in keys:
            key.publish(server)
        yield server


@pytest.fixture
async def look_up(dns: DnsServer) -> AsyncIterator[LookUp]:
    resolver = Resolver(Dns.model_validate({"servers": [dns.endpoint]}), Metrics())
    yield resolver.look_up
    await resolver.close()


def signer_of(key: SigningKey) -> Signer:
    return Signer(key.domain, key.selector, parse_private_key(key.path.read_bytes()))


async def unlike(messages: Sequence[bytes], wanted: list[str], look_up: LookUp) -> dict[str, list[str]]:
    """The samples of whose signatures we say something else than what is wanted."""
    found = {}
    for sample, raw in zip(SAMPLES, messages, strict=True):
        said = [f"{one.result} {one.reason}".rstrip() for one in await our_results(raw, look_up)]
        if [one.split()[0] for one in said] != wanted:
            found[sample.name] = said
    return found


@pytest.mark.parametrize("canonicalization", ["relaxed/relaxed", "relaxed/simple", "simple/simple"])
@pytest.mark.parametrize("oversign", [False, True])
async def test_mail_signed_by_opendkim(
    opendkim: Callable[..., OpenDkim],
    dns: DnsServer,
    keys: Sequence[SigningKey],
    look_up: LookUp,
    canonicalization: str,
    oversign: bool,
) -> None:
    signer = opendkim(dns.endpoint, keys[:1], canonicalization=canonicalization, oversign=oversign)
    assert await unlike(signer.sign(RAW), ["pass"], look_up) == {}


async def test_mail_signed_by_rspamd(
    rspamd: Callable[..., Rspamd], dns: DnsServer, keys: Sequence[SigningKey], look_up: LookUp
) -> None:
    """By RSA and by Ed25519."""
    assert await unlike(rspamd(dns.endpoint, keys).sign(RAW), ["pass", "pass"], look_up) == {}


def test_mail_signed_by_us(
    opendkim: Callable[..., OpenDkim], rspamd: Callable[..., Rspamd], dns: DnsServer, keys: Sequence[SigningKey]
) -> None:
    """Both of our signatures, of every sample, in the eyes of all three that we can ask."""
    signers = [signer_of(key) for key in keys]
    now = datetime.now(UTC)
    signed = [sign_by_all(raw, signers, now) for raw in RAW]
    for verifier in (opendkim(dns.endpoint), rspamd(dns.endpoint)):
        for sample, raw, seen in zip(SAMPLES, signed, verifier.verify(signed), strict=True):
            assert dkim_results(seen, raw, DOMAIN) == ["pass", "pass"], f"{sample.name} by {verifier}"
    records = {f"{key.name}.".encode(): key.record.encode() for key in keys}
    for sample, raw in zip(SAMPLES, signed, strict=True):
        message = dkim.DKIM(raw)
        for number in range(len(keys)):
            assert message.verify(number, dnsfunc=lambda name, timeout=5: records.get(name)), sample.name


async def test_no_octet_may_change(
    opendkim: Callable[..., OpenDkim], dns: DnsServer, keys: Sequence[SigningKey], look_up: LookUp
) -> None:
    """Of what opendkim has signed in its strictest form, whichever octet is another one: we see it, and so does it."""
    signer = opendkim(dns.endpoint, keys[:1], canonicalization="simple/simple", oversign=True)
    (signed,) = signer.sign([SHORT])
    first = signed.index(b"From: ")
    changed = [signed[:at] + bytes([signed[at] ^ 0x01]) + signed[at + 1 :] for at in range(first, len(signed))]
    passed = [at for at, raw in enumerate(changed) if "pass" in [one.result for one in await our_results(raw, look_up)]]
    assert passed == []
    letters = [raw for raw in changed if raw[first:].count(b"\r\n") == SHORT.count(b"\r\n") and b"\0" not in raw][::9]
    seen = [dkim_results(found, raw, DOMAIN) for raw, found in zip(letters, signer.verify(letters), strict=True)]
    assert not any("pass" in found for found in seen)


async def test_a_letter_changed_in_any_sample(
    rspamd: Callable[..., Rspamd], dns: DnsServer, keys: Sequence[SigningKey], look_up: LookUp
) -> None:
    """In its text, or where it has none in From."""
    changed = []
    for raw in rspamd(dns.endpoint, keys).sign(RAW):
        body = raw.index(b"\r\n\r\n") + 4
        start = body if raw[body:].strip() else raw.lower().index(b"\nfrom:") + 6
        at = len(raw) - len(raw[start:].lstrip())
        changed.append(raw[:at] + (b"x" if raw[at : at + 1] != b"x" else b"y") + raw[at + 1 :])
    assert await unlike(changed, ["fail", "fail"], look_up) == {}


async def test_chains_sealed_by_rspamd(
    rspamd: Callable[..., Rspamd], dns: DnsServer, keys: Sequence[SigningKey], look_up: LookUp
) -> None:
    """Twice; and no letter may change below them."""
    sealer = rspamd(dns.endpoint, keys)
    twice = sealer.seal(sealer.seal(sealer.sign(RAW)))
    for sample, raw in zip(SAMPLES, twice, strict=True):
        chain = await our_chain(raw, look_up)
        assert (chain.result, [one.sealer for one in chain.sets]) == ("pass", [DOMAIN, DOMAIN]), sample.name
    assert await our_chain(RAW[0], look_up) == ArcResult("none")
    spoilt = twice[RAW.index(SHORT)].replace(b"Saturday", b"Sunday")
    assert (await our_chain(spoilt, look_up)).result == "fail"


def seal(raw: bytes, key: SigningKey, chain: str) -> bytes:
    """As one of our copies bears it."""
    start = HeaderBlock.scan(raw).body_start
    results = "mx1.example.com; dmarc=pass header.from=firm.test"
    return arc_set(raw[:start], raw, start, signer_of(key), results, chain, datetime.now(UTC)) + raw


async def test_chains_that_we_seal(
    rspamd: Callable[..., Rspamd], dns: DnsServer, keys: Sequence[SigningKey], look_up: LookUp
) -> None:
    """Alone, above a set of rspamd, and below one: rspamd and dkimpy take the chain for whole, and so do we.

    Not below and above: the third set that rspamd 3.4 adds covers the earlier ones in the wrong order.
    """
    peer = rspamd(dns.endpoint, keys)
    some = RAW[::5]
    ours = [seal(raw, keys[0], "none") for raw in some]
    ours_above = [seal(raw, keys[0], "pass") for raw in peer.seal(some)]
    records = {f"{key.name}.".encode(): key.record.encode() for key in keys}
    for sealed, sets in ((ours, 1), (ours_above, 2), (peer.seal(ours), 2)):
        for raw, seen in zip(sealed, peer.verify(sealed), strict=True):
            assert b"arc=pass" in seen.removesuffix(raw), raw
            found, _, why = dkim.arc_verify(raw, dnsfunc=lambda name, timeout=5: records.get(name))
            assert found == b"pass", (why, raw)
            chain = await our_chain(raw, look_up)
            assert (chain.result, len(chain.sets)) == ("pass", sets), (chain.reason, raw)
