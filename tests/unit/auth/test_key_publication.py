"""Records of our keys: as we print them, and as DNS has them."""

import re
from base64 import b64encode

import pytest

from routerd.auth.dns_answers import Absent, Answer, Records, Trouble
from routerd.auth.key_publication import amiss, record_of, zone_lines
from routerd.message.dkim_keys import KeyKind, PublicKey, new_private_key, parse_private_key

NAME = "s1._domainkey.example.com"
KEYS = {kind: parse_private_key(new_private_key(kind)).public for kind in KeyKind}
RSA, ED25519 = KEYS[KeyKind.RSA], KEYS[KeyKind.ED25519]


@pytest.mark.parametrize("public", KEYS.values(), ids=KEYS)
def test_what_we_print_is_what_verifiers_want(public: PublicKey) -> None:
    """The record as printed, put together as DNS does it, is the key; no string is longer than DNS has them."""
    value = record_of(public)
    assert amiss(NAME, Records((value,), 300), public) is None
    strings = re.findall(r'"([^"]*)"', "\n".join(zone_lines(NAME, value)))
    assert "".join(strings) == value
    assert max(map(len, strings)) <= 255
    assert zone_lines(NAME, value)[0].startswith(f"{NAME}. IN TXT ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Absent(True, 300), "DNS has no record s1._domainkey.example.com"),
        (Trouble("no answer in time"), "no answer in time"),
        (Records((record_of(RSA), "v=spf1 -all"), 300), "DNS has 2 records"),
        (Records((record_of(ED25519),), 300), "key is not of rsa"),
        (Records((record_of(parse_private_key(new_private_key(KeyKind.RSA)).public),), 300), "another key"),
        (Records(("v=DKIM1; p=",), 300), "key is revoked"),
        (Records((record_of(RSA)[:-9],), 300), "broken"),
        (Records((record_of(RSA) + "; t=y",), 300), "t=y"),
        (Records((record_of(RSA) + "; h=sha1",), 300), "sha256"),
    ],
)
def test_what_is_amiss(answer: Answer, words: str) -> None:
    """Whatever keeps verifiers from believing us is said in words."""
    said = amiss(NAME, answer, RSA)
    assert said is not None
    assert words in said


def test_other_spellings_of_the_same_key() -> None:
    """White space, other tags and an RSA key without `k=` are as good."""
    value = f"v=DKIM1;t=s; n=our key; p={b64encode(RSA.octets).decode()[:100]} {b64encode(RSA.octets).decode()[100:]};"
    assert amiss(NAME, Records((value,), 300), RSA) is None
