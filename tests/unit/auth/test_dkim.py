"""Signatures of DKIM: which hold, and what is said of those that do not."""

import mmap
import re
import time
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from peers.hand_signed import ED25519, KEYS, RSA, dkim_signed, record

from routerd.auth.dkim import MAX_SIGNATURES, DkimResult, dkim_key_names, read_dkim, verify_dkim
from routerd.auth.dkim_signing import OVERSIGNED, Signer, sign
from routerd.auth.dns_answers import Absent, Answer, RecordKind, Records, Trouble
from routerd.auth.key_look_up import look_up_keys
from routerd.auth.signed_message import SignedMessage
from routerd.message.dkim_keys import KeyKind, PrivateKey, new_private_key, parse_private_key
from routerd.message.headers import HeaderBlock

AT = datetime(2025, 1, 15, 10, tzinfo=UTC)
NAME = "s1._domainkey.klient.pl"
MAIL = (
    b"Received: from a by b; Wed, 15 Jan 2025 10:00:00 +0000\r\n"
    b"From: Anna  Nowak <anna@klient.pl>\r\n"
    b"To: support@example.com\r\n"
    b"Subject: Faktura\r\n  nr\t12\r\n"
    b"Date: Wed, 15 Jan 2025 10:00:00 +0000\r\n"
    b"\r\n"
    b"Dzien dobry,\r\n\r\n  prosze o fakture. \r\n\r\n\r\n"
)
PEM = new_private_key(KeyKind.RSA, 2048)


def verified(raw: bytes, keys: Mapping[str, Answer] = KEYS, at: datetime = AT) -> tuple[DkimResult, ...]:
    message = SignedMessage(raw, HeaderBlock.scan(raw))
    return verify_dkim(message, read_dkim(message, at), keys)


def one(raw: bytes, keys: Mapping[str, Answer] = KEYS, at: datetime = AT) -> tuple[str, str]:
    (result,) = verified(raw, keys, at)
    return result.result, result.reason


@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
def test_signed_by_another_program(header: bytes, body: bytes) -> None:
    """What dkimpy signs in any pair of forms passes, and is told apart by d=, s=, i=, a= and the start of b=."""
    raw = dkim.sign(MAIL, b"s1", b"klient.pl", PEM, canonicalize=(header, body), identity=b"a@x.klient.pl") + MAIL
    (result,) = verified(raw, {NAME: record(parse_private_key(PEM))})
    start = re.search(rb"[; ]b=([A-Za-z0-9+/]{8})", raw.replace(b"\r\n ", b""))
    assert start
    assert result == DkimResult("pass", "klient.pl", "s1", "a@x.klient.pl", "rsa-sha256", start[1].decode(), "")


@pytest.mark.parametrize(("key", "selector"), [(RSA, "s1"), (ED25519, "ed")], ids=["rsa", "ed25519"])
def test_signed_by_us(key: PrivateKey, selector: str) -> None:
    """What routerd signs passes, with a key of either kind."""
    assert one(sign(MAIL, Signer("klient.pl", selector, key), OVERSIGNED, AT) + MAIL) == ("pass", "")


def test_unsigned() -> None:
    """Of no signature there is nothing to say, and no key is looked for."""
    message = SignedMessage(MAIL, HeaderBlock.scan(MAIL))
    assert verified(MAIL) == ()
    assert dkim_key_names(read_dkim(message, AT)) == ()


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (b"prosze", b"Prosze", "body has changed"),
        (b"fakture. \r\n", b"fakture. \r\nPS.\r\n", "body has changed"),
        (b"Faktura\r\n", b"faktura\r\n", "signature is not of this header"),
        (b"From: Anna", b"From: Anne", "signature is not of this header"),
        (b"d=klient.pl", b"d=klient.PL", "signature is not of this header"),
        (b"Date:", b"Date: now\r\nDate:", None),
        (b"+0000\r\n\r\n", b"+0000\r\nDate: now\r\n\r\n", "signature is not of this header"),
        (b"Received:", b"X-Added: x\r\nReceived:", None),
        (b"Faktura\r\n  nr\t12", b"Faktura nr 12", None),
        (b"Subject:", b"SUBJECT :", None),
        (b"fakture. \r\n\r\n\r\n", b"fakture.\r\n", None),
        (b"\r\n  prosze", b"\r\n\tprosze", None),
        (b"\r\n  prosze", b"\r\nprosze", "body has changed"),
    ],
)
def test_changed_on_the_way(before: bytes, after: bytes, reason: str | None) -> None:
    """A byte that counts breaks a relaxed signature; white space and what stands above do not."""
    raw = dkim_signed(MAIL)
    assert one(raw.replace(before, after, 1)) == (("fail", reason) if reason else ("pass", ""))
    assert raw != raw.replace(before, after, 1)


def test_every_byte_of_what_is_signed_counts() -> None:
    """Whichever byte of a simple signature's header or body is another, it fails."""
    raw = dkim.sign(MAIL, b"s1", b"klient.pl", PEM, canonicalize=(b"simple", b"simple")) + MAIL
    keys = {NAME: record(parse_private_key(PEM))}
    assert one(raw, keys)[0] == "pass"
    for at in [*range(raw.index(b"From:"), raw.index(b"\r\n\r\n")), *range(raw.index(b"Dzien"), len(raw.rstrip()))]:
        if raw[at : at + 1] not in b"\r\n":
            spoilt = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
            assert one(spoilt, keys)[0] == "fail", spoilt[at - 10 : at + 10]


@pytest.mark.parametrize(
    ("changed", "result", "reason"),
    [
        ({"v": "2"}, "neutral", "signature is of no known version"),
        ({"v": None}, "neutral", "signature is of no known version"),
        ({"a": "rsa-sha1"}, "policy", "rsa-sha1 is not accepted"),
        ({"a": "rsa-md5"}, "neutral", "signature is of an unknown algorithm"),
        ({"a": None}, "neutral", "signature lacks a="),
        ({"b": ""}, "neutral", "signature lacks b="),
        ({"b": "!!!"}, "neutral", "b= is no base64"),
        ({"b": "żółw"}, "neutral", "b= is no base64"),
        ({"bh": None}, "neutral", "signature lacks bh="),
        ({"bh": "AAAA"}, "neutral", "bh= is no sha256"),
        ({"bh": "?"}, "neutral", "bh= is no base64"),
        ({"c": ""}, "neutral", "c= is unknown"),
        ({"c": "nowsp"}, "neutral", "c= is unknown"),
        ({"c": "relaxed/"}, "neutral", "c= is unknown"),
        ({"c": "relaxed/relaxed/relaxed"}, "neutral", "c= is unknown"),
        ({"d": None}, "neutral", "signature lacks d="),
        ({"d": "-klient.pl"}, "neutral", "d= is no domain"),
        ({"d": "klient..pl"}, "neutral", "d= is no domain"),
        ({"d": "kli ent.pl"}, "neutral", "d= is no domain"),
        ({"d": f"{'x' * 64}.pl"}, "neutral", "d= is no domain"),
        ({"d": ".".join(["klient"] * 40)}, "neutral", "d= is no domain"),
        ({"d": ".".join(["klient"] * 35)}, "neutral", "s= and d= are too long together"),
        ({"s": ""}, "neutral", "signature lacks s="),
        ({"s": "s1;evil"}, "neutral", "signature is broken: it is no list of tags"),
        ({"s": "*"}, "neutral", "s= is no domain"),
        ({"h": None}, "neutral", "signature lacks h="),
        ({"h": "to:subject"}, "permerror", "From is not signed"),
        ({"h": "from:" * 10_001}, "neutral", "h= is too long"),
        ({"i": "anna@klient.pl.evil.example"}, "permerror", "i= is not of d="),
        ({"i": "anna@evilklient.pl"}, "permerror", "i= is not of d="),
        ({"i": "klient.pl"}, "permerror", "i= is not of d="),
        ({"i": "@"}, "neutral", "i= is no domain"),
        ({"l": "10"}, "policy", "signature with l= is not accepted"),
        ({"l": "0"}, "policy", "signature with l= is not accepted"),
        ({"q": "http"}, "neutral", "q= names no way to the key that we know"),
        ({"t": ""}, "neutral", "t= is no moment"),
        ({"t": "-1"}, "neutral", "t= is no moment"),
        ({"t": "٣"}, "neutral", "t= is no moment"),
        ({"x": "tomorrow"}, "neutral", "x= is no moment"),
        ({"t": "1736935200", "x": "1736935200"}, "neutral", "x= is not after t="),
        ({"x": "1736935199"}, "policy", "signature has expired"),
        ({"9": "x"}, "neutral", "signature is broken: it is no list of tags"),
    ],
)
def test_signatures_that_do_not_count(changed: dict[str, str | None], result: str, reason: str) -> None:
    """What a verifier must not, or may not, believe is told apart from what has changed."""
    assert one(dkim_signed(MAIL, **changed)) == (result, reason)


@pytest.mark.parametrize(
    "changed",
    [
        {"x": "1736935200"},  # this second
        {"t": "1999999999"},  # a clock that is ahead
        {"q": "dns/special : dns/txt"},
        {"i": "@mail.klient.pl"},
        {"i": "=61nna@klient=2Epl"},  # RFC 6376 2.11
        {"z": "From:anna@klient.pl|To:x@y", "unknown": "1"},
        {"h": "From : TO:\r\n\tsubject :date"},
        {"h": "from:from:to:subject:date:list-id"},
        {"a": "RSA-sha256"},
        {"d": "Klient.PL"},
    ],
)
def test_signatures_that_count(changed: dict[str, str]) -> None:
    """What may be written otherwise may."""
    assert one(dkim_signed(MAIL, **changed)) == ("pass", "")


def test_a_tag_that_is_there_twice() -> None:
    """Two readers might take each another one: no list of tags (RFC 6376 3.2)."""
    assert one(dkim_signed(MAIL).replace(b"d=klient.pl", b"d=klient.pl; d=evil.example"))[0] == "neutral"


def test_a_key_of_a_label_that_is_no_ascii() -> None:
    """A domain in UTF-8 has its key at its A-labels, and is told so (RFC 8616 5)."""
    (result,) = verified(dkim_signed(MAIL, d="żółw.pl"), {"s1._domainkey.xn--w-uga1v8h.pl": record(RSA)})
    assert (result.result, result.domain, result.identity) == ("pass", "xn--w-uga1v8h.pl", "@xn--w-uga1v8h.pl")


def _with(**tags: str) -> Records:
    return record(RSA, **tags)


_RSA_1024 = parse_private_key(new_private_key(KeyKind.RSA, 1024))


@pytest.mark.parametrize(
    ("answer", "result", "reason"),
    [
        (Absent(True, 60), "permerror", "no key for signature"),
        (Records((), 60), "permerror", "no key for signature"),
        (Trouble("SERVFAIL"), "temperror", "key cannot be looked up: SERVFAIL"),
        (_with(p=""), "permerror", "key is revoked"),
        (_with(p="AAAA"), "permerror", "key is broken"),
        (_with(p="?"), "permerror", "key record is broken"),
        (_with(v="DKIM2"), "permerror", "key record is none of DKIM"),
        (Records(("v=spf1 -all",), 60), "permerror", "key record is none of DKIM"),
        (Records(("k=rsa; v=DKIM1; p=AAAA",), 60), "permerror", "key record is none of DKIM"),
        (Records(("some text",), 60), "permerror", "key record is broken"),
        (Records(("ż" * 5000,), 60), "permerror", "key record is too long"),
        (_with(k="ed25519"), "permerror", "key is not of rsa"),
        (record(ED25519), "permerror", "key is not of rsa"),
        (_with(k="rsa", p=record(ED25519).values[0].rpartition("=")[0][-43:] + "="), "permerror", "key is broken"),
        (_with(h="sha1"), "permerror", "key is not for sha256"),
        (_with(s="tlsrpt"), "permerror", "key is not for mail"),
        (record(_RSA_1024), "fail", "signature is not of this header"),
        (_with(t="y"), "pass", "key is for testing"),
        (_with(t="s"), "pass", ""),
        (_with(h="sha1 : sha256", s="email:other", n="a note", g="nobody"), "pass", ""),
        (Records(("v=spf1 -all", *record(_RSA_1024).values, *_with().values), 60), "pass", ""),
        (Records((_with().values[0].removeprefix("v=DKIM1; ").replace("=", " = ") + " ; ",), 60), "pass", ""),
    ],
)
def test_keys(answer: Answer, result: str, reason: str) -> None:
    """What DNS says of the key decides; of several records, the one that fits."""
    assert one(dkim_signed(MAIL), {NAME: answer}) == (result, reason)


def test_a_key_that_was_not_asked_for() -> None:
    """Whoever forgets to fetch a key gets no more than a passing trouble."""
    assert one(dkim_signed(MAIL), {}) == ("temperror", "key was not looked up")


@pytest.mark.parametrize("bits", [512, 1023, 4097, 8192])
def test_keys_too_small_and_too_large(bits: int) -> None:
    """Below 1,024 bits anybody may compute the key; above 4,096 it takes too long (RFC 8301 3.2)."""
    (result,) = verified(dkim_signed(MAIL), {NAME: public_rsa(1 << bits - 1 | 1, 65537)})
    assert (result.result, result.reason) == ("policy", f"key of {bits} bits: not 1024 to 4096")


def test_a_key_of_1024_bits() -> None:
    """RFC 8301 3.2 has verifiers bear them still."""
    assert one(dkim_signed(MAIL, _RSA_1024, s="s1"), {NAME: record(_RSA_1024)}) == ("pass", "")


def test_a_key_that_would_take_long() -> None:
    """A public exponent as long as the key: each signature would take milliseconds."""
    assert one(dkim_signed(MAIL), {NAME: public_rsa(1 << 3071 | 1, 1 << 3070 | 1)}) == ("permerror", "key is broken")


def public_rsa(modulus: int, exponent: int) -> Records:
    """Whatever that may be."""
    key = RSAPublicNumbers(exponent, modulus).public_key()
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Records((f"v=DKIM1; p={b64encode(octets).decode()}",), 60)


def test_a_key_for_testing_condemns_nothing() -> None:
    """RFC 6376 3.6.1: while a domain tests, a signature that fails is as good as none."""
    raw = dkim_signed(MAIL).replace(b"Faktura", b"faktura").replace(b"prosze", b"Prosze")
    assert one(raw, {NAME: _with(t="y")})[0] == "neutral"
    assert one(dkim_signed(MAIL) + b"more", {NAME: _with(t="y")}) == ("neutral", "body has changed")


def test_a_key_that_is_not_for_subdomains() -> None:
    """t=s: the domain of i= must be d= itself."""
    raw = dkim_signed(MAIL, i="anna@mail.klient.pl")
    assert one(raw, {NAME: _with(t="s")}) == ("permerror", "key is not for subdomains")


def test_each_signature_has_its_result() -> None:
    """From the top, each by itself; a broken one says nothing of the others."""
    raw = dkim_signed(dkim_signed(MAIL, ED25519), d="inny.pl", a="rsa-sha1")
    raw = b"DKIM-Signature: \xff\r\n" + b"DKIM-Signature:\r\n" + dkim_signed(raw)
    assert [result.result for result in verified(raw)] == ["neutral", "neutral", "pass", "policy", "pass"]


def test_only_so_many_are_looked_at() -> None:
    """The topmost; a thousand more cost nothing."""
    raw = dkim_signed(MAIL) + MAIL
    for _ in range(MAX_SIGNATURES):
        raw = dkim_signed(raw)
    results = verified(raw)
    assert len(results) == MAX_SIGNATURES
    assert {result.result for result in results} == {"pass"}


def test_a_signature_in_another_ones_names() -> None:
    """A signature that names dkim-signature means the others, never itself (RFC 6376 3.5)."""
    inner = dkim_signed(MAIL)
    raw = dkim_signed(inner, ED25519, h="from:dkim-signature:dkim-signature")
    assert [result.result for result in verified(raw)] == ["pass", "pass"]
    assert [result.result for result in verified(dkim_signed(MAIL) + inner)] != ["pass", "pass"]


@pytest.mark.parametrize("tag", ["i", "a", "b", "s"])
def test_what_is_reported_is_harmless(tag: str) -> None:
    """What strangers write into tags ends no line of ours, in whatever spelling."""
    for evil in ("x=0D=0ABcc:=20x@klient.pl", "a\x00b", "é@klient.pl", '"@klient.pl', "(x", "=ZZ@klient.pl", "\x1b[0m"):
        (result,) = verified(dkim_signed(MAIL, **{tag: evil}))
        said = (result.domain, result.selector, result.identity, result.algorithm, result.signature_start)
        assert all(re.fullmatch(r"[!-~]*", value) for value in said), said
        assert re.fullmatch(r"[ -~]*", result.reason)


def test_a_message_in_a_file(tmp_path: Path) -> None:
    """A large message is a map of its file, and is read as one in memory is."""
    path = tmp_path / "mail"
    path.write_bytes(dkim_signed(MAIL + b"and so on\r\n" * 100_000))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        message = SignedMessage(raw, HeaderBlock.scan(raw))
        (result,) = verify_dkim(message, read_dkim(message, AT), KEYS)
    assert result.result == "pass"


async def test_keys_are_asked_for_once() -> None:
    """Every name once, however many signatures name it."""
    asked: list[tuple[str, RecordKind]] = []

    async def look_up(name: str, kind: RecordKind) -> Answer:
        asked.append((name, kind))
        return KEYS[name]

    raw = dkim_signed(dkim_signed(dkim_signed(MAIL), ED25519))
    message = SignedMessage(raw, HeaderBlock.scan(raw))
    signatures = read_dkim(message, AT)
    keys = await look_up_keys(dkim_key_names(signatures), look_up)
    assert asked == [(NAME, RecordKind.TXT), ("ed._domainkey.klient.pl", RecordKind.TXT)]
    assert [result.result for result in verify_dkim(message, signatures, keys)] == ["pass"] * 3


def _many_signatures() -> bytes:
    return b"DKIM-Signature: v=1; a=rsa-sha256; d=a.pl; s=b; bh=x; h=from; b=y\r\n" * 9_000 + MAIL


def _ten(mail: bytes, **changed: str) -> bytes:
    """Ten signatures of the same."""
    return dkim_signed(mail, **changed).removesuffix(mail) * 10 + mail


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(dkim_signed(MAIL, d="a\u0301\u0316" * 9_000 + ".pl"), id="a domain of combining marks"),
        pytest.param(dkim_signed(MAIL, i="@" + "\u0316\u0301" * 9_000 + ".pl"), id="an identity of combining marks"),
        pytest.param(_many_signatures(), id="thousands of signatures"),
        pytest.param(b"DKIM-Signature: v=1; " + b"a" * 1_900_000 + b"=1\r\n" + MAIL, id="a huge tag"),
        pytest.param(b"DKIM-Signature: v=1; b=" + b" \t" * 900_000 + b"\r\n" + MAIL, id="a huge blank value"),
        pytest.param(b"DKIM-Signature: " + b"a=b;" * 400_000 + b"\r\n" + MAIL, id="thousands of tags"),
        pytest.param(_ten(MAIL, h="from:" + "x:" * 9_900), id="ten times 10,000 names"),
        pytest.param(_ten(b"From: a\r\n" * 9_000 + MAIL, h="from:" * 9_000 + "from"), id="9,000 names that are there"),
        pytest.param(dkim_signed(MAIL + b"\r\n" * 4_000_000), id="megabytes of blank lines"),
        pytest.param(dkim_signed(MAIL + b" " * 2_000_000), id="a line of spaces"),
        pytest.param(dkim_signed(b"Subject: " + b"x" * 1_900_000 + b"\r\n" + MAIL), id="a line of two megabytes"),
        pytest.param(dkim_signed(b"Subject: " + b"x\t " * 600_000 + b"\r\n" + MAIL), id="a header of blanks"),
    ],
)
def test_time_is_bounded(raw: bytes) -> None:
    """The worst that a message may hold takes no second of processor time."""
    message = SignedMessage(raw, HeaderBlock.scan(raw))
    started = time.process_time()
    verify_dkim(message, read_dkim(message, AT), KEYS)
    assert time.process_time() - started < 1
