"""States of routerd that are not what they were."""

from pathlib import Path

from routerd.store.connection import FILE_NAME, Connection, select


def spoil(state: Path, table: str = "events") -> None:
    """A page in the middle of the file is not what it was."""
    path = state / FILE_NAME
    db = Connection(str(path))
    ((root,),) = select(db, "SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,))
    size = int(db.pragma("page_size"))
    db.close()
    content = bytearray(path.read_bytes())
    content[(root - 1) * size] ^= 0x5A
    path.write_bytes(content)
