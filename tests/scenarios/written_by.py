"""Mail as four clients write it: the fields that they add, and a body with the quote where each of them puts it."""

import base64
import quopri
from collections.abc import Callable
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Written:
    """`fields` are lines of the header."""

    fields: tuple[str, ...]
    body: bytes


Client = Callable[[str, str], Written]
"""Given what somebody writes and what he quotes."""


def by_gmail(text: str, quoted: str = "") -> Written:
    """Two forms, in base64; the quote below, in a `gmail_quote`."""
    plain, html = text, f'<div dir="auto">{_lines(text)}</div>'
    if quoted:
        plain += f"\n\nW dniu pon., 1 mar 2027 o 09:00 Support <support@example.com> napisał(a):\n\n{_marked(quoted)}"
        html += (
            '<br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">W dniu pon., 1 mar '
            '2027 o 09:00 Support &lt;<a href="mailto:support@example.com">support@example.com</a>&gt; napisał(a):<br>'
            '</div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid #ccc">'
            f"{_lines(quoted)}</blockquote></div>"
        )
    return Written(
        ("MIME-Version: 1.0", 'Content-Type: multipart/alternative; boundary="000000000000d5c6b1064c2f9a11"'),
        _alternative(
            "000000000000d5c6b1064c2f9a11",
            ('text/plain; charset="UTF-8"', "base64", base64.encodebytes(plain.encode())),
            ('text/html; charset="UTF-8"', "base64", base64.encodebytes(html.encode())),
        ),
    )


def by_outlook(text: str, quoted: str = "") -> Written:
    """HTML of Word beside a plain text in the codepage of its writer; the quote below, under a line."""
    plain = text
    html = "".join(f'<p class="MsoNormal">{escape(line) or "&nbsp;"}<o:p></o:p></p>' for line in text.split("\n"))
    if quoted:
        told = {"From": "Anna <support@example.com>", "Sent": "Monday, March 1, 2027 9:00 AM", "To": "Ewa Nowak"}
        plain += "\n\n" + "".join(f"{name}: {value}\n" for name, value in told.items()) + f"\n{quoted}"
        heading = "<br>".join(f"<b>{name}:</b> {escape(value)}" for name, value in told.items())
        html += (
            '<div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p '
            f'class="MsoNormal">{heading}<o:p></o:p></p></div></div>'
            f'<p class="MsoNormal">{_lines(quoted)}<o:p></o:p></p>'
        )
    page = (
        '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><meta http-equiv="Content-Type" content="text/'
        'html; charset=iso-8859-2"><style><!--\np.MsoNormal {margin:0cm;}\n--></style></head><body lang="PL"><div '
        f'class="WordSection1">{html}</div></body></html>\n'
    )
    return Written(
        (
            "Thread-Topic: Skarga",
            "Thread-Index: AQHbTq2m0sG5xM4yqEWZ1mM0aTzgWQ==",
            "X-MS-Has-Attach:",
            "X-Originating-IP: [10.1.2.3]",
            "MIME-Version: 1.0",
            'Content-Type: multipart/alternative;\r\n\tboundary="_000_AM0PR04MB1234eurprd04prod_"',
        ),
        _alternative(
            "_000_AM0PR04MB1234eurprd04prod_",
            ('text/plain; charset="iso-8859-2"', "quoted-printable", quopri.encodestring(plain.encode("iso-8859-2"))),
            ('text/html; charset="iso-8859-2"', "quoted-printable", quopri.encodestring(page.encode("iso-8859-2"))),
        ),
    )


def by_apple_mail(text: str, quoted: str = "") -> Written:
    """Plain text in quoted-printable; the quote below."""
    if quoted:
        text += "\n\n> On 1 Mar 2027, at 09:00, Support <support@example.com> wrote:\n> \n" + _marked(quoted)
    return Written(
        (
            "Content-Type: text/plain;\r\n\tcharset=utf-8",
            "Content-Transfer-Encoding: quoted-printable",
            "Mime-Version: 1.0 (Mac OS X Mail 16.0 \\(3826.400.131.1.6\\))",
            "X-Mailer: Apple Mail (2.3826.400.131.1.6)",
        ),
        _crlf(quopri.encodestring(f"{text}\n".encode())),
    )


def by_thunderbird(text: str, quoted: str = "") -> Written:
    """Flowed text, with the quote above and a signature below."""
    if quoted:
        text = f"W dniu 1.03.2027 o 09:00, Support pisze:\n{_marked(quoted)}\n\n{text}"
    return Written(
        (
            "MIME-Version: 1.0",
            "User-Agent: Mozilla Thunderbird",
            "Content-Language: pl",
            "Content-Type: text/plain; charset=UTF-8; format=flowed",
            "Content-Transfer-Encoding: 8bit",
        ),
        _crlf(f"{text}\n\n-- \nJan Kowalski\n#take\n".encode()),
    )


def _alternative(boundary: str, *parts: tuple[str, str, bytes]) -> bytes:
    body = b"".join(
        f"--{boundary}\nContent-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n".encode() + content + b"\n"
        for kind, encoding, content in parts
    )
    return _crlf(body + f"--{boundary}--\n".encode())


def _marked(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.split("\n"))


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _crlf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
