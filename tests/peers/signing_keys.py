"""Keys for signing mail, and what DNS says of each."""

import base64
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from peers.dns_server import DnsServer
from routerd.auth.dkim_signing import Signer
from routerd.message.dkim_keys import parse_private_key

_MOST_OF_A_STRING = 255  # RFC 1035 3.3


@dataclass(frozen=True, slots=True)
class SigningKey:
    domain: str
    selector: str
    algorithm: str  # rsa | ed25519
    path: Path  # the private key, PEM
    record: str  # the value of the TXT record of `name`
    seed: bytes = b""  # of ed25519: the private key without any wrapping

    @property
    def name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def zone_value(self) -> str:
        """The record's strings as a zone file has them."""
        starts = range(0, len(self.record), _MOST_OF_A_STRING)
        return " ".join(f'"{self.record[start : start + _MOST_OF_A_STRING]}"' for start in starts)

    def publish(self, server: DnsServer) -> None:
        server.has(self.name, "TXT", self.zone_value)


def make_key(folder: Path, domain: str, selector: str, algorithm: str = "rsa", bits: int = 2048) -> SigningKey:
    """A new key, in `folder/SELECTOR.DOMAIN.pem`."""
    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    seed = b""
    if algorithm == "rsa":
        private = rsa.generate_private_key(65537, bits)
        public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        private = ed25519.Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)  # RFC 8463 4
        seed = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    path = folder / f"{selector}.{domain}.pem"
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    record = f"v=DKIM1; k={algorithm}; p={base64.b64encode(public).decode()}"
    return SigningKey(domain, selector, algorithm, path, record, seed)


def signer_in(server: DnsServer, folder: Path, domain: str, selector: str = "s1") -> Signer:
    """Of `domain`, with a new key that the server has."""
    key = make_key(folder, domain, selector, "ed25519")
    key.publish(server)
    return Signer(domain, selector, parse_private_key(key.path.read_bytes()))
