"""Words of ours above a mail that somebody else wrote, whose body stays as it is, byte for byte.

Both become parts of a multipart/mixed (RFC 2046 5.1.3): ours, and the mail's content under its own Content-* fields.
"""

import re
from base64 import b64encode
from hashlib import sha256

from routerd.message.envelope import Raw
from routerd.message.headers import HeaderBlock, find_header_end

MAX_LED_BYTES = 8 * 1024 * 1024  # of a mail that is joined with words of ours: what is larger goes without

_LINE_OCTETS = 76  # RFC 2045 6.8
_OPENS = re.compile(rb"--([^\r\n]{1,70})\r\n")


def led_by(text: str, head: bytes, raw: Raw) -> bytes:
    """`head`, the header that `raw` goes on under, and what stands between it and the body: see `joined`."""
    if len(raw) > MAX_LED_BYTES:
        return head
    block = HeaderBlock.scan(head)
    boundary = _boundary(raw)
    body = bytes(raw[find_header_end(raw).body_start :])
    around = b"".join(head[one.start : one.end] for one in block.fields if not _is_of_content(one.name_lower))
    inside = b"".join(head[one.start : one.end] for one in block.fields if one.name_lower.startswith("content-"))
    encoding = b"" if body.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
    mixed = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary="' + boundary + b'"\r\n' + encoding
    delimiter = b"--" + boundary + b"\r\n"
    return b"".join((around, mixed, b"\r\n", delimiter, _part(text), delimiter, inside, b"\r\n"))


def joined(lead: bytes, raw: Raw) -> tuple[Raw, int]:
    """The body that goes out, and where it starts. `lead`: what stands behind the header that `led_by` gave."""
    start = find_header_end(raw).body_start
    opens = _OPENS.match(lead)
    if opens is None:
        return raw, start
    return b"".join((lead, raw[start:], b"\r\n--", opens[1], b"--\r\n")), 0


def _is_of_content(name_lower: str) -> bool:
    return name_lower == "mime-version" or name_lower.startswith("content-")


def _part(text: str) -> bytes:
    encoded = b64encode(text.replace("\n", "\r\n").encode("utf-8", "replace"))
    lines = (encoded[start : start + _LINE_OCTETS] for start in range(0, len(encoded), _LINE_OCTETS))
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head + b"".join(line + b"\r\n" for line in lines)


def _boundary(raw: Raw) -> bytes:
    """None that stands in the mail, and always the same."""
    start, attempt = bytes(raw[:4096]), 0
    while True:
        boundary = f"=_routerd_{sha256(start + str(attempt).encode()).hexdigest()[:32]}".encode()
        if raw.find(boundary) < 0:
            return boundary
        attempt += 1
