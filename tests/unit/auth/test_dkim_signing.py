"""Signatures of what routerd authors, looked at by a verifier as plain as RFC 6376 is."""

import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.auth.dkim_signing import (
    OVERSIGNED,
    Signer,
    canonical_fields,
    sign,
    sign_by_all,
    signature_field,
    signatures,
)
from routerd.message.dkim_keys import KeyKind, PublicKey, new_private_key, parse_private_key, parse_public_key
from routerd.message.headers import HeaderBlock

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
SIGNERS = {
    kind: Signer("example.com", f"of-{kind}", parse_private_key(new_private_key(kind, 1024))) for kind in KeyKind
}
RAW = (
    b"From: Mail delivery (routerd) <MAILER-DAEMON@mx1.example.com>\r\n"
    b"To: <jan@example.com>\r\n"
    b"Subject: Held:  mail for\r\n\tewa@example.com\r\n"
    b"Auto-Submitted: auto-generated\r\n"
    b"\r\n"
    b"HELD: nobody  gets it \t \r\nuntil you say so.\r\n\r\n\r\n"
)


def tags_of(field: bytes) -> dict[str, str]:
    value = re.sub(r"\s", "", field.decode("ascii").partition(":")[2])
    return dict(tag.split("=", 1) for tag in value.split(";") if tag)


def relaxed(field: bytes) -> bytes:
    name, _, value = field.partition(b":")
    value = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip()
    return name.strip().lower() + b":" + value


def is_proven(message: bytes, public: PublicKey) -> bool:
    """By the topmost field, whose form is relaxed/relaxed."""
    head, _, body = message.partition(b"\r\n\r\n")
    fields = re.split(rb"\r\n(?![ \t])", head)
    signature, fields = fields[0], fields[1:]
    tags = tags_of(signature)
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    if b64decode(tags["bh"]) != sha256(b"".join(line + b"\r\n" for line in lines)).digest():
        return False
    signed = []
    for name in tags["h"].encode().split(b":"):
        at = max((at for at, field in enumerate(fields) if field.split(b":")[0].strip().lower() == name), default=None)
        if at is not None:
            signed.append(relaxed(fields.pop(at)) + b"\r\n")
    signed.append(relaxed(re.sub(rb"([; ]b=)[^;]*", rb"\1", signature)))
    return public.is_of(b64decode(tags["b"]), sha256(b"".join(signed)).digest())


@pytest.mark.parametrize("kind", list(KeyKind))
def test_signed_message_is_proven(kind: KeyKind) -> None:
    """The signature holds, names its key and its time, and stands above an unchanged message."""
    signer = SIGNERS[kind]
    field = sign(RAW, signer, OVERSIGNED, AT)
    tags = tags_of(field)
    assert (tags["a"], tags["d"], tags["s"]) == (f"{kind}-sha256", "example.com", f"of-{kind}")
    assert tags["t"] == str(int(AT.timestamp()))
    assert is_proven(field + RAW, signer.key.public)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Held", b"Hemd"),
        (b"HELD", b"HEMD"),
        (b"To: ", b"Subject: You won\r\nTo: "),
        (b"To: ", b"From: ceo@example.com\r\nTo: "),
        (b"To: ", b"Reply-To: thief@evil.test\r\nTo: "),
        (b"To: ", b"Content-Type: text/html\r\nTo: "),
        (b"Auto-Submitted: auto-generated\r\n", b""),
    ],
)
def test_what_breaks_it(before: bytes, after: bytes) -> None:
    """One byte of header or body, a field that is added or taken away: the signature no longer holds."""
    signed = sign_by_all(RAW, [SIGNERS[KeyKind.RSA]], AT)
    assert not is_proven(signed.replace(before, after, 1), SIGNERS[KeyKind.RSA].key.public)


def test_what_does_not_break_it() -> None:
    """Trace fields on top, other folds and other spaces leave it whole."""
    field = sign(RAW, SIGNERS[KeyKind.RSA], OVERSIGNED, AT)
    after = RAW.replace(b"mail for\r\n\tewa", b"mail\r\n   for ewa").replace(b"you say", b"you   say")
    annotated = field + b"X-Assigned-To: jan@example.com\r\n" + b"Received: by mx1\r\n" + after
    assert is_proven(annotated, SIGNERS[KeyKind.RSA].key.public)


def test_several_keys() -> None:
    """Each key of a domain signs for itself, and none covers the others' signatures."""
    signed = sign_by_all(RAW, SIGNERS.values(), AT)
    first, second = (SIGNERS[kind] for kind in KeyKind)
    assert signed.endswith(RAW)
    assert is_proven(signed, first.key.public)
    assert is_proven(sign(RAW, second, OVERSIGNED, AT) + RAW, second.key.public)
    assert sign_by_all(RAW, [], AT) == RAW


def test_a_body_under_another_head_is_proven_with_that() -> None:
    """Of the message whose body it is nothing else is signed."""
    head = b"From: Support <support@example.com>\r\nSubject: Re: parcel\r\n\r\n"
    body_start = RAW.index(b"\r\n\r\n") + 4
    fields = signatures(head, RAW, body_start, tuple(SIGNERS.values()), AT)
    message = head + RAW[body_start:]
    first, second = (SIGNERS[kind] for kind in KeyKind)
    assert is_proven(fields + message, first.key.public)
    assert fields.endswith(sign(message, second, OVERSIGNED, AT))
    assert signatures(head, RAW, body_start, (), AT) == b""


def test_each_field_once_more_than_it_occurs() -> None:
    """`h=` lists even what is not there, and of two fields of one name three."""
    raw = b"To: a@b\r\nFrom: c@d\r\nTo: e@f\r\n\r\n"
    assert tags_of(sign(raw, SIGNERS[KeyKind.RSA], ("from", "to", "cc"), AT))["h"] == "from:from:to:to:to:cc"


def test_field_is_folded() -> None:
    """No line of it is longer than RFC 5322 advises."""
    field = sign(RAW, SIGNERS[KeyKind.RSA], OVERSIGNED, AT)
    assert max(map(len, field.split(b"\r\n"))) <= 78
    assert re.fullmatch(rb"[^\r\n]+(\r\n [^\r\n]+)*\r\n", field)


_LINES = st.lists(st.text(st.sampled_from("ab \t."), max_size=12).map(str.encode), max_size=6)


@given(body=_LINES, subject=st.text(st.sampled_from("ab \t:;="), max_size=40).map(str.encode))
def test_any_message_is_proven(body: list[bytes], subject: bytes) -> None:
    """Whatever blanks a message has, both sides agree about it."""
    raw = b"From: a@example.com\r\nSubject:" + subject + b"\r\n\r\n" + b"".join(line + b"\r\n" for line in body)
    signer = SIGNERS[KeyKind.ED25519]
    assert is_proven(sign_by_all(raw, [signer], AT), signer.key.public)


def test_example_of_rfc_8463() -> None:
    """What the RFC's example covers is what we would cover: its signature is proven by our forms (RFC 8463 A.3)."""
    raw = (
        b"From: Joe SixPack <joe@football.example.com>\r\n"
        b"To: Suzie Q <suzie@shopping.example.net>\r\n"
        b"Subject: Is dinner ready?\r\n"
        b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
        b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
        b"\r\n"
        b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
    )
    names = ("from", "to", "subject", "date", "message-id")
    itself = (
        b"dkim-signature:v=1; a=ed25519-sha256; c=relaxed/relaxed; d=football.example.com; i=@football.example.com; "
        b"q=dns/txt; s=brisbane; t=1528637909; h=from : to : subject : date : message-id : from : subject : date; "
        b"bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b="
    )
    covered = b"".join((*canonical_fields(raw, HeaderBlock.scan(raw), (*names, "from", "subject", "date")), itself))
    public = parse_public_key(KeyKind.ED25519, b64decode("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="))
    signature = b64decode("/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==")
    assert public.is_of(signature, sha256(covered).digest())
    bh = tags_of(sign(raw, SIGNERS[KeyKind.ED25519], names, AT))["bh"]
    assert bh == "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="


def test_field_of_any_name() -> None:
    """A seal of ARC has the same form: a name of its own, its tags, and what it covers."""
    key = SIGNERS[KeyKind.ED25519].key
    field = signature_field("ARC-Seal", {"i": "1", "cv": "none"}, key, [b"arc-authentication-results:i=1; x\r\n"])
    covered = b"arc-authentication-results:i=1; x\r\narc-seal:i=1; cv=none; b="
    assert field.startswith(b"ARC-Seal: i=1; cv=none;\r\n b=")
    assert tags_of(field)["b"] == b64encode(key.sign(sha256(covered).digest())).decode()
