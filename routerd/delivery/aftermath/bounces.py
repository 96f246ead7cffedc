"""What comes back to the return path of a copy: read, matched, believed, acted upon.

A report that is understood is consumed: the history of the message that it is about holds what it said, and the
transaction that notes it is the one that reroutes or holds the copy. So there is no state in between that a crash could
leave: either the server that sent it hears 250 and all is done, or it keeps its report.
"""

import asyncio
from collections.abc import Collection, Sequence
from functools import partial
from typing import Protocol

import structlog

from routerd.delivery.aftermath.bounce_table import conclude_bounce, part_about
from routerd.delivery.aftermath.probes import Probes
from routerd.message.bounce import parse_bounce
from routerd.message.delivery_report import DeliveryReport, NoReport, RecipientReport
from routerd.message.envelope import Envelope, Purpose, QueueId, Received
from routerd.message.view import MessageView
from routerd.ops.crash_points import reach
from routerd.ops.metrics import Metrics
from routerd.store.base import Bounced, Copy, Line, PlanFailedError
from routerd.store.protocol import Store

OFF_LOOP_BYTES = 64_000  # larger ones are read in a thread

log = structlog.get_logger()


class Queue(Protocol):
    """The worker, as far as it is told."""

    def offer(self, copies: Sequence[Copy]) -> None: ...

    def forget(self, numbers: Collection[int]) -> None: ...


class Bounces:
    """`line`: who gets a copy that failed; asked inside the store's transaction."""

    def __init__(self, store: Store, line: Line, metrics: Metrics, queue: Queue, probes: Probes) -> None:
        self._store = store
        self._line = line
        self._metrics = metrics
        self._queue = queue
        self._probes = probes

    @property
    def awaits_probes(self) -> bool:
        """Whether any message may be one, whatever it looks like."""
        return self._probes.under_way

    def takes_probe(self, received: Received) -> bool:
        """Whether it only shows which way mail comes, and nobody is to read it."""
        return self._probes.take(received)

    async def read(self, received: Received) -> DeliveryReport | NoReport:
        """What it says. Whatever goes wrong here, it is a message that the postmaster reads."""
        work = partial(parse_bounce, MessageView(received.raw), received.envelope.sender)
        try:
            return work() if len(received.raw) <= OFF_LOOP_BYTES else await asyncio.to_thread(work)
        except Exception:
            log.exception("bounce_unread", id=received.id)
            return NoReport.UNREADABLE

    async def consume(self, received: Received, report: DeliveryReport | NoReport) -> bool:
        """Whether it was a report of one of our copies, and all that follows from it is durable.

        False: it is a message like any other, to be read by the postmaster. Raises StoreError: nothing was written.
        """
        number = received.envelope.recipients[0].copy_number if is_returned(received.envelope) else None
        copy = await self._store.copy_by_number(number) if number is not None else None
        if copy is None or copy.damage:
            return False
        said = part_about(copy, report) if isinstance(report, DeliveryReport) else None
        if said is None or not isinstance(report, DeliveryReport):
            why = report.value if isinstance(report, NoReport) else "it is about another mailbox"
            log.info("bounce_not_understood", id=received.id, copy=copy.id, reason=why)
            return False
        return await asyncio.shield(self._act(received, copy, report, said))  # the server may hang up: see `_act`

    async def _act(self, received: Received, copy: Copy, report: DeliveryReport, said: RecipientReport) -> bool:
        """Goes to its end: else the worker might still deliver what is written to be somebody else's by now."""
        by = report.reporting_mta
        conclusion = conclude_bounce(copy, said, by, self._line)
        told = {
            "action": str(said.action),
            "status": said.status,
            "diagnostic": said.diagnostic,
            "from": by,
            "form": str(report.form),
            "by": received.id,
        }
        reach("before-bounce")
        try:
            done, new = await self._store.bounce(copy, conclusion, told, received.at)
        except PlanFailedError:
            log.exception("bounce_not_acted_upon", id=received.id, copy=copy.id)
            return False
        reach("after-bounce")
        self._tell(received.id, copy, said, done, new)
        if done is Bounced.ACTED:
            self._queue.forget({copy.number})
            self._queue.offer(new)
        return done is not Bounced.TOO_LATE

    async def note(self, received: Received, kept_as: QueueId) -> None:
        """What came to copies' return paths and was kept as a message: its history and theirs tell of each other."""
        for recipient in received.envelope.recipients:
            if recipient.purpose is not Purpose.RETURN_PATH or recipient.copy_number is None:
                continue
            copy = await self._store.copy_by_number(recipient.copy_number)
            if copy is not None:
                about = {"copy": copy.id, "member": copy.member, "by": kept_as}
                await self._store.note(copy.queue_id, "bounce_received", about, received.at)
                await self._store.note(kept_as, "came_back", {"copy": copy.id, "mailbox": copy.mailbox}, received.at)
                log.warning("bounce_received", id=copy.queue_id, **about)

    def _tell(
        self, report_id: QueueId, copy: Copy, said: RecipientReport, done: Bounced, new: tuple[Copy, ...]
    ) -> None:
        self._metrics.bounces.labels(str(said.action), str(done)).inc()
        if new:
            self._metrics.reroutes.labels("bounced").inc()
        log.warning(
            "bounce_received",
            id=copy.queue_id,
            copy=copy.id,
            member=copy.member,
            by=report_id,
            action=str(said.action),
            status=said.status,
            diagnostic=said.diagnostic,
            result=str(done),
            to=[other.member for other in new],
        )


def is_returned(envelope: Envelope) -> bool:
    """Whether it came to one return path, and to nobody else: a server writes one report for one sender."""
    return len(envelope.recipients) == 1 and envelope.recipients[0].purpose is Purpose.RETURN_PATH
