"""What the sender newly wrote: quoted replies and signatures cut, by a scan of lines. Linear, never raises.

Where in doubt a line stays: a word too many in the text costs less than a complaint that no rule saw.
"""

from collections.abc import Iterator, Sequence

from routerd.message.quote_marks import (
    FORWARDED,
    HAS_DATE_OR_ADDRESS,
    HEADER_KEYS,
    MAX_MARK,
    MOBILE_SIGNATURE,
    ORIGINAL_MESSAGE,
    STARTS_ATTRIBUTION,
    WRITTEN_BY,
    WROTE,
)

_RULES = "-_=–—─"
_COLONS = ":："
# Two letters with which mobile signatures begin, and the first characters of those and of separators.
_MOBILE_STARTS = frozenset(("se", "wy", "ge", "en", "vo", "po", "ob", "té", "ho", "ou", "تم", "مر", "اح", "ال"))
_MOBILE_STARTS |= {"أر", "ار", "أُ", "اُ"}
_FIRST = frozenset(_RULES).union(*({start[0], start[0].upper()} for start in _MOBILE_STARTS))
_LAST = frozenset(_RULES + _COLONS)
_MAX_MOBILE = 120
_MAX_WRAPPED = 4  # lines over which an attribution is wrapped
_MAX_BLOCK = 10  # lines in which the keys of a header block stand
_MAX_CANDIDATES = 400  # lines that are looked at closely: no letter has more, a flood of them must not cost more
_MAX_SIGNATURE = 15  # lines behind a `--` that lacks its space, for it to be a signature
_INVISIBLE_EDGES = " \t\r\f\v\xa0\u200b\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069\ufeff"


def cut_quotes(text: str) -> str:
    """`text` (LF line ends) without quotes, attributions and signature; the whole where nothing else is in it.

    Where what follows is a forwarded message, all of it stays.
    """
    raw_lines = text.split("\n")
    lines = [line.strip(_INVISIBLE_EDGES) for line in raw_lines]
    kept: list[str] = []
    behind = 0  # the lines above are settled
    for at in _candidates(lines):
        kept.extend(lines[behind:at])
        behind = at + 1
        line = lines[at]
        if line[0] == ">":
            continue
        if _starts_forward(line):
            kept.extend(lines[at:])
            break
        if _ends_new_text(raw_lines, lines, at):
            break
        wrapped = _attribution_lines(lines, at, len(kept)) if line[-1] in _COLONS else 0
        if wrapped:
            del kept[len(kept) - (wrapped - 1) :]
            if not _is_quote_next(lines, at + 1):
                break
        elif len(line) > _MAX_MOBILE or not MOBILE_SIGNATURE.match(line):
            kept.append(line)
    else:
        kept.extend(lines[behind:])
    new = "\n".join(kept).strip()
    return new if _says_something(new) else text.strip()


def _candidates(lines: Sequence[str]) -> Iterator[int]:
    """Lines that are quoted, or could begin a quotation or a signature. Told cheaply: most are not."""
    most = _MAX_CANDIDATES
    for at, line in enumerate(lines):
        if not line:
            continue
        if line[0] == ">":
            yield at
            continue
        told = line[-1] in _LAST or (line[0] in _FIRST and _has_start(line)) or ":" in line[:25]
        if told and most and len(line) <= MAX_MARK:
            most -= 1
            yield at


def _has_start(line: str) -> bool:
    return line[0] in _RULES or line[:2].lower() in _MOBILE_STARTS


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _starts_forward(line: str) -> bool:
    return (line[0] in _RULES or line[-1] in _COLONS) and FORWARDED.match(line) is not None


def _ends_new_text(raw_lines: Sequence[str], lines: Sequence[str], at: int) -> bool:
    """The line begins what the sender did not write now, down to the end of the message."""
    line = lines[at]
    if line[0] in _RULES or line[-1] in _RULES:
        return _is_signature_mark(raw_lines[at], lines, at) or _is_separator(lines, at)
    return ":" in line[:25] and _is_header_block(lines, at)


def _is_signature_mark(raw_line: str, lines: Sequence[str], at: int) -> bool:
    """`-- ` (RFC 3676 4.3), or `--` with a few lines behind it."""
    if lines[at] != "--":
        return False
    if raw_line.rstrip("\r") == "-- ":
        return True
    behind = [line for line in lines[at + 1 : at + 2 + 2 * _MAX_SIGNATURE] if line]
    quote = next((number for number, line in enumerate(behind) if line[0] == ">"), len(behind))
    return quote <= _MAX_SIGNATURE


def _is_separator(lines: Sequence[str], at: int) -> bool:
    line = lines[at]
    if ORIGINAL_MESSAGE.match(line):
        return True
    if line.strip(_RULES):
        return False
    following = next((number for number in range(at + 1, min(at + 3, len(lines))) if lines[number]), None)
    return following is not None and _is_header_block(lines, following)


def _is_header_block(lines: Sequence[str], at: int) -> bool:
    """From, and below it the subject with the date or the addressee (Outlook's way to quote)."""
    if _header_key(lines[at]) != "from":
        return False
    below = {_header_key(line) for line in lines[at + 1 : at + _MAX_BLOCK]}
    return "subject" in below and not below.isdisjoint(("date", "to"))


def _header_key(line: str) -> str | None:
    key, colon, _ = line[:40].partition(":")
    return HEADER_KEYS.get(key.strip("* \t\xa0\u200e\u200f").lower()) if colon else None


def _attribution_lines(lines: Sequence[str], at: int, kept_lines: int) -> int:
    """How many lines up to and with this one say who wrote what follows; 0: it is no attribution."""
    joined = ""
    for count in range(1, _MAX_WRAPPED + 1):
        first = at - count + 1
        if first < 0 or count - 1 > kept_lines or not lines[first] or len(joined) > MAX_MARK:
            return 0
        joined = f"{lines[first]} {joined}"
        if count > 1 and lines[first][0] == ">":
            return 0
        if _is_attribution(joined):
            return count
    return 0


def _is_attribution(line: str) -> bool:
    if len(line) > 2 * MAX_MARK or not HAS_DATE_OR_ADDRESS.search(line):
        return False
    if WRITTEN_BY.match(line):
        return True
    if not WROTE.search(line):
        return False
    return STARTS_ATTRIBUTION.match(line) is not None or line[0].isdigit() or "@" in line


def _is_quote_next(lines: Sequence[str], at: int) -> bool:
    """Behind the attribution stands a marked quote, so what is not marked further down is new."""
    for line in lines[at : at + 4]:
        if line:
            return line[0] == ">"
    return False
