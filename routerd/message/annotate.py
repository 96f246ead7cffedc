"""What a copy bears on top, and what is cut from it. The body's bytes are never touched."""

import re
from dataclasses import dataclass
from hashlib import sha256

from routerd.message.annotation import Annotation
from routerd.message.desk_fields import NO_DESK_FIELDS, DeskFields, fields_of_addresses, fields_of_reply, with_room_for
from routerd.message.encode import clean, list_field, structured_field, text_field
from routerd.message.envelope import Raw, Received
from routerd.message.forged import cut_forged
from routerd.message.headers import find_header_end
from routerd.message.internet_date import internet_date

MAX_EXPLANATION_BYTES = 1024  # of X-Routerd-Rules and of X-Routerd-Why, as fields
MAX_HELO = 255  # RFC 5321 4.5.3.1.2

_PRIORITIES = {
    "high": b"Importance: high\r\nX-Priority: 1\r\n",
    "normal": b"Importance: normal\r\nX-Priority: 3\r\n",
    "low": b"Importance: low\r\nX-Priority: 5\r\n",
}
_HAS_PRIORITY = re.compile(rb"\n(?:Importance|X-Priority|X-MSMail-Priority|Priority)[ \t]*:", re.IGNORECASE)
MAX_OTHER_TRACES = 9
_TRACE = re.compile(rb"(?:\A|\n)X-Routerd-Trace: ([0-9A-Z]{26}(?:(?:\r?\n)? [a-z2-7]{16}){1,50})\r?(?=\n(?![ \t])|\Z)")
_NOT_IN_DOMAINS = re.compile(r"[^A-Za-z0-9._:\[\]-]")


@dataclass(frozen=True, slots=True)
class Annotated:
    """A copy is `head + raw[body_start:]`; `head` ends with the empty line."""

    head: bytes
    body_start: int


def annotate(
    raw: Raw,
    annotation: Annotation,
    copy_id: str,
    *,
    may_add_priority: bool,
    desk: DeskFields = NO_DESK_FIELDS,
    replaced: tuple[str, ...] = (),
) -> Annotated:
    """The header of one copy: ours on top, then the message's own less what is forged, byte for byte.

    `may_add_priority`: a priority may show as Importance and X-Priority, though a DKIM signature may cover them.
    `desk`: by which the reader speaks to the desk; what gives way to it keeps its value under another name, which is
    ours then. `replaced`: names, in lower case, of further fields that are cut.
    Where no empty line ends the header one is added: at the end, or above the first line that is no header field.
    """
    end = find_header_end(raw)
    header = raw[: end.fields_end]
    kept = cut_forged(header, annotation.cut_authserv_ids, (*annotation.cut_headers, *desk.originals, *replaced))
    with_priority = may_add_priority and annotation.priority is not None and not _HAS_PRIORITY.search(b"\n" + kept)
    added = _added(annotation, copy_id, desk, with_priority=with_priority) + _traces_of_others(header)
    kept = with_room_for(desk, kept)
    if end.closed:
        empty_line = raw[end.fields_end : end.body_start]
    else:
        empty_line = b"\r\n" if not kept or kept.endswith(b"\n") else b"\r\n\r\n"
    return Annotated(b"".join((added, kept, empty_line)), end.body_start)


def attach_original(raw: Raw, annotation: Annotation, copy_id: str) -> bytes:
    """A message of our own with the whole original attached (RFC 2046 5.2.1), for when annotating it fails.

    Nothing of the original is looked at but for its bytes; forged headers in it are inside the attachment only.
    """
    original = bytes(raw)
    boundary = _boundary(original, copy_id)
    encoding = "7bit" if original.isascii() else "8bit"
    domain = clean(annotation.inbox).rpartition("@")[2]
    date = annotation.received.rpartition(";")[2]
    fields = (
        _added(annotation, copy_id, NO_DESK_FIELDS, with_priority=False),
        structured_field("Date", date) if date.strip() else b"",
        structured_field("From", f"routerd <{annotation.inbox}>"),
        structured_field("To", f"<{annotation.assigned_to}>") if annotation.assigned_to else b"",
        text_field("Subject", f"Message {annotation.queue_id} for {annotation.inbox}"),
        structured_field("Message-ID", f"<routerd.{copy_id}@{domain}>"),
        b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
        f'Content-Type: multipart/mixed;\r\n boundary="{boundary}"\r\n'.encode(),
        f"Content-Transfer-Encoding: {encoding}\r\n".encode(),
    )
    text = (
        f"\r\n--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        "routerd could not add its headers to this message.\r\nIt is attached as it came.\r\n"
        f"\r\n--{boundary}\r\nContent-Type: message/rfc822\r\n"
        "Content-Disposition: attachment; filename=original.eml\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return b"".join((*fields, text.encode(), original, f"\r\n--{boundary}--\r\n".encode()))


def received_value(received: Received, hostname: str) -> str:
    """The value of our Received field (RFC 5321 4.4), on one line.

    Of several recipients none is named: a Bcc would show.
    """
    client, recipients = received.client, received.envelope.recipients
    helo = _NOT_IN_DOMAINS.sub("?", client.helo[:MAX_HELO]) or "unknown"
    literal = f"[IPv6:{client.address}]" if ":" in client.address else f"[{client.address}]"
    parts = [f"from {helo}"]
    if client.address:
        name = _NOT_IN_DOMAINS.sub("?", client.findings.name) if client.findings.name else ""
        parts.append(f"({name} {literal})" if name else f"({literal})")
    parts.append(f"by {hostname} (routerd) with {received.with_protocol} id {received.id}")
    if len(recipients) == 1:
        parts.append(f"for <{recipients[0].address}>")
    if client.findings.listed_in:
        parts.append(f"(client listed by {', '.join(sorted(client.findings.listed_in))})")
    return clean(f"{' '.join(parts)}; {internet_date(received.at)}")


def _added(annotation: Annotation, copy_id: str, desk: DeskFields, *, with_priority: bool) -> bytes:
    """Our fields, in the order of the contract."""
    fields = [
        structured_field("Delivered-To", annotation.inbox),
    ]
    if annotation.assigned_to:
        fields.append(structured_field("X-Assigned-To", annotation.assigned_to))
        fields.append(text_field("X-Assigned-Name", annotation.assigned_name))
    if annotation.labels:
        fields.append(text_field("X-Labels", ", ".join(annotation.labels)))
    if annotation.rules:
        fields.append(list_field("X-Routerd-Rules", annotation.rules, MAX_EXPLANATION_BYTES))
    if annotation.why:
        fields.append(text_field("X-Routerd-Why", annotation.why, MAX_EXPLANATION_BYTES))
    fields.append(structured_field("X-Routerd-Id", annotation.queue_id))
    fields.append(structured_field("X-Routerd-Copy", copy_id))
    fields.append(fields_of_addresses(desk))
    if annotation.also:
        fields.append(
            text_field("X-Routerd-Also", ", ".join(f"{inbox} ({member})" for inbox, member in annotation.also))
        )
    if annotation.respond_by:
        fields.append(structured_field("X-Routerd-Respond-By", annotation.respond_by))
    if annotation.trace:
        fields.append(structured_field("X-Routerd-Trace", f"{annotation.queue_id} {' '.join(annotation.trace)}"))
    fields.extend(text_field(name, value) for name, value in annotation.headers)
    if with_priority and annotation.priority is not None:
        fields.append(_PRIORITIES.get(annotation.priority, b""))
    fields.append(fields_of_reply(desk))
    if annotation.auth_results:
        fields.append(structured_field("Authentication-Results", annotation.auth_results))
    if annotation.received:
        fields.append(structured_field("Received", annotation.received))
    return b"".join(fields)


def _traces_of_others(header: bytes) -> bytes:
    """As other routerds wrote them: each knows its own alone, and two that send on to each other would go round until
    there are too many Received. To anybody else they say nothing."""
    if b"X-Routerd-Trace: " not in header:  # asks as much as the pattern in a fraction of its time
        return b""
    found = _TRACE.findall(header)[:MAX_OTHER_TRACES]
    return b"".join(structured_field("X-Routerd-Trace", " ".join(one.decode().split())) for one in found)


def _boundary(original: bytes, copy_id: str) -> str:
    """Made from the copy's id, so that a retry gives the same bytes; none that stands in the original."""
    attempt = 0
    while True:
        boundary = f"=_routerd_{sha256(f'{copy_id}.{attempt}'.encode()).hexdigest()[:32]}"
        if boundary.encode() not in original:
            return boundary
        attempt += 1
