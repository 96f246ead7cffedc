"""How a state's file is opened: brought up to date, looked through where that is due, and never begun anew unasked."""

import os
from pathlib import Path

from routerd.store.bodies import BodyFiles
from routerd.store.connection import Error, WritingConnection, open_writer, select_one, store_error
from routerd.store.health import Health, look_at_once, refuse_a_lost_database, renew_log, was_left_open
from routerd.store.migration import check_version, migrate

AT_ONCE_SECONDS = 2.0  # the look at a start; what takes longer goes on beside the mail

IS_NAMED = """
SELECT 1 FROM messages AS m JOIN bodies AS b ON b.message = m.number WHERE m.queue_id = ? AND b.bytes IS NULL
"""


def prepare_file(path: Path, bodies: BodyFiles, health: Health) -> bool:
    """Brings the file up to date, or makes it, and removes large bodies that a crash left unnamed.

    False: the end before was not a clean one, and the look for damage is not finished. Raises StoreError.
    """
    try:
        refuse_a_lost_database(path)
        is_clean = not was_left_open(path)
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        db = reopen(path, health)
        try:
            check_version(db)
            is_seen_through = is_clean or look_at_once(db, AT_ONCE_SECONDS)
            migrate(db)
            bodies.sweep(lambda queue_id: select_one(db, IS_NAMED, (queue_id,)) is not None)
        finally:
            db.close()
    except (Error, OSError) as error:
        raise store_error(error) from error
    return is_seen_through


def reopen(path: Path, health: Health) -> WritingConnection:
    """The writing connection, also after a crash or a failed write. Raises StoreError."""
    renew_log(path)
    return open_writer(path, health.note)
