"""What routerd writes to members by itself: returned answers, replies to commands, summaries, reminders, digests."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from routerd.message.address_field import address_field
from routerd.message.address_list import Mailbox
from routerd.message.compose import Draft, compose_message
from routerd.message.encode import without_turns

MAX_TEXT_CHARACTERS = 150_000  # so that the whole stays a small mail, whatever is told of

_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202d\u202e"
_UNSEEN = re.compile(f"[{_CONTROLS}]")
_UNSEEN_IN_OURS = re.compile(f"[{_CONTROLS}\u202a-\u202c\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class DeskMail:
    """One mail to one or more members about one conversation, or about none."""

    sender: Mailbox  # From
    to: tuple[Mailbox, ...]
    subject: str
    text: str  # lines end with \n
    message_id: str  # without brackets
    at: datetime
    in_reply_to: str | None = None  # without brackets: what it is about, so that clients show it there
    references: tuple[str, ...] = ()
    is_reply: bool = False  # to what `in_reply_to` names: RFC 3834 5 tells that from what came by itself


def compose_desk_mail(mail: DeskMail) -> bytes:
    """RFC 5322 and MIME, marked as written by a machine (RFC 3834 5): nothing ever answers it by itself."""
    threading = []
    if mail.in_reply_to:
        threading.append(("In-Reply-To", f"<{mail.in_reply_to}>"))
    referred = tuple(dict.fromkeys((*mail.references, *((mail.in_reply_to,) if mail.in_reply_to else ()))))
    if referred:
        threading.append(("References", " ".join(f"<{one}>" for one in referred[-20:])))
    return compose_message(
        Draft(
            sender=_said("From", (mail.sender,)),
            to=(_said("To", mail.to),),
            subject=without_turns(mail.subject),
            at=mail.at,
            text=readable(mail.text[:MAX_TEXT_CHARACTERS]),
            headers=(
                ("Message-ID", f"<{mail.message_id}>"),
                *threading,
                ("Auto-Submitted", "auto-replied" if mail.is_reply else "auto-generated"),
                ("X-Auto-Response-Suppress", "All"),
            ),
        )
    )


def readable(text: str) -> str:
    """`text` with what a terminal obeys and what turns or breaks lines as `<U+001B>`, wherever customers wrote it.

    In what is quoted, behind `>`, their own script keeps what it is set with, but for what turns single letters round.
    """
    if text.isascii() and _UNSEEN.search(text) is None:
        return text
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join((_UNSEEN if line.startswith(">") else _UNSEEN_IN_OURS).sub(_visible, line) for line in lines)


def _visible(found: re.Match[str]) -> str:
    return f"<U+{ord(found[0]):04X}>"


def _said(name: str, mailboxes: Sequence[Mailbox]) -> str:
    return address_field(name, mailboxes).decode().removeprefix(f"{name}: ").replace("\r\n", "").strip()
