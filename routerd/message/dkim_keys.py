"""The keys of DKIM (RFC 6376 3.6.1, RFC 8463) from their bytes, and what is signed with them: the only door to
`cryptography`. It is slow to import, so whoever may do without keys imports this late.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

ED25519_OCTETS = 32  # RFC 8463 4.2: the bare key, without any ASN.1

_PADDING = PKCS1v15()  # RFC 6376 3.3: RSASSA-PKCS1-v1_5
_SHA256_DIGEST = Prehashed(SHA256())
_EXPONENT = 65537
_MAX_EXPONENT_BITS = 33  # with one as long as the key a signature takes a hundred times as long to check
# An RSAPublicKey, or that within a SubjectPublicKeyInfo: `cryptography` warns of kinds of keys that DKIM has not.
_RSA_KEY = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)(?:\x02|\x30[\x0b\x0d]\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01)", re.DOTALL
)


class KeyKind(StrEnum):
    """As `k=` of a key record names it, and `a=` of a signature before its dash."""

    RSA = "rsa"
    ED25519 = "ed25519"


class UnusableKeyError(ValueError):
    """It is no key, or none that DKIM has. The message says what is wrong in words, and nothing of the key."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    kind: KeyKind
    bits: int
    _key: RSAPublicKey | Ed25519PublicKey = field(repr=False)

    def is_of(self, signature: bytes, digest: bytes) -> bool:
        """Whether `signature` was made of the SHA-256 `digest` with the private key. Never raises."""
        try:
            if isinstance(self._key, RSAPublicKey):
                self._key.verify(signature, digest, _PADDING, _SHA256_DIGEST)
            else:
                self._key.verify(signature, digest)
        except (InvalidSignature, ValueError):
            return False
        return True

    @property
    def octets(self) -> bytes:
        """As `p=` of a key record holds them, before its base64."""
        if isinstance(self._key, RSAPublicKey):
            return self._key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return self._key.public_bytes_raw()


@dataclass(frozen=True, slots=True)
class PrivateKey:
    kind: KeyKind
    public: PublicKey
    _key: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def bits(self) -> int:
        return self.public.bits

    def sign(self, digest: bytes) -> bytes:
        """Of a SHA-256 digest. The same digest gives the same signature."""
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(digest, _PADDING, _SHA256_DIGEST)
        return self._key.sign(digest)


def parse_public_key(kind: KeyKind, octets: bytes) -> PublicKey:
    """`octets`: of `p=`, decoded. An RSA key may be an RSAPublicKey too, as RFC 6376 3.6.1 has it.

    Raises UnusableKeyError. Keys that are too small or too large to be trusted are keys: see `bits`.
    """
    if kind is KeyKind.ED25519:
        if len(octets) != ED25519_OCTETS:
            raise UnusableKeyError(f"an Ed25519 key has {ED25519_OCTETS} octets, not {len(octets)}")
        return PublicKey(kind, 256, Ed25519PublicKey.from_public_bytes(octets))
    try:
        key = load_der_public_key(octets) if _RSA_KEY.match(octets) else None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey):
        raise UnusableKeyError("it is no RSA key")
    if key.public_numbers().e.bit_length() > _MAX_EXPONENT_BITS:
        raise UnusableKeyError("its exponent is too large")
    return PublicKey(kind, key.key_size, key)


def parse_private_key(pem: bytes) -> PrivateKey:
    """A PEM file, PKCS #8 or as `openssl genrsa` wrote it of old. Raises UnusableKeyError."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:  # by which `cryptography` says that a password is needed
        raise UnusableKeyError("it is protected by a passphrase; store the key without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKeyError("it holds no private key in PEM") from None
    if isinstance(key, RSAPrivateKey):
        public = PublicKey(KeyKind.RSA, key.key_size, key.public_key())
        return PrivateKey(KeyKind.RSA, public, key)
    if isinstance(key, Ed25519PrivateKey):
        return PrivateKey(KeyKind.ED25519, PublicKey(KeyKind.ED25519, 256, key.public_key()), key)
    raise UnusableKeyError("it is neither an RSA nor an Ed25519 key, and DKIM has no other")


def new_private_key(kind: KeyKind, bits: int = 2048) -> bytes:
    """A PEM file of a new key, PKCS #8, without a passphrase. `bits`: of RSA."""
    key = generate_private_key(_EXPONENT, bits) if kind is KeyKind.RSA else Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
