"""What the fuzz targets put together: pieces of mail, and ways to spoil them."""

import random
from collections.abc import Sequence

TEXTS = (
    "Dzień dobry, składam skargę na fakturę", "Please find the invoice attached.", "أريد تقديم شكوى", "Прошу вернуть",
    "On Mon, 5 Jan 2026 at 10:00, Jan <jan@x.example> wrote:", "> stary tekst", "-- ", "From: Anna", "投诉",
    "\u200f\u00ad",
    "-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----",
    "View this message in your browser", "---------- Forwarded message ---------", "a" * 300, " ", "\U0001f600",
)  # fmt: skip
CHARSETS = (
    "utf-8", "us-ascii", "iso-8859-1", "iso-8859-2", "windows-1250", "windows-1256", "cp-1250", "koi8-r", "gb2312",
    "big5",
    "iso-2022-jp", "iso-2022-kr", "shift_jis", "euc-kr", "utf-7", "utf-16", "utf-16le", "utf-32", "hz-gb-2312", "hex",
    "unknown-8bit", "", "'utf-8'", "utf-8 format=flowed", "x" * 100, "idna", "johab", "cp720",
)  # fmt: skip
_CODECS = ("utf-8", "cp1250", "iso8859-2", "cp1256", "koi8-r", "cp1252", "utf-16-le", "iso2022_jp", "gb18030", "utf-7")
_MOST_REPEATED = 3000  # times a piece is repeated where it is


def text_bytes(source: random.Random) -> bytes:
    """Some lines in some charset, whatever is declared."""
    lines = "\r\n".join(source.choices(TEXTS, k=source.randrange(1, 12)))
    return lines.encode(source.choice(_CODECS), "ignore")


def join(source: random.Random, pieces: Sequence[bytes], most: int) -> bytes:
    """Pieces in any order, some of them repeated many times."""
    return b"".join(
        source.choice(pieces) * (source.randrange(1, _MOST_REPEATED) if source.random() < 0.002 else 1)
        for _ in range(source.randrange(1, most))
    )


def spoil(source: random.Random, data: bytes) -> bytes:
    """Cuts, doubles, moves and changes some of it; half of the time nothing."""
    spoilt = bytearray(data)
    for _ in range(source.choice((0, 0, 0, 1, 2, 5, 20))):
        if not spoilt:
            break
        start = source.randrange(len(spoilt))
        end = min(len(spoilt), start + source.choice((1, 1, 2, 10, 200)))
        match source.randrange(5):
            case 0:
                del spoilt[start:end]
            case 1:
                spoilt[start:start] = spoilt[start:end] * source.choice((1, 2, 50))
            case 2:
                spoilt[start] = source.choice((0, 9, 10, 13, 27, 32, 34, 38, 58, 59, 60, 61, 62, 63, 92, 128, 255))
            case 3:
                spoilt[start] = source.randrange(256)
            case _:
                spoilt[start:start] = source.randbytes(source.randrange(8))
    return bytes(spoilt)
