"""Texts of up to 100 KB, full of what looks like quotes, signatures and header blocks, in the cutter of quotes."""

import random
import sys

from harness import run

from routerd.message.quotes import cut_quotes

MAX_BYTES = 100_000
SLOW_MS = 50

_FRAGMENTS = (
    "\n", "\n", "\n\n", " ", ">", "> ", ">>", ":", " :", "：", ".", ",", "<", ">:", "@", "(a@b)",
    "<a@b.example>", "&lt;", "--", "-- \n", "___", "-----", "—", "*", "\u200f", "\u202b", "\ufeff", "\xa0",
    "\u202f", "\r", "\t", "0", "1", "2025", "13.01.2025", "10:15", "١٣", "5 sty",
    "On Mon, 13 Jan 2025 at 10:15, ", "wrote:", "Am 13.01.2025 um 10:15 schrieb ", "Le 13 janv. 2025 à 10:15, ",
    "a écrit :", "El 13 ene 2025, a las 10:15, ", "escribió:", "W dniu 13.01.2025 o 10:15, ", "napisał(a):",
    "pisze:", "في ١٣ يناير ٢٠٢٥، ", "كتب", "كتب/", "Wiadomość napisana przez ", " w dniu 1", "From: ", "Sent: ",
    "To: ", "Subject: ", "Od: ", "Wysłano: ", "Temat: ", "Von: ", "Betreff: ", "De : ", "Objet : ", "Asunto: ",
    "من: ", "الموضوع: ", "Original Message", "Forwarded message", "Begin forwarded message:", "Sent from my ",
    "iPhone", "Von meinem ", "Diese Nachricht wurde ", "Galaxy ", "gesendet", "Get Outlook", "تم الإرسال من ",
    "جهاز", "se", "a", "I", "word ", "İ", "The parcel never came and nobody answers the telephone", "𝔸", "\x00",
    "\x85", "\u2028",
)  # fmt: skip


def make(source: random.Random) -> bytes:
    """A few fragments, each drawn often: floods of one thing are as likely as a mixture."""
    size = int(MAX_BYTES ** source.uniform(0.3, 1.0)) if source.random() < 0.7 else MAX_BYTES
    few = [_fragment(source) for _ in range(source.choice((1, 2, 3, 5, 8, 40)))]
    pattern = "".join(source.choice(few) for _ in range(source.choice((2, 3, 5, 20, 200))))
    if source.random() < 0.7:
        text = pattern * (size // max(1, len(pattern.encode())) + 1)
    else:
        text = "".join(source.choices(few, k=size // max(1, sum(map(len, few)) // len(few)) + 1))
    return text.encode()[:size]


def _fragment(source: random.Random) -> str:
    fragment = source.choice(_FRAGMENTS)
    if source.random() < 0.2:
        fragment *= source.choice((2, 10, 100, 390))
    return fragment + "\n" if source.random() < 0.4 else fragment


def target(data: bytes) -> None:
    """Something is left of something, and all that is left stood in the text."""
    text = data.decode(errors="replace")
    new = cut_quotes(text)
    if bool(new) != bool(text.strip()):
        raise AssertionError("nothing is left of something")
    if new != text.strip() and not all(line.strip() in text for line in new.split("\n")[:20]):
        raise AssertionError("what is left was not there")


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
