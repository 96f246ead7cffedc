"""Brings the schema to this version of routerd: numbered SQL files, applied in order, never undone."""

import re
from importlib import resources

from routerd.store.base import StoreError, StoreVersionError
from routerd.store.connection import APPLICATION_ID, Connection, Error, select_one, store_error

_FILE = re.compile(r"(\d{4})_\w+\.sql\Z")


def schema_files() -> list[tuple[int, str]]:
    """(number, SQL) of each schema file, in order."""
    found = []
    for entry in resources.files("routerd.store.schema").iterdir():
        if name := _FILE.match(entry.name):
            found.append((int(name[1]), entry.read_text(encoding="utf-8")))
    return sorted(found)


def newest_version() -> int:
    return schema_files()[-1][0]


def migrate(db: Connection) -> None:
    """Applies the files that are not in yet, each whole or not at all. Raises StoreVersionError, StoreError."""
    try:
        version = check_version(db)
        for number, script in schema_files():
            if number <= version:
                continue
            db.execute("BEGIN IMMEDIATE")
            try:
                db.execute(script)
                db.execute(f"PRAGMA application_id={APPLICATION_ID}")
                db.execute(f"PRAGMA user_version={number}")
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
    except Error as error:
        raise store_error(error, db) from error


def check_version(db: Connection) -> int:
    """The schema's number; 0 in a new file. Raises StoreVersionError where it is from the future, StoreError for a
    database that is not ours."""
    try:
        application = int(db.pragma("application_id"))
        version = int(db.pragma("user_version"))
        is_new = not select_one(db, "SELECT 1 FROM sqlite_schema LIMIT 1")
    except Error as error:
        raise store_error(error, db) from error
    if application != APPLICATION_ID and not (is_new and version == 0):
        raise StoreError("the database was not made by routerd")
    if version > newest_version():
        raise StoreVersionError(
            f"the state has schema {version}, this routerd knows {newest_version()}: it was written by a newer one"
        )
    return version
