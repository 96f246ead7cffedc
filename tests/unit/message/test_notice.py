"""What the postmaster reads, and what programs read of it."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from email.policy import SMTP

import pytest

from routerd.message.bounce import parse_bounce
from routerd.message.delivery_report import Action, DeliveryReport
from routerd.message.notice import MAX_RETURNED_BYTES, MAX_TYPED, Notice, TroubledCopy, compose_notice
from routerd.message.view import MessageView

AT = datetime(2026, 1, 15, 12, 5, tzinfo=UTC)


def _copy(kind: str = "rerouted", number: int = 1, **changes: str) -> TroubledCopy:
    said = {
        "sender": "anna@klient.pl",
        "role": "owner",
        "member": "ewa",
        "mailbox": "ewa@example.com",
        "reason": "550 5.1.1 no such user",
        "taken_by": "jan" if kind == "rerouted" else "",
        **changes,
    }
    return TroubledCopy(kind, f"01JM-{number}", "01JM", came_at=datetime(2026, 1, 15, 10, tzinfo=UTC), at=AT, **said)


def _notice(*copies: TroubledCopy, total: int = 0, returned: bytes = b"", about: str = "ewa@example.com") -> bytes:
    to = ("jan@example.com", "omar@example.com")
    return compose_notice(Notice("01JN", "mx1.example.com", to, about, copies, total or len(copies), AT, returned))


def _parts(raw: bytes) -> list[Message]:
    message = message_from_bytes(raw, policy=SMTP)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert not message.defects
    return list(message.iter_parts())  # type: ignore[attr-defined]


def _text(raw: bytes) -> str:
    content = _parts(raw)[0].get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


def test_it_is_a_report_that_programs_read() -> None:
    """By RFC 3464: which mailbox, what became of it, why; and the header of the message, as it came."""
    raw = _notice(_copy(), returned=b"From: anna@klient.pl\r\nSubject: faktura\r\n")
    assert [part.get_content_type() for part in _parts(raw)] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    said = parse_bounce(MessageView(raw), "")
    assert isinstance(said, DeliveryReport)
    [recipient] = said.recipients
    assert (recipient.address, recipient.action, recipient.status) == ("ewa@example.com", Action.FAILED, "5.1.1")
    assert said.reporting_mta == "mx1.example.com"
    assert b"Subject: faktura\r\n" in raw


def test_nothing_answers_it() -> None:
    view = MessageView(_notice(_copy()))
    assert view.header("auto-submitted") == ("auto-generated",)
    assert view.kinds >= {"auto", "bounce"}
    assert [mailbox.address for mailbox in view.addresses("to")] == ["jan@example.com", "omar@example.com"]


@pytest.mark.parametrize(
    ("kind", "subject", "command"),
    [
        ("held", "Held: mail for ewa@example.com", "routerd queue release 01JM-1"),
        ("rerouted", "Given to the next in line: mail for ewa@example.com", "routerd trace 01JM-1"),
        ("failed", "Not delivered: a further copy for ewa@example.com", "routerd trace 01JM-1"),
        ("late", "Late: mail for ewa@example.com still waits", "routerd queue retry 01JM-1"),
    ],
)
def test_it_says_what_happened_and_what_to_type(kind: str, subject: str, command: str) -> None:
    raw = _notice(_copy(kind))
    assert MessageView(raw).subject == subject
    text = _text(raw)
    for words in ("01JM-1  from anna@klient.pl", "came 2026-01-15 10:00 UTC", "550 5.1.1 no such user", command):
        assert words in text
    assert max(map(len, text.splitlines())) < 100


def test_what_is_held_may_be_sent_passed_on_or_dropped() -> None:
    """The commands name all copies that are told of, as long as they fit on a line."""
    text = _text(_notice(*(_copy("held", number) for number in (1, 2)))).replace("\r\n", "\n")
    for command in ("release", "bounce", "drop"):
        assert f"    routerd queue {command} 01JM-1 01JM-2\n" in text
    many = _text(_notice(*(_copy("held", number) for number in range(1, 9)))).replace("\r\n", "\n")
    assert f"    routerd queue release {' '.join(f'01JM-{number}' for number in range(1, MAX_TYPED + 1))}\n" in many


def test_of_a_next_hop_that_is_late_all_copies_are_tried_by_one_command() -> None:
    """The notice is about the next hop, not about a mailbox: its name is what the command takes."""
    text = _text(_notice(_copy("late", 1), _copy("late", 2), about="smtp:mail.example.com:25")).replace("\r\n", "\n")
    assert "    routerd queue retry --destination smtp:mail.example.com:25\n" in text
    assert "    routerd queue list\n" in text


def test_what_waits_for_the_postmaster_comes_first() -> None:
    """Of several copies each with its own fate, and how many more there are."""
    raw = _notice(_copy("late", 1), _copy("held", 2), _copy("rerouted", 3), total=50)
    text = _text(raw)
    assert MessageView(raw).subject == "Held: mail for ewa@example.com (50 copies)"
    assert text.index("01JM-2") < text.index("01JM-3") < text.index("01JM-1")
    assert "And 47 more copies" in text
    assert "now for jan" in text
    said = parse_bounce(MessageView(raw), "")
    assert isinstance(said, DeliveryReport)
    assert [one.action for one in said.recipients] == [Action.DELAYED, Action.FAILED, Action.FAILED]


def test_what_strangers_say_cannot_break_out() -> None:
    """Neither lines nor headers nor parts can be made, and no text be turned."""
    evil = "550 no\r\n\r\n--=_routerd_01JN\r\nContent-Type: text/html\r\n\r\n<b>\u202egnp"
    raw = _notice(
        _copy(reason=evil, sender='"a\r\nBcc: x@y"@klient.pl'), returned=b"Subject: \xff\r\nX: " + b"x" * 5000
    )
    assert len(_parts(raw)) == 3
    assert b"\r\nBcc:" not in raw
    assert "\u202e" not in _text(raw)
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) < 999


def test_letters_beyond_ascii_arrive() -> None:
    raw = _notice(_copy(mailbox="łucja@example.com", reason="550 nieznany użytkownik"), about="łucja@example.com")
    assert "łucja@example.com" in MessageView(raw).subject
    assert "nieznany użytkownik" in _text(raw)
    assert rb"utf-8; \x{142}ucja@example.com" in raw


def test_a_long_header_is_cut_at_a_line() -> None:
    raw = _notice(_copy(), returned=b"X-Long: yes\r\n" * 10_000)
    [*_, header] = _parts(raw)
    content = header.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert len(content) <= MAX_RETURNED_BYTES + 2
    assert content.rstrip().endswith(b"X-Long: yes")
