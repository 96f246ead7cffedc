"""What a mail server reports of a message that it had taken (RFC 3464), whatever the shape in which it said so."""

import re
from dataclasses import dataclass
from enum import StrEnum

MAX_RECIPIENTS = 100  # of one report; a copy has one
MAX_DIAGNOSTIC = 500  # characters that are kept of a server's words

_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\d|\.\d)")
_REPLY_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?=[ -]|\Z)")


class Action(StrEnum):
    """RFC 3464 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


class Form(StrEnum):
    """In what shape it came."""

    REPORT = "report"  # RFC 3464
    QMAIL = "qmail"
    EXIM = "exim"
    POSTFIX = "postfix"
    SENDMAIL = "sendmail"
    EXCHANGE = "exchange"
    GMAIL = "gmail"
    YAHOO = "yahoo"
    DOMINO = "domino"
    TEXT = "text"  # nobody known


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """`status` is an enhanced code (RFC 3463) or "", `diagnostic` the server's words on one line or ""."""

    address: str  # as the server that reports knows the mailbox
    action: Action
    status: str = ""
    diagnostic: str = ""
    original: str = ""  # as the mailbox was called before servers rewrote it

    def is_about(self, mailbox: str) -> bool:
        """`mailbox` is local@domain."""
        return mailbox.casefold() in (self.address.casefold(), self.original.casefold())


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    recipients: tuple[RecipientReport, ...]  # at least one
    form: Form
    reporting_mta: str = ""


class NoReport(StrEnum):
    """Why a message is none."""

    AUTOMATIC = "automatic"  # an out-of-office, a receipt, any other answer of a machine
    UNREADABLE = "unreadable"  # a bounce, but it does not say whose, or what came of it
    OTHER = "other"  # somebody wrote it


def enhanced_status(*texts: str) -> str:
    """The enhanced status code that says most: the first whose detail is not 0, else the first; "" without any."""
    found = [match[0] for text in texts for match in _STATUS.finditer(text)]
    return next((status for status in found if not status.endswith(".0.0")), found[0] if found else "")


def reply_code(text: str) -> int:
    """The first SMTP reply code of trouble in `text`; 0 without one."""
    found = _REPLY_CODE.search(text)
    return int(found[1]) if found else 0
