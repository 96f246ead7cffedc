"""One signature of DKIM (RFC 6376 3.5) or ARC (RFC 8617 4.1), as its tags say it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from routerd.auth.dns_answers import Answer
from routerd.auth.key_record import DomainKey, keys_at
from routerd.auth.tag_list import TagListError, decode_base64, parse_tags, split_list
from routerd.auth.unverified import Unverified
from routerd.message.a_labels import LabelError, to_a_labels
from routerd.message.dkim_canonical import Form
from routerd.message.dkim_keys import KeyKind
from routerd.message.rsa_sizes import LEAST_RSA_BITS, MOST_RSA_BITS

MAX_NAMES = 10_000  # of h=: as many fields as a header lists

_KINDS = {"rsa-sha256": KeyKind.RSA, "ed25519-sha256": KeyKind.ED25519}
_DOMAIN = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?|(?!))*+\Z")
_NUMBER = re.compile(r"[0-9]{1,12}\Z")
_MAX_NAME_CHARACTERS = 253  # RFC 1035 2.3.4, as it is written
_DIGEST_OCTETS = 32


@dataclass(frozen=True, slots=True)
class SignedBy:
    """Who signed, and the signature itself."""

    algorithm: str  # as a= has it, in lower case
    kind: KeyKind
    domain: str  # in A-labels, lower case
    selector: str
    octets: bytes

    @property
    def key_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    def check(self, digest: bytes, keys: Mapping[str, Answer]) -> DomainKey:
        """The key with which the digest was signed. Raises Unverified where there is none that counts."""
        candidates = keys_at(self.key_name, keys, self.kind)
        fit = [key for key in candidates if key.has_trusted_size]
        if not fit:
            bits = candidates[0].public.bits
            raise Unverified("policy", f"key of {bits} bits: not {LEAST_RSA_BITS} to {MOST_RSA_BITS}")
        for key in fit:
            if key.public.is_of(self.octets, digest):
                return key
        raise Unverified("neutral" if all(key.is_testing for key in fit) else "fail", "signature is not of this header")


class SignedParts(NamedTuple):
    """What a signature is over."""

    header_form: Form
    body_form: Form
    names: tuple[str, ...]  # of the fields, in lower case
    body_digest: bytes


def read_tags(value: bytes) -> dict[str, str]:
    """Of a field, folded or not. Raises Unverified."""
    try:
        return parse_tags(value.decode("utf-8"))
    except (TagListError, UnicodeDecodeError) as error:
        raise Unverified("neutral", f"signature is broken: {_why(error)}") from None


def read_signer(tags: Mapping[str, str]) -> SignedBy:
    """From a=, b=, d= and s=. Raises Unverified."""
    require(tags, "a", "b", "d", "s")
    algorithm = tags["a"].lower()
    if algorithm == "rsa-sha1":
        raise Unverified("policy", "rsa-sha1 is not accepted")  # RFC 8301 3.1
    if algorithm not in _KINDS:
        raise Unverified("neutral", "signature is of an unknown algorithm")
    domain, selector = read_domain(tags, "d"), read_domain(tags, "s")
    signer = SignedBy(algorithm, _KINDS[algorithm], domain, selector, _octets(tags, "b"))
    if len(signer.key_name) > _MAX_NAME_CHARACTERS:
        raise Unverified("neutral", "s= and d= are too long together")
    return signer


def read_signed_parts(tags: Mapping[str, str]) -> SignedParts:
    """From bh=, c= and h=. Raises Unverified, also where From or the body's end is not signed."""
    require(tags, "bh", "h")
    header_form, slash, body_form = tags.get("c", "simple").lower().partition("/")
    try:
        forms = Form(header_form), Form(body_form if slash else Form.SIMPLE)
    except ValueError:
        raise Unverified("neutral", "c= is unknown") from None
    names = split_list(tags["h"])
    if len(names) > MAX_NAMES:
        raise Unverified("neutral", "h= is too long")
    if "from" not in names:
        raise Unverified("permerror", "From is not signed")  # RFC 6376 6.1.1
    digest = _octets(tags, "bh")
    if len(digest) != _DIGEST_OCTETS:
        raise Unverified("neutral", "bh= is no sha256")
    if "l" in tags:  # RFC 6376 8.2: what follows may be anybody's
        raise Unverified("policy", "signature with l= is not accepted")
    return SignedParts(*forms, tuple(names), digest)


def read_domain(tags: Mapping[str, str], name: str) -> str:
    """d= or s=, as DNS has it (RFC 8616 5). Raises Unverified."""
    text = tags[name][: _MAX_NAME_CHARACTERS + 1].lower()
    if not text.isascii():  # short by now: to bring marks of a long text into order takes time
        try:
            text = to_a_labels(text)
        except LabelError:
            text = ""
    if len(text) > _MAX_NAME_CHARACTERS or not _DOMAIN.match(text):
        raise Unverified("neutral", f"{name}= is no domain")
    return text


def check_moments(tags: Mapping[str, str], *names: str) -> None:
    """Raises Unverified where one of them is there and no moment."""
    for name in names:
        if name in tags and not _NUMBER.match(tags[name]):
            raise Unverified("neutral", f"{name}= is no moment")


def require(tags: Mapping[str, str], *names: str) -> None:
    """Raises Unverified where one of them is not there."""
    missing = [name for name in names if not tags.get(name)]
    if missing:
        raise Unverified("neutral", f"signature lacks {missing[0]}=")


def _octets(tags: Mapping[str, str], name: str) -> bytes:
    try:
        return decode_base64(tags[name])
    except TagListError:
        raise Unverified("neutral", f"{name}= is no base64") from None


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, TagListError) else "it is no UTF-8"
