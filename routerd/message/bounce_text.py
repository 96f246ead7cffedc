"""Reports that mail servers write for people, without a part for machines.

Each kind of server is known by its words; behind them, above the returned message, stand the addresses, each on a line
that says nothing else, and below an address the reason.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from routerd.message.delivery_report import (
    MAX_DIAGNOSTIC,
    MAX_RECIPIENTS,
    Action,
    DeliveryReport,
    Form,
    RecipientReport,
    enhanced_status,
    reply_code,
)
from routerd.message.encode import clean

MAX_LINES = 1_000
MAX_LINE = 1_000  # characters; longer ones name nobody
MAX_REASON_LINES = 12
HEAD_CHARACTERS = 6_000  # where a server says who it is and whether it goes on trying


class _Dialect(NamedTuple):
    form: Form
    words: re.Pattern[str]


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


# The first that fits. A dialect that quotes another's words stands above it.
_DIALECTS = (
    _Dialect(Form.QMAIL, _words(r"this is the qmail-send program", r"^hi\. this is the .{1,60} at ")),
    _Dialect(Form.EXIM, _words(r"created automatically by mail delivery software")),
    _Dialect(Form.POSTFIX, _words(r"this is the (?:mail system|postfix program) at host")),
    _Dialect(Form.GMAIL, _words(r"delivery to the following recipients? (?:has been delayed|failed permanently)",
                                r"your message (?:wasn't|couldn't be) delivered to", r"google tried to deliver")),
    _Dialect(Form.YAHOO, _words(r"unable to deliver your message to the following address")),
    _Dialect(Form.DOMINO, _words(r"\bwas not delivered to:")),
    _Dialect(Form.EXCHANGE, _words(r"did not reach the following recipient",
                                   r"diagnostic information for administrators",
                                   r"delivery (?:has failed|is delayed) to these recipients")),
    _Dialect(Form.SENDMAIL, _words(r"the following addresses had (?:permanent fatal|transient non-fatal) errors",
                                   r"transcript of session follows")),
)  # fmt: skip
_GOES_ON_TRYING = _words(
    r"this is a warning message only", r"you do not need to resend", r"transient non-fatal errors",
    r"has not yet been delivered", r"still (?:undelivered|being retried)", r"will (?:keep|continue) (?:trying|to try)",
    r"delivery attempts will continue", r"delivery is delayed", r"has been delayed", r"will be retried",
)  # fmt: skip
_SUBJECT_OF_FAILURE = _words(
    r"undeliver", r"undelivered", r"returned mail", r"returned to sender", r"failure notice", r"delivery (?:has )?fail",
    r"mail delivery (?:failed|problem)", r"delivery status notification", r"message not delivered", r"non remis",
    r"unzustellbar", r"nicht zugestellt", r"nie (?:została? )?dostarczon", r"niedostarczon", r"non recapitat",
    r"no se pudo entregar", r"не доставлен", r"недоставлен", r"تعذر (?:ال)?تسليم", r"لم يتم تسليم",
)  # fmt: skip
_RETURNED = re.compile(
    r"-{2,}\s?(?:below this line|this is a copy|original message|message header|unsent message|attached is|"
    r"forwarded message|returned message|the header of the original|enclosed is)|"
    r"original message headers|message headers follow|below is a copy of the original|"
    r"(?:return-path|received): ?|content-type: message/rfc822",
    re.IGNORECASE,
)
_ADDRESS = r"([^\s<>\"(),;:@\[\]]{1,64}@[A-Za-z0-9._-]{1,255})"
_BRACKETED = re.compile(rf"\s{{0,20}}<{_ADDRESS}>(?:\.\.\.|:|\s{{0,9}}\Z)(.*)")
_BARE = re.compile(rf"\s{{0,20}}{_ADDRESS}:?\s{{0,9}}\Z")
_SAID = re.compile(rf"\s{{0,20}}{_ADDRESS}:\s(.*)")
_QUOTED = re.compile(rf"\s{{0,20}}failed to deliver to '<?{_ADDRESS}>?'", re.IGNORECASE)
_LABELLED = re.compile(
    rf"\s{{0,20}}(?:failed |final )?recipient(?: address)?: {{0,9}}\[?(?:smtp:)?<?{_ADDRESS}>?\]?\s{{0,9}}\Z",
    re.IGNORECASE,
)
_DATED = re.compile(rf"\s{{0,20}}{_ADDRESS} on \w{{2,4}}, ")
_LINKED = re.compile(rf"[^<>]{{0,200}}<mailto:{_ADDRESS}>\s{{0,9}}\Z", re.IGNORECASE)
_NAMED = re.compile(rf"\s{{0,20}}[^<>@:]{{1,100}}<{_ADDRESS}>:?\s{{0,9}}\Z")
_FORMS = (_DATED, _BARE, _LINKED, _NAMED, _QUOTED, _LABELLED)
_GENERATED_FROM = re.compile(rf"\s{{0,20}}\((?:ultimately )?generated from <?{_ADDRESS}>?\)")


@dataclass(slots=True)
class _Draft:
    address: str
    original: str = ""
    reason: list[str] = field(default_factory=list)


def read_text(text: str, subject: str, failed: Sequence[str]) -> DeliveryReport | None:
    """`failed`: the addresses that a header of the report names already. None: no report that is understood.

    Without words that tell a known server, the subject must be a bounce's and the reason hold a reply's code.
    """
    lines = list(_told(text))
    head = "\n".join(lines)[:HEAD_CHARACTERS]
    form = next((dialect.form for dialect in _DIALECTS if dialect.words.search(head)), None)
    if form is None and not failed and not _SUBJECT_OF_FAILURE.search(subject[:MAX_LINE]):
        return None
    drafts = _drafts(lines)
    for address in failed:
        drafts.setdefault(address.casefold(), _Draft(address, reason=[] if drafts else lines[-MAX_REASON_LINES:]))
    if failed:
        named = {address.casefold() for address in failed}
        drafts = {key: draft for key, draft in drafts.items() if key in named}
    action = Action.DELAYED if _GOES_ON_TRYING.search(head) else Action.FAILED
    recipients = tuple(_recipient(draft, action) for draft in list(drafts.values())[:MAX_RECIPIENTS])
    if form is None:
        recipients = tuple(one for one in recipients if one.status or reply_code(one.diagnostic))
    return DeliveryReport(recipients, form or Form.TEXT) if recipients else None


def _told(text: str) -> Iterator[str]:
    """The lines above the returned message, less what is quoted."""
    for line in text.split("\n", MAX_LINES)[:MAX_LINES]:
        if _RETURNED.match(line.lstrip()[:100]):
            return
        if len(line) <= MAX_LINE and not line.startswith(">"):
            yield line


def _drafts(lines: Sequence[str]) -> dict[str, _Draft]:
    """The addresses in their order, each with the lines below it."""
    drafts: dict[str, _Draft] = {}
    current: _Draft | None = None
    for line in lines:
        with_reason = _BRACKETED.match(line) or _SAID.match(line)
        found = with_reason or next((match for form in _FORMS if (match := form.match(line))), None)
        if found is not None:
            current = drafts.setdefault(found[1].casefold(), _Draft(found[1]))
            if with_reason:
                current.reason.append(with_reason[2])
        elif current is not None:
            earlier = _GENERATED_FROM.match(line)
            if earlier:
                current.original = earlier[1]
            elif line.strip() and len(current.reason) < MAX_REASON_LINES:
                current.reason.append(line)
    return drafts


def _recipient(draft: _Draft, action: Action) -> RecipientReport:
    reason = clean(" ".join(draft.reason))
    return RecipientReport(draft.address, action, enhanced_status(reason), reason[:MAX_DIAGNOSTIC], draft.original)
