"""Keys of DKIM, from files and from DNS, and what they sign."""

import subprocess
from base64 import b64decode
from hashlib import sha256

import pytest

from routerd.message.dkim_keys import (
    KeyKind,
    UnusableKeyError,
    new_private_key,
    parse_private_key,
    parse_public_key,
)

DIGEST = sha256(b"hello").digest()
# RFC 8463 A.2
BRISBANE_SECRET = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
BRISBANE_PUBLIC = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
_PKCS8_OF_ED25519 = bytes.fromhex("302e020100300506032b657004220420")  # RFC 8410 7, before the 32 octets


def openssl(*args: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *args], check=True, capture_output=True, input=given).stdout


@pytest.fixture(scope="module")
def rsa_pem() -> bytes:
    return openssl("genrsa", "2048")


@pytest.mark.parametrize("kind", list(KeyKind))
def test_new_key_signs_what_its_record_proves(kind: KeyKind) -> None:
    """A new key's signature fits the public key as DNS holds it, and nothing else does."""
    key = parse_private_key(new_private_key(kind))
    signature = key.sign(DIGEST)
    public = parse_public_key(kind, key.public.octets)
    assert public.is_of(signature, DIGEST)
    assert not public.is_of(signature, sha256(b"hellp").digest())
    assert not public.is_of(signature[:-1], DIGEST)
    assert not public.is_of(b"", DIGEST)
    assert key.sign(DIGEST) == signature
    assert (key.kind, key.bits) == (kind, 2048 if kind is KeyKind.RSA else 256)


def test_file_of_openssl(rsa_pem: bytes) -> None:
    """What openssl writes is read, in the form of old too, and openssl agrees about the public key."""
    key = parse_private_key(rsa_pem)
    of_old = openssl("rsa", "-traditional", given=rsa_pem)
    assert b"RSA PRIVATE KEY" in of_old
    assert parse_private_key(of_old).public.octets == key.public.octets
    assert openssl("rsa", "-pubout", "-outform", "DER", given=rsa_pem) == key.public.octets


def test_both_forms_of_an_rsa_key_in_dns(rsa_pem: bytes) -> None:
    """An RSAPublicKey without its wrapping is taken as well."""
    bare = openssl("rsa", "-RSAPublicKey_out", "-outform", "DER", given=rsa_pem)
    key = parse_private_key(rsa_pem)
    assert bare != key.public.octets
    assert parse_public_key(KeyKind.RSA, bare).is_of(key.sign(DIGEST), DIGEST)


def test_ed25519_key_of_the_rfc() -> None:
    """The key of RFC 8463 A.2 has the public key that is printed beside it."""
    pem = openssl("pkey", "-inform", "DER", given=_PKCS8_OF_ED25519 + b64decode(BRISBANE_SECRET))
    assert parse_private_key(pem).public.octets == b64decode(BRISBANE_PUBLIC)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), "neither an RSA nor an Ed25519 key"),
        (("genrsa", "-aes128", "-passout", "pass:secret", "2048"), "passphrase"),
        (("version",), "no private key in PEM"),
    ],
)
def test_other_files(command: tuple[str, ...], why: str) -> None:
    """A file that is no key for DKIM is refused, and the reason says what it is."""
    with pytest.raises(UnusableKeyError, match=why):
        parse_private_key(openssl(*command))


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        (KeyKind.RSA, b""),
        (KeyKind.RSA, b"\x30\x82\xff\xff"),
        (KeyKind.RSA, b64decode(BRISBANE_PUBLIC)),
        (KeyKind.ED25519, b""),
        (KeyKind.ED25519, bytes(31)),
        (KeyKind.ED25519, bytes(33)),
    ],
)
def test_what_is_no_public_key(kind: KeyKind, octets: bytes) -> None:
    """What DNS holds may be anything: it is refused, by one exception."""
    with pytest.raises(UnusableKeyError):
        parse_public_key(kind, octets)


def test_key_of_another_kind_in_dns() -> None:
    """A key that is sound but not of RSA is none where the record says `k=rsa`."""
    der = openssl("pkey", "-pubout", "-outform", "DER", given=new_private_key(KeyKind.ED25519))
    with pytest.raises(UnusableKeyError, match="no RSA key"):
        parse_public_key(KeyKind.RSA, der)


def test_keys_are_not_shown() -> None:
    """Neither a log nor a traceback that shows the value shows the key."""
    key = parse_private_key(new_private_key(KeyKind.ED25519))
    assert "_key" not in repr(key)
