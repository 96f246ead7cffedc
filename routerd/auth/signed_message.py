"""A message as those see it who sign it: each form of a field or of the body is made once, for all signatures."""

import hashlib
from collections.abc import Iterable, Sequence

from routerd.message.dkim_canonical import Form, body_digest, canonical_field
from routerd.message.envelope import Raw
from routerd.message.headers import Field, HeaderBlock

_FOLDING_SPACE = b" \t\r\n"


class SignedMessage:
    """`raw` with lines that end in CRLF, and its header."""

    def __init__(self, raw: Raw, headers: HeaderBlock) -> None:
        self._raw = raw
        self._headers = headers
        self._fields: dict[tuple[Form, int], bytes] = {}
        self._bodies: dict[Form, bytes] = {}

    def fields(self, name: str) -> Sequence[Field]:
        """All that are called so, top to bottom."""
        return self._headers.named(name)

    def value(self, field: Field) -> bytes:
        """As it stands."""
        return self._raw[field.value_start : field.end]

    def body_digest(self, form: Form) -> bytes:
        """SHA-256."""
        if form not in self._bodies:
            self._bodies[form] = body_digest(form, self._raw, self._headers.body_start)
        return self._bodies[form]

    def header_digest(self, form: Form, names: Iterable[str], own: Field) -> bytes:
        """SHA-256 of the fields that are named, each name taking the next from below (RFC 6376 5.4.2), and of `own`,
        the field that holds the signature."""
        digest = hashlib.sha256()
        taken: dict[str, int] = {}
        for name in names:
            fields = self._headers.named(name)
            at = taken.get(name, 0) + 1
            if at <= len(fields) and fields[-at] is own:
                at += 1
            if at <= len(fields):
                digest.update(self.canonical(form, fields[-at]))
                taken[name] = at
        digest.update(self.unsigned(form, own))
        return digest.digest()

    def canonical(self, form: Form, field: Field) -> bytes:
        key = form, field.start
        if key not in self._fields:
            raw = self._raw[field.start : field.end]
            self._fields[key] = canonical_field(form, raw, field.value_start - field.start)
        return self._fields[key]

    def unsigned(self, form: Form, field: Field) -> bytes:
        """A field with an empty b= and without its line end (RFC 6376 3.7)."""
        raw = self._raw[field.start : field.end]
        value_start = field.value_start - field.start
        parts = raw[value_start:].rstrip(b"\r\n").split(b";")
        for number, part in enumerate(parts):
            if part.partition(b"=")[0].strip(_FOLDING_SPACE) == b"b":
                parts[number] = part[: part.index(b"=") + 1]
        return canonical_field(form, raw[:value_start] + b";".join(parts), value_start)[:-2]
