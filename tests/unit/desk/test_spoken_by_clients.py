"""Commands as mail clients send them: quoting above and below, HTML alone, other scripts, marks that nobody sees."""

import base64
import quopri
from zoneinfo import ZoneInfo

import pytest
from desk_house import NOW

from routerd.desk.commands import Speaking, read_spoken
from routerd.desk.hearing import spoken_in
from routerd.desk.naming import Named, Names
from routerd.desk.said import AssignTo, Close, Command, Label, Send, Spoken, Take
from routerd.message.view import MessageView

SPEAKING = Speaking(Names((Named("jan"), Named("żaba"))), frozenset({"jan", "żaba"}), NOW, ZoneInfo("UTC"))


def spoken(content_type: str, body: str | bytes, encoding: str = "8bit", subject: str = "Re: Skarga") -> Spoken:
    head = f"From: ewa@example.com\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: {content_type}\r\n"
    content = body.encode() if isinstance(body, str) else body
    content = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    raw = f"{head}Content-Transfer-Encoding: {encoding}\r\nIn-Reply-To: <1@klient.pl>\r\n\r\n".encode() + content
    return spoken_in(MessageView(raw), SPEAKING)


def of_html(body: str) -> Spoken:
    return spoken(
        "text/html; charset=utf-8", f"<html><head><style>p{{margin:0}}</style></head><body>{body}</body></html>"
    )


GMAIL = """\
--000000000000a1
Content-Type: text/plain; charset="UTF-8"

#assign jan
#label +pilne

Zobacz proszę.

W dniu czw., 24 gru 2026 o 12:00 Anna Klient <anna@klient.pl> napisał(a):

> #close
> Dzień dobry
--000000000000a1
Content-Type: text/html; charset="UTF-8"

<div dir="ltr">#assign jan<div>#label +pilne</div><div><br></div><div>Zobacz proszę.</div></div><br>
<div class="gmail_quote"><div dir="ltr" class="gmail_attr">W dniu czw., 24 gru 2026 o 12:00 Anna Klient &lt;
<a href="mailto:anna@klient.pl">anna@klient.pl</a>&gt; napisał(a):<br></div><blockquote class="gmail_quote">
#close</blockquote></div>
--000000000000a1--
"""
OUTLOOK = """\
<div class="WordSection1"><p class="MsoNormal"><span lang="PL">#take<o:p></o:p></span></p>
<p class="MsoNormal"><span lang="PL">#label&nbsp;&#43;pilne<o:p></o:p></span></p>
<p class="MsoNormal"><span lang="PL"><o:p>&nbsp;</o:p></span></p>
<p class="MsoNormal"><span lang="PL">Zajmę się tym.<o:p></o:p></span></p>
<div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm">
<p class="MsoNormal"><b><span lang="PL">From:</span></b> Anna &lt;anna@klient.pl&gt;<br><b>Sent:</b> Thursday,
December 24, 2026 12:00 PM<br><b>To:</b> support@example.com<br><b>Subject:</b> Skarga<o:p></o:p></p></div></div>
<p class="MsoNormal">#close<o:p></o:p></p></div>
"""
THUNDERBIRD = """\
W dniu 24.12.2026 o 12:00, Anna Klient pisze:
> #close
> Dzień dobry,
> co z moją fakturą?

#assign żaba

Proszę, @jan.

--\x20
Ewa Nowak
#take
"""
APPLE = """\
#send

> Wiadomość napisana przez routerd <support+note@example.com> w dniu 24.12.2026, o godz. 12:00:
>\x20
> Your answer was not sent.
"""
ARABIC = """\
<div dir="rtl" style="text-align:right">&rlm;#label&rlm; +عاجل&rlm;</div><div dir="rtl">&rlm;</div>
<div dir="rtl">يرجى النظر @jan</div><br><div class="gmail_quote">
<div dir="rtl" class="gmail_attr">في الخميس، 24 ديسمبر 2026
كتب Anna &lt;anna@klient.pl&gt;:<br></div><blockquote class="gmail_quote">#close</blockquote></div>
"""


@pytest.mark.parametrize(
    ("told", "commands", "text", "named"),
    [
        (
            spoken('multipart/alternative; boundary="000000000000a1"', GMAIL),
            (AssignTo("jan"), Label(("pilne",), ())),
            "Zobacz proszę.",
            (),
        ),
        (of_html(OUTLOOK), (Take(), Label(("pilne",), ())), "Zajmę się tym.", ()),
        (
            spoken("text/plain; charset=utf-8; format=flowed", THUNDERBIRD),
            (AssignTo("żaba"),),
            "Proszę, @jan.",
            ("jan",),
        ),
        (spoken("text/plain; charset=utf-8", APPLE), (Send(),), "", ()),
        (of_html(ARABIC), (Label(("عاجل",), ()),), "يرجى النظر @jan", ("jan",)),
    ],
    ids=["gmail", "outlook", "thunderbird", "apple", "arabic"],
)
def test_what_clients_write_is_read_as_it_was_meant(
    told: Spoken, commands: tuple[Command, ...], text: str, named: tuple[str, ...]
) -> None:
    """Above the quote or below it; what is quoted and what stands in a signature is nobody's command."""
    assert (told.commands, told.bad) == (commands, ())
    assert (told.text, told.named) == (text, named)


@pytest.mark.parametrize(
    "told",
    [
        spoken("text/plain; charset=utf-8", b"\xef\xbb\xbf#close\n"),
        spoken("text/plain; charset=utf-8", base64.encodebytes("\ufeff#close\n".encode()), "base64"),
        spoken("text/plain; charset=utf-16le", base64.encodebytes("\ufeff#close\n".encode("utf-16-le")), "base64"),
        spoken(
            "text/plain; charset=utf-8", quopri.encodestring("\u200e#close\u200e\xa0\n".encode()), "quoted-printable"
        ),
        spoken("text/plain; charset=utf-8", "\n\n \u3000\n＃close\n"),
        of_html("<div><br></div><div>&#8206;#close</div>"),
        of_html("<p>#clo<b>se</b></p>"),
        of_html("<pre>#close\n</pre>"),
        of_html("<table><tr><td>#close</td></tr></table>"),
        of_html("#close<br>"),
        of_html("&#xFEFF;&nbsp;#close&nbsp;"),
    ],
)
def test_marks_and_markup_before_a_command_do_not_break_it(told: Spoken) -> None:
    assert (told.commands, told.bad, told.text) == ((Close(),), (), "")


def test_digits_of_other_scripts_are_digits_in_a_command() -> None:
    """As an Arabic keyboard gives them."""
    assert read_spoken("#snooze ٢d", SPEAKING).commands == read_spoken("#snooze 2d", SPEAKING).commands
    assert read_spoken("#snooze ۲۰۲۷-۰۱-۰۱ ۹:۰۰", SPEAKING).bad == ()


def test_a_long_command_that_was_wrapped_on_the_way_is_one() -> None:
    """By quoted-printable, and by format=flowed (RFC 3676)."""
    labels = " ".join(f"+etykieta{number}" for number in range(12))
    wrapped = quopri.encodestring(f"#label {labels}\n".encode())
    assert b"=\n" in wrapped
    [command] = spoken("text/plain; charset=utf-8", wrapped, "quoted-printable").commands
    assert isinstance(command, Label)
    assert len(command.add) == 12


ENCLOSED = """\
--b
Content-Type: text/plain; charset=utf-8

{above}
--b
Content-Type: message/rfc822

From: anna@klient.pl
Subject: Skarga

#close
@jan
--b--
"""


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (
            "text/plain",
            "---------- Forwarded message ---------\nFrom: Anna <anna@klient.pl>\nSubject: x\n\n#close\n@jan\n",
        ),
        ("text/plain", "\nFrom: Anna\nSent: Thursday\nTo: support@example.com\nSubject: x\n\n#close\n@jan\n"),
        ("text/plain", "Początek przekazywanej wiadomości:\n\n#close\n@jan\n"),
        ("text/plain", "> #close\n> @jan\n"),
        ("text/html", "<blockquote><p>#close</p><p>@jan</p></blockquote>"),
        ("text/html", "<div><blockquote style='margin-left:2em'>#close<br>@jan</blockquote></div><p>Co o tym?</p>"),
        ("text/html", "<blockquote type=cite>Begin forwarded message:<br>#close<br>@jan</blockquote>"),
        ("multipart/mixed; boundary=b", ENCLOSED.format(above="")),
    ],
    ids=["gmail", "outlook", "apple", "quoted", "blockquote", "blockquote above", "apple in html", "attached"],
)
@pytest.mark.parametrize("subject", ["Re: Skarga", "Fwd: Skarga", "PD: Skarga"])
def test_what_somebody_else_wrote_commands_nothing_and_names_nobody(content_type: str, body: str, subject: str) -> None:
    """Whoever forwards it with nothing above, or answers below: a customer could write it."""
    found = spoken(content_type, body, subject=subject)
    assert (found.commands, found.bad, found.named) == ((), (), ())


def test_a_command_above_what_is_forwarded_counts_and_what_is_forwarded_is_passed_on() -> None:
    below = "---------- Forwarded message ---------\nFrom: Anna <anna@klient.pl>\nSubject: x\n\n#close\n"
    for found in (
        spoken("text/plain", f"#take\n\n{below}", subject="Fwd: Skarga"),
        spoken("text/plain", f"#take\n\n{below}"),
        spoken("multipart/mixed; boundary=b", ENCLOSED.format(above="#take"), subject="Fwd: Skarga"),
    ):
        assert (found.commands, found.text, found.has_more) == ((Take(),), "", True)
