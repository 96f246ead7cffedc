"""Old mail: where messages lie, where each begins and ends, when it came."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerd.message.view import MessageView
from routerd.ops.old_mail import BrokenMailError, Place, arrived_at, find_mail, read_mail

MESSAGE = b"From: a@b.example\nSubject: x\n\nHello\n"
SEPARATOR = b"From a@b.example Mon Jan  5 09:00:00 2026\n"
WRITTEN = datetime(2026, 3, 1, tzinfo=UTC)


def read(path: Path) -> list[bytes]:
    return [read_mail(place, 1_000_000)[0] for place in find_mail(path)]


def in_mbox(tmp_path: Path, data: bytes) -> list[bytes]:
    path = tmp_path / "old.mbox"
    path.write_bytes(data)
    return [raw.replace(b"\r\n", b"\n") for raw in read(path)]


@pytest.mark.parametrize(
    "separator",
    [
        b"From a@b.example Mon Jan  5 09:00:00 2026",
        b"From MAILER-DAEMON Mon Jan 05 09:00 2026",
        b"From a@b.example Mon Jan  5 09:00:00 CET 2026",
        b"From 1785237@xxx Mon Jan 05 09:00:00 +0000 2026",
        b'From "a b"@b.example  Mon Jan  5 09:00:00 2026',
        b"From - Mon, 05 Jan 2026 09:00:00 +0100",
        b"From a@b.example Mon Jan  5 09:00:00 2026 remote from uucp",
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_separators_of_many_programs(tmp_path: Path, separator: bytes, end: bytes) -> None:
    """Also without a blank line before, and with CRLF."""
    one = (separator + b"\n" + MESSAGE).replace(b"\n", end)
    assert in_mbox(tmp_path, one + end + one + one) == [MESSAGE + b"\n", MESSAGE, MESSAGE]


def test_text_that_begins_with_from_is_text(tmp_path: Path) -> None:
    """What has no date is no separator, whether a program quoted it or not; quoting is undone once."""
    body = b"\nFrom here to there\n\nFrom Monday on\n>From me\n>>From him\n> From\n"
    (found,) = in_mbox(tmp_path, SEPARATOR + MESSAGE + body)
    assert found == MESSAGE + b"\nFrom here to there\n\nFrom Monday on\nFrom me\n>From him\n> From\n"


def test_an_empty_mbox_has_no_message(tmp_path: Path) -> None:
    assert in_mbox(tmp_path, b"") == []


def test_a_file_that_is_no_mbox_is_one_message(tmp_path: Path) -> None:
    """Whatever it is called."""
    path = tmp_path / "letter"
    path.write_bytes(MESSAGE)
    assert read(path) == [MESSAGE.replace(b"\n", b"\r\n")]


def test_places_name_the_message(tmp_path: Path) -> None:
    """A message in an mbox by its number."""
    path = tmp_path / "old.mbox"
    path.write_bytes(SEPARATOR + MESSAGE + SEPARATOR + MESSAGE)
    assert [str(place) for place in find_mail(path)] == [f"{path}, message 1", f"{path}, message 2"]
    assert str(Place("a.eml")) == "a.eml"


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    """Maildirs with their subfolders, .eml and .mbox; not what is half written, hidden, or something else."""
    for name in (
        "b.eml",
        "a.eml",
        "notes.txt",
        "M/cur/2",
        "M/cur/1",
        "M/new/3",
        "M/tmp/4",
        "M/.Sent/cur/5",
        "M/cur/.x",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(MESSAGE)
    (tmp_path / "z" / "tmp").mkdir(parents=True)
    (tmp_path / "z" / "tmp" / "c.eml").write_bytes(MESSAGE)
    (tmp_path / "z" / "old.mbox").write_bytes(SEPARATOR + MESSAGE)
    found = [os.path.relpath(place.path, tmp_path) for place in find_mail(tmp_path)]
    assert found == ["a.eml", "b.eml", "M/.Sent/cur/5", "M/cur/1", "M/cur/2", "M/new/3", "z/old.mbox", "z/tmp/c.eml"]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(find_mail(tmp_path / "nowhere"))


def test_what_is_no_message(tmp_path: Path) -> None:
    path = tmp_path / "x.eml"
    for data, why in ((b"", "empty"), (b"\n\n", "empty"), (b"no header here\n", "header"), (MESSAGE * 100, "bytes")):
        path.write_bytes(data)
        with pytest.raises(BrokenMailError, match=why):
            read_mail(Place(str(path)), 1000)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Neither in a folder nor as the path itself."""
    (tmp_path / "cur").mkdir()
    os.mkfifo(tmp_path / "cur" / "pipe")
    for path in (tmp_path, tmp_path / "cur" / "pipe"):
        (place,) = find_mail(path)
        with pytest.raises(BrokenMailError, match="no regular file"):
            read_mail(place, 1000)


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_an_mbox_is_cut_and_nothing_is_lost(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    """The pieces are the file, whatever stands in it."""
    path = tmp_path_factory.getbasetemp() / "junk.mbox"
    data = SEPARATOR + junk + b"\n" + SEPARATOR + junk
    path.write_bytes(data)
    places = list(find_mail(path))
    assert b"".join(data[place.start : place.end] for place in places) == data
    assert len(places) == 2


@pytest.mark.parametrize(
    ("header", "at"),
    [
        (
            "Received: by b; Mon, 12 Jan 2026 10:00:00 +0100 (CET)\nReceived: by a; Mon, 12 Jan 2026 09:00:00 +0000\n"
            "Date: Sun, 11 Jan 2026 10:00:00 +0000",
            datetime(2026, 1, 12, 9, tzinfo=UTC),
        ),
        ("Date: Sun, 11 Jan 2026 10:00:00 -0000", datetime(2026, 1, 11, 10, tzinfo=UTC)),
        ("Received: by b\nDate: Sun, 11 Jan 2026 10:00 GMT", datetime(2026, 1, 11, 10, tzinfo=UTC)),
        ("Date: 99 Foo 1 2:3", WRITTEN),
        ("Date: Sun, 11 Jan 99999 10:00:00 +9999", WRITTEN),
        ("Date: " + "1" * 5000, WRITTEN),
        ("X: y", WRITTEN),
    ],
)
def test_when_it_came(header: str, at: datetime) -> None:
    """As the last hop wrote it down, else as the sender did, else the file's time."""
    view = MessageView(f"{header}\n\nx\n".replace("\n", "\r\n").encode())
    assert arrived_at(view, WRITTEN) == at
