"""The postmaster's commands on the queue as they travel: the same words to a daemon as to a store without one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from routerd.store.base import Copy, CopyState, Line, StandIn
from routerd.store.protocol import Store

MAX_REASON_CHARACTERS = 500

WANTED = {
    "retry": CopyState.QUEUED,
    "release": CopyState.QUEUED,
    "hold": CopyState.HELD,
    "drop": CopyState.DROPPED,
}
BOUNCE = "bounce"
REFUSED = "refused by the postmaster"


class BadCommandError(ValueError):
    """Not a command on the queue; the message says why."""


async def do_by_hand(
    store: Store, command: Mapping[str, Any], at: datetime, stand_in: StandIn, line: Line
) -> dict[str, Any]:
    """Does `{"do": "retry"|"hold"|"release"|"bounce"|"drop", "copies": [ids], "reason": text}`.

    A message's queue id stands for all of its copies. `retry` is for queued copies, `release` for held ones: there
    `stand_in` is asked who gets a copy whose member is away. `bounce`: as if the next hop had refused the mailbox;
    `line` is asked who is next.
    Raises BadCommandError, StoreError.
    Gives `{"changed": [{"copy", "number", "state", "member", "destination"}], "unchanged": [{"copy", "state"}],
    "unknown": [ids]}`.
    """
    doing, ids, reason = _read_command(command)
    found = await store.find_copies(ids)
    named = {copy.id for copy in found} | {copy.queue_id for copy in found}
    before = {"retry": CopyState.QUEUED, "release": CopyState.HELD}.get(doing)
    fitting = [copy.number for copy in found if before is None or copy.state is before]
    changed: tuple[Copy, ...]
    if doing == BOUNCE:
        why = f"{REFUSED}: {reason}" if reason else REFUSED
        changed = await store.refuse_copies(fitting, why, at, line)
    else:
        changed = await store.change_copies(fitting, WANTED[doing], reason, at, stand_in)
    moved = {copy.number for copy in changed}
    return {
        "changed": [
            {
                "copy": copy.id,
                "number": copy.number,
                "state": str(copy.state),
                "member": copy.member,
                "destination": copy.destination,
            }
            for copy in changed
        ],
        "unchanged": [{"copy": copy.id, "state": str(copy.state)} for copy in found if copy.number not in moved],
        "unknown": [one for one in ids if one not in named],
    }


def _read_command(command: Mapping[str, Any]) -> tuple[str, Sequence[str], str]:
    doing, ids, reason = command.get("do"), command.get("copies"), command.get("reason", "")
    if doing not in (*WANTED, BOUNCE):
        raise BadCommandError(f"nothing that can be done to copies: {doing!r}")
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
        raise BadCommandError("`copies` is a list of ids")
    if not isinstance(reason, str) or len(reason) > MAX_REASON_CHARACTERS:
        raise BadCommandError(f"`reason` is a text of at most {MAX_REASON_CHARACTERS} characters")
    return str(doing), tuple(dict.fromkeys(one.upper() for one in ids)), reason
