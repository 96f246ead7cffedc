"""What the benchmarks send: the same to all systems."""

import base64
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from peers.load import smtp_source

SENDER = "anna@klient.pl"
RECIPIENT = "support@example.com"
SUBJECT = "smtp-source, measured"
ATTACHMENT_BYTES = 90 * 1024  # as it stands in the message
SIZES = {"4KiB": 4 * 1024, "100KiB": 100 * 1024}

Size = Literal["4KiB", "100KiB"]

_HEAD = f"""\
From: <{SENDER}>
To: <{RECIPIENT}>
Date: Mon, 12 Jan 2026 09:00:00 +0000
Subject: {SUBJECT}
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=_measured"

--=_measured
Content-Type: text/plain; charset=us-ascii

"""
_ATTACHMENT = """\
--=_measured
Content-Type: application/pdf; name="invoice.pdf"
Content-Disposition: attachment; filename="invoice.pdf"
Content-Transfer-Encoding: base64

"""
_WORDS = "about account address answer before complaint contract delivery invoice order please refund return thank when"


@dataclass(frozen=True, slots=True)
class Load:
    """Over 20 connections at a time, a new one for each message or all of them kept."""

    messages: int
    size_bytes: int = SIZES["4KiB"]
    message: Path | None = None  # instead, the same each time
    keep_connections: bool = False
    sessions: int = 20

    def command(self, port: int, client: str) -> list[str]:
        """What sends it. `client`: never the same twice for one system, as Message-IDs are made of it."""
        return smtp_source(
            port,
            self.messages,
            sender=SENDER,
            recipient=RECIPIENT,
            size_bytes=self.size_bytes,
            message=self.message,
            subject=SUBJECT,
            sessions=self.sessions,
            keep_connections=self.keep_connections,
            client=client,
        )


def make_load(folder: Path, size: str, *, keep_connections: bool) -> Load:
    """Of one message. Of 100 KiB 90 are an attachment; the file for that is written into `folder`."""
    if size != "100KiB":
        return Load(1, SIZES[size], keep_connections=keep_connections)
    path = folder / "letter.eml"
    path.write_text(large_letter())
    return Load(1, SIZES[size], path, keep_connections)


def large_letter() -> str:
    """Of 100 KiB, with LF. It has no Message-ID: all copies would have the same, and be taken for one message."""
    chance = random.Random(8)
    content = base64.b64encode(chance.randbytes(ATTACHMENT_BYTES * 3 // 4 * 76 // 77)).decode()
    lines = [content[start : start + 76] for start in range(0, len(content), 76)]
    attachment = _ATTACHMENT + "\n".join(lines) + "\n--=_measured--\n"
    text = ".a line that begins with a dot\n"
    while len(_HEAD) + len(text) + len(attachment) < SIZES["100KiB"] - 80:
        text += " ".join(chance.choices(_WORDS.split(), k=9)) + "\n"
    return _HEAD + text + attachment
