"""Header values as text: RFC 2047 encoded words, also broken ones, and raw 8-bit bytes. Linear, never raises."""

import binascii
import re
from typing import NamedTuple

from routerd.message.charset import codec_for, decode_text

MAX_VALUE_BYTES = 100_000  # of one header field that is decoded; the rest is not looked at

_WORD_HEAD = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?")
_LINE_ENDS = re.compile(r"[\r\n]+")
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))


class _Word(NamedTuple):
    charset: str
    encoding: str  # b or q
    payload: str
    start: int
    end: int


def decode_header(value: bytes, declared: str = "") -> str:
    """A raw, unfolded header value as text without CR, LF and NUL.

    Raw 8-bit bytes are UTF-8, else in the `declared` charset (of the message), else windows-1252.
    """
    value = value[:MAX_VALUE_BYTES]
    text = value.decode("ascii") if value.isascii() else decode_8bit(value, declared)
    if "=?" in text:
        text = decode_words(text)
    return _one_line(text)


def decode_words(text: str) -> str:
    """`text` with its encoded words decoded; what is no encoded word stays as it is."""
    pieces: list[str] = []
    group: list[_Word] = []
    at = 0
    for word in _find_words(text):
        between = text[at : word.start]
        if between and not (group and between.isspace()):
            if group:
                pieces.append(_decode_group(group))
                group = []
            pieces.append(between)
        if group and (group[-1].charset, group[-1].encoding) != (word.charset, word.encoding):
            pieces.append(_decode_group(group))
            group = []
        group.append(word)
        at = word.end
    if group:
        pieces.append(_decode_group(group))
    pieces.append(text[at:])
    return _one_line("".join(pieces))


def decode_base64(data: bytes) -> bytes:
    """Base64 as far as it goes: foreign bytes passed over, padding missing or in the middle."""
    clean = data.translate(None, _NOT_BASE64)
    if b"=" not in clean.rstrip(b"="):
        return _decode_run(clean.rstrip(b"="))
    return b"".join(map(_decode_run, filter(None, clean.split(b"="))))


def _decode_run(run: bytes) -> bytes:
    excess = len(run) % 4
    if excess == 1:
        run, excess = run[:-1], 0
    return binascii.a2b_base64(run + b"=" * (-excess % 4))


def _find_words(text: str) -> list[_Word]:
    """Encoded words. The end `?=` is looked for once for all heads before it, so that the search stays linear."""
    words: list[_Word] = []
    at, close = text.find("=?"), -1
    while at >= 0:
        head = _WORD_HEAD.match(text, at)
        if head is None:
            at = text.find("=?", at + 1)
            continue
        if close < head.end():
            close = text.find("?=", head.end())
            if close < 0:
                break
        inner = text.find("=?", head.end(), close)
        if inner >= 0:
            at = inner
            continue
        words.append(_Word(head[1].partition("*")[0].lower(), head[2].lower(), text[head.end() : close], at, close + 2))
        at = text.find("=?", close + 2)
    return words


def _decode_group(group: list[_Word]) -> str:
    """Neighbours in one charset are decoded together: encoders split characters, and base64 quanta, between them."""
    charset, encoding = group[0].charset, group[0].encoding
    codec = codec_for(charset) or "utf-8"
    payloads = [_to_bytes(word.payload, codec) for word in group]
    data = _join_base64(payloads) if encoding == "b" else b"".join(map(_decode_q, payloads))
    return decode_text(data, charset)


def _join_base64(payloads: list[bytes]) -> bytes:
    decoded, pending = [], []
    for payload in payloads:
        pending.append(payload.strip())
        if payload.endswith(b"=") or len(payload) % 4 == 0:
            decoded.append(decode_base64(b"".join(pending)))
            pending = []
    decoded.append(decode_base64(b"".join(pending)))
    return b"".join(decoded)


def _decode_q(payload: bytes) -> bytes:
    return binascii.a2b_qp(payload, header=True)


def _to_bytes(payload: str, codec: str) -> bytes:
    if payload.isascii():
        return payload.encode("ascii")
    try:
        return payload.encode(codec, "replace")
    except (UnicodeError, LookupError):
        return payload.encode("utf-8", "replace")


def decode_8bit(value: bytes, declared: str) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return decode_text(value, declared)


def _one_line(text: str) -> str:
    if "\r" in text or "\n" in text:
        text = _LINE_ENDS.sub(" ", text)
    return text.replace("\0", "") if "\0" in text else text
