"""A notice to the postmaster: a report (RFC 3464) that a person understands, with the commands that mend it."""

import re
from base64 import b64encode
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from textwrap import wrap

from routerd.message.delivery_report import enhanced_status
from routerd.message.encode import clean, structured_field, text_field

MAX_RETURNED_BYTES = 16_000  # of the header of the message that the report is about
MAX_REASON = 400  # characters
MAX_TYPED = 3  # copies in one command

_WIDTH = 76
_LINE_OCTETS = 76  # RFC 2045 6.8
_LONGEST_LINE = 998  # RFC 5322 2.1.1
_NEEDS_CODE = re.compile(rf"[^\x20-\x7e\r\n]|[^\n]{{{_LONGEST_LINE},}}|\r(?!\n)|(?<!\r)\n")


@dataclass(frozen=True, slots=True)
class TroubledCopy:
    """`kind`: held, rerouted, failed or late."""

    kind: str
    copy_id: str
    queue_id: str
    sender: str  # "" for the null sender
    role: str
    member: str
    mailbox: str
    reason: str
    taken_by: str  # the member who got it instead; "": nobody
    came_at: datetime
    at: datetime
    status: str = ""  # the enhanced code (RFC 3463), where there is one beside what the reason holds


@dataclass(frozen=True, slots=True)
class Notice:
    """`copies`: those that are told by name, at least one; `total`: how many there are."""

    queue_id: str
    hostname: str
    to: tuple[str, ...]  # mailboxes
    about: str
    copies: tuple[TroubledCopy, ...]
    total: int
    at: datetime
    returned: bytes = b""  # the header of the first one's message


@dataclass(frozen=True, slots=True)
class _Case:
    """What happened to some of the copies, and what the postmaster can do."""

    subject: str
    headline: str
    advice: tuple[tuple[str, str], ...]


_SHOW = ("trace", "its whole history, with the servers' words")
_CASES = {
    "held": _Case(
        "Held: mail for {about}",
        "HELD: nobody gets it until you say so.",
        (
            _SHOW,
            ("queue release", "send it again, once the cause is mended"),
            ("queue bounce", "give it to the next in line, as if its mailbox were gone"),
            ("queue drop", "give it up for good"),
        ),
    ),
    "rerouted": _Case(
        "Given to the next in line: mail for {about}",
        "GIVEN TO THE NEXT IN LINE: it is on its way to somebody else. What is left to you is the mailbox: as long as "
        "it refuses mail, all that its owner gets goes this way.",
        (_SHOW,),
    ),
    "failed": _Case(
        "Not delivered: a further copy for {about}",
        "GIVEN UP: a further copy, of a watcher or one that a rule forwards. The owner's copy is not touched by it.",
        (_SHOW,),
    ),
    "late": _Case(
        "Late: mail for {about} still waits",
        "LATE: it waits and is tried again by itself.",
        (_SHOW, ("queue retry", "try it now, once the cause is mended"), ("queue list", "all that waits")),
    ),
}


def compose_notice(notice: Notice) -> bytes:
    """The message, in 7 bits with CRLF. The same notice gives the same bytes."""
    boundary = f"=_routerd_{notice.queue_id}"  # which nobody who writes what stands inside can know
    subject = _CASES[weightiest({copy.kind for copy in notice.copies})].subject.format(about=notice.about)
    head = (
        structured_field("From", f"Mail delivery (routerd) <MAILER-DAEMON@{notice.hostname}>"),
        structured_field("To", ", ".join(f"<{mailbox}>" for mailbox in notice.to)),
        text_field("Subject", f"{subject} ({notice.total} copies)" if notice.total > 1 else subject),
        structured_field("Date", format_datetime(notice.at)),
        structured_field("Message-ID", f"<{notice.queue_id}@{notice.hostname}>"),
        b"Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n",
        b'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="%s"\r\n\r\n' % boundary.encode(),
    )
    parts = [
        _part("text/plain; charset=utf-8", "\r\n".join((*_told(notice), "")).encode("utf-8", "replace")),
        _part("message/delivery-status", _status(notice)),
    ]
    if notice.returned:
        parts.append(_part("text/rfc822-headers", _cut(notice.returned)))
    delimiter = b"--%s\r\n" % boundary.encode()
    return b"".join((*head, *(delimiter + part + b"\r\n" for part in parts), delimiter[:-2], b"--\r\n"))


def weightiest(kinds: Collection[str]) -> str:
    """Of those that are there: what the postmaster must act upon, before what he only hears of."""
    return next(kind for kind in _CASES if kind in kinds)


def _told(notice: Notice) -> Iterator[str]:
    """For a person who is tired: what happened, to which messages, why, and what to type."""
    yield f"routerd on {notice.hostname} could not deliver mail as it should:"
    yield ""
    yield f"    {_shown(notice.about)}"
    for kind, case in _CASES.items():
        copies = [copy for copy in notice.copies if copy.kind == kind]
        if not copies:
            continue
        yield ""
        yield from wrap(case.headline, _WIDTH)
        for copy in copies:
            yield ""
            yield from _told_of(copy)
        yield ""
        for command, does in case.advice:
            yield f"    routerd {command} {_meant(command, copies, notice)}".rstrip()
            yield f"        {does}"
    if notice.total > len(notice.copies):
        yield ""
        yield from wrap(
            f"And {notice.total - len(notice.copies)} more copies: the log names all of them, `routerd queue list` "
            "those that wait or are held.",
            _WIDTH,
        )
    yield ""
    yield from wrap("There is one such notice an hour at most about the same mailbox.", _WIDTH)


def _meant(command: str, copies: Sequence[TroubledCopy], notice: Notice) -> str:
    """All that are told of here, as long as that is a line which can be typed."""
    if command == "queue list":
        return ""
    if command == "queue retry" and notice.about not in {copy.mailbox for copy in copies}:
        return f"--destination {_shown(notice.about)}"
    return " ".join(copy.copy_id for copy in (copies[:1] if command == "trace" else copies[:MAX_TYPED]))


def _told_of(copy: TroubledCopy) -> Iterator[str]:
    yield f"    {copy.copy_id}  from {_shown(copy.sender) or 'nobody (a bounce or a notice)'}"
    yield f"        came {_moment(copy.came_at)}, for {_shown(copy.mailbox)} ({copy.role} {_shown(copy.member)})"
    if copy.taken_by:
        yield f"        now for {_shown(copy.taken_by)}"
    yield from wrap(
        f"{_moment(copy.at)}: {_shown(copy.reason)[:MAX_REASON]}",
        _WIDTH,
        initial_indent=" " * 8,
        subsequent_indent=" " * 10,
        break_on_hyphens=False,
    )


def _status(notice: Notice) -> bytes:
    """RFC 3464 2.2, 2.3."""
    groups = [structured_field("Reporting-MTA", f"dns; {notice.hostname}")]
    for copy in notice.copies:
        is_late = copy.kind == "late"
        status = enhanced_status(copy.status, copy.reason)
        groups.append(
            b"".join(
                (
                    structured_field("Final-Recipient", _typed(copy.mailbox)),
                    b"Action: delayed\r\n" if is_late else b"Action: failed\r\n",
                    structured_field("Status", status or ("4.0.0" if is_late else "5.0.0")),
                    structured_field("Diagnostic-Code", f"x-routerd; {clean(copy.reason)[:MAX_REASON]}"),
                    structured_field("Last-Attempt-Date", format_datetime(copy.at)),
                    structured_field("X-Routerd-Id", copy.queue_id),
                    structured_field("X-Routerd-Copy", copy.copy_id),
                    structured_field("X-Routerd-Kind", copy.kind),
                )
            )
        )
    return b"\r\n".join(groups)


def _typed(mailbox: str) -> str:
    """RFC 6533 3: an address that is not ASCII, written in it."""
    if mailbox.isascii():
        return f"rfc822; {mailbox}"
    written = "".join(char if char.isascii() and char not in "\\+=" else f"\\x{{{ord(char):X}}}" for char in mailbox)
    return f"utf-8; {written}"


def _part(content_type: str, content: bytes) -> bytes:
    """As it stands where it is ASCII in lines of a fit length, else in base64."""
    if not _NEEDS_CODE.search(content.decode("latin-1")):
        return b"Content-Type: %s\r\n\r\n%s" % (content_type.encode(), content)
    encoded = b64encode(content)
    lines = [encoded[start : start + _LINE_OCTETS] for start in range(0, len(encoded), _LINE_OCTETS)]
    head = b"Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n" % content_type.encode()
    return head + b"".join(line + b"\r\n" for line in lines)


def _cut(header: bytes) -> bytes:
    """At a line's end."""
    if len(header) <= MAX_RETURNED_BYTES:
        return header
    end = header.rfind(b"\r\n", 0, MAX_RETURNED_BYTES)
    return header[: end + 2] if end > 0 else header[:MAX_RETURNED_BYTES]


def _shown(text: str) -> str:
    """Of strangers: on one line, and with nothing that turns or hides text."""
    line = clean(text)
    return line if line.isprintable() else "".join(char if char.isprintable() else "?" for char in line)


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
