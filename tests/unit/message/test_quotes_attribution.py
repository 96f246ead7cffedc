"""Who wrote the quote below: lines of mail clients and web mails, beyond those of the sample replies."""

import pytest

from routerd.message.quotes import cut_quotes

OVER_MARKED_QUOTES = [
    "On Sat, Jul 19, 2025 at 8:12\u202fPM Ann <ann@example.com> wrote:",
    "On Mon, 2025-01-13 at 10:15 +0000, Ann Lee wrote:",
    "2015-03-10 17:05 GMT+01:00 Ann Lee <ann@example.com>:",
    '23 mar 2017 21:25 "Ewa Nowak" <ewa@example.com> napisał(a):',
    "Dnia 14 lip 2015 o godz. 00:25 Ewa Nowak <ewa@example.com> napisał(a):",
    "Klara Vogt <klara@example.com> schrieb am Di., 16. Aug. 2016\num 12:52 Uhr:",
    "Klara über die Liste <klara@example.com> schrieb:",
    'Am 21.04.2016 17:48 schrieb "Klara Vogt" <klara@very-long-name.example.com\n>:',
    "Am 03.02.2016 3:35 nachm. schrieb Max Mustermann <max@example.com>:",
    "Le 2016-11-16 02:22, Luc Morel a écrit :",
    'Le 4 janv. 2016 19:03, "Luc Morel" <luc@example.com> a écrit :',
    "El jueves, 21 de noviembre de 2013, Ana escribió:",
    "في الأحد، ٦ أكتوبر، ٢٠١٩ ١:٤٩ ص، كتب أحمد سعيد\n<ahmed@example.com>:",
    "Said Aouita <said@example.com> wrote:",
    "You wrote:",
    "* Ann Lee <ann@example.com> [2025-01-13 10:15]:",
    "Il giorno lun 13 gen 2025 alle ore 10:15 Anna <anna@example.com> ha scritto:",
    "Op ma 13 jan 2025 om 10:15 schreef Jan <jan@example.com>:",
    "13 янв. 2025 г. в 10:15, Иван <ivan@example.com>:",
]
OVER_BARE_QUOTES = [
    "On Monday, January 13, 2025 at 10:15:02 AM GMT, Ann <ann@example.com> wrote:",
    "On 01/13/2025 10:15 AM CET Ann Lee <ann@example.com> wrote:",
    "Am Montag, 13. Januar 2025 um 10:15:02 MEZ hat Klara <klara@example.com> Folgendes geschrieben:",
    "Klara Vogt <klara@example.com> hat am 13.01.2025 10:15 CET geschrieben:",
    "Klara Vogt <klara@example.com> schrieb am 13.01.2025:",
    "Le lundi 13 janvier 2025 à 10:15:02 UTC+1, Luc Morel <luc@example.com> a écrit :",
    "El lunes, 13 de enero de 2025, 10:15:02 CET, Ana <ana@example.com> escribió:",
    "W dniu poniedziałek, 13 stycznia 2025 10:15:02 CET Ewa Nowak <ewa@example.com> napisał(a):",
    "Dnia 27 grudnia 2016 12:08 Ewa &lt;ewa@example.com&gt; napisał(a):",
    "في الاثنين، 13 يناير 2025 في 10:15:02 ص غرينتش، كتب أحمد <ahmed@example.com>:",
    "---- On Mon, 13 Jan 2025 10:15:00 +0000 Ann Lee <ann@example.com> wrote ----",
]
OWN_WORDS = [
    "On 5 January I wrote to you the following complaint:\n\nThe charger exploded.",
    "On 13.01.2025 I wrote to <support@example.com>:\n\nThe charger exploded.",
    "I wrote to support@example.com on 13.01.2025 10:15:\nno answer",
    "I wrote to you on 5 Jan 2026:\nno answer",
    "On Monday the courier came at 10:15, and his boss said:\nno refund.",
    "W dniu 13.01.2025 kurier napisał do mnie:\npaczka u sąsiada",
    "Am 13.01.2025 10:15 schrieb ich Ihnen:\nKeine Antwort.",
    "Le 13/01/2025 à 10:15 votre agent m'a écrit :\nrien",
    "El 13/01/2025 les escribí:\nno contestan",
    "في 13/1/2025 كتب لي موظفكم:\nلا",
    "مكتب 2025:\nلا",
]


@pytest.mark.parametrize("attribution", [*OVER_MARKED_QUOTES, *OVER_BARE_QUOTES])
@pytest.mark.parametrize("between", ["\n", "\n\n", "\n> \n"])
def test_an_attribution_goes_with_its_quote(attribution: str, between: str) -> None:
    """And what is written below the quote stays."""
    assert cut_quotes(f"NEW line.\n\n{attribution}{between}> OLD\n> OLD\n\nBELOW\n").split() == [
        "NEW",
        "line.",
        "BELOW",
    ]


@pytest.mark.parametrize("attribution", OVER_BARE_QUOTES)
@pytest.mark.parametrize("above", ["NEW line.\n\n", "NEW line.\n"])
def test_what_follows_without_marks_goes_with_a_sure_attribution(above: str, attribution: str) -> None:
    """Some web mails quote so: a date and an address make it sure."""
    assert cut_quotes(f"{above}{attribution}\n\nOLD\n\nOLD\n") == "NEW line."


@pytest.mark.parametrize("text", OWN_WORDS)
def test_words_of_the_sender_that_read_like_an_attribution_stay(text: str) -> None:
    assert cut_quotes(text) == text


def test_a_wrapped_attribution_does_not_take_the_sentence_above_it() -> None:
    text = "On 5.1.2025 I called about the charger.\nOn 13.01.2025 10:15, Ann Lee\nwrote:\n> OLD"
    assert cut_quotes(text) == "On 5.1.2025 I called about the charger."


@pytest.mark.parametrize(
    "own",
    [
        "Please look at item 2.4 of your\nterms, it says:",
        "Your courier promised for 13.01.2025 at 10:15 to come\nand he did not, here is his message:",
        "On 13.01.2025 at 10:15 your courier came, shouted at everybody in the house\nand wrote to me this:",
    ],
)
def test_a_paragraph_above_a_pasted_quote_stays(own: str) -> None:
    """Figures and a verb in it make it no attribution."""
    assert cut_quotes(f"{own}\n> no") == own
