"""What `is:` says of real-shaped mail."""

from base64 import encodebytes

import pytest

from routerd.message.view import MessageView


def kinds(text: str) -> set[str]:
    return set(MessageView(text.replace("\n", "\r\n").encode()).kinds)


def multipart(kind: str, *parts: str) -> str:
    body = "".join(f"--b\n{part}\n" for part in parts)
    return f"Content-Type: multipart/{kind}; boundary=b\n\n{body}--b--\n"


PLAIN = "Content-Type: text/plain\n\nx"


def test_what_an_enclosed_message_is_the_message_is_not() -> None:
    """A bounce of a signed invitation is neither signed nor an invitation."""
    inner = "Content-Type: message/rfc822\n\nContent-Type: multipart/signed; boundary=c\n\n--c\n\n"
    assert kinds(multipart("mixed", PLAIN, inner + "Content-Type: text/calendar\n\nx\n--c--")) == {"forward"}


def der(kind: int) -> str:
    data = b"\x30\x82\x10\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07" + bytes([kind]) + b"\xa0" * 50
    return encodebytes(data).decode()


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        ("application/pkcs7-mime; smime-type=authEnveloped-data; name=smime.p7m", der(2), "encrypted"),
        ("application/pkcs7-mime; name=smime.p7m", der(2), "signed"),
        ("application/x-pkcs7-mime; name=smime.p7m", der(3), "encrypted"),
        ("application/octet-stream; name=smime.p7m", der(2), "signed"),
        ("application/pkcs7-mime; smime-type=compressed-data", der(9), ""),
        ("application/pkcs7-mime; name=smime.p7m", "", "encrypted"),
    ],
)
def test_smime(head: str, body: str, expected: str) -> None:
    """RFC 8551 3.2, 3.9: by its parameter, else by what its first bytes say it holds."""
    assert kinds(f"Content-Type: {head}\nContent-Transfer-Encoding: base64\n\n{body}") == set(expected.split())


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["Content-Type: application/pgp-encrypted\n\nVersion: 1"], "encrypted"),
        (["Content-Type: application/pkcs7-signature; name=smime.p7s\n\nx"], "signed"),
        (["Content-Type: application/pgp-signature\n\nx"], "signed"),
        (["Content-Type: application/octet-stream; name=invite.ICS\n\nx"], "calendar"),
        (["Content-Type: text/x-vcalendar\n\nx"], "calendar"),
    ],
)
def test_parts_that_gateways_took_out_of_their_multipart(parts: list[str], expected: str) -> None:
    """Exchange and list software make a plain multipart/mixed of multipart/encrypted and multipart/signed."""
    assert kinds(multipart("mixed", PLAIN, *parts)) == {expected}


def test_openpgp_in_a_text_is_seen_in_any_encoding() -> None:
    armour = encodebytes(b"-----BEGIN PGP MESSAGE-----\r\n\r\nabc").decode()
    assert kinds("Content-Transfer-Encoding: base64\n\n" + armour) == {"encrypted"}
    assert kinds("Content-Type: text/plain\n\nHello\n\n-----BEGIN PGP MESSAGE-----\nabc") == {"encrypted"}
    assert kinds("Content-Type: text/plain\n\nWhat does -----BEGIN PGP MESSAGE----- mean?") == set()


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("Content-Type: multipart/report; report-type=feedback-report; boundary=b", "auto"),
        ("Content-Type: multipart/report; report-type=disposition-notification; boundary=b", "auto"),
        ("X-FC-MachineGenerated: true", "auto"),
        ("X-POST-MessageClass: 9; Autoresponder", "auto"),
        ("Auto-Submitted: auto-generated (rejected)", "auto"),
        ("Auto-Submitted: no (really)", ""),
        ("Auto-Submitted:", ""),
        ("Precedence: first-class", ""),
        ("Subject: Out of office: x\nIn-Reply-To: <a@b>", "reply auto"),
        ("Subject: Automatisch bezahlen", ""),
        ("Subject: [EXTERNAL] Fwd: x", "forward"),
        ("Subject: [EXTERNAL] Automatic reply: x", "auto"),
        ("From: mailer-daemonette@x.org", ""),
    ],
)
def test_automatic_mail(head: str, expected: str) -> None:
    assert kinds(head + "\n\nbody") == set(expected.split())
