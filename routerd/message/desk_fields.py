"""By which the reader of a copy speaks to the desk: fields of ours, and those of the message that give way to them."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from routerd.message.address_field import address_field
from routerd.message.address_list import Mailbox
from routerd.message.subject_tag import plain_value, tagged_field, untagged_value

_IN_MAILTO = "@+.-_=!$'*~"  # what stands in an address as it is (RFC 6068 2)
_PLAIN = re.compile(r"[A-Za-z0-9@+._-]*+\Z")
_GIVING_WAY = re.compile(rb"^(Reply-To|From)(?=[ \t]*:)", re.IGNORECASE | re.MULTILINE)
_SUBJECT = re.compile(rb"^Subject[ \t]*:((?:[^\n]|\n(?=[ \t])|(?!))*+\n?)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DeskFields:
    """Of one copy. What is empty is not added, and what it would take the place of stays."""

    note: str = ""  # the address for notes, as X-Routerd-Note names it
    draft: str = ""  # likewise, for drafts: X-Routerd-Draft
    reply_to: Mailbox | None = None  # the message's own becomes X-Original-Reply-To
    sender: Mailbox | None = None  # From; the message's own becomes X-Original-From
    tag: str = ""  # on top of the subject
    cuts_tags: bool = False  # a member wrote it, whose client may have shown him some
    goes_by_tags: bool = False  # its reader's client sorts by them: what others write like one is made plain

    @property
    def originals(self) -> tuple[str, ...]:
        """Under which names, in lower case, stands what has given way. Nobody else says anything there."""
        named = (("reply-to", self.reply_to), ("from", self.sender))
        return tuple(f"x-original-{name}" for name, new in named if new is not None)


NO_DESK_FIELDS = DeskFields()


def name_of_inbox(inbox: str) -> str:
    """How people see it named: Support, of support@example.com."""
    return inbox.rpartition("@")[0].capitalize()


def fields_of_addresses(fields: DeskFields) -> bytes:
    named = (("X-Routerd-Note", fields.note), ("X-Routerd-Draft", fields.draft))
    return b"".join(
        f"{name}: <mailto:{address if _PLAIN.match(address) else quote(address, safe=_IN_MAILTO)}>\r\n".encode("ascii")
        for name, address in named
        if address
    )


def fields_of_reply(fields: DeskFields) -> bytes:
    """What stands in the place of those that give way."""
    sender = address_field("From", (fields.sender,)) if fields.sender else b""
    return sender + (address_field("Reply-To", (fields.reply_to,)) if fields.reply_to else b"")


def with_room_for(fields: DeskFields, header: bytes) -> bytes:
    """`header`, without its empty line, in which the message's own fields have given way, their values as they were."""
    names = frozenset(
        name for name, new in ((b"reply-to", fields.reply_to), (b"from", fields.sender)) if new is not None
    )
    lowered = header.lower() if names else b""
    if any(name in lowered for name in names):  # hardly any message has a Reply-To
        header = _GIVING_WAY.sub(
            lambda found: b"X-Original-" + found[1] if found[1].lower() in names else found[0], header
        )
    if fields.cuts_tags:
        header = _SUBJECT.sub(_without_tags, header)
    if fields.goes_by_tags:
        header = _SUBJECT.sub(_made_plain, header)
    if not fields.tag:
        return header
    subject = _SUBJECT.search(header)
    if subject is None:
        return tagged_field(b"", fields.tag) + header
    return header[: subject.start()] + tagged_field(subject[1], fields.tag) + header[subject.end() :]


def _without_tags(subject: re.Match[bytes]) -> bytes:
    value = subject[1].strip()
    bare = untagged_value(value)
    name = subject[0][: subject.start(1) - subject.start()]
    return subject[0] if bare == value else name + b" " + bare + b"\r\n"


def _made_plain(subject: re.Match[bytes]) -> bytes:
    name = subject[0][: subject.start(1) - subject.start()]
    return name + plain_value(subject[1])
