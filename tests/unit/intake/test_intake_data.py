import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.intake.protocol.data import DataDecoder, Defect

LIMIT = 1000


def decode(
    data: bytes, sizes: list[int] | None = None, *, normalise: bool = False
) -> tuple[bytes | None, Defect | None, bytes]:
    """Content (None without an end), defect, what came behind."""
    decoder = DataDecoder(LIMIT, normalise=normalise)
    pieces, at = [], 0
    for size in [*(sizes or []), len(data)]:
        if decoder.finished or at >= len(data):
            break
        pieces.append(decoder.feed(data[at : at + size]))
        at += size
    if not decoder.finished:
        return None, None, b""
    content = b"" if decoder.defect else b"".join(pieces)
    return content, decoder.defect, decoder.rest + data[at:]


def reference(data: bytes, *, normalise: bool) -> tuple[bytes | None, Defect | None, bytes]:
    """The same, line by line, as one would write it to be read."""
    lines, rest = [], data
    while True:
        line, found, rest = rest.partition(b"\r\n")
        if not found:
            return None, None, b""
        if line == b".":
            break
        lines.append(line.removeprefix(b".") + b"\r\n")
    content = b"".join(lines)
    bare = re.search(rb"\r(?!\n)|(?<!\r)\n", content)
    if normalise:
        content = re.sub(rb"\r+\n?|\n", b"\r\n", content)
    if len(content) > LIMIT:
        return b"", Defect.TOO_BIG, rest
    if bare and not normalise:
        return b"", Defect.BARE_NEWLINE, rest
    if b"\0" in content:
        return b"", Defect.NUL, rest
    return content, None, rest


WIRE = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"..", b"\r\n.", b"\r\n.\r\n", b"a", b"text", b"\0", b"x" * 400])
).map(b"".join)


@given(WIRE, st.lists(st.integers(1, 9)), st.booleans())
def test_every_chunking_equals_the_reference(data: bytes, sizes: list[int], normalise: bool) -> None:
    """Whole, octet by octet and in any chunks the decoder says what a line-by-line reading says."""
    wanted = reference(data, normalise=normalise)
    assert decode(data, normalise=normalise) == wanted
    assert decode(data, [1] * len(data), normalise=normalise) == wanted
    assert decode(data, sizes * 50, normalise=normalise) == wanted


@pytest.mark.parametrize(
    "false_end",
    [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r\r\n.\r\r\n", b"\r\n.\0\r\n", b"\r.\r\n", b"\n.\r"],
)
@pytest.mark.parametrize("normalise", [True, False])
def test_only_crlf_dot_crlf_ends_a_message(false_end: bytes, normalise: bool) -> None:
    """No sequence that some other server takes for the end lets what follows out of the message."""
    data = b"Subject: x\r\n\r\nbody" + false_end + b"MAIL FROM:<evil@x.test>\r\n.\r\nQUIT\r\n"
    content, defect, rest = decode(data, normalise=normalise)
    assert rest == b"QUIT\r\n"
    assert defect is not None or (content is not None and b"MAIL FROM:<evil@x.test>" in content)


def test_bare_newlines_are_refused_or_normalised() -> None:
    """A header forged behind a bare LF is refused from strangers, and is an ordinary CRLF line from hops of ours."""
    data = b"Subject: x\nX-Assigned-To: ceo\r\rend\r\r\n.\r\n"
    assert decode(data)[1] is Defect.BARE_NEWLINE
    assert decode(data, normalise=True)[0] == b"Subject: x\r\nX-Assigned-To: ceo\r\nend\r\n"


def test_an_empty_message_ends_at_once() -> None:
    """A dot right behind DATA is the end, and a stuffed one is not."""
    assert decode(b".\r\n") == (b"", None, b"")
    assert decode(b"..\r\n.\r\n") == (b".\r\n", None, b"")


def test_an_endless_line_is_held_nowhere() -> None:
    """A line without end passes through; the decoder keeps at most four octets and gives nothing after its limit."""
    decoder = DataDecoder(LIMIT, normalise=False)
    for _ in range(1000):
        assert len(decoder.feed(b"x" * 500)) <= 500
    assert decoder.defect is Defect.TOO_BIG
    assert decoder.size_bytes == 500_000
    assert len(decoder._held) <= 4


def test_long_lines_are_taken_as_they_are() -> None:
    """A line of more than 998 octets is no defect (the bare library refuses it with 500)."""
    assert decode(b"y" * 990 + b"\r\n.\r\n")[0] == b"y" * 990 + b"\r\n"


def test_the_limit_counts_content_not_stuffing() -> None:
    """A message of just the limit is taken, one octet more is too big (RFC 1870 5)."""
    assert decode(b".." + b"x" * (LIMIT - 3) + b"\r\n.\r\n")[1] is None
    assert decode(b".." + b"x" * (LIMIT - 2) + b"\r\n.\r\n")[1] is Defect.TOO_BIG
