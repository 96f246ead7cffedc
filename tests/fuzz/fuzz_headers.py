"""Header sections of any kind → subject, addresses, parameters: never raises, each one line, the same again."""

import random
import sys
from base64 import b64encode

from harness import run
from pieces import CHARSETS, join, spoil, text_bytes

from routerd.message.encoded_words import decode_header
from routerd.message.headers import HeaderBlock, find_header_end
from routerd.message.parameters import parse_value
from routerd.message.subject import cut_prefixes
from routerd.message.view import MessageView

SLOW_MS = 300.0  # for the 100 KB that `make` gives at most

_MOST_BYTES = 100_000
_NAMES = (
    b"Subject: ", b"From: ", b"To: ", b"Cc: ", b"Reply-To: ", b"Content-Type: ", b"Content-Disposition: ",
    b"References: ",
    b"Message-ID: ", b"In-Reply-To: ", b"Received: ", b"Auto-Submitted: ", b"Precedence: ", b"List-Id: ", b"X-Y: ",
    b"subject :", b"\0From: ", b">From ", b"From x", b":", b"Content-Transfer-Encoding: ",
)  # fmt: skip
_VALUES = (
    b"\r\n", b"\r\n", b"\r\n", b"\r\n ", b"\r\n\t", b"\n", b"\r", b"\0", b";", b",", b'"', b"\\", b"(", b")", b"<",
    b">", b"@",
    b"[", b"]", b":", b"=", b"*", b"'", b"?", b"=?", b"?=", b"=?utf-8?q?", b"=?utf-8?b?", b"=?x?q?", b"=C5=81", b"_",
    b"%C5%81",
    b"a@b.example", b"Anna <anna@klient.pl>", b"xn--a", b"undisclosed-recipients:;", b"a@[", b"Re: ", b"Fwd:", b"[x] ",
    b"AW[2]:", b"text/plain", b"multipart/mixed", b"; charset=", b"; boundary=b", b"; name*0*=", b"; name*1=",
    b"; filename*=utf-8''", b"attachment", b'; filename="', b"<1@x.example>", b"auto-replied", b"\xff", b"\xc5",
)  # fmt: skip
_ONE_LINE = ("\r", "\n", "\0")


def make(source: random.Random) -> bytes:
    pieces = [
        *_NAMES,
        *_VALUES,
        *_VALUES,
        _encoded_word(source),
        _encoded_word(source),
        source.choice(CHARSETS).encode(),
    ]
    return spoil(source, join(source, pieces, source.choice((5, 30, 300))))[:_MOST_BYTES]


def _encoded_word(source: random.Random) -> bytes:
    data = text_bytes(source)[: source.randrange(1, 60)]
    payload = b64encode(data) if source.random() < 0.5 else data.replace(b" ", b"_")
    kind = source.choice("bBqQ")
    return b"=?%b?%b?%b?=" % (source.choice(CHARSETS).encode(), kind.encode(), payload)


def target(data: bytes) -> None:
    end = find_header_end(data)
    if not 0 <= end.fields_end <= end.body_start <= len(data):
        raise AssertionError(f"the header ends at {end}")
    seen = MessageView(data)
    for field in HeaderBlock.scan(data).fields[:50]:
        for value in seen.header(field.name_lower):
            _is_one_line(value)
        for mailbox in seen.addresses(field.name_lower):
            _is_one_line(mailbox.name + mailbox.address)
    _is_one_line(seen.subject + "".join(seen.references) + (seen.message_id or ""))
    if not seen.subject.endswith(seen.bare_subject) and "[" not in seen.subject and "*" not in seen.subject:
        _is_bare(seen.subject, seen.bare_subject)
    _is_one_line(decode_header(data))
    for name, value in parse_value(data).parameters.items():
        if name != "boundary":
            _is_one_line(value)
    repr((seen.kinds, seen.author, seen.attachments, seen.content_hash))
    if MessageView(data).subject != seen.subject or MessageView(data).kinds != seen.kinds:
        raise AssertionError("read twice, it differs")


def _is_bare(subject: str, bare: str) -> None:
    if cut_prefixes(subject).text != bare or len(bare) > len(subject):
        raise AssertionError(f"{bare!r} is not what is left of {subject!r}")


def _is_one_line(text: str) -> None:
    text.encode("utf-8")  # no half of a surrogate pair
    if any(character in text for character in _ONE_LINE):
        raise AssertionError(f"{text[:200]!r} is not one line")


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
