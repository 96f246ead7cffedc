"""A whole message from its parts: what the tests of rules and the samples are made of. Always CRLF, always 7 bit."""

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256

from routerd.message.encode import clean, structured_field, text_field

_ADDRESS_HEADERS = frozenset({"from", "to", "cc", "reply-to", "sender", "bcc"})
_PARAMETER_SAFE = re.compile(r"[A-Za-z0-9._ +()-]*\Z")
_LINE_OCTETS = 76  # RFC 2045 6.8


@dataclass(frozen=True, slots=True)
class Attached:
    name: str
    type: str  # media type
    content: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """`sender` and `to` as `Name <address>`; one of `text` and `html` at least, or none for an empty text."""

    sender: str
    to: tuple[str, ...]
    subject: str
    at: datetime
    text: str | None = None
    html: str | None = None
    headers: tuple[tuple[str, str], ...] = ()  # further ones, and those that replace From, To, Subject, Date
    attachments: tuple[Attached, ...] = ()


def compose_message(draft: Draft) -> bytes:
    """The draft as RFC 5322 and MIME. The same draft gives the same bytes."""
    given = {name.lower() for name, _ in draft.headers}
    head = [
        ("From", draft.sender),
        ("To", ", ".join(draft.to)),
        ("Subject", draft.subject),
        ("Date", format_datetime(draft.at)),
        ("Message-ID", f"<{_identity(draft)}@routerd.test>"),
        ("MIME-Version", "1.0"),
    ]
    fields = [_field(name, value) for name, value in head if name.lower() not in given]
    fields += [_field(name, value) for name, value in draft.headers]
    return b"".join(fields) + _content(draft)


def _identity(draft: Draft) -> str:
    return sha256(repr(draft).encode("utf-8", "replace")).hexdigest()[:24]


def _field(name: str, value: str) -> bytes:
    if name.lower() not in _ADDRESS_HEADERS or clean(value).isascii():
        return text_field(name, value) if name.lower() not in _ADDRESS_HEADERS else structured_field(name, value)
    # Encoded words may stand in a display name only (RFC 2047 5), so each mailbox is split from its name.
    mailboxes = [_mailbox(mailbox) for mailbox in _split_list(clean(value))]
    return f"{name}: {', '.join(mailboxes)}\r\n".encode("ascii", "replace")


def _mailbox(text: str) -> str:
    name, bracket, address = text.rpartition("<")
    if not bracket or name.strip().isascii():
        return text
    encoded = text_field("X", name.strip().strip('"')).decode("ascii").removeprefix("X: ").rstrip("\r\n")
    return f"{encoded} <{address}"


def _split_list(text: str) -> list[str]:
    """At commas outside of quotes."""
    parts, quoted, start = [], False, 0
    for place, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            parts.append(text[start:place].strip())
            start = place + 1
    return [part for part in (*parts, text[start:].strip()) if part]


def _content(draft: Draft) -> bytes:
    texts = []
    if draft.text is not None or draft.html is None:
        texts.append(_part("text/plain; charset=utf-8", (draft.text or "").encode("utf-8", "replace")))
    if draft.html is not None:
        texts.append(_part("text/html; charset=utf-8", draft.html.encode("utf-8", "replace")))
    boundary = f"=_{_identity(draft)}"
    body = texts[0] if len(texts) == 1 else _multipart("alternative", f"{boundary}_a", texts)
    if draft.attachments:
        return _multipart("mixed", f"{boundary}_m", [body, *(_attachment(attached) for attached in draft.attachments)])
    return body


def _multipart(kind: str, boundary: str, parts: list[bytes]) -> bytes:
    delimiter = f"--{boundary}\r\n".encode("ascii")
    inside = b"".join(delimiter + part + b"\r\n" for part in parts)
    return (
        f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode("ascii")
        + inside
        + delimiter[:-2]
        + b"--\r\n"
    )


def _part(content_type: str, content: bytes, disposition: str = "") -> bytes:
    encoded = b64encode(content)
    lines = [encoded[start : start + _LINE_OCTETS] for start in range(0, len(encoded), _LINE_OCTETS)]
    head = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n{disposition}\r\n"
    return head.encode("ascii", "replace") + b"".join(line + b"\r\n" for line in lines)


def _attachment(attached: Attached) -> bytes:
    if not attached.name:
        name = ""
    elif _PARAMETER_SAFE.match(attached.name):
        name = f'; filename="{attached.name}"'
    else:  # RFC 2231 4
        octets = clean(attached.name).encode("utf-8", "replace")
        name = "; filename*=utf-8''" + "".join(
            chr(octet) if chr(octet).isalnum() and octet < 128 else f"%{octet:02X}" for octet in octets
        )
    return _part(attached.type, attached.content, f"Content-Disposition: attachment{name}\r\n")
