"""Signed messages and chains of ARC, spoilt, and records of keys → nothing passes that was changed, nothing is raised.

What is said of strangers' signatures goes into a field of ours: it is printable ASCII.
"""

import hashlib
import random
import re
import sys
from base64 import b64decode, b64encode
from datetime import UTC, datetime

from harness import run
from peers.hand_signed import arc_sealed, body_hash, dkim_signed, fields_of, named, record, relaxed
from pieces import join, spoil

from routerd.auth.arc import read_arc, verify_arc
from routerd.auth.dkim import MAX_SIGNATURES, dkim_key_names, read_dkim, verify_dkim
from routerd.auth.dns_answers import Answer, Records
from routerd.auth.signed_message import SignedMessage
from routerd.message.dkim_keys import parse_private_key
from routerd.message.headers import HeaderBlock

SLOW_MS = 400.0  # for the 150 KB that `make` gives at most

_AT = datetime(2025, 1, 15, tzinfo=UTC)
_MOST_BYTES = 150_000
_SEED = bytes(range(32))  # of the key, so that an input is the same in each run
_PKCS8 = b64encode(bytes.fromhex("302e020100300506032b657004220420") + _SEED)
_KEY = parse_private_key(b"-----BEGIN PRIVATE KEY-----\n" + _PKCS8 + b"\n-----END PRIVATE KEY-----\n")
_RECORD = record(_KEY).values[0].encode()
_BEHIND = b"\0key\0"  # what follows in an input is what DNS has at every name
_MAIL = (
    b"Received: from a by b\r\nFrom: a@klient.pl\r\nTo: x@example.com\r\nSubject: a \r\n\tb\r\nDate: now\r\n\r\n"
    b"one  line \r\n\r\n\ttwo\r\n \r\n\r\n"
)
_PIECES = [
    b"DKIM-Signature:", b"ARC-Seal:", b"ARC-Message-Signature:", b"ARC-Authentication-Results:", b"\r\n", b"\r\n\r\n",
    b"v=1;", b"a=rsa-sha256;", b"a=ed25519-sha256;", b"c=relaxed/simple;", b"d=klient.pl;", b"s=s1;", b"h=from:to;",
    b"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;", b"b=AAAA;", b"i=1;", b"i=2;", b"i=@klient.pl", b"cv=none;",
    b"cv=pass;", b"l=0;", b"t=1;", b"x=99999999999;", b";", b"=", b":", b" ", b"\t", b"\r\n ", b"\0", b"\xff",
    b"=0D=0A",
    b"From: a@klient.pl\r\n", b"x", "ż".encode(), b"@", b".", b"-", b"from:", b"q=dns/txt;",
]  # fmt: skip
_OF_KEYS = [
    b"v=DKIM1;", b"k=rsa;", b"k=ed25519;", b"p=", b"p=;", b"h=sha256:sha1;", b"s=*;", b"t=y:s;", b"n=x;", b";", b"=",
    b"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ", b"MCowBQYDK2VwAyEA", b"AAAA", b"AQAB", b"\xff", b" ",
]  # fmt: skip


def make(source: random.Random) -> bytes:
    mail = _MAIL if source.random() < 0.7 else spoil(source, _MAIL).replace(b"\n", b"\r\n")
    for instance in range(1, source.choice((1, 1, 2, 3, 5))):
        mail = arc_sealed(mail, instance, key=_KEY)
    for _ in range(source.randrange(3)):
        mail = dkim_signed(mail, _KEY)
    match source.randrange(4):
        case 0:
            mail = join(source, _PIECES, source.choice((6, 40, 200))) + mail
        case 1 | 2:
            mail = spoil(source, mail)
    text = _RECORD
    if source.random() < 0.3:
        text = join(source, _OF_KEYS, 20) if source.random() < 0.5 else spoil(source, _RECORD)
    return mail[:_MOST_BYTES] + _BEHIND + text


def target(data: bytes) -> None:
    raw, _, text = data.rpartition(_BEHIND)
    answer = Records((text.decode("latin-1"), "v=spf1 -all"), 60)
    message = SignedMessage(raw, HeaderBlock.scan(raw))
    signatures, chain = read_dkim(message, _AT), read_arc(message)
    keys: dict[str, Answer] = dict.fromkeys((*dkim_key_names(signatures), *chain.key_names), answer)
    results = verify_dkim(message, signatures, keys)
    if len(results) > MAX_SIGNATURES:
        raise AssertionError("too many")
    for one in results:
        said = f"{one.domain}{one.selector}{one.identity}{one.algorithm}{one.signature_start}"
        if not re.fullmatch(r"[!-~]*", said) or not re.fullmatch(r"[ -~]*", one.reason):
            raise AssertionError(f"not to be told: {one}")
        if (one.result == "pass") == (one.reason not in ("", "key is for testing")):
            raise AssertionError(f"no reason, or one too many: {one}")
    found = verify_arc(message, chain, keys)
    if not re.fullmatch(r"[ -~]*", found.reason) or (found.result == "fail") != bool(found.reason):
        raise AssertionError(f"not to be told: {found}")
    passed = [one.result == "pass" for one in results]
    if any(passed) or found.result == "pass":
        _judge_pass(raw, passed)


def _judge_pass(raw: bytes, passed: list[bool]) -> None:
    """By a slow reading: the body is one that is signed, and of those that passed each is over this header."""
    if b"\n" in raw.replace(b"\r\n", b"") or b"\r" in raw.replace(b"\r\n", b"") or not raw.count(b"\r\n\r\n"):
        return  # intake lets no such message in
    said = re.findall(rb"bh=([^;]*)", raw.translate(None, b" \t\r\n"))
    if body_hash(raw).encode() not in said:
        raise AssertionError("the body is another")
    fields = [field for field in fields_of(raw) if relaxed(field).startswith(b"dkim-signature:")]
    if len(fields) != len(HeaderBlock.scan(raw).raw_values("dkim-signature")):
        return  # a name with control characters in it
    for field, has_passed in zip(fields, passed, strict=False):
        if has_passed and not _is_signed(field, raw.replace(field + b"\r\n", b"", 1)):
            raise AssertionError(f"passed, and is not over this header: {field!r}")


def _is_signed(field: bytes, rest: bytes) -> bool:
    tags = dict(re.findall(r"[:;]\s*(\w+)\s*=\s*([^;]*)", field.decode("utf-8", "replace"), re.ASCII))
    unsigned = re.sub(rb"([:;]\s*b\s*=)[^;]*", rb"\1", field)
    data = b"".join(relaxed(one) for one in (*named(rest, tags["h"].split(":")), unsigned))[:-2]
    signature = b64decode("".join(tags["b"].split()))
    return _KEY.public.is_of(signature, hashlib.sha256(data).digest())


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
