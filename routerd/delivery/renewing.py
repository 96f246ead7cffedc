"""The running daemon makes new keys when the postmaster says so. What signs and reads has them at once."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import structlog

from routerd.store.base import StoreError
from routerd.store.by_hand import BadCommandError
from routerd.store.keys_by_hand import RENEW, RenewsKeys, renew_by_hand

log = structlog.get_logger()

Do = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


def renewing(store: RenewsKeys, clock: Callable[[], datetime], do: Do) -> Do:
    """Answers the control socket's command `renew_keys`; `do` is asked for all else."""

    async def answer(command: dict[str, Any]) -> dict[str, Any]:
        if command.get("do") != RENEW:
            return await do(command)
        try:
            done = await renew_by_hand(store, command, clock())
        except StoreError as error:
            return {"error": f"{error}{error.mend}"}
        except BadCommandError as error:
            return {"error": str(error)}
        log.info("keys_renewed", revoked=done["revoked"])
        return done

    return answer
