from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.intake.protocol.lines import TOO_LONG, LineReader


def lines_of(reader: LineReader, limit_octets: int) -> Iterator[bytes]:
    while (line := reader.take(limit_octets)) is not None:
        yield line


def read(data: bytes, sizes: list[int], limit_octets: int) -> tuple[list[bytes], bytes]:
    reader, lines, at = LineReader(), [], 0
    for size in [*sizes, len(data)]:
        reader.feed(data[at : at + size])
        lines += lines_of(reader, limit_octets)
        assert len(reader.left) <= limit_octets + size
        at += size
    return lines, reader.take_all()


@given(
    st.lists(st.sampled_from([b"a", b"bc", b"\r", b"\n", b"\r\n", b"\0"]), max_size=40).map(b"".join),
    st.lists(st.integers(1, 5), max_size=40),
)
def test_lines_come_whole_in_any_pieces(data: bytes, sizes: list[int]) -> None:
    """Each with its LF, in order, and what is left behind the last is kept as it is."""
    lines, rest = read(data, sizes, 100)
    assert b"".join(lines) + rest == data
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    assert b"\n" not in rest


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_long_line_is_not_kept(size: int) -> None:
    """It is told of once, when it ends; the next line is read as ever."""
    data = b"short\n" + b"x" * 40 + b"\n" + b"12345678\n" + b"123456789\n" + b"last\n"
    lines, _ = read(data, [size] * (len(data) // size), 9)
    assert lines == [b"short\n", TOO_LONG, b"12345678\n", TOO_LONG, b"last\n"]


def test_an_endless_line_takes_no_memory() -> None:
    """However much comes of it, no more than the limit is kept between two pieces."""
    reader = LineReader()
    for _ in range(1000):
        reader.feed(b"x" * 1000)
        assert reader.take(512) is None
        assert len(reader.left) <= 512


def test_what_is_not_lines_can_be_taken_too() -> None:
    """Content follows a command in the same piece."""
    reader = LineReader()
    reader.feed(b"DATA\r\ncontent\r\nmore")
    assert reader.take(512) == b"DATA\r\n"
    assert reader.take_all() == b"content\r\nmore"
    assert reader.take(512) is None
