"""Whole messages, built and spoilt → every property of a view: never raises, the same when read twice, in time."""

import random
import sys
from base64 import encodebytes
from binascii import b2a_qp

from harness import run
from pieces import CHARSETS, TEXTS, join, spoil, text_bytes

from routerd.message.view import MessageView

SLOW_MS = 1000.0  # for the 300 KB that `make` gives at most

_MOST_BYTES = 300_000
_TEXT_LIMIT = 64_000
_MOST_PARTS_OF_TEXT = 8 + 1  # and what joins them
_DEEPEST = 6
_BOUNDARIES = (b"b", b"bb", b"b b", b"=_b", b"b--", b"a" * 70, b"a" * 5000, b"", b"=?utf-8?q?b?=", b"\xff")
_MULTIPARTS = (
    "mixed", "alternative", "alternative", "related", "signed", "encrypted", "report", "digest", "x-unheard-of",
    "report;report-type=delivery-status",
)  # fmt: skip
_TYPES = (
    "text/plain", "text/plain", "text/plain; format=flowed", "text/plain; format=flowed; delsp=yes", "text/html",
    "text/html",
    "text/enriched", "text/calendar; method=REQUEST", "text/css", "text/rfc822-headers", "message/delivery-status",
    "application/pdf; name=a.pdf", "image/png; name*0*=utf-8''%C5; name*1*=%81", "application/pkcs7-mime",
    "application/ms-tnef; name=winmail.dat", "text", "", "text/html charset=x", "message/partial",
    "application/xhtml+xml",
)  # fmt: skip
_HEADERS = (
    b"Subject: Re: [x] =?utf-8?q?Skarg=C4=85?=", b"Subject: Fwd: x", b"Subject: x", b"From: Anna <anna@klient.pl>",
    b"From: MAILER-DAEMON", b"To: support@example.com, a@[", b"Cc: " + b";" * 500, b"Message-ID: <1@x.example>",
    b"References: <1@x.example> <2@x.example>", b"Auto-Submitted: auto-replied", b"List-Id: <x.example>",
    b"Content-Disposition: attachment; filename=x.txt", b"Content-Disposition: inline", b"Content-ID: <logo@x>",
    b"Content-Transfer-Encoding: 8bit", b"no field", b"X: " + b"a" * 2000,
)  # fmt: skip
_HTML = (
    b"<p>", b"<div hidden>", b"</div>", b"<b>", b"</b>", b"<table><tr><td>", b"<img src='cid:logo@x'>", b"<!--", b"-->",
    b"<meta charset=windows-1250>", b"<blockquote type=cite>", b"</blockquote>", b"<style>p{}</style>", b"<br>",
    b"&nbsp;",
    b"<span style='display:none'>", b"</span>", b"<svg>",
)  # fmt: skip
_CALENDAR = (
    b"BEGIN:VCALENDAR\r\n", b"SUMMARY;X=\"a:b\":skarga\\, x\r\n", b"DESCRIPTION:a\\nb\r\n c\r\n", b"BEGIN:VALARM\r\n",
    b"END:VALARM\r\n",
)  # fmt: skip
_PROPERTIES = (
    "subject", "bare_subject", "author", "message_id", "references", "received_count", "kinds", "attachments",
    "new_text", "whole_text", "text_was_cut", "size_bytes", "content_hash",
)  # fmt: skip


def make(source: random.Random) -> bytes:
    return spoil(source, _part(source, 0))[:_MOST_BYTES]


def _part(source: random.Random, depth: int) -> bytes:
    head = b"".join(header + b"\r\n" for header in source.sample(_HEADERS, source.randrange(6)))
    choice = source.random()
    if depth < _DEEPEST and choice < (0.7 if depth == 0 else 0.3):
        return head + _multipart(source, depth)
    if depth < _DEEPEST and choice > 0.92:
        encoding = source.choice((b"", b"", b"Content-Transfer-Encoding: base64\r\n"))
        inner = _part(source, depth + 1)
        return (
            head
            + b"Content-Type: message/rfc822\r\n"
            + encoding
            + b"\r\n"
            + (encodebytes(inner) if encoding else inner)
        )
    return head + _leaf(source)


def _multipart(source: random.Random, depth: int) -> bytes:
    boundary = source.choice(_BOUNDARIES)
    kind = source.choice(_MULTIPARTS).encode()
    pieces = [b'Content-Type: multipart/%b; boundary="%b"\r\n\r\n' % (kind, boundary)]
    for _ in range(source.choice((0, 1, 2, 2, 3, 5))):
        pieces += [b"--", boundary, b"\r\n", _part(source, depth + 1), b"\r\n"]
    if source.random() < 0.003:
        pieces.append((b"--" + boundary + b"\r\n") * 2000)
    if source.random() < 0.8:
        pieces += [b"--", boundary, b"--\r\n"]
    return b"".join(pieces)


def _leaf(source: random.Random) -> bytes:
    kind = source.choice(_TYPES)
    charset = f"; charset={source.choice(CHARSETS)}" if source.random() < 0.6 else ""
    pieces = [text_bytes(source), b"\r\n", source.choice(TEXTS).encode(), b" \r\n", b"https://x.example/"]
    if "html" in kind:
        pieces += _HTML
    elif "calendar" in kind:
        pieces += _CALENDAR
    body = join(source, pieces, source.choice((3, 30, 300)))
    encoding = source.choice((b"", b"", b"base64", b"quoted-printable", b"x-uuencode", b"x-unheard-of"))
    if encoding == b"base64":
        body = encodebytes(body)
    elif encoding == b"quoted-printable":
        body = b2a_qp(body)
    return (
        f"Content-Type: {kind}{charset}\r\n".encode() + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body
    )


def target(data: bytes) -> None:
    seen = MessageView(data, text_limit=_TEXT_LIMIT)
    answers = [getattr(seen, name) for name in _PROPERTIES]
    for text in (seen.subject, seen.bare_subject, seen.new_text, seen.whole_text, *(a.name for a in seen.attachments)):
        text.encode("utf-8")  # no half of a surrogate pair
    if len(seen.whole_text) > _TEXT_LIMIT * _MOST_PARTS_OF_TEXT + 200_000:
        raise AssertionError(f"{len(seen.whole_text)} characters are more than is read")
    if len(seen.new_text) > len(seen.whole_text):
        raise AssertionError("what is new is longer than all")
    if "forward" in seen.kinds and seen.new_text != seen.whole_text:
        raise AssertionError("a forward is not seen whole")
    for attachment in seen.attachments:
        if not 0 <= attachment.size_bytes <= len(data):
            raise AssertionError(f"{attachment} is larger than the message")
    again = MessageView(data, text_limit=_TEXT_LIMIT)
    if [getattr(again, name) for name in reversed(_PROPERTIES)][::-1] != answers:
        raise AssertionError("read twice, in another order, it differs")


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
