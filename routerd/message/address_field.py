"""Fields of addresses that routerd writes itself (RFC 5322 3.4): names quoted or encoded, folded between mailboxes."""

import re
from collections.abc import Sequence
from functools import lru_cache

from routerd.message.address_list import Mailbox
from routerd.message.encode import clean, text_field

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*\Z")  # RFC 5322 3.2.3, and spaces between
_ESCAPED = re.compile(r'(["\\])')
_MAX_LINE = 76
_MAX_NAME = 200  # characters


def address_field(name: str, mailboxes: Sequence[Mailbox]) -> bytes:
    """The field with its CRLF; b"" for nobody. Each address as it is given, which must be ASCII or UTF-8 (RFC 6532)."""
    if not mailboxes:
        return b""
    lines = [f"{name}:"]
    for place, mailbox in enumerate(mailboxes):
        text = mailbox_text(mailbox) + ("," if place + 1 < len(mailboxes) else "")
        longest = max(map(len, text.split("\r\n")))
        if len(lines[-1]) + 1 + longest > _MAX_LINE and lines[-1] != f"{name}:":
            lines.append("")
        lines[-1] += f" {text}"
    return ("\r\n".join(lines) + "\r\n").encode()


def mailbox_text(mailbox: Mailbox) -> str:
    """`Name <address>`: the name as it is where it is of atoms, in quotes, or in encoded words (RFC 2047 5)."""
    address = clean(mailbox.address).replace(" ", "")
    name = clean(mailbox.name)
    return f"{_phrase(name[:_MAX_NAME])} <{address}>" if name else address


@lru_cache(1_000)
def _phrase(name: str) -> str:
    """Kept: the same few names stand in copy after copy."""
    if not name.isascii() or "=?" in name:
        return text_field("X", name).decode("ascii").removeprefix("X: ").removesuffix("\r\n")
    if _ATOMS.match(name):
        return name
    return '"' + _ESCAPED.sub(r"\\\1", name) + '"'
