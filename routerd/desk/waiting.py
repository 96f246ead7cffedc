"""Who waited for an answer, and what he was promised: should the answer not arrive, he waits on as if there were none.
Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from routerd.desk.plan import Happened, Sent, Standing

LOOKED_AT = 200  # events of the conversation


@dataclass(frozen=True, slots=True)
class Waited:
    """What an answer ended. `remind_at` None: its owner was told that time runs out, or nothing was promised."""

    since: datetime
    respond_by: datetime | None = None
    remind_at: datetime | None = None


def waited_in(standing: Standing) -> dict[str, object]:
    """For the event of an answer: what the conversation stood like before it. Nothing where nobody waited."""
    if standing.waiting_since is None:
        return {}
    moments = {"since": standing.waiting_since, "respond_by": standing.respond_by, "remind_at": standing.remind_at}
    return {"waited": {name: at.isoformat() for name, at in moments.items() if at is not None}}


def waited_for(sent: Sent | None, happened: tuple[Happened, ...]) -> Waited | None:
    """By the events, oldest first: who waited for `sent`, or for an answer before it where that was no first one; None:
    nothing is known of it any more."""
    for one in reversed(happened):
        if one.kind == "answer_sent" and (sent is None or one.at <= sent.at):
            found = _read(one.data.get("waited"))
            if found is not None:
                return found
    return None


def waits_again(standing: Standing, waited: Waited | None, now: datetime) -> Standing:
    """With the earlier of what was promised then and what is by now. Without `waited` somebody waits from `now` on."""
    if waited is None:
        return replace(standing, waiting_since=standing.waiting_since or now)
    since = min(standing.waiting_since or waited.since, waited.since)
    if waited.respond_by is None or (standing.respond_by is not None and standing.respond_by <= waited.respond_by):
        return replace(standing, waiting_since=since)
    return replace(standing, waiting_since=since, respond_by=waited.respond_by, remind_at=waited.remind_at)


def _read(told: object) -> Waited | None:
    if not isinstance(told, Mapping):
        return None
    since, respond_by, remind_at = (_moment(told.get(name)) for name in ("since", "respond_by", "remind_at"))
    return Waited(since, respond_by, remind_at) if since is not None else None


def _moment(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None
