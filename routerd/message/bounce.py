"""What came to a return path of ours: a report of what became of a copy, or something else.

Linear in the message, bounded in all that it gives; never raises for what a message holds.
"""

import re
from dataclasses import replace

from routerd.message.bounce_text import read_text
from routerd.message.delivery_report import (
    MAX_DIAGNOSTIC,
    MAX_RECIPIENTS,
    Action,
    DeliveryReport,
    Form,
    NoReport,
    RecipientReport,
    enhanced_status,
)
from routerd.message.encode import clean
from routerd.message.encoded_words import decode_8bit
from routerd.message.headers import HeaderBlock
from routerd.message.mime import Part, decode_body, decode_part, not_enclosed
from routerd.message.subject import cut_prefixes, says_out_of_office
from routerd.message.view import MessageView

MAX_STATUS_BYTES = 256_000  # of the machine's part of a report, or of all that look like one
MAX_FIELD_BYTES = 4_000
MAX_TEXT_BYTES = 64_000  # of what is written for people

_STATUS_TYPES = frozenset(("message/delivery-status", "message/global-delivery-status"))  # RFC 3464, RFC 6533
_TEXT_TYPES = frozenset(("text/plain", "text/html"))
_DAEMONS = frozenset(("mailer-daemon", "mailerdaemon", "mail-daemon"))
_OF_SERVERS = _DAEMONS | {"postmaster"}
_EMPTY_LINES = re.compile(rb"\r?\n(?:[ \t]*\r?\n)+")
_FIELDS_IN_TEXT = re.compile(r"^Final-Recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
_FIRST_FIELD = re.compile(r"^(?:Reporting-MTA|Final-Recipient|Original-Recipient)[ \t]*:", re.IGNORECASE | re.MULTILINE)
_GENERATED_FROM = re.compile(
    r"^[ \t]*<?([^\s<>]{1,320})>?[ \t]*\n[ \t]*\((?:ultimately )?generated from <?([^\s<>)]{1,320})>?\)", re.MULTILINE
)
_AUTO = re.compile(r"\s*auto(?:matic)?\s?:", re.IGNORECASE)  # Sieve's vacation (RFC 5230 4.4), vacation(1)
_COMMENT = re.compile(r"\([^()]{0,500}\)")
_HEX = re.compile(r"\+([0-9A-F]{2})")


def parse_bounce(view: MessageView, sender: str) -> DeliveryReport | NoReport:
    """`sender` is the envelope's, "" for the null sender.

    A report by RFC 3464 is one whoever hands it on. What is written for people is read only where it comes from nobody,
    or from a mail server's own address, and is no mailbox's answer: that quotes whatever a stranger wrote to it. So no
    text is believed either that the mailbox failed which wrote it.
    """
    parts = list(not_enclosed(view.root))
    text = "" if _is_answer(view) else _text_of(view, parts)
    report = _structured(view, parts, text)
    if report is not None:
        return report
    if _is_other_report(view.root):
        return NoReport.AUTOMATIC
    if not sender or is_by_server(view) or sender.partition("@")[0].lower() in _OF_SERVERS:
        failed = [mailbox.address for mailbox in view.addresses("x-failed-recipients")][:MAX_RECIPIENTS]
        report = _of_others(read_text(text, view.subject, failed), view)
        if report is not None:
            return report
    if "bounce" in view.kinds:
        return NoReport.UNREADABLE
    return NoReport.AUTOMATIC if "auto" in view.kinds else NoReport.OTHER


def _is_answer(view: MessageView) -> bool:
    """Of a person, or of a machine that answers for one (RFC 3834), under whichever of its addresses.

    Some servers call their bounces automatic answers, too.
    """
    subject = cut_prefixes(view.subject)
    if subject.meaning == "reply" or says_out_of_office(subject.text) or _AUTO.match(subject.text):
        return True
    said = (value.partition(b";")[0].partition(b"(")[0] for value in view.headers.raw_values("auto-submitted"))
    is_reply = any(value.strip().lower() == b"auto-replied" for value in said)
    return is_reply and not is_by_server(view) and not view.headers.raw_values("x-failed-recipients")


def is_by_server(view: MessageView) -> bool:
    """Whether a mail server's own address wrote it."""
    return view.author is not None and view.author.address.partition("@")[0] in _OF_SERVERS


def is_daemon(address: str) -> bool:
    """Whether only mail servers write from it, as from postmaster@ people do, too."""
    return address.partition("@")[0].lower() in _DAEMONS


def _structured(view: MessageView, parts: list[Part], text: str) -> DeliveryReport | None:
    """By the fields of RFC 3464, in a part of their own or pasted into the text."""
    room = MAX_STATUS_BYTES
    for part in parts:
        if part.type in _STATUS_TYPES and room > 0:
            fields = decode_body(view.raw, part, room)[0]
            report = _read_fields(fields, text)
            if report is not None:
                return report
            room -= len(fields)
    if _FIELDS_IN_TEXT.search(text):
        first = _FIRST_FIELD.search(text)
        fields = text[first.start() if first else 0 :].encode("utf-8", "replace")
        return _of_others(_read_fields(fields, text), view)
    return None


def _of_others(report: DeliveryReport | None, view: MessageView) -> DeliveryReport | None:
    """Without what is said of the author; None where nothing is left."""
    if report is None or view.author is None:
        return report
    author = view.author.address
    others = tuple(recipient for recipient in report.recipients if not recipient.is_about(author))
    return replace(report, recipients=others) if others else None


def _read_fields(data: bytes, text: str) -> DeliveryReport | None:
    """None where no recipient is named together with what became of the message."""
    recipients: list[RecipientReport] = []
    reporting_mta = ""
    for group in _EMPTY_LINES.split(data.lstrip(b"\r\n"), maxsplit=4 * MAX_RECIPIENTS):
        fields = HeaderBlock.scan(group + b"\r\n")
        reporting_mta = reporting_mta or _typed(_first(fields, "reporting-mta"))
        recipient = _recipient(fields)
        if recipient is not None and len(recipients) < MAX_RECIPIENTS:
            recipients.append(recipient)
    if not recipients:
        return None
    earlier = {found[1].casefold(): found[2] for found in _GENERATED_FROM.finditer(text)}
    return DeliveryReport(tuple(_with_earlier(one, earlier) for one in recipients), Form.REPORT, reporting_mta)


def _with_earlier(recipient: RecipientReport, earlier: dict[str, str]) -> RecipientReport:
    """`earlier`: of rewritten addresses what they were before, by the text."""
    name = earlier.get(recipient.address.casefold(), "")
    return replace(recipient, original=name) if name and not recipient.original else recipient


def _recipient(fields: HeaderBlock) -> RecipientReport | None:
    final = _typed(_first(fields, "final-recipient"))
    original = _typed(_first(fields, "original-recipient"))
    said = _first(fields, "status")
    action = _action(_first(fields, "action"), said)
    if action is None or not (final or original):
        return None
    diagnostic = clean(_first(fields, "diagnostic-code"))[:MAX_DIAGNOSTIC]
    return RecipientReport(
        address=final or original,
        action=action,
        status=enhanced_status(said, diagnostic),
        diagnostic=diagnostic or clean(said)[:MAX_DIAGNOSTIC],
        original=original,
    )


def _action(said: str, status: str) -> Action | None:
    """Without an Action the class of the status says it, but for what may pass: that is not believed to have failed."""
    word = _COMMENT.sub("", said).strip().lower().partition(" ")[0]
    if word in set(Action):
        return Action(word)
    if word:
        return None
    return {"5": Action.FAILED, "4": Action.DELAYED, "2": Action.DELIVERED}.get(enhanced_status(status)[:1])


def _first(fields: HeaderBlock, name: str) -> str:
    values = fields.raw_values(name)
    return decode_8bit(values[0][:MAX_FIELD_BYTES], "").strip() if values else ""


def _typed(value: str) -> str:
    """What stands behind `rfc822;`, without brackets and comments; `+2B` is a `+` where a server left it so."""
    text = _COMMENT.sub("", value.partition(";")[2] if ";" in value else value).strip().strip("<>").strip()
    if "+" in text and "@" not in text.partition("+")[0] and _HEX.search(text):
        text = _HEX.sub(lambda found: chr(int(found[1], 16)), text)  # RFC 3461 4: xtext
    return clean(text)[:320]


def _text_of(view: MessageView, parts: list[Part]) -> str:
    """The first text for people; of HTML what it shows."""
    for part in parts:
        if part.type == "text/plain":
            return decode_part(view.raw, part, MAX_TEXT_BYTES)[0]
    return view.whole_text[:MAX_TEXT_BYTES] if any(part.type in _TEXT_TYPES for part in parts) else ""


def _is_other_report(root: Part) -> bool:
    """A receipt (RFC 8098), a complaint (RFC 5965): automatic, but nothing of a delivery."""
    kind = root.content_type.parameters.get("report-type", "").lower()
    return root.type == "multipart/report" and kind not in ("", "delivery-status")
