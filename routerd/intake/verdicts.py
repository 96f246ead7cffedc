"""The answer to a whole message: what the router says of it, and what is said where it cannot."""

import asyncio
import errno
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import structlog

from routerd.intake.gate import Gate
from routerd.intake.keeping.spool import Spool
from routerd.intake.protocol import refusals
from routerd.message.envelope import (
    Client,
    ClientFindings,
    Envelope,
    Protocol,
    QueueId,
    Raw,
    Received,
    Refused,
    Verdict,
)
from routerd.store.base import StoreFullError

log = structlog.get_logger()


class Arriving(NamedTuple):
    """A whole message whose bytes are in the spool yet; and what is found out about its client may be to come."""

    id: QueueId
    envelope: Envelope
    client: Client
    at: datetime
    spool: Spool


async def verdicts_on(
    gate: Gate, arriving: Arriving, findings: "asyncio.Task[ClientFindings] | None"
) -> Sequence[Verdict]:
    """Hands the message to the router and counts what it answers. Never raises but where it is cancelled.

    No timer runs here: a client that leaves, or a drain, waits for the commit. The spool and its memory are given back.
    """
    reception = gate.reception
    began_at = reception.seconds()
    queue_id, envelope, client, at, spool = arriving
    held_bytes = spool.memory_bytes
    raw: Raw = b""
    verdicts: Sequence[Verdict]
    try:
        raw = await reception.loop.run_in_executor(None, spool.finish) if spool.is_on_disk else spool.finish()
        if findings is not None:
            client = replace(client, findings=await _told_by(findings))
        verdicts = await reception.accept(Received(queue_id, envelope, client, raw, at))
    except Exception as error:
        log.exception("accept_failed", id=queue_id, listener=gate.name, client=client.address)
        reception.count_refusal("accept_failed")
        verdicts = for_each(refusals.NO_SPACE if _is_full(error) else refusals.TRY_LATER, envelope, client.protocol)
    finally:
        reception.memory.give_back(held_bytes)
    now = reception.seconds()
    gate.count_verdicts(verdicts, len(raw), now - began_at)
    reception.return_paths.count(envelope, verdicts, now)
    return verdicts


def for_each(refused: Refused, envelope: Envelope, protocol: Protocol) -> tuple[Verdict, ...]:
    """One refusal in as many replies as the protocol wants."""
    return (refused,) * (len(envelope.recipients) if protocol is Protocol.LMTP else 1)


async def _told_by(findings: "asyncio.Task[ClientFindings]") -> ClientFindings:
    """Nothing, where they were given up: the message goes on."""
    if not findings.done():
        await asyncio.wait((findings,))
    return ClientFindings() if findings.cancelled() else findings.result()


def _is_full(error: Exception) -> bool:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or isinstance(error, StoreFullError)
