"""What can still be read of a damaged state: message after message, past what cannot."""

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from routerd.message.envelope import QueueId, Raw
from routerd.store.base import StoreError
from routerd.store.bodies import BodyFiles
from routerd.store.connection import FILE_NAME, Connection, Error, has_frames, open_onlooker, select_one, store_error

MAX_UNREADABLE = 20_000  # numbers in a row, where the last one cannot be found

_QUEUE_ID = "SELECT queue_id FROM messages NOT INDEXED WHERE number = ?"
_BODY = "SELECT bytes FROM bodies WHERE message = ?"
_LAST = "SELECT max(number) FROM messages", "SELECT max(message) FROM bodies", "SELECT max(message) FROM copies"


@dataclass(frozen=True, slots=True)
class Saved:
    queue_id: QueueId  # "messageNUMBER" where not even its id can be read
    raw: Raw


@dataclass(frozen=True, slots=True)
class Lost:
    queue_id: QueueId
    reason: str


def salvaged(folder: Path) -> Iterator[Saved | Lost]:
    """Every message whose bytes are kept: those in the database by their numbers, then the files that it did not name.

    Changes nothing. Raises nothing but for a caller that is out of memory.
    """
    files = BodyFiles(folder)
    known: set[QueueId] = set()
    with suppress(StoreError):
        for one in _from_database(folder, files):
            known.add(one.queue_id)
            yield one
    with suppress(OSError, StoreError):
        for queue_id in files.names():
            if queue_id not in known:
                yield _from_file(queue_id, files)


def _from_database(folder: Path, files: BodyFiles) -> Iterator[Saved | Lost]:
    path = folder / FILE_NAME
    has_index = path.with_name(f"{path.name}-shm").exists()  # without it a log beside the file cannot be read
    with closing(open_onlooker(path, at_rest=not (has_index and has_frames(path)))) as db:
        last = _last_number(db)
        unreadable = 0
        number = 0
        while number < last if last else unreadable < MAX_UNREADABLE:
            number += 1
            one = _one(db, number, files)
            unreadable = 0 if isinstance(one, Saved) else unreadable + 1
            if one is not None and (last or isinstance(one, Saved)):
                yield one


def _last_number(db: Connection) -> int:
    """0 where it cannot be found."""
    found = [0]
    for question in _LAST:
        with suppress(Error, ValueError):
            row = select_one(db, question)
            found.append(int(row[0] or 0) if row else 0)
    return max(found)


def _one(db: Connection, number: int, files: BodyFiles) -> Saved | Lost | None:
    """None: there is no message of that number, its bytes are no longer kept, or it is told elsewhere."""
    try:
        body = select_one(db, _BODY, (number,))
    except (Error, ValueError) as error:
        return Lost(_queue_id(db, number) or _nameless(number), str(store_error(error, db)))
    if body is None:
        return None
    queue_id = _queue_id(db, number)
    if body[0] is not None:
        return Saved(queue_id or _nameless(number), body[0])
    return _from_file(queue_id, files) if queue_id else None  # without its id: it is among the files


def _queue_id(db: Connection, number: int) -> QueueId | None:
    """None where it cannot be read. It becomes a file's name."""
    row = None
    with suppress(Error, ValueError):
        row = select_one(db, _QUEUE_ID, (number,))
    text = row[0] if row else ""
    return QueueId(text) if text.isascii() and text.isalnum() and len(text) < 100 else None


def _nameless(number: int) -> QueueId:
    return QueueId(f"message{number}")


def _from_file(queue_id: QueueId, files: BodyFiles) -> Saved | Lost:
    try:
        return Saved(queue_id, files.open(queue_id))
    except StoreError as error:
        return Lost(queue_id, str(error))
