"""The state as commands meet it: opened for reading, or words that name what is wrong with it."""

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from routerd.cli.options import why_not
from routerd.cli.queue_report import fail
from routerd.store.base import StoreError, StoreMissingError
from routerd.store.connection import FILE_NAME
from routerd.store.queue_view import QueueView


@contextmanager
def reading_state(state: Path) -> Iterator[QueueView]:
    """The store in `state`. Raises StoreMissingError where the daemon never ran, else StoreError; both name it."""
    with _open(state) as view:
        try:
            yield view
        except StoreError as error:
            raise type(error)(naming_state(error, state)) from error


def fail_by(error: StoreError) -> NoReturn:
    """Says what is wrong with the state, and what to do about it where there is something; ends the command with 1."""
    fail(f"{error}{error.mend}")


def naming_state(error: StoreError, state: Path) -> str:
    """What `error` says, with the state's folder before it where it does not name it."""
    said = str(error)
    return said if str(state) in said else f"the state {state}: {said}"


def _open(state: Path) -> QueueView:
    try:
        found = state.stat()
        if not stat.S_ISDIR(found.st_mode):
            raise StoreError(f"the state {state} is not a folder")
        if not _may_look(state):
            raise StoreError(
                f"the state {state} is {_name_of(found.st_uid)}'s: only root and that user may look into it"
            )
        return QueueView.open(state)
    except (FileNotFoundError, StoreMissingError) as error:
        raise StoreMissingError(f"no state in {state} yet: the daemon has not run here") from error
    except PermissionError as error:
        raise StoreError(f"{why_not(error)}: only root and the state's owner may look") from error
    except OSError as error:
        raise StoreError(why_not(error)) from error
    except StoreError as error:
        raise type(error)(naming_state(error, state)) from error


def _may_look(state: Path) -> bool:
    if not os.access(state, os.R_OK | os.X_OK, effective_ids=True):
        return False
    path = state / FILE_NAME
    return not path.exists() or os.access(path, os.R_OK, effective_ids=True)


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
