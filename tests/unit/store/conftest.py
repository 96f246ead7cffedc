"""A real store under tmp_path."""

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from routerd.store.connection import FILE_NAME, Connection
from routerd.store.sqlite import SqliteStore, open_store


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
async def store(state: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(state)
    yield opened
    await opened.close()


@pytest.fixture
def peek(state: Path) -> Iterator[Connection]:
    """A plain connection to the store's file, to be asked for after the store."""
    with closing(Connection(str(state / FILE_NAME))) as db:
        yield db
