"""The state as commands meet it: opened for reading, or words that name what is wrong with it."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from routerd.cli.options import why_not
from routerd.store.base import StoreError, StoreMissingError
from routerd.store.queue_view import QueueView


@contextmanager
def reading_state(state: Path) -> Iterator[QueueView]:
    """The store in `state`. Raises StoreMissingError where the daemon never ran, else StoreError; both name it."""
    with _open(state) as view:
        try:
            yield view
        except StoreError as error:
            raise type(error)(naming_state(error, state)) from error


def naming_state(error: StoreError, state: Path) -> str:
    """What `error` says, with the state's folder before it where it does not name it."""
    said = str(error)
    return said if str(state) in said else f"the state {state}: {said}"


def _open(state: Path) -> QueueView:
    try:
        if not stat.S_ISDIR(state.stat().st_mode):
            raise StoreError(f"the state {state} is not a folder")
        return QueueView.open(state)
    except (FileNotFoundError, StoreMissingError) as error:
        raise StoreMissingError(f"no state in {state} yet: the daemon has not run here") from error
    except OSError as error:
        raise StoreError(why_not(error)) from error
    except StoreError as error:
        raise type(error)(naming_state(error, state)) from error
