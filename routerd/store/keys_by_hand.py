"""The postmaster's command to make new keys, as it travels: the same words to a daemon as to a store without one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from routerd.store.by_hand import BadCommandError

RENEW = "renew_keys"


class RenewsKeys(Protocol):
    async def renew_keys(self, at: datetime, *, revoke: bool) -> None:
        """Raises StoreError."""


async def renew_by_hand(store: RenewsKeys, command: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Does `{"do": "renew_keys", "revoke": bool}`; gives `{"revoked": bool}`. Raises BadCommandError, StoreError."""
    revoke = command.get("revoke", False)
    if not isinstance(revoke, bool):
        raise BadCommandError("`revoke` is true or false")
    await store.renew_keys(at, revoke=revoke)
    return {"revoked": revoke}
