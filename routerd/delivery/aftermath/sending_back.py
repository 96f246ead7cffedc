"""Bounces that come to a sender whom `return_path: srs` wrapped: taken on to him, unread.

They are messages like others, durable before their 250 and delivered by the routes; but no rule reads them, nobody of
ours has a copy, they belong to no conversation, and nobody is told where they cannot be delivered in turn.
"""

from collections.abc import Callable, Sequence

import structlog

from routerd.delivery.aftermath.notifier import Bureau
from routerd.desk.changes import Part, PlannedCopy, Role
from routerd.desk.consider import MAX_HOPS, MAX_TRACES
from routerd.desk.plan import Event, Plan
from routerd.desk.refusal import LOOP, Barred
from routerd.message.address import Address
from routerd.message.annotate import received_value
from routerd.message.annotation import Annotation
from routerd.message.envelope import Accepted, Envelope, Purpose, Raw, Received, Recipient, Verdict
from routerd.message.token import NOTICE, TRACE, is_own_trace, trace_mac
from routerd.message.view import MessageView
from routerd.ops.metrics import Metrics
from routerd.rules.decision import Assign, Decision, RuleRef
from routerd.store.base import Copy, Entry, Known, NewCopy, Settled, ThreadKeys
from routerd.store.protocol import Store

NO_WAY = Barred(550, "5.4.4", "no route leads back to that sender", "unknown_recipient")

log = structlog.get_logger()


class SendingBack:
    """`bureau` gives the one in force; `hand_over` takes what was committed to delivery."""

    def __init__(
        self,
        store: Store,
        bureau: Callable[[], Bureau],
        hand_over: Callable[[Sequence[Copy], Raw], None],
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._bureau = bureau
        self._hand_over = hand_over
        self._metrics = metrics
        self._trace_keys = store.keys(TRACE)

    async def take(self, received: Received) -> Verdict:
        """`is_sent_back` said that it is one. Raises StoreError: nothing was written."""
        [recipient] = received.envelope.recipients
        if recipient.original is None:
            raise ValueError(f"nobody is wrapped in {recipient.address}")
        bureau = self._bureau()
        if self._was_here(received.raw, recipient.original):
            return LOOP
        if bureau.routes.way_for(str(recipient.original)) is None:
            return NO_WAY
        settled = self._settled(received, recipient, recipient.original, bureau)
        decision = Decision(settled.plan.inbox, assign=Assign(bureau.roster.postmaster, RuleRef("routerd", "srs")))
        committed = await self._store.commit(Entry(received, ThreadKeys(None), Known(), (decision,), lambda _: settled))
        self._metrics.bounces_sent_back.inc()
        log.info("bounce_sent_back", id=received.id, to=str(recipient.original), client=received.client.address)
        self._hand_over(committed.copies, received.raw)
        return Accepted(committed.id)

    def _was_here(self, raw: Raw, original: Address) -> bool:
        """Known by our own trace, in whatever way he was wrapped then; or it has come over too many hops."""
        view = MessageView(raw)
        traces = view.headers.raw_values("x-routerd-trace")[:MAX_TRACES]
        ours = (NOTICE, _traced_as(original))
        return view.received_count > MAX_HOPS or any(
            is_own_trace(trace, self._trace_keys, name) for trace in traces for name in ours
        )

    def _settled(self, received: Received, recipient: Recipient, original: Address, bureau: Bureau) -> Settled:
        hostname = bureau.settings.hostname
        path, mailbox = str(recipient.address), str(original)
        plan = Plan(
            inbox=path,
            owner=bureau.roster.people(bureau.roster.postmaster)[0],
            team=None,
            why="a bounce, sent back to the sender",
            events=(Event("bounce_sent_back", {"to": mailbox}),),
            copies=(PlannedCopy(mailbox, Role.FORWARD),),
            part=Part.TOLD,
        )
        annotation = Annotation(
            queue_id=received.id,
            inbox=path,
            assigned_to="",
            assigned_name="",
            trace=(trace_mac(self._trace_keys, received.id, _traced_as(original)),),
            received=received_value(received, hostname),
            cut_authserv_ids=(hostname, *(() if received.client.trusted else bureau.settings.authserv_ids)),
        )
        copy = NewCopy(mailbox, mailbox, bureau.routes.destination(mailbox), Role.FORWARD)
        return Settled(plan, annotation, (copy,))


def is_sent_back(envelope: Envelope) -> bool:
    """Whether it came to a wrapped sender, and to nobody else: as intake takes it."""
    return len(envelope.recipients) == 1 and envelope.recipients[0].purpose is Purpose.WRAPPED


def _traced_as(original: Address) -> str:
    return f"srs {original.key}"
