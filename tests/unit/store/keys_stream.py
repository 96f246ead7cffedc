"""Run as a program: days go by in the state in argv[1] until it is killed. Prints each token that it gives out by the
keys of the day, and "revoked" when they were."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from store_entries import RETENTION

from routerd.message.token import BOUNCE, make_token
from routerd.ops.crash_points import reach
from routerd.store.sqlite import open_store

REVOKED_AFTER = 40  # steps


async def live(state: Path) -> None:
    store = open_store(state, reach=reach)
    keys, at = store.keys(BOUNCE), datetime.now(UTC)
    for number in count(1):
        at += timedelta(days=20)
        await store.sweep(at, RETENTION)
        os.write(1, f"{at.isoformat()} {number} {make_token(number, at, BOUNCE, keys)}\n".encode())
        if number % REVOKED_AFTER == 0:
            await store.renew_keys(at, revoke=True)
            os.write(1, b"revoked\n")


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1])))
