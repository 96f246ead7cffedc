"""The header under which a member's mail goes on in another's name: to the customer, or as a note to colleagues.

Made by an allow-list: what is not named here does not go out, so that neither our own headers nor those of the member's
client ever reach a customer. The body is not touched.
"""

import re
from dataclasses import dataclass

from routerd.message.address_field import address_field
from routerd.message.address_list import Mailbox
from routerd.message.encode import structured_field, text_field
from routerd.message.envelope import Raw
from routerd.message.headers import Field, HeaderBlock
from routerd.message.subject_tag import untagged_value

_THREADING = ("date", "message-id", "in-reply-to", "references")
_ONCE = frozenset((*_THREADING, "subject", "mime-version"))
_IDS = re.compile(r"<([^<>\s]+)>")
_NAMES = {
    "date": b"Date",
    "message-id": b"Message-ID",
    "in-reply-to": b"In-Reply-To",
    "references": b"References",
    "subject": b"Subject",
    "mime-version": b"MIME-Version",
}
MAX_CONTENT_FIELDS = 20
MAX_KEPT_BYTES = 32_768  # of one field: what is longer is left out


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What is ours in it."""

    sender: Mailbox  # From
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    prefix: str = ""  # of the subject: "[note] "
    cut_prefixes: tuple[str, ...] = ()  # of the subject: what we put there ourselves
    date: str = ""  # where the mail has none
    message_id: str = ""  # likewise, without brackets
    more: tuple[tuple[str, str], ...] = ()  # further fields, such as Auto-Submitted
    unseen: frozenset[str] = frozenset()  # Message-IDs without brackets of mails that its readers never saw


def outgoing_head(raw: Raw, letterhead: Letterhead) -> bytes:
    """The whole header with its empty line. `raw`: the member's mail, whose body goes under it unchanged.

    Subject, Date, Message-ID, In-Reply-To, References, MIME-Version and Content-* stay as they are written there, each
    once; the rest is the letterhead's.
    """
    block = HeaderBlock.scan(raw)
    kept = _kept(block)
    parts = [
        address_field("From", (letterhead.sender,)),
        address_field("To", letterhead.to) or b"To: undisclosed-recipients:;\r\n",
        address_field("Cc", letterhead.cc),
        _subject(raw, kept.get("subject"), letterhead),
    ]
    for name in _THREADING:
        field = kept.get(name)
        parts.append(_threading(raw, name, field, letterhead.unseen) if field else _instead(name, letterhead))
    parts += [structured_field(name, value) for name, value in letterhead.more]
    if "mime-version" in kept:
        parts.append(_as_written(raw, _NAMES["mime-version"], kept["mime-version"]))
    parts += [
        _as_written(raw, _content_name(field.name_lower), field)
        for name, field in kept.items()
        if name.startswith("content-")
    ]
    return b"".join(parts) + b"\r\n"


def _kept(block: HeaderBlock) -> dict[str, Field]:
    """The first of each name that may go out."""
    kept: dict[str, Field] = {}
    content_fields = 0
    for field in block.fields:
        name = field.name_lower
        if name in kept or field.end - field.start > MAX_KEPT_BYTES:
            continue
        if name in _ONCE:
            kept[name] = field
        elif name.startswith("content-") and content_fields < MAX_CONTENT_FIELDS:
            content_fields += 1
            kept[name] = field
    return kept


def _as_written(raw: Raw, name: bytes, field: Field) -> bytes:
    """Its value as it is folded there, under the name as it is usually written."""
    return name + b":" + _folded(bytes(raw[field.value_start : field.end])) + b"\r\n"


def _folded(value: bytes) -> bytes:
    """Without lines of white space alone (RFC 5322 3.2.2, 4.2): some servers take such a one for the header's end. What
    follows on any other line end is a continuation, whatever the message's client meant.
    """
    lines = [line for line in value.splitlines() if line.strip()]
    return b"\r\n".join(line if line.startswith((b" ", b"\t")) else b" " + line for line in lines)


def _threading(raw: Raw, name: str, field: Field, unseen: frozenset[str]) -> bytes:
    """As it is written; where it names what its readers never saw, the rest of its ids."""
    if unseen and name in ("in-reply-to", "references"):
        ids = _IDS.findall(bytes(raw[field.value_start : field.end]).decode("ascii", "replace"))
        seen = [one for one in ids if one not in unseen]
        if len(seen) < len(ids):
            return structured_field(_NAMES[name].decode(), " ".join(f"<{one}>" for one in seen)) if seen else b""
    return _as_written(raw, _NAMES[name], field)


def _content_name(name_lower: str) -> bytes:
    return "-".join(word.capitalize() for word in name_lower.split("-")).encode("ascii")


def _subject(raw: Raw, field: Field | None, letterhead: Letterhead) -> bytes:
    if field is None:
        return text_field("Subject", letterhead.prefix) if letterhead.prefix else b""
    value = untagged_value(_folded(bytes(raw[field.value_start : field.end])).strip())
    for cut in letterhead.cut_prefixes:
        value = value.removeprefix(cut.encode()).lstrip(b" \t")
    prefix = letterhead.prefix.encode()
    if prefix and value.lower().startswith(prefix.strip().lower()):
        prefix = b""
    return b"Subject: " + prefix + value + b"\r\n"


def _instead(name: str, letterhead: Letterhead) -> bytes:
    if name == "date" and letterhead.date:
        return structured_field("Date", letterhead.date)
    if name == "message-id" and letterhead.message_id:
        return structured_field("Message-ID", f"<{letterhead.message_id}>")
    return b""
