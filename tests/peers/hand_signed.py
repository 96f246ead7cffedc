"""Signatures written by hand, tag by tag, so that each can be wrong in one way: fields of DKIM, sets of ARC."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from routerd.auth.dns_answers import Answer, Records
from routerd.message.dkim_keys import KeyKind, PrivateKey, new_private_key, parse_private_key

RSA = parse_private_key(new_private_key(KeyKind.RSA, 2048))
ED25519 = parse_private_key(new_private_key(KeyKind.ED25519))


def record(key: PrivateKey, **tags: str) -> Records:
    """What DNS has of a key, with tags changed or added."""
    said = {"v": "DKIM1", "k": str(key.kind), "p": base64.b64encode(key.public.octets).decode(), **tags}
    return Records(("; ".join(f"{name}={value}" for name, value in said.items()),), 60)


KEYS: Mapping[str, Answer] = {
    "s1._domainkey.klient.pl": record(RSA),
    "ed._domainkey.klient.pl": record(ED25519),
}


def relaxed(field: bytes) -> bytes:
    name, _, value = field.partition(b":")
    value = re.sub(rb"[ \t\r\n]+", b" ", value).strip(b" ")
    return name.strip(b" \t").lower() + b":" + value + b"\r\n"


def body_hash(mail: bytes) -> str:
    """bh= of the relaxed form."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip() for line in mail.partition(b"\r\n\r\n")[2].split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    body = b"".join(line + b"\r\n" for line in lines)
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def fields_of(mail: bytes) -> list[bytes]:
    return re.findall(rb"[^\r\n]+(?:\r\n[ \t][^\r\n]*)*", mail.partition(b"\r\n\r\n")[0])


def named(mail: bytes, names: Iterable[str]) -> Iterator[bytes]:
    """The fields that h= names, each name the next from below."""
    fields = fields_of(mail)
    for name in names:
        for at in range(len(fields) - 1, -1, -1):
            if fields[at].partition(b":")[0].strip().lower() == name.strip().lower().encode():
                yield fields.pop(at)
                break


def sealed(name: str, tags: Mapping[str, str], covered: Iterable[bytes], key: PrivateKey = RSA) -> bytes:
    """A field of these tags, b= behind them, with its line end. `b` among the tags is taken as it is."""
    field = f"{name}: {'; '.join(f'{tag}={value}' for tag, value in tags.items() if tag != 'b')}; b=".encode()
    data = b"".join(relaxed(one) for one in (*covered, field))[:-2]
    made = base64.b64encode(key.sign(hashlib.sha256(data).digest())).decode()
    return field + tags.get("b", made).encode() + b"\r\n"


def dkim_signed(mail: bytes, key: PrivateKey = RSA, **changed: str | None) -> bytes:
    """`mail` below a signature whose tags are changed, or left out where they are None."""
    tags = {
        "v": "1",
        "a": f"{key.kind}-sha256",
        "c": "relaxed/relaxed",
        "d": "klient.pl",
        "s": "s1" if key is RSA else "ed",
        "h": "from:to:subject:date",
        "bh": body_hash(mail),
    }
    said = {name: value for name, value in {**tags, **changed}.items() if value is not None}
    return sealed("DKIM-Signature", said, named(mail, said.get("h", "").split(":")), key) + mail


def arc_sealed(
    mail: bytes,
    instance: int,
    *,
    results: str = "mx.lista.pl; dmarc=pass header.from=klient.pl",
    signature: Mapping[str, str | None] | None = None,
    seal: Mapping[str, str | None] | None = None,
    domain: str = "lista.pl",
    key: PrivateKey = RSA,
) -> bytes:
    """`mail` below one more set, of which tags are changed."""
    said = f"ARC-Authentication-Results: i={instance}; {results}\r\n".encode()
    who = {"i": str(instance), "a": f"{key.kind}-sha256", "d": domain, "s": "s1"}
    tags = _changed({**who, "c": "relaxed/relaxed", "h": "from:to:subject:date", "bh": body_hash(mail)}, signature)
    message = sealed("ARC-Message-Signature", tags, named(mail, tags.get("h", "").split(":")), key)
    tags = _changed({**who, "cv": "none" if instance == 1 else "pass"}, seal)
    covered = [*_sets_of(mail), said[:-2], message[:-2]]
    return sealed("ARC-Seal", tags, covered, key) + message + said + mail


def _sets_of(mail: bytes) -> Sequence[bytes]:
    """The sets that are there, the oldest first, each in the order in which it is sealed."""
    kinds = [b"arc-authentication-results", b"arc-message-signature", b"arc-seal"]
    fields = [field for field in fields_of(mail) if field.partition(b":")[0].lower() in kinds]
    return sorted(
        fields,
        key=lambda field: (
            int((re.search(rb"[ ;:]i=(\d+)", field) or [b"", b"0"])[1]),
            kinds.index(field.partition(b":")[0].lower()),
        ),
    )


def _changed(tags: Mapping[str, str], changes: Mapping[str, str | None] | None) -> dict[str, str]:
    return {name: value for name, value in {**tags, **(changes or {})}.items() if value is not None}
