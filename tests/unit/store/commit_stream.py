"""Run as a program: commits messages to the state in argv[1] until it is killed, and prints the ids that were answered.

Every fourth message is large enough to be a file.
"""

import asyncio
import os
import sys
from pathlib import Path

from store_entries import RAW, entry, received

from routerd.ops.crash_points import reach
from routerd.store.sqlite import open_store


async def commit_forever(state: Path, prefix: str) -> None:
    store = open_store(state, reach=reach)
    numbers = iter(range(1_000_000))

    async def client() -> None:
        for number in numbers:
            raw = RAW + b"x" * (300_000 if number % 4 == 0 else 5_000)
            committed = await store.commit(entry(got=received(raw, id=f"{prefix}{number:024d}")))
            os.write(1, f"{committed.id}\n".encode())

    await asyncio.gather(*(client() for _ in range(8)))


if __name__ == "__main__":
    asyncio.run(commit_forever(Path(sys.argv[1]), sys.argv[2]))
