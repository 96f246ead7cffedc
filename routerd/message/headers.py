"""Where the header fields of a message stand in its bytes (RFC 5322 2.2), whatever the message looks like.

Parsers disagree about hostile headers: some end them at a line without a colon, some read on; some take a bare CR for
a line end; some drop control characters. Here the header section goes to the first truly empty line, a bare LF or CR
ends a line too, and a name is read without the control characters and white space around it.
"""

import re
from collections.abc import Iterator, KeysView, Sequence
from typing import NamedTuple

from routerd.message.envelope import Raw

MAX_FIELDS = 10_000  # that a block lists; what stands below is header still: forged fields are cut there too
MAX_LISTED_BYTES = 2_000_000

_EMPTY_LINE = re.compile(rb"\n\r?\n")
# Without an empty line the header ends where the first line is no field, as Postfix has it.
_FIELDS_ONLY = re.compile(
    rb"(?:>*+From [^\n]*+(?:\n|\Z)(?:[ \t][^\n]*+(?:\n|\Z)|(?!))*+|(?!))?+"
    rb"(?:[!-9;-~\x00]++[ \t]*+:[^\n]*+(?:\n|\Z)(?:[ \t][^\n]*+(?:\n|\Z)|(?!))*+|(?!))*+"
)
# A line and its continuations. A run of CRs and LFs is one line end: the section holds no empty line.
_LOGICAL_LINE = re.compile(
    r"(?=[^\r\n])([!-9;-~]*+)((?:[ \t]*+:|(?!))?+)[^\r\n]*+(?:[\r\n]++[ \t][^\r\n]*+|(?!))*+(?:\r?\n|\r)?"
)
_MBOX_LINE = re.compile(rb">*From ")
_NOT_IN_NAMES = bytes([*range(0x21), *range(0x7F, 0x100)])
_LOWER = bytes(range(0x100)).lower()


class HeaderEnd(NamedTuple):
    """Where the header section ends. `closed`: by an empty line, which stands at `fields_end:body_start`."""

    fields_end: int
    body_start: int
    closed: bool


class Field(NamedTuple):
    """One header field. Offsets into the message; `end` is behind its last continuation's line end."""

    name_lower: str
    start: int
    end: int
    value_start: int


_new_field = tuple.__new__  # half of what Field(…) takes, of which a message has many


def find_header_end(raw: Raw) -> HeaderEnd:
    """Linear, without a copy. A message without any field and without an empty line is all body."""
    if raw[:1] == b"\n":
        return HeaderEnd(0, 1, True)
    if raw[:2] == b"\r\n":
        return HeaderEnd(0, 2, True)
    found = _EMPTY_LINE.search(raw)
    if found:
        return HeaderEnd(found.start() + 1, found.end(), True)
    fields = _FIELDS_ONLY.match(raw)
    end = fields.end() if fields else 0
    return HeaderEnd(end, end, False)


class HeaderBlock:
    """The header section of one message: its fields, in order, and where the body starts."""

    __slots__ = ("_by_name", "_bytes", "body_start", "closed", "fields")

    def __init__(self, header: bytes, fields: tuple[Field, ...], body_start: int, closed: bool) -> None:
        self.fields = fields
        self.body_start = body_start
        self.closed = closed  # False: no empty line ends it
        self._bytes = header
        self._by_name: dict[str, list[Field]] = {}
        for field in fields:
            same = self._by_name.get(field.name_lower)
            if same is None:
                self._by_name[field.name_lower] = [field]
            else:
                same.append(field)

    @classmethod
    def scan(cls, raw: Raw) -> "HeaderBlock":
        """Linear in the header section; at most MAX_FIELDS fields and MAX_LISTED_BYTES are kept. Never raises."""
        end = find_header_end(raw)
        header = raw[: min(end.fields_end, MAX_LISTED_BYTES)]
        return cls(header, tuple(_fields_of(header)), end.body_start, end.closed)

    def raw_values(self, name: str) -> list[bytes]:
        """The values of all fields called `name` (any case), unfolded and trimmed, top to bottom."""
        fields = self._by_name.get(name.lower())
        return [self.raw_value(field) for field in fields] if fields else []

    def named(self, name: str) -> Sequence[Field]:
        """The fields called `name` (any case), top to bottom."""
        return self._by_name.get(name.lower(), ())

    def raw_value(self, field: Field) -> bytes:
        """One field's value, unfolded and trimmed."""
        value = self._bytes[field.value_start : field.end]
        return value.translate(None, b"\r\n").strip(b" \t")

    @property
    def names(self) -> KeysView[str]:
        """The names of all fields, in lower case."""
        return self._by_name.keys()

    def count(self, name: str) -> int:
        """How many fields are called `name`."""
        return len(self._by_name.get(name.lower(), ()))

    def is_plain(self, name: str) -> bool:
        """Whether one field alone is called `name`, and each reader of headers takes it for that."""
        fields = self.named(name)
        start = self._bytes[fields[0].start : fields[0].value_start] if len(fields) == 1 else b""
        return start.lower() == f"{name.lower()}:".encode()


def _fields_of(header: bytes) -> Iterator[Field]:
    listed = 0
    text = header.decode("latin-1")  # a character for each byte, so that names need not be decoded one by one
    for line in _LOGICAL_LINE.finditer(text):
        (start, end), (_, name_end), value_start = line.span(), line.span(1), line.end(2)
        if value_start > name_end:
            name_lower = line[1].lower()
        else:
            name_lower, value_start = _odd_name(header, start, end)
        if name_lower:
            yield _new_field(Field, (name_lower, start, end, value_start))
            listed += 1
            if listed == MAX_FIELDS:
                return


def _odd_name(header: bytes, start: int, stop: int) -> tuple[str, int]:
    """The name of a line that does not begin as RFC 5322 says, and where its value starts; "" where it is no field."""
    colon = header.find(b":", start, stop)
    if colon < 0 or (start == 0 and (header[0] in b" \t" or _MBOX_LINE.match(header))):
        return "", 0
    name = header[start:colon].strip(b" \t\r\n")
    if b" " in name or b"\t" in name:
        return "", 0
    return name.translate(_LOWER, _NOT_IN_NAMES).decode("ascii"), colon + 1
