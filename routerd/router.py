"""The way of one message, step by step. Read this first.

1 receive    `intake` hands a whole message to `Router.accept`; what came back goes to `delivery`: a report of one of
             our copies, or a bounce for a sender whom `return_path: srs` wrapped
2 view       its fields and text, decoded lazily
3 verify     what proves who wrote it: SPF, DKIM, DMARC, ARC, and what a hop that we trust found
4 recall     what the store knows of its conversation
5 decide     what it is to the desk: of mail the rules say whom to pick from, which labels
6 commit     one transaction; inside it the desk says who exactly, and what else follows. Only now `250`
7 annotate   \\
8 deliver     > `delivery`, copy by copy, from the committed plan
9 conclude   /
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from weakref import WeakValueDictionary

import structlog

from routerd.auth.our_results import results_value
from routerd.auth.verification import NOT_VERIFIED, Compute, Verification
from routerd.config.settings import Settings
from routerd.considering import Considered, judge, look, thread_keys
from routerd.delivery.aftermath.bounces import Bounces, is_returned
from routerd.delivery.aftermath.sending_back import SendingBack, is_sent_back
from routerd.desk.assign import last_resort_plan
from routerd.desk.changes import Part
from routerd.desk.consider import is_notice, loops, passed_inboxes, proofs_of, verified_of_client
from routerd.desk.dmarc_policy import unless_told
from routerd.desk.matter import House, Matter
from routerd.desk.own_labels import UNDECIDED
from routerd.desk.pick import Choose
from routerd.desk.plan import FullDeskState
from routerd.desk.refusal import FULL, LOOP, TROUBLE, Barred, for_all, for_each, refusals
from routerd.desk.settle import settle
from routerd.message.annotate import received_value
from routerd.message.annotation import Annotation
from routerd.message.envelope import Accepted, Protocol, QueueId, Raw, Received, Verdict
from routerd.message.token import TRACE, trace_mac
from routerd.message.view import MessageView
from routerd.ops.acceptance import tell_accepted
from routerd.ops.metrics import Metrics
from routerd.rules.decision import Decision
from routerd.settling import Live, settled
from routerd.store.base import (
    Committed,
    Copy,
    Entry,
    Known,
    PlanFailedError,
    Settled,
    StaleError,
    StoreError,
    StoreFullError,
    ThreadKeys,
)
from routerd.store.marked_work import MarkedWork
from routerd.store.marks import InHand, digest_of
from routerd.store.protocol import Store

MAX_TOLD = 5  # recipients of a refused message, in the log
MAX_RECALLS = 5  # how often a conversation may move between recall and commit
_STEPS = ("view", "verify", "recall", "decide", "commit")

log = structlog.get_logger()

Verify = Callable[[MessageView, Received, Settings, Compute], Awaitable[Verification]]


@dataclass(frozen=True, slots=True)
class World:
    """What no message and no config can say."""

    verify: Verify
    choose: Choose
    new_id: Callable[[datetime], QueueId]


class Router:
    """Takes a message from the end of DATA to its verdict."""

    def __init__(
        self,
        live: Live,
        store: Store,
        hands: InHand,
        hand_over: Callable[[Sequence[Copy], Raw | None], None],
        bounces: Bounces,
        sending_back: SendingBack,
        metrics: Metrics,
        world: World,
    ) -> None:
        self._live = live
        self._store = store
        self._hands = hands
        self._hand_over = hand_over
        self._bounces = bounces
        self._sending_back = sending_back
        self._metrics = metrics
        self._world = world
        self._trace_keys = store.keys(TRACE)
        metrics.name_members(live.settings.reports.per_member)
        self._conversations: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._steps = {step: metrics.step_seconds.labels(step) for step in _STEPS}

    def adopt(self, live: Live) -> None:
        """From the next message on; those under way keep what they began with."""
        self._live = live
        self._metrics.name_members(live.settings.reports.per_member)

    async def accept(self, received: Received) -> tuple[Verdict, ...]:
        """One verdict for SMTP, one for each recipient for LMTP. Never raises for what a message holds."""
        verdicts = await self._answer_to(received, self._live)
        for barred in {verdict for verdict in verdicts if isinstance(verdict, Barred)}:
            self._metrics.rejections.labels(barred.reason).inc()
            if barred.code >= 500:
                log.info("message_refused", **_whence(received), reason=f"{barred.status} {barred.text}")
        return verdicts

    async def _answer_to(self, received: Received, live: Live) -> tuple[Verdict, ...]:
        try:
            if await self._came_back(received):
                return for_all(received, Accepted(received.id))
            if is_sent_back(received.envelope):
                return for_all(received, await self._sending_back.take(received))
            considered = await self._consider_safely(received, live)
            for attempt in range(MAX_RECALLS):
                async with self._turn_in(considered.known):
                    if attempt:  # anew within the turn, where nobody else moves the conversation
                        considered = await self._consider_safely(received, live, considered.verification)
                    try:
                        return await self._answer(received, considered, live)
                    except StaleError:  # it has moved since it was recalled
                        considered = await self._consider_safely(received, live, considered.verification)
            raise StoreError("the conversation keeps moving")
        except StoreFullError:
            log.error("message_refused", **_whence(received), reason="the store is full")
            return for_all(received, FULL)
        except StoreError as error:
            log.error("message_refused", **_whence(received), reason=str(error))
            return for_all(received, TROUBLE)

    async def _came_back(self, received: Received) -> bool:
        """Whether it is a report of one of our copies, which `delivery` has acted upon, or a probe: nobody gets it."""
        if self._bounces.takes_probe(received):
            return True
        digest = digest_of(received.raw) if is_returned(received.envelope) else None
        if digest is None or self._hands.is_suspect(digest):
            return False
        with self._hands.holding(digest):
            said = await self._bounces.read(received)
        return await self._bounces.consume(received, said)

    # Steps 2 to 5.

    async def _consider_safely(
        self, received: Received, live: Live, verification: Verification | None = None
    ) -> Considered:
        """Whatever goes wrong here, the message is taken all the same, undecided.

        The mark held while it is looked at outlives the process: what killed it is not looked at a second time.
        """
        digest = digest_of(received.raw)
        if self._hands.is_suspect(digest):
            log.error("message_undecided", id=received.id, reason="the process died over this message before")
            return self._undecided(received)
        try:
            return await self._consider(received, live, MarkedWork(self._hands, digest, received.raw), verification)
        except Exception:
            log.exception("message_undecided", id=received.id, reason="a fault while it was considered")
            return self._guarded(self._undecided(received), received, live)

    async def _consider(
        self, received: Received, live: Live, work: Compute, verification: Verification | None
    ) -> Considered:
        """`verification`: of this message, where it was done before."""
        with self._steps["view"].time():
            view, passed, barred = await work(partial(look, received, self._trace_keys, live))
        if barred is not None:
            return Considered(Matter(received, ()), ThreadKeys(None), Known(), barred=barred)
        with self._steps["verify"].time():
            verification = verification or await self._world.verify(view, received, live.settings, work)
            proofs = proofs_of(view, received.client, live, verification)
        barred = unless_told(verification, proofs, received.envelope, live.roster)
        if barred is not None:
            return Considered(Matter(received, ()), ThreadKeys(None), Known(), barred=barred)
        with self._steps["recall"].time():
            thread = await work(partial(thread_keys, view, received.envelope, received.client, live, proofs))
            known = await self._store.recall(thread)
        with self._steps["decide"].time():
            matter, barred = await work(partial(judge, view, received, live, known, proofs))
        notice = is_notice(view, received.envelope)
        return Considered(matter, thread, known, passed, verification, barred, is_notice=notice)

    def _undecided(self, received: Received) -> Considered:
        self._metrics.undecided_messages.inc()
        inboxes = dict.fromkeys(recipient.inbox for recipient in received.envelope.recipients)
        decisions = tuple(Decision(inbox, labels=(UNDECIDED,)) for inbox in inboxes)
        return Considered(Matter(received, decisions), ThreadKeys(None, by_bytes=True), Known())

    def _guarded(self, undecided: Considered, received: Received, live: Live) -> Considered:
        """Undecided mail must not go round in circles either; should the header itself be at fault, it may."""
        try:
            view = MessageView(received.raw)
            passed = passed_inboxes(view, self._trace_keys, live.settings.inboxes, received.envelope)
            return replace(undecided, passed=passed, barred=LOOP if loops(view, received.envelope, passed) else None)
        except Exception:
            log.exception("message_unguarded", id=received.id)
            return undecided

    # Step 6.

    def _turn_in(self, known: Known) -> AbstractAsyncContextManager[object]:
        """Messages of one conversation are committed one after the other: at once, all but one would be stale."""
        if known.conversation is None:
            return nullcontext()
        lock = self._conversations.get(known.conversation.id)
        if lock is None:
            lock = self._conversations[known.conversation.id] = asyncio.Lock()
        return lock

    async def _answer(self, received: Received, considered: Considered, live: Live) -> tuple[Verdict, ...]:
        """Refuses what is to be refused and commits the rest. Raises StaleError, StoreError: nothing was written."""
        if considered.barred is not None:
            return for_all(received, considered.barred)
        listener = live.settings.listener(received.client.listener)
        refused = refusals(
            received,
            considered.decisions,
            is_known=considered.known.conversation is not None,
            reject_through=listener is not None and listener.reject_through,
        )
        if len(refused) == len(considered.decisions):
            return for_each(received, refused, Accepted(received.id))
        if received.client.protocol is Protocol.LMTP and refused:
            considered = _without(refused, considered)
        with self._steps["commit"].time():
            committed = await self._commit(considered, live)
        if considered.thread.by_bytes:
            self._hands.clear(digest_of(received.raw))  # not before: a death meanwhile would have it looked at again
        await self._tell(considered, committed)
        return for_each(received, refused, Accepted(committed.id))

    async def _commit(self, considered: Considered, live: Live) -> Committed:
        """A plan that fails gives way to the last resort."""
        received = considered.matter.received
        try:
            stamp = self._stamp(considered, live)
            return await self._store.commit(_entry(considered, partial(self._settle, considered, live, stamp)))
        except PlanFailedError:
            log.exception("message_undecided", id=received.id, reason="no plan could be made")
            undecided = self._undecided(received)
            try:
                stamp = self._stamp(undecided, live)
                return await self._store.commit(_entry(undecided, partial(self._settle_anyhow, undecided, live, stamp)))
            except PlanFailedError as error:
                raise StoreError("not even the last resort could be planned") from error

    def _settle(self, considered: Considered, live: Live, stamp: Annotation, state: FullDeskState) -> Settled:
        """The desk's part of the transaction. The writer calls it; it may be called again."""
        house = House(live.settings, live.roster, self._world.choose, self._world.new_id)
        plan = settle(considered.matter, state, house)
        return settled(plan, state, live, self._trace_keys, stamp, considered.decisions)

    def _settle_anyhow(self, considered: Considered, live: Live, stamp: Annotation, state: FullDeskState) -> Settled:
        matter = considered.matter
        plan = last_resort_plan(matter.decisions[0].inbox, UNDECIDED, live.roster, matter.at)
        return settled(plan, state, live, self._trace_keys, stamp, considered.decisions)

    def _stamp(self, considered: Considered, live: Live) -> Annotation:
        """What the copies say on top, as far as no state has a say in it: made before the transaction, in which
        everybody else waits. Raises PlanFailedError."""
        try:
            return self._stamped(considered, live)
        except Exception as error:
            raise PlanFailedError(f"{type(error).__name__}: {error}") from error

    def _stamped(self, considered: Considered, live: Live) -> Annotation:
        received, decisions = considered.matter.received, considered.decisions
        inboxes = [decision.inbox for decision in decisions]
        hostname = live.settings.hostname
        verification = considered.verification or NOT_VERIFIED
        return Annotation(
            queue_id=received.id,
            inbox=inboxes[0],
            assigned_to="",
            assigned_name="",
            trace=tuple(
                trace_mac(self._trace_keys, received.id, inbox)
                for inbox in dict.fromkeys((*inboxes, *sorted(considered.passed)))
            ),
            auth_results=results_value(
                hostname, (*verified_of_client(received.client, live.roster), *verification.results)
            ),
            arc_chain=verification.chain,
            received=received_value(received, hostname),
            cut_authserv_ids=(hostname, *(() if received.client.trusted else live.settings.authserv_ids)),
            cut_headers=live.ruleset.given_headers,
            reply_name=considered.matter.reply_name,
            answered_by=considered.matter.answered_by,
        )

    # Afterwards.

    async def _tell(self, considered: Considered, committed: Committed) -> None:
        """It is durable: whatever fails here, that is what the client hears."""
        received = considered.matter.received
        try:
            self._hand_over(committed.copies, received.raw)
            if committed.others:
                self._hand_over(committed.others, None)
            tell_accepted(received, committed.plan, considered.decisions, len(committed.copies), self._metrics)
            if committed.plan.part is not Part.AWAY:
                await self._bounces.note(received, committed.id)
        except Exception:
            log.exception("message_unreported", id=committed.id)


def _entry(considered: Considered, settle_it: Callable[[FullDeskState], Settled]) -> Entry:
    matter = considered.matter
    return Entry(
        matter.received,
        considered.thread,
        considered.known,
        matter.decisions,
        settle_it,
        is_notice=considered.is_notice,
    )


def _without(refused: dict[str, Barred], considered: Considered) -> Considered:
    """The message as if it had come only to those who take it."""
    matter = considered.matter
    envelope = matter.received.envelope
    recipients = tuple(one for one in envelope.recipients if one.inbox not in refused)
    decisions = tuple(one for one in matter.decisions if one.inbox not in refused)
    received = replace(matter.received, envelope=replace(envelope, recipients=recipients))
    return replace(considered, matter=replace(matter, received=received, decisions=decisions))


def _whence(received: Received) -> dict[str, object]:
    """By which an operator finds what was refused: it has no history."""
    envelope, client = received.envelope, received.client
    return {
        "id": received.id,
        "sender": envelope.sender,
        "recipients": [str(recipient.address) for recipient in envelope.recipients[:MAX_TOLD]],
        "client": client.address,
        "listener": client.listener,
    }
