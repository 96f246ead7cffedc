"""DKIM (RFC 6376, 8301, 8463, 8616): which signatures of a message hold, and whose they are.

In two steps: which keys are needed (`read_dkim`), and then, without a wait, whether the signatures hold
(`verify_dkim`). Nothing here raises.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from routerd.auth.dns_answers import Answer
from routerd.auth.signature import (
    SignedBy,
    SignedParts,
    check_moments,
    read_domain,
    read_signed_parts,
    read_signer,
    read_tags,
    require,
)
from routerd.auth.signed_message import SignedMessage
from routerd.auth.tag_list import split_list, without_space
from routerd.auth.unverified import SignatureVerdict, Unverified
from routerd.message.headers import Field

MAX_SIGNATURES = 10  # of one message, from the top; RFC 6376 6.1 leaves the number to us

_QUOTED_OCTET = re.compile(rb"=([0-9A-F]{2})")
_PRINTABLE = re.compile(r"[!-~]+\Z")
_ALGORITHM = re.compile(r"[a-z0-9-]{1,30}\Z")
_BASE64 = re.compile(r"[A-Za-z0-9+/=]+\Z")
_MAX_REPORTED_CHARACTERS = 320  # of i=: the longest address (RFC 5321 4.5.3.1)


@dataclass(frozen=True, slots=True)
class DkimResult:
    """Of one signature. What could not be read is ""."""

    result: SignatureVerdict
    domain: str = ""  # d=, in A-labels, lower case
    selector: str = ""
    identity: str = ""  # i= without its quoted-printable; @d without it, or where it is not ASCII
    algorithm: str = ""
    signature_start: str = ""  # header.b of RFC 6008
    reason: str = ""  # in ASCII words; "" where there is nothing to say of a pass


@dataclass(frozen=True, slots=True)
class _Readable:
    signer: SignedBy
    parts: SignedParts
    identity_domain: str


@dataclass(frozen=True, slots=True)
class DkimSignature:
    """One DKIM-Signature field, read as far as it goes."""

    field: Field
    about: DkimResult  # its result holds where nothing is left to check
    readable: _Readable | None


def read_dkim(message: SignedMessage, at: datetime) -> tuple[DkimSignature, ...]:
    """The topmost `MAX_SIGNATURES`. `at`: when the message came, for x=."""
    return tuple(_read(message, field, at) for field in message.fields("dkim-signature")[:MAX_SIGNATURES])


def dkim_key_names(signatures: Iterable[DkimSignature]) -> tuple[str, ...]:
    """Where the keys are (TXT) that are needed to check them, each once."""
    return tuple(dict.fromkeys(one.readable.signer.key_name for one in signatures if one.readable))


def verify_dkim(
    message: SignedMessage, signatures: Iterable[DkimSignature], keys: Mapping[str, Answer]
) -> tuple[DkimResult, ...]:
    """One for each signature. Takes time: a hash of the body, and a tenth of a millisecond for each signature."""
    return tuple(_verify(message, one, keys) for one in signatures)


def _read(message: SignedMessage, field: Field, at: datetime) -> DkimSignature:
    about = DkimResult("neutral")
    try:
        tags = read_tags(message.value(field))
        about = _reported(tags)
        if tags.get("v") != "1":
            raise Unverified("neutral", "signature is of no known version")
        signer, parts = read_signer(tags), read_signed_parts(tags)
        identity_domain = _identity_domain(tags, signer.domain)
        if "q" in tags and "dns/txt" not in split_list(tags["q"]):
            raise Unverified("neutral", "q= names no way to the key that we know")
        _check_times(tags, at)
    except Unverified as why:
        return DkimSignature(field, replace(about, result=why.verdict, reason=why.reason), None)
    return DkimSignature(field, about, _Readable(signer, parts, identity_domain))


def _reported(tags: Mapping[str, str]) -> DkimResult:
    """Who signed, also where the signature is none that counts. What goes into fields of ours is harmless there."""
    require(tags, "d")
    domain = read_domain(tags, "d")
    try:
        selector = read_domain(tags, "s") if "s" in tags else ""
    except Unverified:
        selector = ""
    identity = _identity(tags)[:_MAX_REPORTED_CHARACTERS]
    algorithm, start = tags.get("a", "").lower(), without_space(tags.get("b", ""))[:8]
    return DkimResult(
        "neutral",
        domain,
        selector,
        identity if _PRINTABLE.match(identity) else f"@{domain}",
        algorithm if _ALGORITHM.match(algorithm) else "",
        start if _BASE64.match(start) else "",
    )


def _identity(tags: Mapping[str, str]) -> str:
    """i= out of its quoted-printable (RFC 6376 2.11); "" where it is not there."""
    octets = without_space(tags.get("i", "")).encode("utf-8")
    return _QUOTED_OCTET.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), octets).decode("utf-8", "replace")


def _identity_domain(tags: Mapping[str, str], domain: str) -> str:
    if "i" not in tags:
        return domain
    _, at_sign, behind = _identity(tags).rpartition("@")
    found = read_domain({"i": behind}, "i")
    if not at_sign or not f".{found}".endswith(f".{domain}"):
        raise Unverified("permerror", "i= is not of d=")  # RFC 6376 6.1.1
    return found


def _check_times(tags: Mapping[str, str], at: datetime) -> None:
    check_moments(tags, "t", "x")
    if "x" not in tags:
        return
    if "t" in tags and int(tags["x"]) <= int(tags["t"]):
        raise Unverified("neutral", "x= is not after t=")
    if at.timestamp() > int(tags["x"]):
        raise Unverified("policy", "signature has expired")


def _verify(message: SignedMessage, signature: DkimSignature, keys: Mapping[str, Answer]) -> DkimResult:
    if signature.readable is None:
        return signature.about
    signer, parts = signature.readable.signer, signature.readable.parts
    try:
        key = signer.check(message.header_digest(parts.header_form, parts.names, signature.field), keys)
        if key.is_strict and signature.readable.identity_domain != signer.domain:
            raise Unverified("permerror", "key is not for subdomains")
        if message.body_digest(parts.body_form) != parts.body_digest:
            raise Unverified("neutral" if key.is_testing else "fail", "body has changed")
    except Unverified as why:
        return replace(signature.about, result=why.verdict, reason=why.reason)
    return replace(signature.about, result="pass", reason="key is for testing" if key.is_testing else "")
