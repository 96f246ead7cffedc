"""The process is killed at each commit point: what was answered is there afterwards, whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from store_entries import NOW, RAW

from routerd.store.connection import FILE_NAME, Connection
from routerd.store.sqlite import open_store

POINTS = ("before-body-file", "after-body-file", "before-commit", "after-commit", "after-answer")


def stream_until_killed(state: Path, point: str, prefix: str) -> list[str]:
    """The ids that were answered before the end."""
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, str(here / "commit_stream.py"), str(state), prefix],
        env={**os.environ, "ROUTERD_CRASH_AT": point},
        stdout=subprocess.PIPE,
        timeout=240,
        check=False,
    )
    assert done.returncode == -9
    return done.stdout.decode().split()


@pytest.mark.parametrize("point", POINTS)
async def test_what_was_answered_is_found(state: Path, point: str) -> None:
    """Killed twice, once amid many: accepted before is a part of found after; nothing is torn, no file left over."""
    answered = stream_until_killed(state, point, "AA") + stream_until_killed(state, f"{point}:9", "BB")
    store = open_store(state)
    copies = await store.due("smtp:mail.example.com:25", NOW, 10_000, frozenset())
    for copy in copies:
        content = await store.content(copy)
        assert len(content) == copy.size_bytes
        assert content[: len(RAW)] == RAW
    await store.close()
    found = {copy.queue_id for copy in copies}
    assert answered
    assert found.issuperset(answered)
    large = {copy.queue_id for copy in copies if copy.size_bytes > 256_000}
    assert {path.name for path in (state / "bodies").rglob("*") if path.is_file()} == large
    db = Connection(str(state / FILE_NAME))
    assert db.execute("PRAGMA integrity_check").get == "ok"
    assert db.execute("PRAGMA foreign_key_check").get is None
    db.close()
