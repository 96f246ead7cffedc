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

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import structlog

from routerd.auth.our_results import results_value
from routerd.auth.verification import NOT_VERIFIED, Compute, Verification
from routerd.committing import Counter, Proposal
from routerd.config.settings import Settings
from routerd.considering import Considered, bytes_read, judge, look, thread_keys
from routerd.delivery.aftermath.sending_back import is_sent_back
from routerd.desk.consider import is_notice, loops, passed_inboxes, proofs_of, verified_of_client
from routerd.desk.dmarc_policy import unless_told
from routerd.desk.matter import Matter
from routerd.desk.own_labels import UNDECIDED
from routerd.desk.refusal import FULL, LOOP, TROUBLE, Barred, for_all, for_each, refusals
from routerd.message.annotate import received_value
from routerd.message.annotation import Annotation
from routerd.message.envelope import Accepted, Protocol, QueueId, Received, Verdict
from routerd.message.key_ring import Keys
from routerd.message.token import trace_mac
from routerd.message.view import MessageView
from routerd.ops.metrics import Metrics
from routerd.rules.decision import Decision
from routerd.settling import Live
from routerd.store.base import Known, PlanFailedError, StaleError, StoreError, StoreFullError, ThreadKeys
from routerd.store.marked_work import MarkedWork
from routerd.store.marks import InHand, digest_of

MAX_TOLD = 5  # recipients of a refused message, in the log
MAX_RECALLS = 5  # how often a conversation may move between recall and commit
_STEPS = ("view", "verify", "recall", "decide", "commit")

log = structlog.get_logger()

Verify = Callable[[MessageView, Received, Settings, Compute], Awaitable[Verification]]


class Router:
    """Takes a message from the end of DATA to its verdict. `trace_keys`: by which our own traces are known."""

    def __init__(
        self, live: Live, counter: Counter, trace_keys: Keys, hands: InHand, metrics: Metrics, verify: Verify
    ) -> None:
        self._live = live
        self._counter = counter
        self._trace_keys = trace_keys
        self._hands = hands
        self._metrics = metrics
        self._verify = verify
        metrics.name_members(live.settings.reports.per_member)
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
            if self._counter.may_have_come_back(received) and await self._counter.came_back(received):
                return for_all(received, Accepted(received.id))
            if is_sent_back(received.envelope):
                return for_all(received, await self._counter.send_back(received))
            considered = await self._consider_safely(received, live)
            for attempt in range(MAX_RECALLS):
                async with self._counter.turn_in(considered.known, again=attempt > 0):
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
        self, received: Received, live: Live, work: MarkedWork, verification: Verification | None
    ) -> Considered:
        """`verification`: of this message, where it was done before."""
        with self._steps["view"].time():
            view, passed, barred = await work.glance(partial(look, received, self._trace_keys, live))
            await work.weigh(partial(bytes_read, view))
        if barred is not None:
            return Considered(Matter(received, ()), ThreadKeys(None), Known(), barred=barred)
        with self._steps["verify"].time():
            verification = verification or await self._verify(view, received, live.settings, work)
            proofs = proofs_of(view, received.client, live, verification)
        barred = unless_told(verification, proofs, received.envelope, live.roster)
        if barred is not None:
            return Considered(Matter(received, ()), ThreadKeys(None), Known(), barred=barred)
        with self._steps["recall"].time():
            thread = await work(partial(thread_keys, view, received.envelope, received.client, live, proofs))
            known = await self._counter.recall(thread)
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
            kept_as = await self._commit(considered, live)
        if considered.thread.by_bytes:
            self._hands.clear(digest_of(received.raw))  # not before: a death meanwhile would have it looked at again
        return for_each(received, refused, Accepted(kept_as))

    async def _commit(self, considered: Considered, live: Live) -> QueueId:
        """A plan that fails gives way to the last resort."""
        received = considered.matter.received
        try:
            return await self._counter.commit(self._proposal(considered, live), live)
        except PlanFailedError:
            log.exception("message_undecided", id=received.id, reason="no plan could be made")
            try:
                undecided = replace(self._proposal(self._undecided(received), live), is_last_resort=True)
                return await self._counter.commit(undecided, live)
            except PlanFailedError as error:
                raise StoreError("not even the last resort could be planned") from error

    def _proposal(self, considered: Considered, live: Live) -> Proposal:
        """Raises PlanFailedError."""
        try:
            stamp = self._stamp(considered, live)
        except Exception as error:
            raise PlanFailedError(f"{type(error).__name__}: {error}") from error
        return Proposal(considered.matter, considered.thread, considered.known, stamp, is_notice=considered.is_notice)

    def _stamp(self, considered: Considered, live: Live) -> Annotation:
        """What the copies say on top, as far as no state has a say in it: made before the transaction, in which
        everybody else waits."""
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
