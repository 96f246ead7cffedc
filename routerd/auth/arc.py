"""ARC (RFC 8617): what earlier hops say they verified, and whether the chain of those who say so holds.

That it holds proves who sealed it, not that they are honest: see `ArcResult.first_trusted`. In two steps, as DKIM:
`read_arc`, then `verify_arc`. Nothing here raises.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from routerd.auth.dns_answers import Answer
from routerd.auth.signature import (
    SignedBy,
    SignedParts,
    check_moments,
    read_signed_parts,
    read_signer,
    read_tags,
)
from routerd.auth.signed_message import SignedMessage
from routerd.auth.unverified import Unverified
from routerd.message.dkim_canonical import Form
from routerd.message.headers import Field

MAX_SETS = 50  # RFC 8617 4.2.1
MAX_MESSAGE_SIGNATURES = 10  # that are checked, the newest: each may hash the whole header

_SETS_FIELDS = ("arc-seal", "arc-message-signature", "arc-authentication-results")
_INSTANCE = re.compile(r"0*([1-9][0-9]?)\Z")
_RESULTS = re.compile(rb"[ \t]*i[ \t]*=[ \t]*([0-9]{1,9})[ \t]*;(.*)", re.DOTALL)
_INCOMPLETE = "ARC sets are not one of each from 1 on"


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ArcSet:
    """What one hop added."""

    instance: int
    sealer: str  # d= of its seal, in A-labels, lower case
    results: bytes  # the value of its ARC-Authentication-Results behind `i=N;`, unfolded


@dataclass(frozen=True, slots=True)
class ArcResult:
    """Of the whole chain (RFC 8617 5.2)."""

    result: Literal["none", "pass", "fail"]
    sets: tuple[ArcSet, ...] = ()  # the oldest first; only where it is a pass
    oldest_pass: int = 0  # the oldest instance since which the message is unchanged; 0: since the first (5.2)
    reason: str = ""  # of a fail, in ASCII words
    is_temporary: bool = False  # a fail that may be none: DNS did not answer

    def first_trusted(self, sealers: Collection[str]) -> ArcSet | None:
        """The oldest set from which on all were sealed by one of these domains, in lower-case A-labels.

        A sealer vouches for what he was handed. Whoever came behind him may have put another message below his seal.
        """
        trusted = None
        for one in reversed(self.sets):
            if one.sealer not in sealers:
                break
            trusted = one
        return trusted


@dataclass(frozen=True, slots=True)
class _Signed:
    """An ARC-Message-Signature."""

    field: Field
    by: SignedBy
    parts: SignedParts


@dataclass(frozen=True, slots=True)
class _Link:
    """One set. `signed` is None where it cannot be read, or is too old to be looked at."""

    about: ArcSet
    seal: SignedBy
    fields: tuple[Field, Field, Field]  # as a seal covers them: results, message signature, seal (RFC 8617 5.1.1)
    signed: _Signed | None


@dataclass(frozen=True, slots=True)
class ArcChain:
    """The sets of a message, read as far as they go."""

    links: tuple[_Link, ...]  # the oldest first
    settled: ArcResult | None  # where nothing is left to check

    @property
    def key_names(self) -> tuple[str, ...]:
        """Where the keys are (TXT), each once; at most `MAX_SETS + MAX_MESSAGE_SIGNATURES`."""
        signers = (signer for link in self.links for signer in (link.seal, link.signed and link.signed.by) if signer)
        return tuple(dict.fromkeys(signer.key_name for signer in signers))


def read_arc(message: SignedMessage) -> ArcChain:
    """The chain that the message bears."""
    fields = [message.fields(name) for name in _SETS_FIELDS]
    if not any(fields):
        return ArcChain((), ArcResult("none"))
    try:
        if len({len(of_kind) for of_kind in fields}) > 1 or len(fields[0]) > MAX_SETS:
            raise Unverified("permerror", _INCOMPLETE)
        return ArcChain(_read_links(message, *fields), None)
    except Unverified as why:
        return ArcChain((), ArcResult("fail", reason=why.reason))


def verify_arc(message: SignedMessage, chain: ArcChain, keys: Mapping[str, Answer]) -> ArcResult:
    """Takes time: a hash of the body, and a tenth of a millisecond for each set."""
    if chain.settled is not None:
        return chain.settled
    try:
        _check_message(message, chain.links[-1], keys)
        _check_seals(message, chain.links, keys)
    except Unverified as why:
        return ArcResult("fail", reason=why.reason, is_temporary=why.verdict == "temperror")
    sets = tuple(link.about for link in chain.links)
    return ArcResult("pass", sets, _oldest_pass(message, chain.links, keys))


def _read_links(
    message: SignedMessage, seals: Sequence[Field], signatures: Sequence[Field], said: Sequence[Field]
) -> tuple[_Link, ...]:
    """Of as many of each. Raises Unverified where the chain cannot hold."""
    seal_tags = _by_instance((_instance(tags), (field, tags)) for field, tags in _with_tags(message, seals))
    signature_tags = _by_instance((_instance(tags), (field, tags)) for field, tags in _with_tags(message, signatures))
    results = _by_instance(_results(message, field) for field in said)
    count = len(seals)
    if seal_tags[count][1].get("cv", "").lower() == "fail":
        raise Unverified("fail", "an earlier hop found the chain broken")
    links = []
    for instance in range(1, count + 1):
        seal_field, tags = seal_tags[instance]
        signature_field, signed_tags = signature_tags[instance]
        results_field, value = results[instance]
        seal = _read_seal(tags, instance)
        signed = None
        if instance > count - MAX_MESSAGE_SIGNATURES:
            try:
                signed = _read_signed(signature_field, signed_tags)
            except Unverified:
                if instance == count:
                    raise
        about = ArcSet(instance, seal.domain, value)
        links.append(_Link(about, seal, (results_field, signature_field, seal_field), signed))
    return tuple(links)


def _with_tags(message: SignedMessage, fields: Iterable[Field]) -> Iterator[tuple[Field, dict[str, str]]]:
    return ((field, read_tags(message.value(field))) for field in fields)


def _instance(tags: Mapping[str, str]) -> int:
    found = _INSTANCE.match(tags.get("i", ""))
    if not found:
        raise Unverified("permerror", _INCOMPLETE)
    return int(found[1])


def _results(message: SignedMessage, field: Field) -> tuple[int, tuple[Field, bytes]]:
    found = _RESULTS.match(message.value(field).translate(None, b"\r\n"))
    if not found:
        raise Unverified("permerror", _INCOMPLETE)
    return int(found[1]), (field, found[2].strip(b" \t"))


def _by_instance(numbered: Iterable[tuple[int, T]]) -> dict[int, T]:
    """All of one kind. Raises Unverified where they are not one of each from 1 on."""
    pairs = list(numbered)
    found = dict(pairs)
    if set(found) != set(range(1, len(pairs) + 1)):
        raise Unverified("permerror", _INCOMPLETE)
    return found


def _read_seal(tags: Mapping[str, str], instance: int) -> SignedBy:
    if tags.get("cv", "").lower() != ("none" if instance == 1 else "pass"):
        raise Unverified("permerror", f"cv= of ARC-Seal {instance} does not fit")
    if "h" in tags:  # RFC 8617 4.1.3
        raise Unverified("permerror", f"ARC-Seal {instance} has h=")
    check_moments(tags, "t")
    return read_signer(tags)


def _read_signed(field: Field, tags: Mapping[str, str]) -> _Signed:
    check_moments(tags, "t")
    by, parts = read_signer(tags), read_signed_parts(tags)
    if "arc-seal" in parts.names:  # RFC 8617 4.1.2
        raise Unverified("permerror", "ARC-Message-Signature signs ARC-Seal")
    return _Signed(field, by, parts)


def _check_message(message: SignedMessage, link: _Link, keys: Mapping[str, Answer]) -> None:
    """Whether the message is as it was when the set was added. Raises Unverified."""
    if link.signed is None:
        raise Unverified("neutral", "ARC-Message-Signature cannot be read")
    parts = link.signed.parts
    link.signed.by.check(message.header_digest(parts.header_form, parts.names, link.signed.field), keys)
    if message.body_digest(parts.body_form) != parts.body_digest:
        raise Unverified("fail", "body has changed")


def _check_seals(message: SignedMessage, links: Iterable[_Link], keys: Mapping[str, Answer]) -> None:
    """Each over all sets up to its own (RFC 8617 5.1.1), which are hashed once. Raises Unverified."""
    sets = hashlib.sha256()
    for link in links:
        results, signature, seal = link.fields
        sets.update(message.canonical(Form.RELAXED, results) + message.canonical(Form.RELAXED, signature))
        with_this = sets.copy()
        with_this.update(message.unsigned(Form.RELAXED, seal))
        link.seal.check(with_this.digest(), keys)
        sets.update(message.canonical(Form.RELAXED, seal))


def _oldest_pass(message: SignedMessage, links: Sequence[_Link], keys: Mapping[str, Answer]) -> int:
    for link in reversed(links[:-1]):
        try:
            _check_message(message, link, keys)
        except Unverified:
            return link.about.instance + 1
    return 0
