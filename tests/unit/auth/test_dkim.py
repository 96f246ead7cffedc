"""Signatures of DKIM: which hold, and what is said of those that do not."""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import dkim
import pytest

from routerd.auth.dkim import DkimResult, dkim_key_names, read_dkim, verify_dkim
from routerd.auth.dkim_signing import OVERSIGNED, Signer, sign
from routerd.auth.dns_answers import Answer, Records
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
RSA = new_private_key(KeyKind.RSA, 2048)
ED25519 = new_private_key(KeyKind.ED25519)


def record(key: PrivateKey, **tags: str) -> Records:
    """What DNS has of it, with tags changed."""
    said = {"v": "DKIM1", "k": str(key.kind), "p": base64.b64encode(key.public.octets).decode(), **tags}
    return Records(("; ".join(f"{name}={value}" for name, value in said.items()),), 60)


KEYS: Mapping[str, Answer] = {
    NAME: record(parse_private_key(RSA)),
    "ed._domainkey.klient.pl": record(parse_private_key(ED25519)),
}


def verified(raw: bytes, keys: Mapping[str, Answer] = KEYS, at: datetime = AT) -> tuple[DkimResult, ...]:
    message = SignedMessage(raw, HeaderBlock.scan(raw))
    return verify_dkim(message, read_dkim(message, at), keys)


def signed(pem: bytes = RSA, selector: str = "s1", mail: bytes = MAIL) -> bytes:
    return sign(mail, Signer("klient.pl", selector, parse_private_key(pem)), OVERSIGNED, AT) + mail


def by_dkimpy(mail: bytes = MAIL, pem: bytes = RSA, selector: bytes = b"s1", **more: object) -> bytes:
    """Signed by another's hand. dkimpy knows an RSA key only as PKCS #1 or #8, an Ed25519 one by its seed."""
    return dkim.sign(mail, selector, b"klient.pl", pem, **more) + mail


def one(raw: bytes, keys: Mapping[str, Answer] = KEYS, at: datetime = AT) -> tuple[str, str]:
    (result,) = verified(raw, keys, at)
    return result.result, result.reason


@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
def test_signed_by_another_program(header: bytes, body: bytes) -> None:
    """What dkimpy signs in any pair of forms passes, and is told apart by d=, s=, i=, a= and the start of b=."""
    raw = by_dkimpy(canonicalize=(header, body), identity=b"anna@mail.klient.pl")
    (result,) = verified(raw)
    start = re.search(rb"[; ]b=([A-Za-z0-9+/]{8})", raw.replace(b"\r\n ", b""))
    assert start
    assert result == DkimResult("pass", "klient.pl", "s1", "anna@mail.klient.pl", "rsa-sha256", start[1].decode(), "")


@pytest.mark.parametrize(("pem", "selector"), [(RSA, "s1"), (ED25519, "ed")], ids=["rsa", "ed25519"])
def test_signed_by_us(pem: bytes, selector: str) -> None:
    """What routerd signs passes, with a key of either kind."""
    assert one(signed(pem, selector)) == ("pass", "")


def test_unsigned() -> None:
    """Of no signature there is nothing to say, and no key is looked for."""
    message = SignedMessage(MAIL, HeaderBlock.scan(MAIL))
    assert verified(MAIL) == ()
    assert dkim_key_names(read_dkim(message, AT)) == ()
