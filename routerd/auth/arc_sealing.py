"""A further set for the chain of ARC that a message bears, or its first (RFC 8617 5.1).

What we found of it goes on with it to those who cannot find it any more, and they see whether it was changed since.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from datetime import datetime

from routerd.auth.arc import MAX_SETS, read_arc
from routerd.auth.dkim_signing import OVERSIGNED, Signer, canonical_fields, signature_field
from routerd.auth.signed_message import SignedMessage
from routerd.message.dkim_canonical import Form, body_digest, canonical_field
from routerd.message.dkim_keys import KeyKind
from routerd.message.encode import structured_field
from routerd.message.envelope import Raw
from routerd.message.headers import HeaderBlock

_SIGNED = (*OVERSIGNED, "dkim-signature")
_SETS_FIELDS = ("ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal")


def sealer_of(domain: str, signers: Iterable[Signer]) -> Signer | None:
    """Who seals for `domain`: a chain has one seal a hop, so of its keys an RSA one, which everybody can check."""
    own = [signer for signer in signers if signer.domain == domain]
    return next((signer for signer in own if signer.key.kind is KeyKind.RSA), next(iter(own), None))


def arc_set(head: bytes, raw: Raw, body_start: int, signer: Signer, results: str, chain: str, at: datetime) -> bytes:
    """Three fields, to stand on top of `head`; b"" where nobody can go on with the chain.

    The message is `head`, all of its header, and `raw` from `body_start` on. `results`: the value of our own
    Authentication-Results. `chain`: what we found of that which is there, "none" or "pass": one that is broken stays as
    it is, and of one that was not looked at nothing can be said. `at` is aware.
    """
    block = HeaderBlock.scan(head)
    earlier = read_arc(SignedMessage(head, block)).links
    if chain != ("pass" if earlier else "none") or len(earlier) >= MAX_SETS:
        return b""
    is_odd = not earlier and any(block.count(name.lower()) for name in _SETS_FIELDS)
    if is_odd or not block.count("from"):  # RFC 6376 5.4.1: From is always signed
        return b""
    instance = str(len(earlier) + 1)
    said = structured_field(_SETS_FIELDS[0], f"i={instance}; {results}")
    listed = tuple(_listed(block))
    tags = {
        "i": instance,
        "a": signer.algorithm,
        "c": "relaxed/relaxed",
        "d": signer.domain,
        "s": signer.selector,
        "t": str(int(at.timestamp())),
        "h": ":".join(listed),
        "bh": b64encode(body_digest(Form.RELAXED, raw, body_start)).decode("ascii"),
    }
    signature = signature_field(_SETS_FIELDS[1], tags, signer.key, canonical_fields(head, block, listed))
    seal_tags = {name: tags[name] for name in ("i", "a", "t")} | {"cv": chain, "d": tags["d"], "s": tags["s"]}
    covered = [head[field.start : field.end] for link in earlier for field in link.fields] + [said, signature]
    seal = signature_field(_SETS_FIELDS[2], seal_tags, signer.key, map(_relaxed, covered))
    return seal + signature + said


def _listed(block: HeaderBlock) -> Iterator[str]:
    """For `h=`: each field that says what the message is as often as it occurs. Who hands it on may add others."""
    for name in _SIGNED:
        yield from [name] * block.count(name)


def _relaxed(field: bytes) -> bytes:
    return canonical_field(Form.RELAXED, field, field.index(b":") + 1)
