"""Header fields that routerd writes itself: RFC 5322 2.2.3 folding, RFC 2047 encoded words.

Whatever a value holds, what comes out is ASCII, has CRLF line ends only where it is folded, and no control characters.
"""

import re
from base64 import b64encode
from collections.abc import Iterator

MAX_LINE = 76  # RFC 2047 2: of a line with an encoded word; RFC 5322 2.1.1 would allow 78
MAX_ENCODED_WORD = 75  # RFC 2047 2
MAX_TOKEN = 900  # RFC 5322 2.1.1: a line must not exceed 998; what is longer without a space is broken

_UNCLEAN = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_FRAME = len("=?utf-8?q??=")
_PLAIN_IN_Q = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_CUT_MARK = "..."


def clean(text: str) -> str:
    """One line: each run of white space and control characters is one space, none at the ends."""
    if text.isprintable() and "  " not in text:
        return text.strip(" ")
    return _UNCLEAN.sub(" ", text).strip(" ")


def without_turns(text: str) -> str:
    """`text` without what turns the direction of what stands behind it, as in names and subjects nobody needs it. Marks
    that belong to a letter (U+200E, U+200F, U+061C) stay.
    """
    return text if text.isprintable() else _TURNS.sub("", text)


def text_field(name: str, value: str, most_bytes: int | None = None) -> bytes:
    """An unstructured field with its CRLF; words that ASCII cannot say as encoded words.

    `most_bytes`: of the whole field; what does not fit is replaced by `...`.
    """
    value = clean(value)
    if value.isascii() and "=?" not in value:
        if _fits_uncut(name, value, most_bytes):
            return _fold_plain(name, value)
        tokens = value.split(" ")
    else:
        tokens = list(_encoded_tokens(value, MAX_LINE - len(name) - 2))
    return _fold(name, tokens, most_bytes)


def structured_field(name: str, value: str) -> bytes:
    """A field whose syntax has no room for encoded words, with its CRLF; non-ASCII becomes `?`."""
    value = clean(value)
    if not value.isascii():
        value = value.encode("ascii", "replace").decode("ascii")
    return _fold_plain(name, value) if len(value) <= MAX_TOKEN else _fold(name, value.split(" "), None)


def list_field(name: str, items: tuple[str, ...], most_bytes: int) -> bytes:
    """A field of items with commas between them, at most `most_bytes`: whole items, then `...` if some do not fit."""
    field = text_field(name, ", ".join(items))
    fitting = len(items)
    while len(field) > most_bytes and fitting:
        fitting = min(fitting - 1, fitting * most_bytes // len(field) + 1)
        field = text_field(name, ", ".join((*items[:fitting], _CUT_MARK)))
    return field


def _fits_uncut(name: str, value: str, most_bytes: int | None) -> bool:
    """Whether, folded, it is surely as short, and has no word to be broken. Lines are half full at least."""
    return len(value) <= MAX_TOKEN and (most_bytes is None or len(name) + len(value) * 17 // 16 + 32 <= most_bytes)


def _fold_plain(name: str, value: str) -> bytes:
    """`_fold` of ASCII that is not cut, of every field but for the longest: by lines instead of words, which takes a
    quarter of its time."""
    line = f"{name}: {value}"
    if len(line) <= MAX_LINE:
        return f"{line}\r\n".encode("ascii")
    parts = []
    start, first_word = 0, len(name) + 2
    while len(line) - start > MAX_LINE:
        stop = line.rfind(" ", first_word, start + MAX_LINE + 1)
        if stop < 0:  # a word that is longer than a line
            stop = line.find(" ", max(first_word, start + MAX_LINE + 1))
        if stop < 0:
            break
        parts.append(line[start:stop])
        start, first_word = stop, stop + 1
    parts.append(line[start:])
    return ("\r\n".join(parts) + "\r\n").encode("ascii")


def _fold(name: str, tokens: list[str], most_bytes: int | None) -> bytes:
    line_length = len(name) + 1
    parts = [name, ":"]
    room = most_bytes - line_length - 2 - len(_CUT_MARK) - 3 if most_bytes is not None else None
    for place, token in enumerate(_breakable(tokens)):
        folded = line_length + 1 + len(token) > MAX_LINE and place > 0
        if room is not None:
            room -= len(token) + (3 if folded else 1)
            if room < 0:
                parts.append(f"\r\n {_CUT_MARK}")
                break
        parts.append(f"\r\n {token}" if folded else f" {token}")
        line_length = (0 if folded else line_length) + 1 + len(token)
    parts.append("\r\n")
    return "".join(parts).encode("ascii")


def _breakable(tokens: list[str]) -> Iterator[str]:
    for token in tokens:
        if len(token) <= MAX_TOKEN:
            yield token
        else:
            yield from (token[at : at + MAX_TOKEN] for at in range(0, len(token), MAX_TOKEN))


def _encoded_tokens(text: str, first_room: int) -> Iterator[str]:
    """Words as they are where they can be; runs of words that cannot as encoded words, with the spaces between them."""
    room = min(first_room, MAX_ENCODED_WORD)
    run: list[str] = []
    for word in text.split(" "):
        if not word.isascii() or "=?" in word:
            run.append(word)
            continue
        if run:
            yield from _encoded_words(" ".join(run), room)
            run = []
        yield word
        room = MAX_ENCODED_WORD
    if run:
        yield from _encoded_words(" ".join(run), room)


def _encoded_words(text: str, room: int) -> Iterator[str]:
    """Each holds whole characters (RFC 2047 5); `room` is the first one's length."""
    costs = [1 if char in _PLAIN_IN_Q or char == " " else 3 * len(char.encode()) for char in text]
    if sum(costs) <= 4 * (len(text.encode()) + 2) // 3:
        for start, stop in _chunks(costs, room - _FRAME, MAX_ENCODED_WORD - _FRAME):
            yield f"=?utf-8?q?{''.join(map(_q_encoded, text[start:stop]))}?="
    else:
        sizes = [len(char.encode()) for char in text]
        for start, stop in _chunks(sizes, (room - _FRAME) // 4 * 3, (MAX_ENCODED_WORD - _FRAME) // 4 * 3):
            yield f"=?utf-8?b?{b64encode(text[start:stop].encode()).decode()}?="


def _chunks(costs: list[int], first_room: int, room: int) -> Iterator[tuple[int, int]]:
    start = used = 0
    room_now = max(first_room, 12)  # the dearest character: four bytes, three characters each
    for at, cost in enumerate(costs):
        if used + cost > room_now:
            yield start, at
            start, used, room_now = at, 0, room
        used += cost
    yield start, len(costs)


def _q_encoded(char: str) -> str:
    if char in _PLAIN_IN_Q:
        return char
    if char == " ":
        return "_"
    return "".join(f"={byte:02X}" for byte in char.encode())
