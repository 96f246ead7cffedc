"""The process is killed at each commit point while conversations move: owner, state, timers and what is held are as of
the last answer, or of the step that was under way; never of a part of one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from desk_stream import STANDS, stand_of
from store_entries import NOW

from routerd.store.connection import FILE_NAME, Connection
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import open_store

# Where to die, and how many do something at once. Of many, somebody always commits a message, in the group of whatever
# else is written.
POINTS = (("before-commit", 4), ("after-commit", 4), ("after-answer", 4), ("before-write", 1), ("after-write", 1))
WATCHED = 4  # conversations of each run, from its first


def lead_until_killed(state: Path, point: str, prefix: str, clients: int) -> dict[str, int]:
    """The last step of each conversation that was answered before the end."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("desk_stream.py")), str(state), prefix, str(clients)],
        env={**os.environ, "ROUTERD_CRASH_AT": point},
        stdout=subprocess.PIPE,
        timeout=240,
        check=False,
    )
    assert done.returncode == -9
    steps: dict[str, int] = {f"{prefix}{number}": 0 for number in range(WATCHED)}
    for line in done.stdout.decode().splitlines():
        name, step = line.split()
        steps[name] = int(step)
    return steps


@pytest.mark.parametrize(("point", "clients"), POINTS)
async def test_conversations_stand_as_was_answered(state: Path, point: str, clients: int) -> None:
    """Killed twice, once amid many. Each timer has fired once: of what it caused there is one, or it is due still."""
    steps = lead_until_killed(state, f"{point}:2", "A", clients) | lead_until_killed(state, f"{point}:31", "B", clients)
    assert len(set(steps.values())) > 1
    store = open_store(state)
    due = {one.conversation for one in await store.due_timers(NOW, 1000)}
    await store.close()
    with QueueView.open(state) as view:
        for name, step in steps.items():
            whole = view.conversation(f"1.{name}@x")
            stands = stand_of(whole)
            assert stands in STANDS[step : step + 2], name
            assert (whole is not None and whole.listed.conversation.id in due) == (stands == STANDS[3])
    db = Connection(str(state / FILE_NAME))
    assert db.execute("PRAGMA integrity_check").get == "ok"
    assert db.execute("PRAGMA foreign_key_check").get is None
    db.close()
