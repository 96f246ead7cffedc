"""Step 6 of a message's way, and what else of it needs the store: where every message is committed, whoever decided it.

What is proposed is a value: it may have been made in another process than the one that writes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol
from weakref import WeakValueDictionary

import structlog

from routerd.delivery.aftermath.bounces import Bounces, is_returned
from routerd.delivery.aftermath.sending_back import SendingBack
from routerd.desk.assign import last_resort_plan
from routerd.desk.changes import Part
from routerd.desk.matter import House, Matter
from routerd.desk.own_labels import UNDECIDED
from routerd.desk.pick import Choose
from routerd.desk.plan import ConversationId, FullDeskState
from routerd.desk.settle import settle
from routerd.message.annotation import Annotation
from routerd.message.envelope import QueueId, Raw, Received, Verdict
from routerd.message.light import light
from routerd.message.token import TRACE
from routerd.ops.acceptance import tell_accepted
from routerd.ops.metrics import Metrics
from routerd.settling import Live, settled
from routerd.store.base import Committed, Copy, Entry, Known, Settled, ThreadKeys
from routerd.store.marks import InHand, digest_of
from routerd.store.protocol import Store

log = structlog.get_logger()


@light
@dataclass(frozen=True, slots=True)
class Proposal:
    """A message as steps 2 to 5 leave it: all that is written of it, but for what the state has a say in."""

    matter: Matter
    thread: ThreadKeys
    known: Known
    stamp: Annotation  # what its copies bear, as far as no state has a say in it
    is_notice: bool = False  # another routerd's
    is_last_resort: bool = False  # no plan could be made of what was decided: it goes to the inbox's fallback


class Counter(Protocol):
    """What the router asks of those who hold the store: here, or in the process that does."""

    def recall(self, thread: ThreadKeys) -> Awaitable[Known]:
        """As `Store.recall`."""

    def turn_in(self, known: Known, *, again: bool) -> AbstractAsyncContextManager[object]:
        """Messages of one conversation are committed one after the other: at once, all but one would be stale.

        `again`: it was stale already, so that others must wait wherever they are.
        """

    async def commit(self, proposal: Proposal, live: Live) -> QueueId:
        """Durable on return; `live`: by which it was decided. Gives its id. Raises as `Store.commit`."""

    def may_have_come_back(self, received: Received) -> bool:
        """Whether `came_back` is to be asked."""

    async def came_back(self, received: Received) -> bool:
        """Whether it is a report of one of our copies, which has been acted upon, or a probe: nobody gets it."""

    def send_back(self, received: Received) -> Awaitable[Verdict]:
        """A bounce for a sender whom `return_path: srs` wrapped. Raises StoreError."""


class Turns:
    """One after the other, by conversation."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def of(self, conversation: ConversationId) -> asyncio.Lock:
        lock = self._locks.get(conversation)
        if lock is None:
            lock = self._locks[conversation] = asyncio.Lock()
        return lock


@dataclass(frozen=True, slots=True)
class Chance:
    """What no message and no config can say, where it is settled who gets it."""

    choose: Choose
    new_id: Callable[[datetime], QueueId]  # called in the store's writing thread alone


class Committer:
    """A Counter with the store at hand. `hand_over` takes to delivery what was committed."""

    def __init__(
        self,
        store: Store,
        hands: InHand,
        hand_over: Callable[[Sequence[Copy], Raw | None], None],
        bounces: Bounces,
        sending_back: SendingBack,
        metrics: Metrics,
        chance: Chance,
    ) -> None:
        self._store = store
        self._hands = hands
        self._hand_over = hand_over
        self._bounces = bounces
        self._sending_back = sending_back
        self._metrics = metrics
        self._chance = chance
        self._trace_keys = store.keys(TRACE)
        self._turns = Turns()

    def recall(self, thread: ThreadKeys) -> Awaitable[Known]:
        return self._store.recall(thread)

    def send_back(self, received: Received) -> Awaitable[Verdict]:
        return self._sending_back.take(received)

    def turn_in(self, known: Known, *, again: bool = False) -> AbstractAsyncContextManager[object]:  # noqa: ARG002
        return nullcontext() if known.conversation is None else self._turns.of(known.conversation.id)

    async def commit(self, proposal: Proposal, live: Live) -> QueueId:
        matter = proposal.matter
        entry = Entry(
            matter.received,
            proposal.thread,
            proposal.known,
            matter.decisions,
            partial(self._settle_anyhow if proposal.is_last_resort else self._settle, proposal, live),
            is_notice=proposal.is_notice,
        )
        committed = await self._store.commit(entry)
        await self._tell(proposal, committed)
        return committed.id

    @property
    def awaits_probes(self) -> bool:
        """Whether any message may be a probe."""
        return self._bounces.awaits_probes

    def may_have_come_back(self, received: Received) -> bool:
        return self._bounces.awaits_probes or is_returned(received.envelope)

    async def came_back(self, received: Received) -> bool:
        if self._bounces.takes_probe(received):
            return True
        digest = digest_of(received.raw) if is_returned(received.envelope) else None
        if digest is None or self._hands.is_suspect(digest):
            return False
        with self._hands.holding(digest):
            said = await self._bounces.read(received)
        return await self._bounces.consume(received, said)

    def _settle(self, proposal: Proposal, live: Live, state: FullDeskState) -> Settled:
        """The desk's part of the transaction. The writer calls it; it may be called again."""
        matter = proposal.matter
        house = House(live.settings, live.roster, self._chance.choose, self._chance.new_id)
        plan = settle(matter, state, house)
        return settled(plan, state, live, self._trace_keys, proposal.stamp, matter.decisions)

    def _settle_anyhow(self, proposal: Proposal, live: Live, state: FullDeskState) -> Settled:
        matter = proposal.matter
        plan = last_resort_plan(matter.decisions[0].inbox, UNDECIDED, live.roster, matter.at)
        return settled(plan, state, live, self._trace_keys, proposal.stamp, matter.decisions)

    async def _tell(self, proposal: Proposal, committed: Committed) -> None:
        """It is durable: whatever fails here, that is what the client hears."""
        received = proposal.matter.received
        try:
            self._hand_over(committed.copies, received.raw)
            if committed.others:
                self._hand_over(committed.others, None)
            decisions = proposal.matter.decisions
            tell_accepted(received, committed.plan, decisions, len(committed.copies), self._metrics)
            if committed.plan.part is not Part.AWAY:
                await self._bounces.note(received, committed.id)
        except Exception:
            log.exception("message_unreported", id=committed.id)
