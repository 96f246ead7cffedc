"""The set of ARC that we add: it holds, goes on with others' chains, and is left out where it would say too much."""

from collections.abc import Mapping
from datetime import UTC, datetime

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers.hand_signed import ED25519, RSA, arc_sealed, record

from routerd.auth.arc import MAX_SETS, ArcResult, read_arc, verify_arc
from routerd.auth.arc_sealing import arc_set
from routerd.auth.dkim_signing import Signer
from routerd.auth.dns_answers import Answer
from routerd.auth.signed_message import SignedMessage
from routerd.message.headers import HeaderBlock

AT = datetime(2026, 1, 15, 10, tzinfo=UTC)
OURS = Signer("example.com", "s2026", RSA)
RESULTS = "mx1.example.com; spf=pass smtp.mailfrom=anna@klient.pl; dmarc=pass header.from=klient.pl"
HEADER = (
    b"Received: from a by b\r\nFrom: Anna  Nowak <anna@klient.pl>\r\nTo: support@example.com\r\n"
    b"Subject: Faktura\r\n  nr\t12\r\nDKIM-Signature: v=1; d=klient.pl\r\n\r\n"
)
BODY = b"Dzien dobry,\r\n\r\n  prosze o fakture. \r\n\r\n\r\n"
KEYS: Mapping[str, Answer] = {
    "s2026._domainkey.example.com": record(RSA),
    "ed._domainkey.example.com": record(ED25519),
    **{f"s1._domainkey.{domain}": record(RSA) for domain in ("lista.pl", "druga.pl")},
}


def sealed(mail: bytes = HEADER + BODY, chain: str = "none", signer: Signer = OURS, results: str = RESULTS) -> bytes:
    """Its body is taken from elsewhere, as that of copies is."""
    start = HeaderBlock.scan(mail).body_start
    raw = b"Subject: as it came\r\n\r\n" + mail[start:]
    return arc_set(mail[:start], raw, len(raw) - len(mail[start:]), signer, results, chain, AT) + mail


def verified(mail: bytes) -> ArcResult:
    message = SignedMessage(mail, HeaderBlock.scan(mail))
    return verify_arc(message, read_arc(message), KEYS)


def handed_on(*domains: str) -> bytes:
    mail = HEADER + BODY
    for instance, domain in enumerate(domains, start=1):
        mail = arc_sealed(mail, instance, domain=domain, results=f"mx.{domain}; dmarc=pass header.from=klient.pl")
    return mail


@pytest.mark.parametrize("signer", [OURS, Signer("example.com", "ed", ED25519)])
def test_our_set_holds(signer: Signer) -> None:
    """As the first: what we found, for whoever comes next."""
    result = verified(sealed(signer=signer))
    assert (result.result, result.reason) == ("pass", "")
    [ours] = result.sets
    assert (ours.instance, ours.sealer, ours.results.decode()) == (1, "example.com", RESULTS)


def test_another_program_finds_that_it_holds() -> None:
    """dkimpy, of our set alone and behind others'."""
    public = {name.encode() + b".": value.values[0].encode() for name, value in KEYS.items()}  # type: ignore[union-attr]
    for mail in (sealed(), sealed(handed_on("lista.pl", "druga.pl"), "pass")):
        verdict, _, reason = dkim.arc_verify(mail, dnsfunc=lambda name, timeout=5: public[name])
        assert (verdict, reason) == (b"pass", "success")


def test_our_set_goes_on_with_a_chain() -> None:
    """Its seal covers all that are there; the message is unchanged since the first."""
    result = verified(sealed(handed_on("lista.pl", "druga.pl"), "pass"))
    assert (result.result, result.reason, result.oldest_pass) == ("pass", "", 0)
    assert [one.sealer for one in result.sets] == ["lista.pl", "druga.pl", "example.com"]


def test_what_is_said_may_be_long() -> None:
    """It is folded, as our Authentication-Results is."""
    results = RESULTS + "".join(
        f"; dkim=fail header.d=domain-{number}.example header.b=abcdefgh" for number in range(60)
    )
    mail = sealed(results=results)
    assert max(map(len, mail.split(b"\r\n"))) < 998
    assert verified(mail).sets[0].results.decode() == results


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"prosze", b"prosba"),
        (b"Subject: Faktura", b"Subject: Faktury"),
        (b"anna@klient.pl>", b"ewa@klient.pl>"),
        (b"v=1; d=klient.pl", b"v=1; d=inny.pl"),
        (b"spf=pass", b"spf=fail"),
        (b"To: support@", b"Cc: support@"),
    ],
)
def test_what_breaks_it(before: bytes, after: bytes) -> None:
    """One thing changed that it covers."""
    assert verified(sealed().replace(before, after)).result == "fail"


def test_what_a_hop_does_does_not_break_it() -> None:
    """Fields on top, other folds and spaces."""
    mail = b"Received: from c by d\r\nX-Spam: no\r\n" + sealed().replace(b"Faktura\r\n  nr\t12", b"Faktura nr 12")
    assert verified(mail).result == "pass"


@pytest.mark.parametrize(
    ("mail", "chain"),
    [
        (HEADER + BODY, ""),
        (HEADER + BODY, "pass"),
        (HEADER + BODY, "fail"),
        (handed_on("lista.pl"), ""),
        (handed_on("lista.pl"), "fail"),
        (handed_on("lista.pl"), "none"),
        (b"ARC-Seal: i=1; cv=none\r\n" + HEADER + BODY, "none"),
        (b"ARC-Seal: i=1; cv=none\r\n" + HEADER + BODY, "pass"),
    ],
)
def test_a_chain_of_which_nothing_good_is_known_is_left_as_it_is(mail: bytes, chain: str) -> None:
    """Not looked at, broken, or not what was found of it: no seal of ours vouches for it."""
    assert sealed(mail, chain) == mail


def test_what_nobody_wrote_is_not_sealed() -> None:
    """Without From there is nothing to vouch for."""
    mail = HEADER.replace(b"From:", b"X-From:") + BODY
    assert sealed(mail) == mail


def test_a_chain_of_fifty_is_at_its_end() -> None:
    """RFC 8617 4.2.1."""
    mail = handed_on(*["lista.pl"] * MAX_SETS)
    assert sealed(mail, "pass") == mail


@settings(max_examples=30, deadline=None)
@given(body=st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b".", b"\xc5\xbc"]), max_size=12).map(b"".join))
def test_any_body_holds(body: bytes) -> None:
    """Blank lines and spaces at its end, and none at all."""
    assert verified(sealed(HEADER + body)).result == "pass"
