"""Words of ours above somebody else's mail."""

from email import message_from_bytes
from email.policy import default

import pytest

from routerd.message.address_list import Mailbox
from routerd.message.headers import find_header_end
from routerd.message.leading import MAX_LED_BYTES, joined, led_by
from routerd.message.outgoing import Letterhead, outgoing_head

LETTERHEAD = Letterhead(Mailbox("Ewa", "support+note@example.com"), (Mailbox("Jan", "jan@example.com"),))
ALTERNATIVE = (
    b"--x\r\nContent-Type: text/plain\r\n\r\nplain\r\n--x\r\nContent-Type: text/html\r\n\r\n<b>html</b>\r\n--x--\r\n"
)


def led(raw: bytes) -> bytes:
    """As a copy of it goes out."""
    head = led_by("Słowo:\n#send\n", outgoing_head(raw, LETTERHEAD), raw)
    end = find_header_end(head).body_start
    body, start = joined(head[end:], raw)
    return head[:end] + bytes(body[start:])


@pytest.mark.parametrize(
    ("fields", "body", "kind"),
    [
        (
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
            "Żółw\r\n".encode(),
            "text/plain",
        ),
        (b"", b"no type at all", "text/plain"),
        (b"Content-Type: multipart/alternative; boundary=x\r\n", ALTERNATIVE, "multipart/alternative"),
        (b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n", b"PGI+\r\n", "text/html"),
    ],
)
def test_ours_stand_above_and_the_mail_below_is_byte_for_byte_as_it_was(fields: bytes, body: bytes, kind: str) -> None:
    """Under its own Content-* fields, whatever it is made of; the whole is a mail without defects."""
    whole = led(b"From: ewa@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\n" + fields + b"\r\n" + body)
    assert whole.count(body) == 1
    mail = message_from_bytes(whole, policy=default)
    ours, written = mail.iter_parts()
    assert (ours.get_content().splitlines(), written.get_content_type()) == (["Słowo:", "#send"], kind)
    assert [part.defects for part in mail.walk() if part.defects] == []
    assert mail["Content-Transfer-Encoding"] == (None if body.isascii() else "8bit")


def test_a_mail_too_large_to_be_joined_goes_as_it_is() -> None:
    raw = b"Subject: x\r\n\r\n" + b"a" * MAX_LED_BYTES
    head = outgoing_head(raw, LETTERHEAD)
    assert led_by("x", head, raw) == head
    assert joined(b"", raw) == (raw, 14)


def test_a_boundary_that_stands_in_the_mail_is_not_taken() -> None:
    """Whoever saw one before may write it into the next."""
    raw = b"Subject: x\r\n\r\n"
    first = message_from_bytes(led(raw), policy=default).get_boundary()
    assert first is not None
    long = b"Subject: x\r\n\r\n" + b"a" * 5000
    seen = message_from_bytes(led(long), policy=default).get_boundary()
    assert seen is not None
    again = message_from_bytes(led(long + b"\r\n--" + seen.encode() + b"--\r\n"), policy=default)
    assert again.get_boundary() != seen
    assert len(list(again.iter_parts())) == 2
