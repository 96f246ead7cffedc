"""The bounds on a message's header and lines, whatever the content looks like and wherever it is cut."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from routerd.intake.protocol.content_guard import ContentGuard
from routerd.intake.protocol.data import DataDecoder, Defect
from routerd.message.headers import HeaderBlock, find_header_end

SIZE, FIELDS, LINE = 120, 6, 40

_SHORT_LINES = (
    b"A: b|Subject : c|X-Y:| fold|\tfold: x| |:|: x|no field|word|a\x80: b|\x80: b|\x80 a: b|a b: c|From me|-|"
)
_LONG_LINES = (b"x" * 37, b"y:" + b"z" * 60, b"w" * 90)
_LINES = st.lists(st.sampled_from((*_SHORT_LINES.split(b"|"), *_LONG_LINES)), max_size=14)
_CONTENT = st.builds(lambda lines: b"".join(line + b"\r\n" for line in lines), _LINES)


def guard() -> ContentGuard:
    return ContentGuard(SIZE, FIELDS, LINE)


def judged(pieces: list[bytes]) -> Defect | None:
    watch = guard()
    told = None
    for piece in pieces:
        told = watch.look(piece)
    assert told == watch.defect
    return told


def expected(content: bytes) -> Defect | None:
    """By the whole message."""
    end = find_header_end(content)
    if end.fields_end > SIZE:
        return Defect.HEADER_TOO_BIG
    if len(HeaderBlock.scan(content).fields) > FIELDS:
        return Defect.TOO_MANY_FIELDS
    return Defect.LINE_TOO_LONG if any(len(line) > LINE for line in content.splitlines(keepends=True)) else None


@given(_CONTENT.filter(lambda content: not content.startswith(b"From ")), st.data())
@example(b"A: b\r\n" * 7, None)
@example(b"junk line\r\n" + b"A: b\r\n" * 7 + b"\r\n", None)
@example(b" A: b\r\n" * 30, None)
def test_agrees_with_whole_message(content: bytes, data: st.DataObject | None) -> None:
    """What is told while it comes, in one piece, octet by octet or cut anywhere, is what the whole message shows."""
    assert judged([content]) is expected(content)
    assert judged([content[at : at + 1] for at in range(len(content))]) is expected(content)
    if data is not None:
        at = data.draw(st.integers(0, len(content)))
        assert judged([content[:at], content[at:]]) is expected(content)


@pytest.mark.parametrize(
    ("content", "at", "defect"),
    [
        (b"A: " + b"b" * 30 + (b"\r\n " + b"c" * 30) * 9, SIZE, Defect.HEADER_TOO_BIG),
        (b"A: b\r\n" * 9, 6 * FIELDS + len("A:"), Defect.TOO_MANY_FIELDS),
        (b"junk line\r\n" + b"A: b\r\n" * 7 + b"\r\n" + b"text\r\n" * 9, 11 + 42 + 2, Defect.TOO_MANY_FIELDS),
        (b"A: b\r\n\r\n" + b"c" * 99, 8 + LINE, Defect.LINE_TOO_LONG),
        (b"\r\nA: " + b"b" * 37, 2 + LINE, Defect.LINE_TOO_LONG),
    ],
)
def test_tells_as_soon_as_bound_is_passed(content: bytes, at: int, defect: Defect) -> None:
    """The octet that makes it too much is the one that tells."""
    watch = guard()
    told = [watch.look(content[i : i + 1]) for i in range(len(content))]
    assert told.index(defect) in (at - 1, at)
    assert set(told[: told.index(defect)]) == {None}


@pytest.mark.parametrize(
    "content",
    [
        b"A: " + b"b" * 30 + b"\r\n " + b"c" * 30 + b"\r\n " + b"d" * 30 + b"\r\n\r\n",
        b"A: b\r\n c: d\r\n" * FIELDS + b"\r\n" + b"A: b\r\n" * 50,
        b"A: b\r\n\r\n" + (b"c" * (LINE - 2) + b"\r\n") * 9,
        b"no header at all\r\n" + b"12:30 o'clock\r\n" * 50,
        b"A: b\r\nbody without an empty line\r\n" + b"more: text\r\n" * 50,
        b"\r\n" + b"A: b\r\n" * 50,
        b"",
    ],
)
def test_lets_by_what_is_within_bounds(content: bytes) -> None:
    """Bounds hold for the header and for lines, not for how long the body is."""
    assert judged([content]) is None


def test_longest_line_counts_anywhere() -> None:
    """A long line is found behind, before and between short ones."""
    long = b"c" * LINE + b"\r\n"
    for content in (
        long,
        long + b"a\r\n" * 50,
        b"\r\n" + b"a\r\n" * 50 + long,
        b"\r\n" + b"abc\r\n" * 9 + long + b"a\r\n",
    ):
        assert judged([content]) is Defect.LINE_TOO_LONG


def decoded(chunks: list[bytes], *, normalise: bool = False) -> DataDecoder:
    decoder = DataDecoder(SIZE * 4, normalise=normalise, look=guard().look)
    for chunk in chunks:
        decoder.feed(chunk)
    return decoder


def test_decoder_shows_unstuffed_content() -> None:
    """A dot that only travels is no octet of a line; nothing is given out once a bound is passed."""
    fits = b"\r\n.." + b"c" * (LINE - 3) + b"\r\n.\r\n"
    assert decoded([fits]).defect is None
    decoder = DataDecoder(SIZE * 4, normalise=False, look=guard().look)
    assert decoder.feed(b"A: b\r\n" * 9) == b""
    assert decoder.feed(b"\r\nbody\r\n.\r\nQUIT") == b""
    assert (decoder.finished, decoder.defect, decoder.rest) == (True, Defect.TOO_MANY_FIELDS, b"QUIT")


@given(st.binary(max_size=40), st.sampled_from([b"\n", b"\r", b"\0", b"x" * SIZE * 4]), st.booleans())
def test_graver_defects_come_first(noise: bytes, grave: bytes, normalise: bool) -> None:
    """However the content is cut, of several defects the same one is told."""
    content = b"A: b\r\n" * 7 + noise.replace(b".", b"") + grave + b"A: b\r\n" * 7 + b"\r\n.\r\n"
    whole = decoded([content], normalise=normalise)
    split = decoded([content[at : at + 1] for at in range(len(content))], normalise=normalise)
    assert whole.finished
    assert split.finished
    assert whole.defect is split.defect
