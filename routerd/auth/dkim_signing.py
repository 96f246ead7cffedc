"""DKIM signatures of what routerd authors (RFC 6376 5; Ed25519 by RFC 8463).

Fields that say who wrote a message, to whom and what it is are signed once more than they occur: whoever adds one of
them breaks the signature (RFC 6376 5.4).
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from routerd.message.dkim_canonical import Form, body_digest, canonical_field
from routerd.message.dkim_keys import PrivateKey
from routerd.message.envelope import Raw
from routerd.message.headers import Field, HeaderBlock

OVERSIGNED = (
    "from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references",
    "mime-version", "content-type", "content-transfer-encoding", "auto-submitted",
)  # fmt: skip
# Those for which a further one would say something else to a reader, or to a program that answers.

_WIDTH = 76


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: a domain by one of its keys. `domain` and `selector` in lower-case A-labels."""

    domain: str
    selector: str
    key: PrivateKey

    @property
    def algorithm(self) -> str:
        return f"{self.key.kind}-sha256"

    @property
    def record_name(self) -> str:
        """Where DNS holds the public key (RFC 6376 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


def sign(raw: Raw, signer: Signer, names: Iterable[str], at: datetime) -> bytes:
    """The field `DKIM-Signature` with its CRLF, to stand on top of `raw`, which has CRLF line ends.

    `names`, in lower case: fields to be signed, each once more than it occurs.
    """
    block = HeaderBlock.scan(raw)
    return _signature(raw, block, body_digest(Form.RELAXED, raw, block.body_start), signer, names, at)


def sign_by_all(raw: Raw, signers: Iterable[Signer], at: datetime) -> bytes:
    """`raw` with a signature of each on top."""
    return b"".join((*(sign(raw, signer, OVERSIGNED, at) for signer in signers), raw))


def signatures(head: bytes, raw: Raw, body_start: int, signers: Sequence[Signer], at: datetime) -> bytes:
    """A field of each, to stand on top of the message that is `head`, all of its header, and `raw` from `body_start`
    on."""
    if not signers:
        return b""
    block = HeaderBlock.scan(head)
    digest = body_digest(Form.RELAXED, raw, body_start)
    return b"".join(_signature(head, block, digest, signer, OVERSIGNED, at) for signer in signers)


def _signature(
    header: Raw, block: HeaderBlock, digest: bytes, signer: Signer, names: Iterable[str], at: datetime
) -> bytes:
    listed = tuple(oversigned(block, names))
    tags = {
        "v": "1",
        "a": signer.algorithm,
        "c": "relaxed/relaxed",
        "d": signer.domain,
        "s": signer.selector,
        "t": str(int(at.timestamp())),
        "h": ":".join(listed),
        "bh": b64encode(digest).decode("ascii"),
    }
    return signature_field("DKIM-Signature", tags, signer.key, canonical_fields(header, block, listed))


def oversigned(block: HeaderBlock, names: Iterable[str]) -> Iterator[str]:
    """For `h=`: each of `names` as often as it occurs, and once more."""
    for name in names:
        yield from [name] * (block.count(name) + 1)


def canonical_fields(raw: Raw, block: HeaderBlock, listed: Iterable[str]) -> Iterator[bytes]:
    """The fields that `h=` lists, relaxed: of several of one name the lowest first (RFC 6376 5.4.2)."""
    left: dict[str, list[Field]] = {}
    for field in block.fields:
        left.setdefault(field.name_lower, []).append(field)
    for name in listed:
        if left.get(name):
            field = left[name].pop()
            yield canonical_field(Form.RELAXED, raw[field.start : field.end], field.value_start - field.start)


def signature_field(name: str, tags: Mapping[str, str], key: PrivateKey, signed: Iterable[bytes]) -> bytes:
    """A field of `tags` and `b=`, folded, with its CRLF: the form that DKIM and ARC have in common.

    `signed`: the canonical fields of which, with this field itself, `b=` is made (RFC 6376 3.7).
    """
    unsigned = _folded(name, tags)
    itself = canonical_field(Form.RELAXED, unsigned, len(name) + 1)
    covered = b"".join((*signed, itself.removesuffix(b"\r\n")))
    signature = b64encode(key.sign(sha256(covered).digest()))
    width = _WIDTH - 1
    first = width - len("b=")
    pieces = [signature[:first], *(signature[at : at + width] for at in range(first, len(signature), width))]
    return unsigned + b"\r\n ".join(pieces) + b"\r\n"


def _folded(name: str, tags: Mapping[str, str]) -> bytes:
    """All up to and with an empty `b=` on a line of its own, so that what stands there may be long."""
    line, lines = f"{name}:", []
    for tag, value in tags.items():
        pieces = [f"{piece}:" for piece in value.split(":")]
        pieces[0] = f" {tag}={pieces[0]}"
        pieces[-1] = f"{pieces[-1][:-1]};"
        for piece in pieces:
            if len(line) + len(piece) > _WIDTH:
                lines.append(line)
                line = f" {piece.lstrip()}"
            else:
                line += piece
    return "\r\n".join((*lines, line, " b=")).encode("ascii")
