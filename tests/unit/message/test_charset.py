"""Text whose charset is not declared, or not the one that is declared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.charset import codec_for, decode_text
from routerd.message.charset_guess import likely_codec

POLISH = "Dzień dobry, proszę o zwrot pieniędzy, ponieważ spółka wysłała łóżko, którego nie chciałem. Żądam odpowiedzi!"
ARABIC = "السلام عليكم، أريد تقديم شكوى بخصوص الفاتورة الأخيرة رقم 12"
RUSSIAN = "Здравствуйте, прошу вернуть деньги за счёт номер 12"
GREEK = "Καλημέρα, θα ήθελα να κάνω ένα παράπονο για το τιμολόγιο"
HEBREW = "שלום רב, אני רוצה להגיש תלונה על החשבונית האחרונה"
GERMAN = "Guten Tag, für die Größe der Übergabe möchte ich „ärgerlich“ sagen – 12 m³ Öl, 20 m² Fläche, 30 °C"
SPANISH = "¿Qué pasó con la señora Núñez? ¡Así no! Año tras año, la 1ª y la 2ª factura"
FRENCH = "L’été, déjà reçu à Noël : ça coûte 30 €, n° 12, où êtes-vous ? «œuvre»"
DANISH = "På søndag får vi æbler og øl, SMØRREBRØD"


@pytest.mark.parametrize("declared", ["", "utf-8", "us-ascii", "unknown-8bit", "iso-8859-1", "x-unheard-of"])
@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (POLISH, "cp1250"), (POLISH, "iso8859_2"), (ARABIC, "cp1256"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"),
        (GREEK, "cp1253"), (HEBREW, "cp1255"), (GERMAN, "cp1252"), (SPANISH, "cp1252"), (FRENCH, "cp1252"),
        (DANISH, "cp1252"), (GERMAN * 400, "cp1252"), (POLISH * 400, "cp1250"),
    ],
)  # fmt: skip
def test_8bit_text_that_declares_nothing_true_is_read_by_its_letters(text: str, codec: str, declared: str) -> None:
    text = text.encode(codec, "ignore").decode(codec)
    assert decode_text(text.encode(codec), declared) == text


@pytest.mark.parametrize(
    "text", ["café", "m³", "20 m³ und 30 m³/h", "ÄÖÜ", "£1¼ or £2½", "x¹ + y³", "Ã©Ã¨", "Œuvre", "éèê"]
)
def test_a_few_letters_are_no_evidence(text: str) -> None:
    """Windows-1252 is what most software means that declares nothing."""
    assert likely_codec(text.encode("cp1252")) == "cp1252"


def test_arabic_of_windows_under_its_iso_name() -> None:
    """Letters that ISO 8859-6 does not have tell."""
    assert decode_text("أريد تقديم شكوى".encode("cp1256"), "iso-8859-6") == "أريد تقديم شكوى"
    assert decode_text("أريد تقديم شكوى".encode("iso8859_6"), "iso-8859-6") == "أريد تقديم شكوى"


@pytest.mark.parametrize(
    ("data", "declared", "text"),
    [
        pytest.param("ał".encode("utf-16-le"), "utf-16", "ał", id="little-endian without a mark"),
        pytest.param("ał".encode("utf-16-be"), "utf-16", "ał", id="big-endian without a mark"),
        pytest.param("Łódź a".encode("utf-16"), "", "Łódź a", id="utf-16 with a mark that declares nothing"),
        pytest.param("ça ł".encode("utf-8-sig"), "iso-8859-2", "\ufeffça ł", id="utf-8 with a mark under another name"),
        pytest.param("ÿþ est".encode("cp1252"), "iso-8859-1", "ÿþ est", id="letters that look like a mark"),
        pytest.param("日本".encode("iso2022_jp"), "us-ascii", "日本", id="iso-2022-jp that says ASCII"),
        pytest.param("日本".encode("iso2022_jp"), "", "日本", id="iso-2022-jp that says nothing"),
        pytest.param(b"+AUE-x +2AA-", "utf-7", "Łx \ufffd", id="utf-7, half a pair in it"),
        pytest.param("żółw".encode("cp1250"), "windows-1250 (Central European)", "żółw", id="a comment"),
        pytest.param("żółw".encode("cp1250"), "windows-1250 format=flowed", "żółw", id="a semicolon missing"),
        pytest.param("żółw".encode("cp1250"), "'windows-1250'", "żółw", id="single quotes"),
        pytest.param("①髙".encode("cp932"), "shift_jis", "①髙", id="shift_jis that is cp932"),
        pytest.param("镕".encode("gb18030"), "gb2312", "镕", id="gb2312 that is gb18030"),
    ],
)
def test_marks_and_labels(data: bytes, declared: str, text: str) -> None:
    assert decode_text(data, declared) == text


@given(st.binary(), st.sampled_from(["", "utf-7", "utf-16", "utf-32", "iso-8859-1", "iso-8859-6", "gb18030", "cp1250"]))
def test_what_is_decoded_can_be_encoded(data: bytes, declared: str) -> None:
    """No half of a surrogate pair, which no file, log or database takes."""
    decode_text(data, declared).encode("utf-8")


def test_labels_without_a_word() -> None:
    for label in ("", " ", "\t\0", "=?", "''"):
        assert codec_for(label) is None
