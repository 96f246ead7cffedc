"""Bounces of up to 200 KB, of pieces of real ones and of what breaks parsers, and notices that tell what they say."""

import random
import sys
from datetime import UTC, datetime
from pathlib import Path

from harness import run

from routerd.message.bounce import parse_bounce
from routerd.message.delivery_report import MAX_DIAGNOSTIC, MAX_RECIPIENTS, DeliveryReport
from routerd.message.notice import Notice, TroubledCopy, compose_notice
from routerd.message.view import MessageView

MAX_BYTES = 200_000
SLOW_MS = 250
FEW = 150

_SAMPLES = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "golden/bounces").glob("*.eml"))]
_FRAGMENTS = (
    b"\r\n", b"\r\n", b"\r\n\r\n", b"\n", b" ", b"\t", b"<", b">", b"<ewa@example.com>:", b"ewa@example.com", b"@",
    b"(generated from ", b")", b"(", b"Final-Recipient: ", b"Original-Recipient: ", b"rfc822;", b"utf-8;", b"Action: ",
    b"failed", b"delayed", b"Status: ", b"5.1.1", b"5.0.0", b"550 ", b"Diagnostic-Code: smtp; ", b"Reporting-MTA: dns;",
    b"--=_r", b"--=_r--", b"Content-Type: message/delivery-status\r\n\r\n", b"Content-Type: multipart/report; boundary",
    b"Content-Transfer-Encoding: base64\r\n", b"X-Failed-Recipients: ", b"+2B", b"=?utf-8?q?", b"?=", b"\xff", b"\x00",
    b"This is the mail system at host ", b"This is the qmail-send program at ", b" on Wed, ", b"<mailto:", b"a", b".",
    b"Subject: Undelivered ", b"Delivery to the following recipient failed permanently:", b"--- Below this line is a",
)  # fmt: skip


def make(source: random.Random) -> bytes:
    """A real one in which pieces were replaced, or a flood of a few fragments behind a real header."""
    sample = source.choice(_SAMPLES)
    if source.random() < 0.5:
        pieces = bytearray(sample)
        for _ in range(source.choice((1, 3, 10, 50))):
            at = source.randrange(len(pieces) + 1)
            pieces[at : at + source.choice((0, 0, 1, 10, 100))] = source.choice(_FRAGMENTS) * source.choice(
                (1, 1, 2, 500)
            )
        return bytes(pieces[:MAX_BYTES])
    few = source.choices(_FRAGMENTS, k=source.choice((1, 2, 3, 8)))
    size = int(MAX_BYTES ** source.uniform(0.3, 1.0))
    flood = b"".join(source.choices(few, k=size // max(1, sum(map(len, few)) // len(few))))
    at = source.randrange(len(sample))
    return (sample[:at] + flood + sample[at:])[:MAX_BYTES]


def target(data: bytes) -> None:
    """What is said is bounded, and a notice that repeats it is understood, and holds nothing else."""
    said = parse_bounce(MessageView(data), "")
    if not isinstance(said, DeliveryReport):
        return
    if not 1 <= len(said.recipients) <= MAX_RECIPIENTS or any(
        len(r.diagnostic) > MAX_DIAGNOSTIC for r in said.recipients
    ):
        raise AssertionError("more than is allowed")
    recipient = said.recipients[0]
    at = datetime(2026, 1, 15, tzinfo=UTC)
    copy = TroubledCopy("held", "01J-1", "01J", "a@b.c", "owner", "ewa", "e@f.g", recipient.diagnostic, "", at, at)
    raw = compose_notice(Notice("01N", "mx.example", ("j@f.g",), "e@f.g", (copy,), 1, at, data[:20_000]))
    again = parse_bounce(MessageView(raw), "")
    if not isinstance(again, DeliveryReport) or [one.address for one in again.recipients] != ["e@f.g"]:
        raise AssertionError("the notice says something else")


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
