"""The parts of a message (RFC 2045, 2046) as spans of its bytes: found by boundaries, decoded when asked for.

Bounded in depth and number; linear for each level of nesting; never raises.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from routerd.message.charset import codec_for, decode_text, says_nothing
from routerd.message.encoded_words import decode_base64
from routerd.message.envelope import Raw
from routerd.message.headers import HeaderBlock
from routerd.message.light import light
from routerd.message.parameters import HeaderValue, parse_value

MAX_DEPTH = 20
MAX_PARTS = 500
MAX_PART_HEADER = 64 * 1024

_MAX_BOUNDARY = 1000  # RFC 2046 5.1.1 says 70
_SEARCHED_BYTES = 262_144  # at once
_TYPE = re.compile(r"[!-.0-~]+/[!-~]+\Z")
_DELIMITER_END = re.compile(rb"(--)?+[ \t]*+(?=\r?\n|\Z)")


@light
@dataclass(frozen=True, slots=True)
class Part:
    """One part: what its header says, and where its body stands in the message's bytes."""

    headers: HeaderBlock
    type: str  # such as text/plain, lower case
    content_type: HeaderValue
    disposition: HeaderValue
    encoding: str  # Content-Transfer-Encoding, lower case
    start: int
    end: int
    children: tuple["Part", ...] = ()
    broken: str = ""  # why a multipart could not be taken apart: its text is read as it stands

    @property
    def file_name(self) -> str:
        return self.disposition.parameters.get("filename") or self.content_type.parameters.get("name", "")

    @property
    def content_id(self) -> str:
        """Without its brackets, in lower case; "" without one."""
        values = self.headers.raw_values("content-id")
        return values[0].strip(b" <>\t").decode("ascii", "replace").lower() if values else ""

    @property
    def charset(self) -> str:
        return self.content_type.parameters.get("charset", "")

    def walk(self) -> Iterator["Part"]:
        """This part and all below it, from top to bottom."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            yield part
            waiting.extend(reversed(part.children))


@dataclass(slots=True)
class _Budget:
    parts: int = MAX_PARTS


def parse_parts(raw: Raw, headers: HeaderBlock) -> Part:
    """The tree of parts of the message whose header section is `headers`."""
    return _parse(raw, headers, headers.body_start, len(raw), "text/plain", 0, _Budget())


def kind_of(headers: HeaderBlock, default_type: str) -> tuple[str, HeaderValue]:
    """The type of the part with this header, and all that its Content-Type says."""
    content_type = _header_value(headers, "content-type")
    return content_type.main if _TYPE.match(content_type.main) else default_type, content_type


def opens_message(kind: str, headers: HeaderBlock) -> bool:
    """Whether a part of this kind holds a message that can be read as it stands."""
    return kind in ("message/rfc822", "message/global") and _encoding(headers) != "base64"


def boundary_of(content_type: HeaderValue) -> bytes:
    """What stands between the parts, behind `--`; b"" where nothing can."""
    boundary = content_type.parameters.get("boundary", "").rstrip()
    return boundary.encode("utf-8", "surrogateescape") if len(boundary) <= _MAX_BOUNDARY else b""


def decode_body(raw: Raw, part: Part, limit: int) -> tuple[bytes, bool]:
    """The part's body without its transfer encoding, at most `limit` bytes, and whether that cut it."""
    length = part.end - part.start
    match part.encoding:
        case "base64":
            taken = min(length, limit * 3 // 2 + 1000)
            data = decode_base64(raw[part.start : part.start + taken])
        case "quoted-printable":
            taken = min(length, limit * 3 + 1000)
            data = binascii.a2b_qp(raw[part.start : part.start + taken])
        case "x-uuencode" | "uuencode" | "x-uue":
            taken = min(length, limit * 3 // 2 + 1000)
            data = _decode_uu(raw[part.start : part.start + taken])
        case _:
            taken = min(length, limit)
            data = raw[part.start : part.start + taken]
    if taken == length and len(data) <= limit:
        return data, False
    return data[:limit], True


def decode_part(raw: Raw, part: Part, limit: int, declared: str = "") -> tuple[str, bool]:
    """The part's text with LF line ends and without NUL, from at most `limit` decoded bytes, and whether it was cut.

    `declared`: a charset to go by where the part names none that says anything of 8-bit bytes.
    """
    data, cut = decode_body(raw, part, limit)
    charset = declared if declared and says_nothing(part.charset) else part.charset
    if cut:
        data = _whole_characters(data, charset)
    text = decode_text(data, charset)
    if b"\0" in data:  # much faster to find than in the text
        text = text.replace("\0", "")
    if "\r" in text:
        text = text.replace("\r\n", "\n")
        if "\r" in text:
            text = text.replace("\r", "\n")
    return text.removeprefix("\ufeff"), cut


def estimated_size(raw: Raw, part: Part) -> int:
    """The decoded size of a part's body in bytes, told from its encoded length and the length of its first line."""
    length = part.end - part.start
    if length <= 0:
        return 0
    match part.encoding:
        case "base64":
            return _estimated_base64(raw, part.start, part.end)
        case "quoted-printable":
            sample = raw[part.start : part.start + min(length, 100_000)]
            return max(length - 2 * sample.count(b"=") * length // len(sample), 0)
        case "x-uuencode" | "uuencode" | "x-uue":
            return length * 45 // 63
        case _:
            return length


def _parse(
    raw: Raw, headers: HeaderBlock, start: int, end: int, default_type: str, depth: int, budget: _Budget
) -> Part:
    budget.parts -= 1
    kind, content_type = kind_of(headers, default_type)
    encoding = _encoding(headers)
    children: tuple[Part, ...] = ()
    broken = ""
    if kind.startswith("multipart/") or opens_message(kind, headers):
        if depth >= MAX_DEPTH or budget.parts <= 0:
            broken = "more parts, or deeper, than are looked at"
        elif kind.startswith("multipart/"):
            children, broken = _parse_multipart(raw, kind, content_type, (start, end), depth, budget)
        else:
            inner = _scan_header(raw, start, end)
            children = (_parse(raw, inner, start + inner.body_start, end, "text/plain", depth + 1, budget),)
    disposition = _header_value(headers, "content-disposition")
    return Part(headers, kind, content_type, disposition, encoding, start, end, children, broken)


def _parse_multipart(
    raw: Raw, kind: str, content_type: HeaderValue, span: tuple[int, int], depth: int, budget: _Budget
) -> tuple[tuple[Part, ...], str]:
    boundary = boundary_of(content_type)
    if not boundary:
        return (), "multipart without a boundary"
    default_type = "message/rfc822" if kind == "multipart/digest" else "text/plain"
    children = []
    for start, end in _split(raw, boundary, *span):
        if budget.parts <= 0:
            break
        inner = _scan_header(raw, start, end)
        children.append(_parse(raw, inner, start + inner.body_start, end, default_type, depth + 1, budget))
    return tuple(children), "" if children else "the boundary of a multipart is not in it"


def _split(raw: Raw, boundary: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The spans between the delimiter lines. A line that merely begins like one is none (RFC 2046 5.1.1)."""
    delimiter = b"--" + boundary
    open_at = None
    at = start
    if raw[start : min(start + len(delimiter), end)] == delimiter and (
        first := _DELIMITER_END.match(raw, start + len(delimiter), end)
    ):
        if first[1]:
            return
        at = first.end()
        open_at = _next_line(raw, at, end)
    for line_end in _places_of(b"\n" + delimiter, raw, at, end):
        found = _DELIMITER_END.match(raw, line_end + 1 + len(delimiter), end)
        if found is None:
            continue
        if open_at is not None:
            stop = line_end
            if raw[stop - 1 : stop] == b"\r":
                stop -= 1
            yield open_at, max(stop, open_at)
        if found[1]:
            return
        open_at = _next_line(raw, found.end(), end)
    if open_at is not None:
        yield open_at, end


def _places_of(wanted: bytes, raw: Raw, start: int, end: int) -> Iterator[int]:
    """Where `wanted` stands in `raw[start:end]`. A boundary is found so in a fifth of the time that a pattern takes,
    which would have to be compiled for each message besides. A map would be searched octet by octet: bytes are not.
    """
    for begin in range(start, end, _SEARCHED_BYTES):
        piece = raw[begin : min(begin + _SEARCHED_BYTES + len(wanted) - 1, end)]
        found = piece.find(wanted)
        while found >= 0:
            yield begin + found
            found = piece.find(wanted, found + 1)


def _next_line(raw: Raw, at: int, end: int) -> int:
    newline = raw.find(b"\n", at, end)
    return end if newline < 0 else newline + 1


def _scan_header(raw: Raw, start: int, end: int) -> HeaderBlock:
    return HeaderBlock.scan(raw[start : min(end, start + MAX_PART_HEADER)])


def _encoding(headers: HeaderBlock) -> str:
    return _header_value(headers, "content-transfer-encoding").main


def _header_value(headers: HeaderBlock, name: str) -> HeaderValue:
    values = headers.raw_values(name)
    return parse_value(values[0]) if values else _NOTHING


_NOTHING = HeaderValue()


def _whole_characters(data: bytes, charset: str) -> bytes:
    """Without a multibyte character that the cut left torn: it would make good UTF-8 look like a lie."""
    codec = codec_for(charset) if charset else "utf-8"
    if codec in (None, "utf-8", "ascii"):
        at = len(data)
        while at > max(len(data) - 4, 0) and 0x80 <= data[at - 1] < 0xC0:
            at -= 1
        if at > 0 and data[at - 1] >= 0xC0:
            return data[: at - 1]
    return data


def _decode_uu(data: bytes) -> bytes:
    decoded = []
    for line in data.splitlines():
        if not line.startswith((b"begin ", b"end")):
            try:
                decoded.append(binascii.a2b_uu(line))
            except binascii.Error:
                continue
    return b"".join(decoded)


def _estimated_base64(raw: Raw, start: int, end: int) -> int:
    while end > start and raw[end - 1 : end] in (b"\r", b"\n", b" "):
        end -= 1
    newline = raw.find(b"\n", start, min(end, start + 2000))
    symbols = end - start
    if newline > 0:
        line_end = 2 if raw[newline - 1 : newline] == b"\r" else 1
        symbols -= (end - start) // (newline - start + 1) * line_end
    padding = raw[max(end - 2, start) : end].count(b"=")
    return max(symbols * 3 // 4 - padding, 0)


def not_enclosed(root: Part) -> Iterator[Part]:
    """The parts without those of the messages that are attached, top to bottom."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        if part.type.startswith("multipart/"):
            waiting.extend(reversed(part.children))
