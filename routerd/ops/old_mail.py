"""Old mail on disk: Maildirs, mbox files, single messages and folders of them. Found by place, read one at a time."""

import mmap
import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

from routerd.message.view import MessageView

MAX_FROM_LINE = 400  # bytes of a line that may be a separator
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
_MAX_DATE = 200  # characters of a date field

# What an mbox's separator has behind "From " and the sender (RFC 4155; mutt and Dovecot go by it): a date as asctime
# or mail writes it. A line of text that happens to begin with "From " has none.
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_FROM_DATE = re.compile(
    rb" (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? {1,2}"
    rb"(?:" + _MONTH + rb" {1,2}[0-9]{1,2}|[0-9]{1,2} " + _MONTH + rb"(?: [0-9]{4})?) [0-9]{1,2}:[0-9]{2}"
)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_LINE_END = re.compile(rb"\r\n|\r|\n")
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:")


class BrokenMailError(ValueError):
    """What lies there is no message; the message says why."""


class Place(NamedTuple):
    """Where one message lies: a file, or a piece of an mbox."""

    path: str
    start: int = 0
    end: int | None = None  # None: the whole file
    number: int = 0  # of the message in its mbox, from 1

    def __str__(self) -> str:
        return f"{self.path}, message {self.number}" if self.number else self.path


def find_mail(path: Path) -> Iterator[Place]:
    """Every message at `path`, in the order of the names; sees what `path` is by itself.

    A folder is read with all below it: `cur` and `new` of every Maildir, and files named `*.eml`, `*.mbox` or `mbox`.
    Links to folders are not followed. Raises OSError where `path` itself cannot be read.
    """
    if not stat.S_ISDIR(path.stat().st_mode):
        yield from _in_file(str(path))
        return
    os.scandir(path).close()  # walk says nothing of a folder that it may not read
    for folder, subfolders, names in os.walk(path):
        subfolders.sort()
        here = Path(folder)
        if here.name == "tmp" and (here.parent / "cur").is_dir():
            continue
        in_maildir = here.name in ("cur", "new")
        for name in sorted(names):
            if name.startswith("."):
                continue
            full = os.path.join(folder, name)  # noqa: PTH118 - a million Paths cost more than the reading
            if in_maildir or name.endswith(".eml"):
                yield Place(full)
            elif name.endswith(".mbox") or name == "mbox":
                yield from _in_file(full)


def _in_file(path: str) -> Iterator[Place]:
    if not Path(path).is_file():
        yield Place(path)  # reading it says what is wrong
        return
    with open(path, "rb") as opened:  # noqa: PTH123
        if not _is_separator(opened.read(MAX_FROM_LINE)):
            if os.fstat(opened.fileno()).st_size or not path.endswith("mbox"):  # an empty mbox has no message
                yield Place(path)
            return
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield from _in_mbox(path, mapped)


def _in_mbox(path: str, mapped: mmap.mmap) -> Iterator[Place]:
    start, number = 0, 0
    at = 0
    while at >= 0:
        at = mapped.find(b"\nFrom ", at + 1)
        if at >= 0 and not _is_separator(mapped[at + 1 : at + 1 + MAX_FROM_LINE]):
            continue
        end = at + 1 if at >= 0 else len(mapped)
        number += 1
        yield Place(path, start, end, number)
        start = end


def _is_separator(data: bytes) -> bool:
    line = data.partition(b"\n")[0]
    return line.startswith(b"From ") and _FROM_DATE.search(line) is not None


def read_mail(place: Place, most_bytes: int) -> tuple[bytes, datetime]:
    """The message with CRLF line ends, and when its file was last written.

    Raises BrokenMailError for what is no message or larger than `most_bytes`, OSError for what cannot be read.
    """
    status = os.stat(place.path)  # noqa: PTH116
    if not stat.S_ISREG(status.st_mode):  # a pipe would have us wait for ever
        raise BrokenMailError("it is no regular file")
    with open(place.path, "rb") as opened:  # noqa: PTH123
        opened.seek(place.start)
        length = (status.st_size if place.end is None else place.end) - place.start
        if length > most_bytes:
            raise BrokenMailError(f"it has {length} bytes, more than limits.message_size")
        raw = opened.read(length)
    if place.number:
        raw = _QUOTED_FROM.sub(rb"\1", raw.partition(b"\n")[2])  # less the From_ line, and its quoting undone
    raw = _LINE_END.sub(b"\r\n", raw).lstrip(b"\r\n")
    if not raw:
        raise BrokenMailError("it is empty")
    if not _HEADER.match(raw):
        raise BrokenMailError("it begins with no header field")
    return raw, datetime.fromtimestamp(max(status.st_mtime, 0), UTC)


def arrived_at(view: MessageView, written_at: datetime) -> datetime:
    """When the message came: its newest Received, else its Date, else when its file was written."""
    received = next(iter(view.header("received")), "").rpartition(";")[2]
    for text in (received, next(iter(view.header("date")), "")):
        at = _moment(text.strip())
        if at is not None:
            return at
    return written_at


def _moment(text: str) -> datetime | None:
    if not text or len(text) > _MAX_DATE:
        return None
    try:
        at = parsedate_to_datetime(text)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):  # whatever stands there
        return None
    return at if _FIRST_YEAR <= at.year <= _LAST_YEAR else None
