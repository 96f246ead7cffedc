"""Which text of real-shaped mail is read, and which of its parts are attachments."""

from base64 import encodebytes

import pytest

from routerd.message.body_text import readable_bytes
from routerd.message.view import MessageView

PLAIN = "Content-Type: text/plain; charset=utf-8\n\n"
HTML = "Content-Type: text/html; charset=utf-8\n\n"
FLOWED = "Content-Type: text/plain; charset=utf-8; format=flowed"


def view(text: str) -> MessageView:
    return MessageView(text.replace("\n", "\r\n").encode())


def multipart(kind: str, *parts: str, boundary: str = "b") -> str:
    body = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f"Content-Type: multipart/{kind}; boundary={boundary}\n\n{body}--{boundary}--\n"


@pytest.mark.parametrize(
    "stub",
    [
        "This is an HTML message. Please use an HTML capable mail program to read it.",
        "This e-mail is in HTML format and your mail program cannot display it.",
        "If you cannot see this message properly, please click here: https://x.example/1",
        "Having trouble viewing this email? https://x.example/1",
        "Your email client cannot read this email.\nTo view it online, please go here:\nhttps://x.example/d",
        "View online: https://x.example",
        "This is a multi-part message in MIME format.",
        "Ihr E-Mail-Programm unterstützt leider keine HTML-E-Mails.",
        "Ihr E-Mail-Programm kann diese Nachricht nicht anzeigen.",
        "Falls diese E-Mail nicht richtig dargestellt wird, klicken Sie bitte hier.",
        "Zur Online-Version: https://x.example",
        "Twój program pocztowy nie obsługuje wiadomości HTML.",
        "Twój klient poczty nie wyświetla wiadomości w formacie HTML",
        "Jeśli wiadomość nie wyświetla się poprawnie, kliknij tutaj",
        "Kliknij tutaj, aby zobaczyć wersję online: https://x.example",
        "Si vous ne parvenez pas à lire ce message, consultez la version en ligne",
        "Votre logiciel de messagerie ne prend pas en charge le HTML.",
        "Si este mensaje no se ve correctamente, haga clic aquí",
        "Su programa de correo no admite mensajes HTML",
        "إذا لم تظهر هذه الرسالة بشكل صحيح اضغط هنا",
        "برنامج البريد الخاص بك لا يدعم عرض رسائل HTML",
        "إذا كنت لا ترى الرسالة، اعرضها في المتصفح",
        "<https://x.example/1>\n\n[image: logo]",
        "[cid:image001.png@01D9]",
        "\u200c \u200c \u00a0\u00ad",
        "--",
    ],
)
def test_a_text_that_only_points_at_the_html_is_passed_over(stub: str) -> None:
    assert view(multipart("alternative", PLAIN + stub, HTML + "<p>skar<b>ga</b></p>")).new_text == "skarga"


@pytest.mark.parametrize(
    "text",
    [
        "Thanks!",
        "Please send me the invoice https://x.example/1",
        "Proszę o fakturę w formacie PDF.",
        "I cannot read the invoice, please send it again.",
        "Nie mogę otworzyć strony w przeglądarce, proszę o pomoc w sprawie zamówienia 12.",
        "Ihr Programm unterstützt kein Update, was soll ich tun?",
        "هل يمكنكم إرسال الفاتورة",
    ],
)
def test_a_short_message_of_its_own_is_none_that_is_passed_over(text: str) -> None:
    assert view(multipart("alternative", PLAIN + text, HTML + f"<p>{text} (rich)</p>")).new_text == text


def test_a_few_words_beside_much_html_are_passed_over_in_any_language() -> None:
    """Some programs put a line of their own into the plain text, and the letter into the HTML alone."""
    letter = "<p style='font-family:Arial;margin:0 0 0 0'>skarga na towar oraz obsługę w sklepie</p>\n" * 120
    seen = view(multipart("alternative", PLAIN + "Läs meddelandet på webben", HTML + letter))
    assert seen.new_text.startswith("skarga na towar")
    wrapped = "<div style='font-family:Arial;mso-line-height-rule:exactly'></div>\n" * 200
    assert view(multipart("alternative", PLAIN + "Dziękuję", HTML + wrapped + "Dziękuję")).new_text == "Dziękuję"


def test_a_calendar_part_is_read_where_there_is_no_other_text() -> None:
    """What a person sees of an invitation, unescaped and unfolded; what its alarms say is not from the sender."""
    invitation = (
        "Content-Type: text/calendar; method=REQUEST; charset=utf-8\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\n"
        'SUMMARY;LANGUAGE=pl;ALTREP="http://x.example:80/a":Rozmowa o ska\n rdze\\, pilne\n'
        "DESCRIPTION:pierwszy\\nC:\\\\new; drugi\nLOCATION:Sala 3\nBEGIN:VALARM\nDESCRIPTION:Reminder\nEND:VALARM\n"
        "END:VEVENT\nEND:VCALENDAR\n"
    )
    text = "Rozmowa o skardze, pilne\npierwszy\nC:\\new; drugi\nSala 3"
    assert view(invitation).new_text == text
    assert view(multipart("alternative", PLAIN + " ", invitation)).new_text == text
    both = view(multipart("alternative", PLAIN + "Zapraszam", HTML + "<p>Zapraszam", invitation))
    assert both.new_text == "Zapraszam"
    assert both.kinds == {"calendar"}


def test_flowed_lines_are_joined() -> None:
    """RFC 3676: a line that ends with a space goes on, at the same depth; the signature's line does not."""
    text = "Składam skargę \nna towar. \n\n \nKoniec\n> stary \n> tekst\n>> starszy \n> znów\n-- \nAnna \nNowak"
    assert view(f"{FLOWED}\n\n{text}").whole_text == (
        "Składam skargę na towar. \n\n\nKoniec\n> stary tekst\n>> starszy \n> znów\n-- \nAnna Nowak"
    )


def test_spaces_that_only_break_a_flowed_line_go() -> None:
    """RFC 3676 4.2, and 4.4 for a line that is stuffed so that it does not look like a quote."""
    assert view(f"{FLOWED}; delsp=yes\n\nska \nrga\n >> nie cytat\n From dawna").whole_text == (
        "skarga\n>> nie cytat\nFrom dawna"
    )


def test_flowed_text_may_be_in_base64() -> None:
    head = f"{FLOWED}\nContent-Transfer-Encoding: base64\n\n"
    assert view(head + encodebytes(b"one \r\ntwo\r\n").decode()).new_text == "one two"


def test_spaces_at_line_ends_mean_nothing_in_text_that_is_not_flowed() -> None:
    assert view(PLAIN + "one \ntwo").whole_text == "one \ntwo"


def test_a_nul_is_nothing() -> None:
    assert view(PLAIN + "ska\0rga").new_text == "skarga"


def test_enriched_text_is_read_without_its_commands() -> None:
    """RFC 1896."""
    text = "<bold>ska</bold>rga <<pilne> <color><param>red</param>teraz</color>"
    assert view("Content-Type: text/enriched\n\n" + text).new_text == "skarga <pilne> teraz"


@pytest.mark.parametrize(("kind", "read"), [("markdown", True), ("x-unheard-of", True), ("css", False), ("rtf", False)])
def test_text_of_an_unknown_kind_is_plain_text(kind: str, read: bool) -> None:
    """RFC 2046 4.1.4; but not what no client shows as text."""
    assert view(f"Content-Type: text/{kind}\n\nskarga").new_text == ("skarga" if read else "")


def test_amp_and_watch_parts_are_passed_over() -> None:
    parts = (
        "Content-Type: text/watch-html\n\n<b>watch",
        "Content-Type: text/x-amp-html\n\n<html amp4email>amp",
        HTML + "<p>html",
    )
    assert view(multipart("alternative", *parts)).new_text == "html"
    assert view(multipart("alternative", HTML + "<p>html", *parts[:2])).new_text == "html"


def test_html_disposed_as_an_attachment_is_no_body() -> None:
    attached = "Content-Type: text/html; name=report.html\nContent-Disposition: attachment\n\n<p>attached"
    assert view(multipart("mixed", attached)).new_text == ""
    assert view(multipart("mixed", PLAIN + "see report", attached)).whole_text == "see report"


def test_the_root_of_related_parts_is_the_first_that_has_text() -> None:
    """Some programs put the picture first and name no root."""
    picture = "Content-Type: image/png\nContent-ID: <x>\n\nx"
    assert view(multipart("related", picture, HTML + "<p>a<img src=cid:x>")).new_text == "a"


def test_text_between_pictures_is_read_whole() -> None:
    """Apple Mail: mixed parts in one alternative."""
    mixed = multipart("mixed", HTML + "one", "Content-Type: application/pdf\n\nx", HTML + "two", boundary="c")
    assert view(multipart("alternative", PLAIN, mixed)).new_text == "one\ntwo"


def test_what_an_armour_of_openpgp_encloses_is_not_text() -> None:
    """RFC 9580 6.2, 7: base64 has every short word in it by chance; signed text is read without its dashes."""
    block = "Version: 1\n\nd3VydHZpcA==\n=abcd\n"
    signed = (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nskarga\n- -----\n- -- \nAnna\n"
        f"-----BEGIN PGP SIGNATURE-----\n{block}-----END PGP SIGNATURE-----\n"
    )
    assert view(PLAIN + signed).whole_text == "skarga\n-----\n-- \nAnna"
    encrypted = f"Hello\n\n-----BEGIN PGP MESSAGE-----\n{block}-----END PGP MESSAGE-----\nBye"
    assert view(PLAIN + encrypted).whole_text == "Hello\n\nBye"
    assert view(PLAIN + "a\n-----BEGIN PGP MESSAGE-----\nand then words").whole_text == (
        "a\n-----BEGIN PGP MESSAGE-----\nand then words"
    )


def test_the_returned_header_of_a_bounce_is_enclosed() -> None:
    """It is not what the report itself says, and is seen in the whole text."""
    report = view(
        multipart(
            "report; report-type=delivery-status",
            PLAIN + "could not be delivered",
            "Content-Type: message/delivery-status\n\nStatus: 5.1.1",
            "Content-Type: text/rfc822-headers\n\nSubject: skarga",
        )
    )
    assert report.kinds == {"bounce", "auto"}
    assert "skarga" not in report._body.own[0]
    assert report.whole_text.endswith("Subject: skarga")


def test_a_message_in_base64_is_read_too() -> None:
    """RFC 2046 5.2.1 forbids it, and gateways do it."""
    inner = encodebytes(b"Subject: wewn\r\nContent-Type: text/plain\r\n\r\nskarga").decode()
    head = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
    seen = view(multipart("mixed", PLAIN + "see", head + inner))
    assert seen.whole_text == "see\nwewn\nskarga"
    assert seen.kinds == {"forward"}


def test_a_message_encoded_again_and_again_is_read_once() -> None:
    text = "Subject: core\n\nskarga"
    for _ in range(30):
        inner = encodebytes(text.encode()).decode()
        text = f"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n{inner}"
    assert "skarga" not in view(text).whole_text


LOGO = "Content-Type: image/png; name=logo.png\nContent-ID: <logo@x>\n\nx"


@pytest.mark.parametrize("source", ["cid:logo@x", "CID:LOGO%40x", "cid:logo&#64;x"])
def test_a_logo_is_no_attachment_whichever_text_is_read(source: str) -> None:
    """The HTML shows it, also where rules read the plain text beside it."""
    related = multipart("related", HTML + f"<p>hi<img src='{source}'>", LOGO, boundary="c")
    seen = view(multipart("alternative", PLAIN + "Good morning", related))
    assert seen.new_text == "Good morning"
    assert seen.attachments == ()


def test_a_picture_that_no_html_shows_is_an_attachment() -> None:
    assert len(view(multipart("mixed", PLAIN + "see cid:logo@x", LOGO)).attachments) == 1


def test_the_charset_named_in_html_counts_where_the_part_names_none() -> None:
    html = '<meta http-equiv=Content-Type content="text/html; charset={}"><p>{}'
    for head in ("", "; charset=us-ascii", "; charset=unknown-8bit"):
        raw = f"Content-Type: text/html{head}\r\n\r\n".encode()
        assert MessageView(raw + html.format("windows-1250", "żółw").encode("cp1250")).new_text == "żółw"
        assert MessageView(raw + html.format("windows-1250", "żółw").encode()).new_text == "żółw", "it lies, too"
        assert MessageView(raw + html.format("utf-16", "café").encode("cp1252")).new_text == "café"


@pytest.mark.parametrize(
    ("part", "is_readable"),
    [
        ("Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n", False),
        ("Content-Type: image/png; name=x.txt\n\n", False),
        ("Content-Type: text/csv\nContent-Disposition: attachment\n\n", True),
        ("Content-Type: application/xhtml+xml\n\n", True),
        ("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n", True),
        ("Content-Type: multipart/mixed; boundary=none\n\n", True),
        ("Content-Type: pdf\n\n", True),
    ],
)
def test_what_may_be_read_is_told_by_its_type(part: str, is_readable: bool) -> None:
    """The text of other parts is never looked for, however they are disposed."""
    message = view(multipart("mixed", PLAIN + "hello", part + "A" * 1000))
    left = len(message.raw) - readable_bytes(message.raw, message.root)
    assert left == (0 if is_readable else 1000)
