"""The mail that `routerd demo` sends itself: what a shared inbox gets on an ordinary morning."""

from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal

Transfer = Literal["7bit", "8bit", "quoted-printable", "base64"]


@dataclass(frozen=True, slots=True)
class Sample:
    sender: str  # address, as MAIL FROM
    name: str  # display name in From
    recipient: str
    subject: str
    body: str
    charset: str = "utf-8"
    transfer: Transfer = "quoted-printable"
    html: bool = False
    attachment: tuple[str, bytes] | None = None  # file name, content
    headers: tuple[tuple[str, str], ...] = ()

    def message(self, message_id: str, at: datetime) -> bytes:
        """The whole message, CRLF. `message_id` has brackets; each run needs its own, or it is the same mail again."""
        message = EmailMessage()
        message["From"] = f"{self.name} <{self.sender}>"
        message["To"] = self.recipient
        message["Subject"] = self.subject
        message["Date"] = format_datetime(at)
        message["Message-ID"] = message_id
        for key, value in self.headers:
            message[key] = value
        message.set_content(
            self.body, subtype="html" if self.html else "plain", charset=self.charset, cte=self.transfer
        )
        if self.attachment:
            name, content = self.attachment
            message.add_attachment(content, maintype="application", subtype="pdf", filename=name)
        return message.as_bytes(policy=message.policy.clone(linesep="\r\n", max_line_length=998))


SUPPORT = "support@example.com"
BILLING = "billing@example.com"

SAMPLES = (
    Sample(
        "carol@customer.example",
        "Carol Jones",
        SUPPORT,
        "Complaint: the parcel arrived broken",
        "Hello,\n\nthe glass in my order 4711 is in pieces. I want my money back.\n\nCarol\n",
    ),
    Sample(
        "anna@klient.example",
        "Anna Wiśniewska",
        SUPPORT,
        "Skarga na fakturę 12/2026",
        "Dzień dobry,\n\nkwota na fakturze jest za wysoka. Proszę o korektę.\n\nAnna\n",
        charset="iso-8859-2",
    ),
    Sample(
        "layla@amil.example",
        "ليلى حداد",
        SUPPORT,
        "شكوى بخصوص الطلب 991",
        "مرحبا،\n\nلم يصل الطلب حتى الآن وأريد استرداد المبلغ.\n\nليلى\n",
        charset="windows-1256",
        transfer="base64",
    ),
    Sample(
        "accounts@supplier.example",
        "Supplier Ltd Accounts",
        BILLING,
        "Invoice 2026-118",
        "Please find our invoice attached. Payment is due in 14 days.\n",
        attachment=("invoice-2026-118.pdf", b"%PDF-1.4\n%%EOF\n"),
    ),
    Sample(
        "khalid@sharika.example",
        "خالد منصور",
        SUPPORT,
        "سؤال عن الفاتورة",
        "السلام عليكم،\n\nأرجو إرسال نسخة من الفاتورة لشهر أكتوبر.\n",
        transfer="base64",
    ),
    Sample(
        "piotr@firma.example",
        "Piotr Zieliński",
        SUPPORT,
        "Zapytanie ofertowe",
        "<html><body><p>Dzień dobry,</p><p>prosimy o <b>wycenę</b> dla 50 stanowisk.</p></body></html>",
        html=True,
    ),
    Sample(
        "news@trade-weekly.example",
        "Trade Weekly",
        SUPPORT,
        "This week in retail",
        "Ten stories you should read. Unsubscribe at any time.\n",
        headers=(("List-Unsubscribe", "<mailto:leave@trade-weekly.example>"), ("Precedence", "bulk")),
    ),
    Sample(
        "tom@visitor.example",
        "Tom Reed",
        SUPPORT,
        "Opening hours on Friday?",
        "Hi, are you open on Friday afternoon?\n\nTom\n",
    ),
)
