"""Chains of ARC: which hold, who sealed them, and since when the message is as it is."""

import time
from collections.abc import Mapping

import dkim
import pytest
from peers.hand_signed import ED25519, KEYS, RSA, arc_sealed, record

from routerd.auth.arc import MAX_MESSAGE_SIGNATURES, MAX_SETS, ArcResult, read_arc, verify_arc
from routerd.auth.dns_answers import Absent, Answer, Records, Trouble
from routerd.auth.signed_message import SignedMessage
from routerd.message.dkim_keys import KeyKind, new_private_key, parse_private_key
from routerd.message.headers import HeaderBlock

MAIL = (
    b"From: Anna  Nowak <anna@klient.pl>\r\n"
    b"To: lista@lista.pl\r\n"
    b"Subject: Faktura\r\n  nr\t12\r\n"
    b"Date: Wed, 15 Jan 2025 10:00:00 +0000\r\n"
    b"\r\n"
    b"Dzien dobry,\r\n\r\n  prosze o fakture. \r\n\r\n\r\n"
)
NAME = "s1._domainkey.lista.pl"
OF_LISTS: Mapping[str, Answer] = {
    **KEYS,
    **{f"s1._domainkey.{domain}": record(RSA) for domain in ("lista.pl", "druga.pl", "trzecia.pl")},
}


def verified(raw: bytes, keys: Mapping[str, Answer] = OF_LISTS) -> ArcResult:
    message = SignedMessage(raw, HeaderBlock.scan(raw))
    return verify_arc(message, read_arc(message), keys)


def chain(*domains: str, mail: bytes = MAIL) -> bytes:
    for instance, domain in enumerate(domains, start=1):
        mail = arc_sealed(mail, instance, domain=domain, results=f"mx.{domain}; dmarc=pass header.from=klient.pl")
    return mail


def test_no_chain() -> None:
    """What bears no set has no chain, and needs no key."""
    message = SignedMessage(MAIL, HeaderBlock.scan(MAIL))
    assert verified(MAIL) == ArcResult("none")
    assert read_arc(message).key_names == ()


def test_sealed_by_another_program() -> None:
    """What dkimpy seals, once and once more, holds."""
    pem = new_private_key(KeyKind.RSA, 2048)
    sets = b""
    for results in (b"arc=none", b"arc=pass"):
        raw = sets + b"Authentication-Results: lista.pl; " + results + b"; dmarc=pass\r\n" + MAIL
        sets = b"".join((*dkim.arc_sign(raw, b"s1", b"lista.pl", pem, b"lista.pl"), sets))
    raw = sets + MAIL
    result = verified(raw, {NAME: record(parse_private_key(pem))})
    assert (result.result, result.reason) == ("pass", "")
    assert [(one.instance, one.sealer) for one in result.sets] == [(1, "lista.pl"), (2, "lista.pl")]
    assert result.oldest_pass == 0


def test_a_chain_of_three() -> None:
    """Each set with who sealed it and what he says he saw, the oldest first."""
    result = verified(chain("lista.pl", "druga.pl", "trzecia.pl"))
    assert result.result == "pass"
    assert [(one.instance, one.sealer, one.results) for one in result.sets] == [
        (1, "lista.pl", b"mx.lista.pl; dmarc=pass header.from=klient.pl"),
        (2, "druga.pl", b"mx.druga.pl; dmarc=pass header.from=klient.pl"),
        (3, "trzecia.pl", b"mx.trzecia.pl; dmarc=pass header.from=klient.pl"),
    ]


def test_sealed_by_an_elliptic_key() -> None:
    """Ed25519 seals as well as RSA."""
    assert verified(arc_sealed(MAIL, 1, key=ED25519), {NAME: record(ED25519)}).result == "pass"


def test_keys_needed() -> None:
    """Each name once: of all seals, and of the newest signatures."""
    raw = arc_sealed(arc_sealed(MAIL, 1), 2, signature={"s": "ams"}, domain="druga.pl")
    message = SignedMessage(raw, HeaderBlock.scan(raw))
    assert read_arc(message).key_names == (NAME, "s1._domainkey.druga.pl", "ams._domainkey.druga.pl")


def test_changed_by_a_list() -> None:
    """A hop that changes the message and seals it anew keeps the chain whole; it is told since when it is as it is."""
    raw = arc_sealed(MAIL, 1).replace(b"Subject: ", b"Subject: [lista] ") + b"-- \r\nstopka\r\n"
    raw = arc_sealed(arc_sealed(raw, 2), 3)
    assert (verified(raw).result, verified(raw).oldest_pass) == ("pass", 2)
    assert verified(raw.replace(b"stopka", b"Stopka")).reason == "body has changed"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"prosze", b"Prosze"),
        (b"From: Anna", b"From: Anne"),
        (b"i=1; mx.lista.pl; dmarc=pass", b"i=1; mx.lista.pl; dmarc=fail"),
        (b"i=2; mx.druga.pl; dmarc=pass", b"i=2; mx.druga.pl; dmarc=fail"),
        (b"d=lista.pl; s=s1; cv=none", b"d=lista.pl; s=s1; cv=pass"),
        (b"cv=pass", b"cv=none"),
        (b"cv=pass", b"cv=fail"),
        (b"cv=pass", b"cv=maybe"),
        (b"cv=pass", b"x=pass"),
        (b"cv=none", b"cv=fail"),
        (b"ARC-Seal: i=2", b"X-Seal: i=2"),
        (b"ARC-Seal: i=1", b"X-Seal: i=1"),
        (b"ARC-Message-Signature: i=1", b"X-Signature: i=1"),
        (b"ARC-Message-Signature: i=2", b"X-Signature: i=2"),
        (b"ARC-Authentication-Results: i=1", b"X-Results: i=1"),
        (b"ARC-Authentication-Results: i=2", b"X-Results: i=2"),
        (b"ARC-Authentication-Results: i=2", b"ARC-Authentication-Results: i=3"),
        (b"ARC-Authentication-Results: i=2", b"ARC-Authentication-Results: i=1"),
        (b"ARC-Authentication-Results: i=2;", b"ARC-Authentication-Results: i=2"),
        (b"ARC-Authentication-Results: i=2; mx.druga.pl", b"ARC-Authentication-Results: mx.druga.pl; i=2"),
        (b"ARC-Authentication-Results: i=2", b"ARC-Authentication-Results: i=x"),
        (b"ARC-Authentication-Results: i=2", b"ARC-Authentication-Results: i=" + b"9" * 5000),
        (b"ARC-Seal: i=2", b"ARC-Seal: i=0"),
        (b"ARC-Seal: i=2", b"ARC-Seal: i=51"),
        (b"ARC-Seal: i=2", b"ARC-Seal: i="),
        (b"ARC-Seal: i=2", b"ARC-Seal: \xff"),
        (b"ARC-Message-Signature: i=2", b"ARC-Message-Signature: i=2; i=2"),
        (b"ARC-Message-Signature: i=2; a=rsa-sha256", b"ARC-Message-Signature: i=2; a=rsa-sha1"),
    ],
)
def test_broken_chains(before: bytes, after: bytes) -> None:
    """Whatever is missing, doubled, out of order or changed breaks a chain, and then nothing of it is told."""
    raw = chain("lista.pl", "druga.pl")
    assert before in raw
    result = verified(raw.replace(before, after, 1))
    assert result.result == "fail"
    assert result.reason
    assert (result.sets, result.is_temporary) == ((), False)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"h": "from"}, "ARC-Seal 1 has h="),
        ({"a": "rsa-sha1"}, "rsa-sha1 is not accepted"),
        ({"a": None}, "signature lacks a="),
        ({"b": ""}, "signature lacks b="),
        ({"b": "AAAA"}, "signature is not of this header"),
        ({"d": None}, "signature lacks d="),
        ({"d": ""}, "signature lacks d="),
        ({"s": None}, "signature lacks s="),
        ({"t": "soon"}, "t= is no moment"),
        ({"cv": None}, "cv= of ARC-Seal 1 does not fit"),
        ({"cv": "fail"}, "an earlier hop found the chain broken"),
    ],
)
def test_seals_that_do_not_count(changed: dict[str, str | None], reason: str) -> None:
    """Each tag of a seal counts (RFC 8617 4.1.3)."""
    assert verified(arc_sealed(MAIL, 1, seal=changed)).reason == reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"h": "from:arc-seal"}, "ARC-Message-Signature signs ARC-Seal"),
        ({"h": "to:subject"}, "From is not signed"),
        ({"h": ""}, "signature lacks h="),
        ({"l": "10"}, "signature with l= is not accepted"),
        ({"bh": None}, "signature lacks bh="),
        ({"t": ""}, "t= is no moment"),
        ({"c": ""}, "c= is unknown"),
    ],
)
def test_message_signatures_that_do_not_count(changed: dict[str, str | None], reason: str) -> None:
    """What would not count in a signature of DKIM does not in one of ARC; nor may it sign seals (RFC 8617 4.1.2)."""
    assert verified(arc_sealed(MAIL, 1, signature=changed)).reason == reason


@pytest.mark.parametrize(
    "changed", [{"h": "from:to:list-id::subject"}, {"t": "12345", "v": "9"}, {"c": "relaxed/relaxed", "z": "x"}]
)
def test_message_signatures_that_count(changed: dict[str, str]) -> None:
    """Fields that are not there may be named, and tags be there that nobody knows."""
    assert verified(arc_sealed(MAIL, 1, signature=changed)).result == "pass"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"ARC-Seal:", b"arc-SEAL \t:"),
        (b"ARC-Message-Signature: ", b"Arc-Message-Signature:\r\n\t "),
        (b"ARC-Authentication-Results: i=1", b"ARC-Authentication-Results:i=1"),
        (b"dmarc=pass header", b"dmarc=pass  \t\r\n header"),
        (b"; s=s1;", b";\r\n  s=s1;"),
        (b"klient.pl\r\nFrom", b"klient.pl \t \r\nFrom"),
        (b"From: Anna", b"Received: from a by b\r\nFROM:Anna"),
    ],
)
def test_a_chain_that_was_folded_anew(before: bytes, after: bytes) -> None:
    """Hops fold, unfold and respell: of the fields of a chain only what they say counts (RFC 8617 5.1.1)."""
    raw = chain("lista.pl", "druga.pl")
    assert before in raw
    assert verified(raw.replace(before, after)).result == "pass"


def test_tags_between_spaces() -> None:
    """White space around `=` and `;` says nothing (RFC 6376 3.2)."""
    raw = arc_sealed(
        MAIL, 1, seal={" t ": " 12345 "}, signature={"\tt\t": " 12345\t", "h": " FROM : to\t:subject:date"}
    )
    assert verified(raw).result == "pass"


def test_a_set_of_two_domains() -> None:
    """The message may be signed with another key, and by another domain, than the set is sealed by."""
    raw = arc_sealed(MAIL, 1, signature={"d": "druga.pl"})
    assert [one.sealer for one in verified(raw).sets] == ["lista.pl"]


def test_a_seal_by_a_small_key() -> None:
    """Below 1,024 bits anybody may have computed it (RFC 8301 3.2)."""
    small = "p=MEgCQQDc22UQ1O0MlEjyeuOdOe1KVtOBghGLjr84nedpenkcqqkw7kgqPc9bdGiUowazPjLBd43lHN1bd+rz7yItdWvlAgMBAAE="
    raw = arc_sealed(MAIL, 1, signature={"d": "druga.pl"})
    keys = {**OF_LISTS, NAME: Records((small,), 60)}
    assert verified(raw, keys).reason == "key of 512 bits: not 1024 to 4096"


@pytest.mark.parametrize("head", [b"ARC-Seal: i=1; cv=none\r\n", b"ARC-Authentication-Results: i=1; x\r\n"])
def test_one_field_alone(head: bytes) -> None:
    """A part of a set is a broken chain, not none."""
    assert verified(head + MAIL).result == "fail"


def test_an_old_signature_that_cannot_be_read() -> None:
    """Only the newest has to hold (RFC 8617 5.2)."""
    raw = arc_sealed(arc_sealed(MAIL, 1, signature={"a": "rsa-sha1"}), 2)
    assert (verified(raw).result, verified(raw).oldest_pass) == ("pass", 2)


def test_trouble_of_dns_is_told() -> None:
    """A chain whose key cannot be had now fails, but may hold."""
    raw = arc_sealed(MAIL, 1)
    assert verified(raw, {NAME: Trouble("SERVFAIL")}).is_temporary
    assert verified(raw, {}).is_temporary
    gone = verified(raw, {NAME: Absent(True, 60)})
    assert (gone.result, gone.is_temporary) == ("fail", False)


def test_who_is_trusted() -> None:
    """A sealer counts if all who came behind him do: one of them may have put another message below his seal."""
    result = verified(chain("lista.pl", "druga.pl", "trzecia.pl"))

    def instance(*sealers: str) -> int | None:
        found = result.first_trusted(sealers)
        return found.instance if found else None

    assert instance("lista.pl", "druga.pl", "trzecia.pl") == 1
    assert instance("druga.pl", "trzecia.pl") == 2
    assert instance("lista.pl", "trzecia.pl") == 3
    assert instance("lista.pl", "druga.pl") is None
    assert instance() is None
    assert ArcResult("none").first_trusted({"lista.pl"}) is None


def test_a_stolen_set() -> None:
    """A stranger puts another message below a trusted set and seals that: the chain holds, and nobody is trusted."""
    stolen = arc_sealed(MAIL, 1)
    head = stolen[: stolen.index(b"From:")]
    raw = arc_sealed(head + b"From: szef@klient.pl\r\n\r\nprzelej pieniadze\r\n", 2, domain="druga.pl")
    result = verified(raw)
    assert (result.result, result.oldest_pass) == ("pass", 2)
    assert result.first_trusted({"lista.pl"}) is None


def test_longest_chain() -> None:
    """Fifty sets may be there, and no more (RFC 8617 4.2.1); of the older signatures none is looked at."""
    raw = chain(*["lista.pl"] * MAX_SETS)
    result = verified(raw)
    assert (result.result, len(result.sets)) == ("pass", MAX_SETS)
    assert result.oldest_pass == MAX_SETS - MAX_MESSAGE_SIGNATURES + 1
    assert verified(arc_sealed(raw, MAX_SETS + 1)).result == "fail"


def _long_header() -> bytes:
    return chain(*["lista.pl"] * 11, mail=b"Subject: " + b"x\t " * 300_000 + b"\r\n" + MAIL)


def _sets(count: int, padding: bytes) -> bytes:
    return b"".join(
        b"ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=lista.pl; s=s1; b=AAAA\r\n"
        b"ARC-Message-Signature: i=%d; a=rsa-sha256; d=lista.pl; s=s1; b=AAAA; bh=%s; h=from%s\r\n"
        b"ARC-Authentication-Results: i=%d; %s\r\n"
        % (n, b"none" if n == 1 else b"pass", n, b"A" * 43 + b"=", b":x" * 5000, n, padding)
        for n in range(1, count + 1)
    )


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(_sets(MAX_SETS, b"x" * 20_000) + MAIL, id="long sets"),
        pytest.param(_sets(MAX_SETS, b" \t" * 10_000) + MAIL, id="sets of blanks"),
        pytest.param(_sets(60, b"x") + MAIL, id="more than there may be"),
        pytest.param(b"ARC-Seal: i=1\r\n" * 9_000 + MAIL, id="thousands of seals"),
        pytest.param(b"ARC-Authentication-Results: i=1;" + b" ;" * 900_000 + b"\r\n" + MAIL, id="long results"),
        pytest.param(b"ARC-Authentication-Results: i" + b" " * 1_800_000 + b"\r\n" + MAIL, id="a long blank"),
        pytest.param(
            chain(*["lista.pl"] * 11, mail=b"Subject: " + b"x\t " * 300_000 + b"\r\n" + MAIL), id="long header"
        ),
    ],
)
def test_time_is_bounded(raw: bytes) -> None:
    """The worst that a header may hold takes no second of processor time."""
    message = SignedMessage(raw, HeaderBlock.scan(raw))
    started = time.process_time()
    verify_arc(message, read_arc(message), OF_LISTS)
    assert time.process_time() - started < 1
