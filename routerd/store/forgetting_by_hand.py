"""The postmaster's command to forget a person, as it travels: the same words to a daemon as to a store without one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from routerd.message.address import parse_address
from routerd.store.by_hand import BadCommandError
from routerd.store.forgetting import Forgotten

FORGET = "forget"


class Forgets(Protocol):
    async def forget(self, address: str, at: datetime) -> Forgotten:
        """Raises StoreError; what is done by then is done, and the rest is when it is asked for again."""


async def forget_by_hand(store: Forgets, command: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Does `{"do": "forget", "address": text}`. Raises BadCommandError, StoreError.

    Gives `{"messages": count, "conversations": count, "dropped": [numbers of copies that waited], "waiting": [queue ids
    of what others wrote that waits for others, and was left]}`.
    """
    address = command.get("address")
    try:
        parsed = parse_address(address) if isinstance(address, str) else None
    except ValueError:
        parsed = None
    if parsed is None:
        raise BadCommandError("`address` is no address")
    forgotten = await store.forget(parsed.key, at)
    return {
        "messages": forgotten.messages,
        "conversations": forgotten.conversations,
        "dropped": list(forgotten.dropped),
        "waiting": list(forgotten.waiting),
    }
