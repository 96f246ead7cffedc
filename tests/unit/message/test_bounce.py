"""What a bounce may hold that nobody expects."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.bounce import MAX_STATUS_BYTES, parse_bounce
from routerd.message.delivery_report import (
    MAX_DIAGNOSTIC,
    MAX_RECIPIENTS,
    Action,
    DeliveryReport,
    NoReport,
    RecipientReport,
    enhanced_status,
    reply_code,
)
from routerd.message.view import MessageView

QMAIL = "Hi. This is the qmail-send program at h.\n\n<ewa@example.com>:\n550 5.1.1 no\n"


def _said(text: str, sender: str = "", subject: str = "failure notice", header: str = "") -> DeliveryReport | NoReport:
    raw = f"From: x@example.com\nSubject: {subject}\n{header}\n{text}".replace("\n", "\r\n").encode("utf-8", "replace")
    return parse_bounce(MessageView(raw), sender)


def _report(status: str) -> str:
    return (
        "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: text/plain\n\nno\n"
        f"--b\nContent-Type: message/delivery-status\n\n{status}\n--b--\n"
    )


def _structured(status: str, sender: str = "") -> DeliveryReport | NoReport:
    raw = f"From: x@example.com\nSubject: x\n{_report(status)}".replace("\n", "\r\n").encode("utf-8", "replace")
    return parse_bounce(MessageView(raw), sender)


def test_what_a_person_writes_is_not_believed_to_be_a_bounce() -> None:
    """A text proves itself only by where it comes from; a report by RFC 3464 is what its parts say."""
    assert isinstance(_said(QMAIL), DeliveryReport)
    assert _said(QMAIL, sender="ewa@example.com") is NoReport.OTHER
    assert isinstance(_said(QMAIL, sender="MAILER-DAEMON@qmail.example.com"), DeliveryReport)
    status = "Reporting-MTA: dns; h\n\nFinal-Recipient: rfc822; ewa@example.com\nAction: failed\nStatus: 5.1.1\n"
    assert isinstance(_structured(status, sender="odd@example.com"), DeliveryReport)


@pytest.mark.parametrize("sender", ["", "ewa@example.com"])
@pytest.mark.parametrize(
    "quoted",
    [
        QMAIL,
        "Final-Recipient: rfc822; ewa@example.com\nAction: failed\nStatus: 5.1.1\n",
        "Final-Recipient: rfc822; x@y.example\nOriginal-Recipient: rfc822; Ewa@example.com\nAction: failed\n",
        "ewa@example.com\n550 5.1.1 no such user\n",
    ],
)
def test_a_mailbox_that_answers_by_itself_lives(quoted: str, sender: str) -> None:
    """An out-of-office answer may quote a letter in which a stranger wrote that its mailbox has failed."""
    raw = (
        f"From: Ewa <EWA@example.com>\nSubject: Away: undeliverable\nAuto-Submitted: auto-replied\n\nAway.\n\n{quoted}"
    )
    said = parse_bounce(MessageView(raw.replace("\n", "\r\n").encode()), sender)
    assert said is NoReport.AUTOMATIC


@pytest.mark.parametrize("quoted", [QMAIL, "Final-Recipient: rfc822; ewa@example.com\nAction: failed\nStatus: 5.1.1\n"])
@pytest.mark.parametrize(
    "fields",
    [
        "Subject: failure notice\nAuto-Submitted: auto-replied",
        "Subject: failure notice\nAuto-Submitted:\n Auto-Replied (vacation); owner-email=x",
        "Subject: Auto: failure notice",
        "Subject: Re: failure notice",
        "Subject: [EXTERNAL] Odp: failure notice",
        "Subject: Out of office: failure notice",
        "Subject: Automatic reply: Undeliverable: x",
        "Subject: Autoodpowiedź: failure notice",
    ],
)
def test_a_mailbox_that_answers_under_another_of_its_names_lives(fields: str, quoted: str) -> None:
    """An answer is told by its header and subject, too; a report by RFC 3464 in a part of its own is certain."""
    raw = f"From: Sales <sales@example.com>\n{fields}\n\nAway.\n\n{quoted}".replace("\n", "\r\n").encode()
    assert isinstance(parse_bounce(MessageView(raw), ""), NoReport)
    report = _report("Final-Recipient: rfc822; ewa@example.com\nAction: failed\nStatus: 5.1.1\n")
    certain = f"From: Sales <sales@example.com>\n{fields}\n{report}".replace("\n", "\r\n").encode()
    assert isinstance(parse_bounce(MessageView(certain), ""), DeliveryReport)


@pytest.mark.parametrize(
    "header", ["From: Mail Delivery System <Mailer-Daemon@h.example>", "X-Failed-Recipients: ewa@example.com"]
)
def test_a_bounce_that_calls_itself_an_automatic_answer_is_a_bounce(header: str) -> None:
    """Exim's does."""
    raw = f"{header}\nSubject: Mail delivery failed\nAuto-Submitted: auto-replied\n\n{QMAIL}"
    assert isinstance(parse_bounce(MessageView(raw.replace("\n", "\r\n").encode()), ""), DeliveryReport)


def test_what_an_attached_report_says_is_not_said_of_this_message() -> None:
    """A bounce that somebody hands on is his letter, not a bounce."""
    status = "Final-Recipient: rfc822; ewa@example.com\nAction: failed\nStatus: 5.1.1\n"
    inner = f"--o\nContent-Type: message/rfc822\n\nSubject: bounce\n{_report(status)}\n--o--\n"
    outer = f"Subject: x\nContent-Type: multipart/mixed; boundary=o\n\n{inner}"
    assert parse_bounce(MessageView(outer.replace("\n", "\r\n").encode()), "") is NoReport.OTHER


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ("Action: failed (expanded from: ewa)\nStatus: 5.0.0", Action.FAILED),
        ("Action: Delayed\nStatus: 5.0.0", Action.DELAYED),
        ("Status: 5.2.2", Action.FAILED),
        ("Status: 4.2.2", Action.DELAYED),
        ("Action: exploded\nStatus: 5.2.2", None),
        ("Diagnostic-Code: smtp; 550 5.1.1 no", None),
    ],
)
def test_only_what_is_said_to_have_failed_has_failed(fields: str, action: Action | None) -> None:
    said = _structured(f"Reporting-MTA: dns; h\n\nFinal-Recipient: rfc822; ewa@example.com\n{fields}\n")
    if action is None:
        assert said is NoReport.UNREADABLE
    else:
        assert isinstance(said, DeliveryReport)
        assert said.recipients[0].action is action


def test_a_mailbox_is_known_by_its_name_before_it_was_rewritten() -> None:
    recipient = RecipientReport("x@store.internal", Action.FAILED, original="Ewa@Example.com")
    assert recipient.is_about("ewa@example.com")
    assert recipient.is_about("X@store.internal")
    assert not recipient.is_about("omar@example.com")


def test_the_status_that_says_most_counts() -> None:
    assert enhanced_status("5.0.0", "smtp; 550 5.1.1 unknown") == "5.1.1"
    assert enhanced_status("5.0.0", "550 unknown at 192.5.1.1") == "5.0.0"
    assert enhanced_status("(#5.1.1.)") == "5.1.1"
    assert enhanced_status("no 1.2.3") == ""
    assert reply_code("host 550.1.2 said: 552 full") == 552


def test_a_report_of_thousands_is_cut() -> None:
    group = "Final-Recipient: rfc822; {}@example.com\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; {}\n\n"
    said = _structured("Reporting-MTA: dns; h\n\n" + "".join(group.format(n, "x" * 900) for n in range(1000)))
    assert isinstance(said, DeliveryReport)
    assert len(said.recipients) == MAX_RECIPIENTS
    assert max(len(recipient.diagnostic) for recipient in said.recipients) == MAX_DIAGNOSTIC
    text = _said(QMAIL + "".join(f"<u{n}@example.com>:\n550 5.1.1 no\n" for n in range(1000)))
    assert isinstance(text, DeliveryReport)
    assert len(text.recipients) == MAX_RECIPIENTS


HOSTILE = (
    " " * 20, "<", "(", "<a@", "a@b", "\n ", "\n(", "\n\n", "5.1.", "550 ", "=?", "a", "--b\n", "Final-Recipient:",
    "\n\t \n", "Action: failed\n\n", "<mailto:", "generated from <", ">", "(generated from ", "x <a@b.c\n", "\r", "+2B",
)  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_linear_whatever_is_repeated(piece: str) -> None:
    """Ten times the bytes take no more than some forty times the time, and neither is long."""
    for make in (
        lambda size: ("\n" + QMAIL + piece * (size // len(piece)), None),
        lambda size: (None, "Final-Recipient: rfc822; " + piece * (size // len(piece))),
        lambda size: (None, piece * (size // len(piece))),
    ):
        began = process_time()
        text, status = make(300_000)
        if text is not None:
            _said(text, subject="Undelivered " + piece * 500, header=f"X-Failed-Recipients: {piece.strip() * 500}\n")
        else:
            _structured(status or "")
        assert process_time() - began < 5


def test_hundreds_of_reports_in_one_cost_no_more_than_one() -> None:
    """Each looks like the machine's part and names nobody: together they are read as far as one may be long."""
    part = "--b\nContent-Type: message/delivery-status\n\nX: y\n"
    text = "--b\nContent-Type: text/plain\n\n" + "a@b.c\n" * 10_000
    raw = f"From: x@example.com\nContent-Type: multipart/report; boundary=b\n\n{text}{part * 1000}--b--\n"
    began = process_time()
    assert parse_bounce(MessageView(raw.replace("\n", "\r\n").encode()), "") is NoReport.UNREADABLE
    assert process_time() - began < 0.5
    status = "Final-Recipient: rfc822; ewa@example.com\nAction: failed\n"
    junk = "X: y\n" * (MAX_STATUS_BYTES // 5)
    assert _structured(f"{junk}\n--b\nContent-Type: message/delivery-status\n\n{status}") is NoReport.UNREADABLE


@given(st.text(alphabet=st.sampled_from("<>@a.:;( )\n\t5.1-FR"), max_size=300), st.booleans())
def test_nothing_in_a_bounce_makes_it_raise(noise: str, in_status: bool) -> None:
    _structured("Final-Recipient: " + noise) if in_status else _said(QMAIL + noise)
    assert reply_code(noise) in range(600)
