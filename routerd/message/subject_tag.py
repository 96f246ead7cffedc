"""Labels on top of a subject, for clients that cannot sort by a header; and subjects without them, for customers.

Doubled brackets tell our tag from what others write there (`[invoice]`, `[#4711]`), so that an answer needs to know
nothing of the labels of then to go out without them.
"""

import re
from collections.abc import Sequence

from routerd.message.encode import text_field
from routerd.message.encoded_words import decode_header

MAX_TAG_CHARACTERS = 200

_LABEL = r"[^\s\[\],]{1,64}+"
_TAG = re.compile(rf"\[\[{_LABEL}(?:,\s*+{_LABEL}|(?!))*+\]\]\s*")
# Of notes, drafts, and of what members are told of answers. What customers may write as well, such as [overdue], stays.
_MARKS = "note|draft|approve|waits|not sent|not delivered|dropped|snoozed until now"
_MARK = re.compile(rf"(?:\A|(?<=[:：]))\s*+(?:\[(?:{_MARKS})\]\s*+|(?!))++", re.IGNORECASE)
_DOUBLED = re.compile(r"\[{2,}+|\]{2,}+")
_BEGIN = "["
_NAME = "Subject"
_WIDTH = 76


def tag_of(labels: Sequence[str]) -> str:
    """`[[complaint, urgent]]`: as many whole labels as fit; "" for none."""
    tag = ""
    for label in labels:
        longer = f"{tag}, {label}" if tag else label
        if len(longer) > MAX_TAG_CHARACTERS:
            break
        tag = longer
    return f"[[{tag}]]" if tag else ""


def tagged_field(value: bytes, tag: str) -> bytes:
    """The field Subject with its CRLF: `tag` and behind it `value`, which stays as it is written (raw, with its folds
    and line end, as it stood behind the colon)."""
    # White space between encoded words is not shown (RFC 2047 6.2): what shall stand behind the tag is inside it.
    field = text_field(_NAME, tag if tag.isascii() else f"{tag}\N{NO-BREAK SPACE}").removesuffix(b"\r\n")
    rest = value.rstrip(b"\r\n")
    if not rest.strip():
        return field + b"\r\n"
    if not rest.startswith((b" ", b"\t", b"\r", b"\n")):
        rest = b" " + rest
    first_line = len(rest.partition(b"\n")[0])
    fold = b"\r\n" if rest.startswith((b" ", b"\t")) and len(field) + first_line > _WIDTH else b""
    return field + fold + rest + b"\r\n"


def plain_value(value: bytes) -> bytes:
    """A subject's raw value in which no brackets are doubled, as only our tag's are; as it is written where none are.
    What it says stays to be read. Never raises."""
    if b"[[" not in value and b"]]" not in value and b"=?" not in value:
        return value
    text = decode_header(value)
    plain = _DOUBLED.sub(lambda found: found[0][0], text)
    if plain == text:
        return value
    return text_field(_NAME, plain.strip()).removeprefix(f"{_NAME}:".encode())


def untagged_value(value: bytes) -> bytes:
    """A subject's raw value without tags and marks of ours; as it is written where there is none. Never raises."""
    if _BEGIN.encode() not in value and b"=?" not in value:
        return value
    text = decode_header(value)
    if _BEGIN not in text:
        return value
    bare = _MARK.sub(" ", _TAG.sub("", text))
    if bare == text:
        return value
    return text_field(_NAME, bare.strip()).removeprefix(f"{_NAME}:".encode()).strip()
