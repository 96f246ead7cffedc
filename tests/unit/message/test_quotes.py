"""Quotes and signatures, as clients write them in six languages."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.quotes import MAX_CLOSE_LOOKS, MAX_GLANCES, MAX_LINES, OwnWords, Scan, cut_quotes, own_words
from routerd.message.subject import cut_prefixes, says_out_of_office

REPLIES = [
    pytest.param(
        "On Mon, Jan 5, 2026 at 10:00 AM Anna Kowalska <anna@klient.pl>\nwrote:\n\n> OLD", id="gmail en, wrapped"
    ),
    pytest.param("pon., 5 sty 2026 o 10:00 Anna <anna@klient.pl> napisał(a):\n\n> OLD", id="gmail pl"),
    pytest.param("Am Mo., 5. Jan. 2026 um 10:00 Uhr schrieb Anna <\nanna@klient.pl>:\n\n> OLD", id="gmail de, wrapped"),
    pytest.param("Le lun. 5 janv. 2026 à 10:00, Anna <a@b> a écrit :\n\n> OLD", id="gmail fr"),
    pytest.param("El lun, 5 ene 2026 a las 10:00, Anna (<a@b>) escribió:\n\n> OLD", id="gmail es"),
    pytest.param("في الاثنين، 5 يناير 2026 في 10:00 ص تمت كتابة ما يلي بواسطة Anna <a@b>:\n\n> OLD", id="gmail ar"),
    pytest.param("W dniu 5.01.2026 o 10:00, Anna Kowalska pisze:\n> OLD", id="thunderbird pl"),
    pytest.param("Am 05.01.2026 um 10:00 schrieb Anna:\n> OLD", id="thunderbird de"),
    pytest.param("في ٥ يناير ٢٠٢٦، كتب أحمد:\n> OLD", id="apple ar"),
    pytest.param("Wiadomość napisana przez Anna <a@b> w dniu 5 sty 2026, o godz. 10:00:\n\nOLD", id="apple pl"),
    pytest.param("> On 5 Jan 2026, at 10:00, Anna <a@b> wrote:\n> \n> OLD", id="apple en"),
    pytest.param("From: Anna <a@b>\nSent: Monday\nTo: x\nSubject: y\n\nOLD", id="outlook en"),
    pytest.param(
        "________________________________\nOd: Anna\nWysłano: poniedziałek\nDo: x\nTemat: y\n\nOLD", id="outlook pl"
    ),
    pytest.param("Von: Anna\nGesendet: Montag\nAn: x\nBetreff: y\n\nOLD", id="outlook de"),
    pytest.param("De : Anna\nEnvoyé : lundi\nÀ : x\nObjet : y\n\nOLD", id="outlook fr"),
    pytest.param("De: Anna\nEnviado el: lunes\nPara: x\nAsunto: y\n\nOLD", id="outlook es"),
    pytest.param("من: Anna\nتاريخ الإرسال: الاثنين\nإلى: x\nالموضوع: y\n\nOLD", id="outlook ar"),
    pytest.param("*From:* Anna\n*Sent:* Monday\n*To:* x\n*Subject:* y\n\nOLD", id="outlook en, bold"),
    pytest.param("-----Original Message-----\nOLD", id="original en"),
    pytest.param("-------- Wiadomość oryginalna --------\nOLD", id="original pl"),
    pytest.param("*-------- Original Message --------*\nOLD", id="original en, bold"),
    pytest.param("**From:** Anna\n**Sent:** Monday\n**To:** x\n**Subject:** y\n\nOLD", id="outlook en, markdown"),
    pytest.param("-----Ursprüngliche Nachricht-----\nOLD", id="original de"),
    pytest.param("-----Message d'origine-----\nOLD", id="original fr"),
    pytest.param("-----Mensaje original-----\nOLD", id="original es"),
    pytest.param("-----الرسالة الأصلية-----\nOLD", id="original ar"),
    pytest.param("-- \nAnna OLD\n+48 123", id="signature"),
    pytest.param("Sent from my iPhone", id="iphone en"),
    pytest.param("Wysłane z iPhone'a", id="iphone pl"),
    pytest.param("Von meinem iPhone gesendet", id="iphone de"),
    pytest.param("Envoyé de mon iPhone", id="iphone fr"),
    pytest.param("Enviado desde mi iPhone", id="iphone es"),
    pytest.param("أُرسلت من الـ iPhone", id="iphone ar"),
    pytest.param("Wysłano z aplikacji Outlook dla systemu Android", id="outlook mobile pl"),
    pytest.param("Sent from Mail for Windows", id="windows mail"),
    pytest.param("Gesendet mit der GMX Mail App", id="gmx app"),
    pytest.param("Get Outlook for iOS\n> OLD", id="outlook mobile"),
    pytest.param("Sent from my Verizon, Samsung Galaxy smartphone", id="verizon"),
    pytest.param("Sent from Outlook for iOS<https://aka.ms/o0ukef>", id="outlook mobile, link"),
    pytest.param("Wysłane z aplikacji Poczta systemu Windows", id="windows mail pl"),
    pytest.param("Wysłane z systemu Outlook dla systemu Android", id="outlook mobile pl 2"),
    pytest.param("Diese Nachricht wurde von meinem Android-Gerät mit GMX Mail gesendet.", id="gmx android"),
    pytest.param("Von meinem Samsung Gerät gesendet.", id="samsung de"),
    pytest.param("Von meinem Mobilgerät gesendet", id="mobile de"),
    pytest.param("Sent from my cell", id="cell"),
    pytest.param("Envoyé depuis l’application Mail Orange", id="orange"),
    pytest.param("Provenance : Courrier pour Windows", id="windows mail fr"),
    pytest.param("Enviado desde Correo para Windows", id="windows mail es"),
    pytest.param("تم إرسالها من Yahoo Mail على Android", id="yahoo ar"),
    pytest.param("من الـ iPhone الخاص بي", id="iphone ar 2"),
]


@pytest.mark.parametrize("old", REPLIES)
def test_only_what_is_new_is_left(old: str) -> None:
    """Behind an answer, each client's way to quote is known."""
    assert cut_quotes(f"NEW line\n\n{old}\n") == "NEW line"


@pytest.mark.parametrize("old", REPLIES)
def test_a_message_in_which_nothing_is_left_is_seen_whole(old: str) -> None:
    assert cut_quotes(f"\n{old}\n") == old.strip()


def test_answers_below_and_between_quotes_stay() -> None:
    assert cut_quotes("> one\nA\n> two\nB\n") == "A\nB"
    assert cut_quotes("On 5 Jan 2026, Anna wrote:\n> old\n\nBelow\n") == "Below"


@pytest.mark.parametrize(
    "mark",
    [
        "---------- Forwarded message ---------", "Begin forwarded message:", "-------- Przekazana wiadomość --------",
        "-------- Weitergeleitete Nachricht --------", "Début du message transféré :",
        "---------- Mensaje reenviado ---------",
        "---------- رسالة معاد توجيهها ---------",
    ],
)  # fmt: skip
def test_what_is_forwarded_stays(mark: str) -> None:
    text = f"FYI\n\n{mark}\nFrom: a\nSubject: s\nTo: b\n\n> x\ny"
    assert cut_quotes(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "He wrote:\nplease pay 100",
        "I wrote to you on 5 Jan 2026:\nno answer",
        "From: what I see\nit works",
        "Please quote:\nFrom: Warsaw\nTo: Berlin\nDate: 5 May\nPrice?",
        "Sent from the warehouse yesterday, please check.\nThanks",
        "Gesendet mit der Post am Montag.\nDanke",
        "Sent from my phone shop yesterday, no answer.\nThanks",
        "Here are the photos which my wife took and which were\nsent from my phone today.",
        "Von meinem Handy aus geht es nicht.\nDanke",
        "Get Outlook working again, please.\nThanks",
        "أرسلت من قبل رسالة\nشكرا",
        "a\n---\nb",
        "Total: 5\n=====\nmore",
    ],
)
def test_what_only_looks_like_a_mark_stays(text: str) -> None:
    """Where in doubt, nothing is lost."""
    assert cut_quotes(text) == text


@given(st.text(st.sampled_from("> :-_\nOnwrote5@From:Subject:To:Am schrieb في كتب") | st.characters()))
def test_the_cutter_never_raises_and_never_empties(text: str) -> None:
    assert bool(cut_quotes(text)) == bool(text.strip())


FLOODS = [
    ">\n", ":\n", "a:\n", "1:\n>\n", "wrote:\n>\n", "x\n@x:\n", "On 1.1.2025 <a@b> wrote\n:\n", "--\n", "-- \n",
    "----a\n", "From: a\n", "Sent: a\n", "Sent from my phone x, x\n", "Von meinem iPhone\n", "-", "_\n", "\n",
    " ", "\u200f\n",
]  # fmt: skip


@pytest.mark.parametrize("piece", FLOODS)
def test_a_flood_of_marks_is_bounded(piece: str) -> None:
    """The lines that are looked at more than once are counted, and are no more in twice as much text."""
    for size in (100_000, 200_000):
        scan = Scan(piece * (size // len(piece)))
        scan.new_text()
        assert scan.glances <= MAX_GLANCES
        assert scan.close_looks <= MAX_CLOSE_LOOKS


def test_a_quote_below_very_many_lines_is_still_cut() -> None:
    """By its marks alone."""
    own = "a: own\n" * (MAX_LINES + 5)
    assert cut_quotes(f"{own}> OLD\nBELOW\n> OLD\n") == own + "BELOW"


def test_answers_below_a_signature_and_a_quote_stay() -> None:
    """Some clients put the signature on top, and people answer in the quote below it."""
    assert cut_quotes("Hello\n-- \nAnna\n\nOn 5 Jan 2026, Bob wrote:\n> which?\n\nGreen\n").split() == [
        "Hello",
        "Green",
    ]


def test_two_dashes_alone_are_a_signature_only_above_a_few_short_lines() -> None:
    """Many clients lose the space behind them."""
    long_line = "And this is not my name but a second complaint, which goes on and on until it fills more than a line."
    assert cut_quotes("Hello\n--\nAnna\n+48 123") == "Hello"
    assert cut_quotes(f"Hello\n--\n{long_line}") == f"Hello\n--\n{long_line}"
    assert cut_quotes("Hello\n--\n" + "x\n" * 20).startswith("Hello\n--\nx")


def test_rules_above_a_header_block_go_with_it() -> None:
    """And a title between rules, in whatever language."""
    block = "From: Anna <a@b>\nDate: Monday\nTo: x\nSubject: y\n\nOLD"
    for rule in ("_____", "-----", "----- Messaggio originale -----", "=====\n\n-----"):
        assert cut_quotes(f"NEW\n\n{rule}\n\n{block}") == "NEW"


@pytest.mark.parametrize("first", ["Gesendet: Montag\nVon: Anna <a@b>", "Date: x\nFrom: Anna <a@b>"])
def test_a_header_block_may_begin_with_its_date_where_a_paragraph_begins(first: str) -> None:
    assert cut_quotes(f"NEW\n\n{first}\nAn: x\nBetreff: y\n\nOLD") == "NEW"
    own = f"NEW\nSubject: z\nDate: {first[:5]}"
    assert cut_quotes(own) == own


@pytest.mark.parametrize(
    ("subject", "bare", "meaning"),
    [
        ("Re: x", "x", "reply"),
        ("RE[2]: Re(3): Fwd: x", "x", "reply"),
        ("Odp: PD: x", "x", "reply"),
        ("PD: x", "x", "forward"),
        ("Fwd: Re: x", "x", "forward"),
        ("AW: WG: x", "x", "reply"),
        ("TR : x", "x", "forward"),
        ("RV: x", "x", "forward"),
        ("رد: إعادة توجيه: فاتورة", "فاتورة", "reply"),
        ("\u200fرد: فاتورة", "فاتورة", "reply"),
        ("回复：转发：发票", "发票", "reply"),
        ("Re^2: x", "x", "reply"),
        ("Re:", "", "reply"),
        ("Reklamacja: x", "Reklamacja: x", None),
        ("Prezent: x", "Prezent: x", None),
        ("Re x", "Re x", None),
    ],
)
def test_prefixes_of_a_subject(subject: str, bare: str, meaning: str | None) -> None:
    """The outermost prefix gives the meaning; all are cut."""
    assert cut_prefixes(subject) == (bare, meaning)


def test_out_of_office_subjects() -> None:
    for subject in ("Automatic reply: x", "Out of Office", "Autoodpowiedź: x", "Abwesenheitsnotiz: x", "رد تلقائي: x"):
        assert says_out_of_office(subject)
    assert not says_out_of_office("Automatic replying machine is broken")


@pytest.mark.parametrize("capital", [str, str.upper, str.lower])
@pytest.mark.parametrize(
    "signature",
    [
        "Sent from my iPhone",
        "Wysłane z iPhone'a",
        "Gesendet von meinem iPad",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Get Outlook for iOS",
        "Pobierz aplikację Outlook dla systemu iOS",
        "Obtenir Outlook pour iOS",
        "Télécharger Outlook pour Android",
        "Obtener Outlook para iOS",
        "Holen Sie sich Outlook für iOS",
        "Outlook für iOS beziehen",
        "تم الإرسال من جهاز iPhone",
        "أُرسلت من جهاز iPhone",
        "أرسلت من هاتف",
        "ارسلت من هاتف",
        "مرسل من هاتف",
        "احصل على Outlook",
        "الحصول على Outlook",
    ],
)
def test_a_mobile_signature_of_each_kind_goes(signature: str, capital: Callable[[str], str]) -> None:
    """Every beginning that a mobile signature has is known, in any case."""
    assert cut_quotes(f"Thanks.\n{capital(signature)}\nBye.") == "Thanks.\nBye."


@pytest.mark.parametrize(
    ("text", "own", "passes_on"),
    [
        ("Hello\n\n---------- Forwarded message ---------\nFrom: x\n\nclose", "Hello", True),
        ("Begin forwarded message:\n\nclose", "", True),
        ("> close\n", "", False),
        ("Hello\n-- \nAnn", "Hello", False),
    ],
)
def test_of_ones_own_words_what_others_wrote_is_no_part(text: str, own: str, passes_on: bool) -> None:
    """Also where nothing else is left."""
    assert own_words(text) == OwnWords(own, passes_on)


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("#watch\n\n> a line that his client has broken and\n#close\n", "#watch\n[…]\n#close"),
        ("\u061c#watch\nOn Monday Anna <a@b.pl> wrote:\n> a\n\n#close\n> b\n", "\u061c#watch\n[…]\n#close"),
        ("#watch\n> a\n-- \nEwa\n> b\n#send", "#watch\n[…]\n#send"),
        ("#watch\n> a\n-- \nEwa\n", "#watch"),
        ("> a\n#watch\n#close\n", "#watch\n#close"),
        ("\n> a\n\n> b\n#watch\n> c\n#close\n", "#watch\n[…]\n#close"),
        ("Hello\n> a\n#4711 is it\n", "Hello\n#4711 is it"),
    ],
)
def test_what_stands_below_a_quote_is_not_on_top(text: str, own: str) -> None:
    """It may be the rest of a customer's line, and then it is no command of who answers him."""
    assert own_words(text).text == own
