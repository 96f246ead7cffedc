"""Counting how deep parts are nested, within what is looked at and below it."""

import pytest

from routerd.message.mime import MAX_DEPTH, MAX_PARTS
from routerd.message.nesting import MAX_PARTS_READ
from routerd.message.view import MessageView


def multiparts(levels: int, inside: bytes = b"text\r\n", *, kind: bytes = b"mixed", name: bytes = b"b") -> bytes:
    """A part of so many multiparts, one within the other."""
    opening = (
        b'Content-Type: multipart/%b;\r\n boundary="%b%d"\r\n\r\nprose\r\n--%b%d\r\n' % (kind, name, level, name, level)
        for level in range(levels)
    )
    closing = (b"\r\n--%b%d--\r\n" % (name, level) for level in reversed(range(levels)))
    return b"".join(opening) + b"\r\n" + inside + b"".join(closing)


def messages(levels: int) -> bytes:
    return b"Content-Type: message/rfc822\r\n\r\n" * levels + b"Subject: the innermost\r\n\r\ntext\r\n"


def depth_of(raw: bytes) -> int:
    """The least number of levels that the message is within."""
    view = MessageView(raw)
    return next(levels for levels in range(5000) if not view.is_nested_deeper(levels))


@pytest.mark.parametrize("levels", [0, 1, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 100, 101])
def test_counts_multiparts(levels: int) -> None:
    """Whether the tree of parts reaches so deep or not."""
    assert depth_of(multiparts(levels)) == levels


@pytest.mark.parametrize("levels", [1, MAX_DEPTH, MAX_DEPTH + 1, 70])
def test_counts_messages(levels: int) -> None:
    """A message in a message is a level, with or without multiparts around it."""
    assert depth_of(messages(levels)) == levels
    assert depth_of(multiparts(3).replace(b"\r\n\r\ntext", b"\r\n" + messages(levels))) == 3 + levels


def test_parts_side_by_side_are_no_depth() -> None:
    """However many there are; and what hides behind them is found."""
    siblings = b"--b0\r\n\r\ntext\r\n" * (2 * MAX_PARTS)
    flat = b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n" + siblings
    assert depth_of(flat + b"--b0--\r\n") == 1
    assert depth_of(flat + b"--b0\r\n" + multiparts(30, name=b"c") + b"--b0--\r\n") == 31
    assert depth_of(flat + b"--b0--\r\n" + b"--b0\r\n" + multiparts(30, name=b"c")) == 1


def test_a_part_ends_with_the_one_around_it() -> None:
    """A multipart that is never closed ends at the next delimiter of one around it."""
    unclosed = b"Content-Type: multipart/mixed; boundary=c%d\r\n\r\n--c%d\r\n\r\ntext\r\n"
    raw = b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n" + b"".join(
        b"--b0\r\n" + unclosed % (number, number) for number in range(2 * MAX_PARTS)
    )
    assert depth_of(raw) == 2


def test_a_digest_holds_messages() -> None:
    """Without a type of their own its parts are messages."""
    assert depth_of(multiparts(1, b"\r\nSubject: one\r\n\r\ntext\r\n", kind=b"digest")) == 2
    assert depth_of(multiparts(30, multiparts(1), kind=b"mixed")) == 30
    deep = multiparts(30, kind=b"digest")
    assert depth_of(deep) == 31


@pytest.mark.parametrize(
    "raw",
    [
        multiparts(2000),
        messages(20_000),
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 200_000,
        multiparts(25, b"--b1x\r\n--" * 100_000),
        multiparts(25, b"A: b\r\n" * 200_000),
        multiparts(1, name=b"x") * 5000,
        multiparts(30).replace(b"\r\n\r\n", b"\r\n"),
        b"\r\n--\r\n" * 100_000,
        b"",
    ],
    ids=[
        "multiparts",
        "messages",
        "delimiters",
        "near misses",
        "long header",
        "siblings",
        "no ends",
        "dashes",
        "empty",
    ],
)
def test_hostile_nesting_costs_little(raw: bytes) -> None:
    """No recursion, and no looking at the same bytes once for each level: minutes would show."""
    view = MessageView(raw)
    assert view.is_nested_deeper(1000) is (raw in (multiparts(2000), messages(20_000)))


def test_a_dive_ends() -> None:
    """Behind more parts than anybody makes nothing is looked for: unknown is no ground to refuse."""
    siblings = b"--b\r\n\r\n" * MAX_PARTS_READ
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + siblings + b"--b\r\n" + multiparts(60, name=b"c")
    assert not MessageView(raw).is_nested_deeper(50)
