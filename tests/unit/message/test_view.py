"""One message as rules see it."""

import mmap
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerd.message.view import Attachment, Mailbox, MessageView

ALL = (
    "subject", "bare_subject", "author", "message_id", "references", "new_text", "whole_text", "text_was_cut",
    "attachments", "kinds", "received_count", "content_hash", "size_bytes", "defects",
)  # fmt: skip


def view(text: str, **options: int) -> MessageView:
    return MessageView(text.replace("\n", "\r\n").encode(), **options)


def ask_everything(raw: bytes) -> list[object]:
    seen = MessageView(raw, text_limit=5000)
    answers: list[object] = [getattr(seen, name) for name in ALL]
    for name in ("from", "to", "cc", "subject", "x-none"):
        answers += [seen.addresses(name), seen.header(name)]
    return answers


def multipart(kind: str, *parts: str) -> str:
    body = "".join(f"--b\n{part}\n" for part in parts)
    return f"Content-Type: multipart/{kind}; boundary=b\n\n{body}--b--\n"


PLAIN = "Content-Type: text/plain; charset=utf-8\n\n"
HTML = "Content-Type: text/html; charset=utf-8\n\n"


def test_the_header_of_an_ordinary_message() -> None:
    seen = view(
        "Received: a\nReceived: b\nFrom: =?utf-8?q?Anna_=C5=81?= <Anna@klient.PL>\nTo: a@b, c@d\nTo: e@f\n"
        "Subject: Re:\n =?utf-8?q?Skarg=C4=85?=\nMessage-ID: <1@x>\nReferences: <r1@x> <r2@x>\n"
        "In-Reply-To: <r2@x> <r3@x>\n\nhi"
    )
    assert (seen.subject, seen.bare_subject) == ("Re: Skargą", "Skargą")
    assert seen.author == Mailbox("Anna Ł", "anna@klient.pl")
    assert [mailbox.address for mailbox in seen.addresses("TO")] == ["a@b", "c@d", "e@f"]
    assert (seen.message_id, seen.references) == ("1@x", ("r1@x", "r2@x", "r3@x"))
    assert seen.received_count == 2
    assert seen.header("x-none") == ()
    assert seen.new_text == "hi"


def test_a_message_without_anything() -> None:
    seen = MessageView(b"")
    assert (seen.subject, seen.author, seen.message_id, seen.references) == ("", None, None, ())
    assert (seen.new_text, seen.whole_text, seen.attachments, seen.kinds) == ("", "", (), frozenset())


def test_the_newest_references_count() -> None:
    seen = view("References: " + " ".join(f"<{n}@x>" for n in range(80)) + "\n\n")
    assert seen.references == tuple(f"{n}@x" for n in range(30, 80))


def test_only_what_is_asked_for_is_looked_at() -> None:
    """A body that cannot be taken apart is no defect until somebody asks for its text."""
    seen = view("Subject: x\nFrom: a@b\nContent-Type: multipart/mixed\n\nbody")
    assert (seen.subject, seen.author) == ("x", Mailbox("", "a@b"))
    assert seen.defects == []
    assert seen.new_text == "body"
    assert seen.defects == ["multipart without a boundary"]
    assert seen.whole_text == "body"
    assert len(seen.defects) == 1


def test_raw_8bit_headers_go_by_the_charset_of_the_message() -> None:
    raw = "Subject: Skargę\r\nFrom: Żaneta <a@b>\r\nContent-Type: text/plain; charset=windows-1250\r\n\r\nżółw".encode(
        "cp1250"
    )
    seen = MessageView(raw)
    assert (seen.subject, seen.author, seen.new_text) == ("Skargę", Mailbox("Żaneta", "a@b"), "żółw")


def test_plain_text_wins_over_html() -> None:
    assert view(multipart("alternative", PLAIN + "plain", HTML + "<p>html")).new_text == "plain"


@pytest.mark.parametrize(
    "stub",
    [
        "", " \n", "https://example.com/very/long", "View this email in your browser: https://x",
        "Your e-mail client does not support HTML messages.", "Wyświetl tę wiadomość w przeglądarce",
        "Im Browser anzeigen", "Voir dans votre navigateur", "Ver en su navegador", "عرض هذه الرسالة في المتصفح",
    ],
)  # fmt: skip
def test_a_stub_is_passed_over_for_the_html(stub: str) -> None:
    assert view(multipart("alternative", PLAIN + stub, HTML + "<p>skar<b>ga</b></p>")).new_text == "skarga"


def test_a_stub_is_better_than_nothing() -> None:
    assert view(multipart("alternative", PLAIN + "View in browser", HTML + "<p></p>")).new_text == "View in browser"


def test_the_root_of_related_parts_is_read() -> None:
    inner = (
        "Content-Type: multipart/related; boundary=c\n\n--c\n"
        + HTML
        + "<p>text<img src=cid:x>\n--c\nContent-Type: image/png\n\nx\n--c--"
    )
    assert view(multipart("alternative", PLAIN, inner)).new_text == "text"


def test_texts_of_a_mixed_message_join_and_attached_texts_do_not() -> None:
    attached = "Content-Type: text/plain; name=log.txt\nContent-Disposition: attachment\n\nlog"
    assert view(multipart("mixed", PLAIN + "one", attached, HTML + "two")).new_text == "one\ntwo"


def test_a_text_that_only_has_a_file_name_is_read_where_there_is_no_other() -> None:
    assert view("Content-Type: text/plain; name=body.txt\n\nscan").new_text == "scan"


def test_a_file_is_nobodys_own_words() -> None:
    """What stands in one that came along may be somebody else's; a whole mail that has a name is its author's."""
    file = "Content-Type: text/plain; name=a.txt\nContent-Disposition: inline; filename=a.txt\n\n#close"
    assert view(multipart("mixed", file)).own_words.text == ""
    assert view(multipart("mixed", file)).new_text == "#close"
    assert view(file).own_words.text == "#close"


def test_html_quotes_are_cut() -> None:
    seen = view(
        HTML + "<div>NEW</div><div class=gmail_quote><div>On Mon, 5 Jan 2026, Jan &lt;j@x&gt; wrote:<br></div>"
        "<blockquote class=gmail_quote><p>old<p>older</blockquote></div>"
    )
    assert seen.new_text == "NEW"
    assert "older" in seen.whole_text


def test_a_forward_is_seen_whole() -> None:
    text = "FYI\n\nFrom: Anna\nSent: Monday\nTo: x\nSubject: y\n\n> old"
    assert view("Subject: Fwd: y\n\n" + text).new_text == text
    assert view("Subject: y\n\n" + text).new_text == "FYI"


def test_an_enclosed_message_belongs_to_the_whole_text() -> None:
    enclosed = "Content-Type: message/rfc822\n\nSubject: =?utf-8?q?=C5=82?=\n\ninner"
    seen = view("Subject: x\n" + multipart("mixed", PLAIN + "see below", enclosed))
    assert seen.whole_text == "see below\nł\ninner"
    assert seen.new_text == seen.whole_text
    assert seen.kinds == {"forward"}
    reply = view("Subject: Re: x\n" + multipart("mixed", PLAIN + "see below", enclosed))
    assert reply.new_text == "see below"
    assert "inner" in reply.whole_text


def test_a_calendar_part_gives_its_words() -> None:
    seen = view(
        "Content-Type: text/calendar; charset=utf-8\n\nBEGIN:VEVENT\n"
        "SUMMARY:Spotkanie\\, plan\nDESCRIPTION;X=y:a\\nb\n c\n"
    )
    assert seen.new_text == "Spotkanie, plan\na\nbc"
    assert seen.kinds == {"calendar"}


def test_long_text_is_cut_and_says_so() -> None:
    seen = view(PLAIN + "ab " * 5000, text_limit=300)
    assert seen.text_was_cut
    assert len(seen.whole_text) <= 300
    assert not view(PLAIN + "ab").text_was_cut
    many = view(multipart("mixed", *[PLAIN + "x" * 300] * 50), text_limit=300)
    assert many.text_was_cut
    assert len(many.whole_text) < 300 * 10


def test_attachments() -> None:
    """Disposed so, or with a name; a logo that the HTML shows does not count, one that it does not show does."""
    seen = view(
        multipart(
            "mixed",
            HTML + "<img src='cid:Logo@x'>",
            "Content-Type: image/png; name=logo.png\nContent-ID: <logo@X>\nContent-Disposition: inline\n\nx",
            "Content-Type: image/png; name=spare.png\nContent-ID: <spare@x>\n\nabc",
            "Content-Type: application/pdf; name=a.pdf\nContent-Disposition: attachment; filename*=utf-8''%C5%82.pdf\n"
            "Content-Transfer-Encoding: base64\n\nJVBERi0xLjQK",
            "Content-Type: application/x-thing\nContent-Disposition: ATTACHMENT\n\n1",
            "Content-Type: application/x-other\n\n1",
        )
    )
    assert seen.attachments == (
        Attachment("spare.png", "image/png", 3),
        Attachment("ł.pdf", "application/pdf", 9),
        Attachment("", "application/x-thing", 1),
    )


@pytest.mark.parametrize(
    ("head", "kinds"),
    [
        ("Subject: hello", ""),
        ("Subject: Re: x", "reply"),
        ("Subject: x\nIn-Reply-To: <a@b>", "reply"),
        ("Subject: x\nReferences:", ""),
        ("Subject: Fwd: x\nReferences: <a@b>", "forward"),
        ("Subject: PD: x", "forward"),
        ("Auto-Submitted: auto-replied; x=y", "auto"),
        ("Auto-Submitted: No", ""),
        ("X-Autoreply: yes", "auto"),
        ("Precedence: auto_reply", "auto"),
        ("X-Auto-Response-Suppress: OOF, AutoReply", "auto"),
        ("Subject: Automatic reply: x", "auto"),
        ("Subject: Re: Autoodpowiedź", "reply auto"),
        ("From: Mail Delivery <MAILER-DAEMON@x.org>", "bounce auto"),
        ("Content-Type: multipart/report; report-type=delivery-status; boundary=b", "bounce auto"),
        ("Content-Type: multipart/report; report-type=disposition-notification; boundary=b", "auto"),
        ("List-Id: <x.y>", "list"),
        ("Precedence: list", "list"),
        ("Precedence: Bulk", "bulk"),
        ("List-Unsubscribe: <mailto:a@b>", "bulk"),
        ("Content-Type: multipart/encrypted; boundary=b", "encrypted"),
        ("Content-Type: application/pkcs7-mime; smime-type=enveloped-data", "encrypted"),
        ("Content-Type: application/pkcs7-mime; smime-type=signed-data", "signed"),
        ("Content-Type: multipart/signed; boundary=b", "signed"),
        ("Content-Type: text/calendar; method=REQUEST", "calendar"),
        ("Content-Class: urn:content-classes:calendarmessage", "calendar"),
    ],
)
def test_kinds(head: str, kinds: str) -> None:
    assert view(head + "\n\nbody").kinds == set(kinds.split())


def test_inline_pgp_is_seen() -> None:
    assert view("Subject: x\n\n-----BEGIN PGP MESSAGE-----\nabc").kinds == {"encrypted"}
    assert view("Subject: x\n\n\n-----BEGIN PGP SIGNED MESSAGE-----\nabc").kinds == {"signed"}


def test_the_content_hash_is_that_of_what_a_resending_keeps() -> None:
    def one(head: str, body: str = "x") -> bytes:
        return view(f"{head}Subject: a\nMessage-ID: <1>\n\n{body}").content_hash

    assert one("") == one("Received: by somebody\n with a fold\nDelivered-To: us\nAuthentication-Results: x; none\n")
    assert one("") != one("", "y")
    for header in (
        "From: a@b\n",
        "X-Spam-Flag: YES\n",
        "Reply-To: evil@b\n",
        "Content-Type: text/html\n",
        "no field\n",
    ):
        assert one("") != one(header), "who knows a message could send it first, so that it means something else"


def test_a_mapped_file_is_read_as_bytes_are() -> None:
    raw = (multipart("mixed", PLAIN + "żółw", HTML + "<p>x")).replace("\n", "\r\n").encode()
    with tempfile.TemporaryFile() as file:
        file.write(raw)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            one, other = MessageView(mapped), MessageView(raw)
            for name in ALL:
                assert getattr(one, name) == getattr(other, name)


HOSTILE = {
    "semicolons": b"From: " + b";" * 60_000 + b"\n\nx",
    "open bracket": b"From: a@[\nTo: a@[\n\nx",
    "nested multiparts": b"".join(
        b"Content-Type: multipart/mixed; boundary=a%d\n\n--a%d\n" % (n, n) for n in range(4000)
    ),
    "one boundary for all": b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 4000,
    "nested messages": b"Content-Type: message/rfc822\n\n" * 4000,
    "false boundaries": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--ab\n" * 40_000,
    "encoded words": b"Subject: " + b"=?utf-8?q?" * 20_000 + b"?=\n\nx",
    "marks": b"Subject: =?utf-8?q?" + b"=CC=81=CC=A7" * 20_000 + b"?=\n\nx",
    "parameters": b"Content-Type: " + b"text/plain;" * 20_000 + b"\n\nx",
    "references": b"References: " + b"<" * 100_000 + b"\n\nx",
    "base64": b"Content-Transfer-Encoding: base64\n\n" + b"A=" * 100_000,
    "quoted-printable": b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=" * 100_000,
    "NUL in a charset": b'Content-Type: text/plain; charset="utf-8\0x"\n\nx',
    "charset that is no charset": b"Content-Type: text/plain; charset=hex\n\nzz",
    "surrogates": b"Subject: =?utf-16?b?2ADYAA==?=\n\nx",
    "utf-7": b"Content-Type: text/plain; charset=utf-7\n\n" + b"+" * 50_000,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_messages_are_read(raw: bytes) -> None:
    """Each of these has hung or stopped some mail software."""
    ask_everything(raw)


_PIECES = st.sampled_from(
    [
        b"\r\n", b"\n", b"\r\n\r\n", b" ", b"--b", b"--b--", b"Subject: ", b"From: ", b"To: ", b"Content-Type: ",
        b"a@b", b"multipart/mixed; boundary=b", b"multipart/alternative; boundary=b",
        b"multipart/related; start=x; boundary=b",
        b"multipart/report; boundary=b", b"message/rfc822", b"text/html", b"text/plain; charset=", b"text/calendar",
        b"iso-2022-jp", b"utf-16", b"Content-Transfer-Encoding: ", b"base64", b"quoted-printable", b"x-uuencode",
        b"=?utf-8?b?", b"?=", b"<div hidden>", b"<!--", b"> ", b"On 5 Jan wrote:", b"\xc5\x82", b"\xff", b"\0",
        b"\x1b$B", b"Content-ID: <x>", b"Content-Disposition: attachment; filename*0*=", b"cid:x", b"SUMMARY:",
    ]
)  # fmt: skip


@given(st.lists(_PIECES | st.binary(max_size=8), max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_message_raises(pieces: list[bytes]) -> None:
    """Nothing that can be asked of any bytes is an exception, and no decoded header breaks a line."""
    raw = b"".join(pieces)
    ask_everything(raw)
    assert ask_everything(raw) == ask_everything(raw)
    for value in MessageView(raw).header("subject"):
        assert not {"\r", "\n", "\0"} & set(value)
