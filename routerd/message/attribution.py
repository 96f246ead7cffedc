"""Lines that say who wrote the quote below them: "On Mon, 13 Jan 2025 at 10:15, Ann Lee <ann@example.com> wrote:".

Every pattern is matched against one short text (`MAX_ATTRIBUTION`), so none can be slow.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto

MAX_ATTRIBUTION = 300  # characters: no client writes a longer one
MAX_WRAPPED = 4  # lines over which it is wrapped

_COLONS = ":："
_INVISIBLE = "\u200b\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069\ufeff"
_SEEN_ALIKE = str.maketrans("\u202f\xa0", "  ", _INVISIBLE)
_MAX_UNSURE = 100  # characters of one that names no address: the sender's own sentences are often longer
_CLOSES_ADDRESS = (">", ")", "]", "&gt;", "&gt;)")

_WROTE = re.compile(
    r"\b(?:wrote|writes|said|pisze|napisał(?:\(a\)|a|/a|\(-a\))?|napisano|geschrieben|(?:a )?écrit"
    r"|(?:ha )?escri(?:bió|to)|(?P<before_name>schrieb|(?:كتب/)?كتبت?(?:/كتبت)?|كتبها|كتابة))(?!\w)",
    re.IGNORECASE,
)
_STARTS = re.compile(
    r"[*_ ]{0,9}(?:(?:On|Am|Le|El|W dniu|Dnia|Dn\.|في|بتاريخ|يوم)\s|(?:pon|wt|śr|czw|pt|sob|niedz)\.,? |\d)",
    re.IGNORECASE,
)
_BEFORE_PARTICIPLE = re.compile(r" (?:Folgendes|hat am [^<>@]{1,40}) $")  # German: "hat am 13.01.2025 geschrieben"
_WRITTEN_BY = re.compile(r"Wiadomość napisana przez .{1,200} w dniu \d", re.IGNORECASE)
_DATE = re.compile(r"(?<!\d)(?:(?:19|20|١٩|٢٠)\d\d|\d{1,2} ?[./-] ?\d{1,2})(?!\d)")  # "5 days" is none
_ENDS_SENTENCE = re.compile(r"(?:[!?…:;]|\w{5}\.)$")


class _Found(Enum):
    NOTHING = auto()
    PERHAPS_WHOLE = auto()  # an attribution, of which the lines above may be the beginning
    WHOLE = auto()


def lines_of_attribution(lines: Sequence[str], *, marked: bool) -> int:
    """How many of the last of `lines`, at most `MAX_WRAPPED`, are an attribution; 0: the last is none.

    The last line ends with a colon, or stood between rules. `marked`: a quote with `>` follows, which makes much sure.
    Otherwise what follows could be the sender's own words, and only what names the date and an address as clients do
    is taken for one.
    """
    texts = list(_ever_longer(lines))
    likely = 0
    for count, text in enumerate(texts, 1):
        found = _look(text, marked=marked)
        if found is _Found.WHOLE:
            return count
        if found is _Found.PERHAPS_WHOLE and not likely:
            likely = count
    if likely:
        return likely
    if not marked or not texts:
        return 0
    if _is_bare_author(texts[0]):
        return 1
    is_paragraph = len(texts) == len(lines)  # in whatever language
    return len(texts) if is_paragraph and _has_date_and_address(texts[-1]) else 0


def _ever_longer(lines: Sequence[str]) -> Iterator[str]:
    """The last line, the last two, and so on, up to the end of a sentence above."""
    text = ""
    for count, line in enumerate(reversed(lines[-MAX_WRAPPED:])):
        if len(text) + len(line) > MAX_ATTRIBUTION or (count and _ENDS_SENTENCE.search(line)):
            return
        text = f"{line} {text}" if text else line
        yield " ".join(text.translate(_SEEN_ALIKE).split()).replace("< ", "<").replace(" >", ">")


def _look(text: str, *, marked: bool) -> _Found:
    """By its verb: what stands before and behind it tells who wrote, and when."""
    if _WRITTEN_BY.match(text):
        return _Found.WHOLE
    starts = _STARTS.match(text) is not None and _DATE.search(text) is not None
    verb = _last_verb(text)
    if verb is None or verb.start() == 0:
        return _Found.PERHAPS_WHOLE if marked and starts and _ends_with_address(text) else _Found.NOTHING
    before, behind = text[: verb.start()], text[verb.end() :].strip(" " + _COLONS)
    if between := _BEFORE_PARTICIPLE.search(before):
        before, behind = before[: between.start()], behind + between[0]
    is_author_first = _DATE.search(behind) is not None
    is_name_last = verb["before_name"] is not None and not is_author_first
    if behind and not (is_author_first or is_name_last or between):
        return _Found.NOTHING
    has_address = _ends_with_address(behind if is_name_last else before)
    if starts and (has_address or (marked and len(text) <= _MAX_UNSURE)):
        return _Found.WHOLE
    if is_author_first and (has_address or marked):
        return _Found.PERHAPS_WHOLE
    return _Found.PERHAPS_WHOLE if marked and has_address else _Found.NOTHING


def _last_verb(text: str) -> re.Match[str] | None:
    """The last, since a name may read like one."""
    last = None
    for verb in _WROTE.finditer(text):
        last = verb
    return last


def _ends_with_address(text: str) -> bool:
    last = text.rstrip(" ," + _COLONS).rpartition(" ")[2]
    return "@" in last and last.endswith(_CLOSES_ADDRESS)


def _is_bare_author(text: str) -> bool:
    """`Ann Lee wrote:`"""
    verb = _WROTE.search(text)
    return verb is not None and len(text) <= _MAX_UNSURE and not text[verb.end() :].strip(" " + _COLONS)


def _has_date_and_address(text: str) -> bool:
    return "<" in text and "@" in text and _DATE.search(text) is not None
