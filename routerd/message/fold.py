"""Folding: the one form in which words of mail and words of rules are compared.

Every function here is pure, linear, and never raises on any `str`, lone surrogates included.
"""

import re
import unicodedata
from codecs import charmap_build, charmap_decode, charmap_encode
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

# Category Cf, written out: compiling it is free, and a newer Unicode in Python is caught by a test.
_CF = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f"
)
_INVISIBLE = re.compile(f"[{_CF}]+")
_WHITE = (  # all that str.isspace knows but the space
    "\n\r\t\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029"
    "\u202f\u205f\u3000"
)
_ASCII_SPACED = bytes(0x20 if chr(code) in _WHITE else code for code in range(0x80)).ljust(0x100, b"?")  # by code
_ASCII_FOLDED = _ASCII_SPACED.lower()
_UNPRINTED = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_CF}]")

_LATIN_BLOCKS = (
    (0x00C0, 0x0250), (0x0250, 0x02B0), (0x1D00, 0x1DC0), (0x1E00, 0x1F00),
    (0x2C60, 0x2C80), (0xA720, 0xA800), (0xAB30, 0xAB70),
)  # fmt: skip
_LATIN_WHOLE = {"ł": "l", "ø": "o", "đ": "d", "ı": "i", "ß": "ss", "æ": "ae", "œ": "oe"}
_PUNCTUATION = {"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "\u2212": "-"}
_ARABIC = {"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه"}
_ARABIC_SILENT = (  # harakat, Koranic marks and tatweel
    (0x0610, 0x061B), (0x0640, 0x0641), (0x064B, 0x0660), (0x0670, 0x0671), (0x06D6, 0x06DD), (0x06DF, 0x06E5),
    (0x06E7, 0x06E9), (0x06EA, 0x06EE), (0x0898, 0x08A0), (0x08CA, 0x08E2), (0x08E3, 0x0900),
)  # fmt: skip
_MAX_MARKS = 30  # UAX 15, Stream-Safe Text: normalising sorts a run of marks by insertion, in the square of its length
_MAX_REPLACED = 48  # distinct characters: above it one pass over a table is cheaper than a pass for each


# What most mail in the languages of our users is written with, up to 128 characters: such text is folded byte by byte.
# None of them changes how its neighbours fold.
_COMMON = (
    "ąćęłńóśźżĄĆĘŁŃÓŚŹŻäöüßÄÖÜéèêàâçîôûùÉÀáíúñ°§€\xa0\xad\u200b\u200e\u200f\ufeff…–—’‘“”„«»•"
    "ءآأؤإئابةتثجحخدذرزسشصضطظعغـفقكلمنهوىي\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652،؛؟٠١٢٣٤٥٦٧٨٩"
)


class _CommonLetters(NamedTuple):
    """Each of ASCII and `_COMMON` has a byte, and so has what it folds to."""

    letters: str  # by byte
    bytes_of: Any  # the same, as charmap_encode wants it
    folded: bytes  # a table for bytes.translate
    silent: bytes  # those that fold to nothing
    longer: tuple[tuple[bytes, bytes], ...]  # those that fold to several ASCII characters


class _Tables(NamedTuple):
    single: dict[str, str]  # a character by itself → what it folds to
    by_code: dict[int, str]  # the same, as str.translate wants it
    marks: frozenset[str]  # Mn and Me: they go after a Latin letter and stay after others
    latin: frozenset[str]
    noted: re.Pattern[str]  # any character of `single` or `marks`
    unsettled: re.Pattern[str]  # an invisible character or a mark of any kind
    long_run: re.Pattern[str]  # more marks than _MAX_MARKS in a row
    mark_run: re.Pattern[str]
    word: re.Pattern[str]


# Whole phrases in one character: NFKC makes 18 and 8 of them. Nobody writes many of them but to cost us time.
_LONG_LIGATURES = ("\ufdfa", "\ufdfb")
_MAX_LIGATURES = 64


def fold(text: str) -> str:
    """`text` as rules compare it. Idempotent. White space at its ends is kept, as one space."""
    if text.isascii():
        return _of_ascii(text, _ASCII_FOLDED)
    common = _fold_common(text)
    return _fold_any(text) if common is None else common


def fold_exact(text: str) -> str:
    """For `exact: true`: NFKC, category Cf gone, white space single, and nothing else."""
    if text.isascii():
        return _of_ascii(text, _ASCII_SPACED)
    return _single_spaced(unicodedata.normalize("NFKC", _settled(text)))


def steady_run(exact: str) -> str:
    """What of `exact`, folded, stands in `fold(text)` for every text in whose `fold_exact` form `exact` stands.

    The longest run of common letters, digits and spaces: they fold alike whatever is beside them. "" where it has none.
    """
    runs = (fold(run).strip() for run in _steady_pattern().findall(exact))
    return max(runs, key=len, default="")


def nfc_visible(text: str) -> str:
    """What `regex` sees: NFC with category Cf gone, otherwise as written."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _settled(text))


def words(folded: str) -> list[str]:
    """The words of `folded`: runs of letters, marks and digits."""
    return _word_pattern(folded).findall(folded)


def word_spans(folded: str) -> Iterator[tuple[int, int]]:
    """Where the words of `folded` begin and end."""
    return (match.span() for match in _word_pattern(folded).finditer(folded))


def display(text: str, max_characters: int) -> str:
    """`text` fit for a terminal or a log: control, bidi and other unseen characters as `<U+200F>`, shortened."""
    if text.isprintable() and len(text) <= max_characters:  # as most is: none of those characters counts as printable
        return text
    shown = _UNPRINTED.sub(lambda match: f"<U+{ord(match[0]):04X}>", text[: max_characters + 1])
    return shown if len(shown) <= max_characters else shown[: max(max_characters - 1, 0)] + "…"


def _fold_common(text: str) -> str | None:
    """The same at a third of the cost; None for text with a letter that is not in `_COMMON`."""
    common = _common_letters()
    try:
        data = charmap_encode(text, "strict", common.bytes_of)[0]
    except UnicodeEncodeError:
        return None
    data = data.translate(common.folded, common.silent)
    for letter, folded in common.longer:
        data = data.replace(letter, folded)
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data.decode("ascii") if data.isascii() else charmap_decode(data, "strict", common.letters)[0]


def _fold_any(text: str) -> str:
    tables = _tables()
    text = _compatible(_settled(text))
    noted = set(tables.noted.findall(text))
    if noted:
        text = _replaced(text, noted)
        if not noted.isdisjoint(tables.marks):
            text = tables.mark_run.sub(_mark_after, text)
        text = unicodedata.normalize("NFKC", text)  # what a mark that went had kept apart may now join
    return _single_spaced(text)


def _of_ascii(text: str, table: bytes) -> str:
    """Letters and white space in one pass over bytes: half of what a pass over text for each of them takes."""
    data = text.encode("ascii").translate(table)
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data.decode("ascii")


def _single_spaced(text: str) -> str:
    if not text.isprintable():  # which names and subjects are: of white space, nothing but the space is printable
        for white in _WHITE:
            text = text.replace(white, " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text


def _settled(text: str) -> str:
    """Without invisible characters, and with no run of marks or crowd of ligatures that would be slow to normalise."""
    tables = _tables()
    for ligature in _LONG_LIGATURES:
        if text.count(ligature) > _MAX_LIGATURES:
            text = text.replace(ligature, " ")
    if tables.unsettled.search(text) is None:
        return text
    return tables.long_run.sub(lambda run: run[0][:_MAX_MARKS], _INVISIBLE.sub("", text))


def _compatible(text: str) -> str:
    """NFKC and case-folded, so that doing either again changes nothing (Unicode 3.13, D146, without Cf)."""
    text = unicodedata.normalize("NFKC", text).casefold()
    settled = unicodedata.normalize("NFKC", text)
    if settled == text:
        return text
    return unicodedata.normalize("NFKC", settled.casefold())


def _replaced(text: str, noted: set[str]) -> str:
    tables = _tables()
    if len(noted) > _MAX_REPLACED:
        return text.translate(tables.by_code)
    for character in noted & tables.single.keys():
        text = text.replace(character, tables.single[character])
    return text


def _mark_after(run: re.Match[str]) -> str:
    start = run.start()
    before = run.string[start - 1] if start else ""
    return "" if before in _tables().latin else run[0]


def _word_pattern(folded: str) -> re.Pattern[str]:
    return _ASCII_WORD if folded.isascii() else _tables().word


_ASCII_WORD = re.compile("[A-Za-z0-9]+")


@cache
def _steady_pattern() -> re.Pattern[str]:
    return re.compile(
        f"[{''.join(filter(str.isalnum, map(chr, range(0x80))))} {''.join(filter(str.isalnum, _COMMON))}]+"
    )


@cache
def _common_letters() -> _CommonLetters:
    letters = "".join(map(chr, range(0x80))) + _COMMON
    folds = {letter: _fold_any(letter) for letter in letters}
    bytes_of = {letter: bytes([number]) for number, letter in enumerate(letters)}
    return _CommonLetters(
        letters=letters,
        bytes_of=charmap_build(letters.ljust(0x100, "\ufffe")),  # which stands for none
        folded=b"".join(bytes_of.get(folds[letter], bytes_of[letter]) for letter in letters).ljust(0x100, b"?"),
        silent=b"".join(bytes_of[letter] for letter in letters if not folds[letter]),
        longer=tuple((bytes_of[letter], folds[letter].encode("ascii")) for letter in letters if len(folds[letter]) > 1),
    )


@cache
def _tables() -> _Tables:
    """Built once, when the first text that is not ASCII comes (some 30 ms)."""
    single = _LATIN_WHOLE | _PUNCTUATION | _ARABIC
    single |= {chr(code): "" for first, end in _ARABIC_SILENT for code in range(first, end)}
    latin = set("abcdefghijklmnopqrstuvwxyz")
    for letter in (chr(code) for first, end in _LATIN_BLOCKS for code in range(first, end)):
        if unicodedata.name(letter, "").startswith("LATIN"):
            latin.add(letter)
            base = unicodedata.normalize("NFKD", letter)[0]
            if base != letter and letter not in single:
                single[letter] = _LATIN_WHOLE.get(base, base)
    by_category: dict[str, set[str]] = {}
    for character in map(chr, range(0x20000)):
        by_category.setdefault(unicodedata.category(character), set()).add(character)
    single |= {digit: str(unicodedata.decimal(digit)) for digit in by_category["Nd"] if not digit.isascii()}
    single |= {dash: "-" for dash in by_category["Pd"]}
    marks = by_category["Mn"] | by_category["Me"]
    kept_marks = marks - single.keys()
    word = {c for name, members in by_category.items() if name[0] in "LMN" for c in members}
    any_mark = _class_of(marks | by_category["Mc"])
    return _Tables(
        single=single,
        by_code={ord(character): folded for character, folded in single.items()},
        marks=frozenset(kept_marks),
        latin=frozenset(latin),
        noted=re.compile(f"[{_class_of(single.keys() | kept_marks)}]"),
        unsettled=re.compile(f"[{any_mark}{_class_of(by_category['Cf'])}]"),
        long_run=re.compile(f"[{any_mark}]{{{_MAX_MARKS + 1},}}"),
        mark_run=re.compile(f"[{_class_of(kept_marks, astral='')}]+"),  # else emoji behind a letter went as marks
        word=re.compile(rf"(?:[{_class_of(word, astral='')}]+|(?![\0-\uffff])[^\W_])+"),
    )


def _class_of(characters: Iterable[str], astral: str = "\U00010000-\U0010ffff") -> str:
    """The inside of a regex class. Above the BMP a class is slow for each range, so it takes all there or none."""
    ranges: list[list[int]] = []
    for code in sorted(map(ord, characters)):
        if code > 0xFFFF:
            break
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\u{first:04x}-\\u{last:04x}" for first, last in ranges) + astral
