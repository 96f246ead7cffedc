"""Tells members of answers that their customers did not get, or not yet."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import structlog

from routerd.desk.matter import House
from routerd.desk.plan import FullDeskState
from routerd.desk.undelivered import Undelivered, undelivered_plan
from routerd.message.token import TRACE
from routerd.settling import Live, settled
from routerd.store.base import Copy, Deed, Settled, ThreadKeys, TroubleKind, Untold
from routerd.store.protocol import Store

log = structlog.get_logger()


class UndeliveredAnswers:
    """`live` and `house` give what is in force; `hand_over` takes what was committed to delivery."""

    def __init__(
        self,
        store: Store,
        live: Callable[[], Live],
        house: Callable[[Live], House],
        hand_over: Callable[[Sequence[Copy], None], None],
    ) -> None:
        self._store = store
        self._live = live
        self._house = house
        self._hand_over = hand_over
        self._trace_keys = store.keys(TRACE)

    async def tell(self, untold: Untold, at: datetime) -> None:
        """`untold`: of one copy of an answer. Told and marked as told at once. Raises StoreError, PlanFailedError."""
        trouble = untold.troubles[0]
        copy = trouble.copy
        known = await self._store.recall(ThreadKeys(None, vouched=True, copy=copy.number))
        about = Undelivered(copy.message, copy.mailbox, trouble.reason, trouble.kind is TroubleKind.LATE)
        deed = Deed(
            known.conversation.id if known.conversation else None,
            at,
            partial(self._settle, about, at, self._live()),
            tells=untold,
        )
        copies = await self._store.act(deed)
        log.warning("answer_undelivered", id=copy.queue_id, copy=copy.id, kind=str(trouble.kind), told=len(copies))
        if copies:
            self._hand_over(copies, None)

    def _settle(self, about: Undelivered, at: datetime, live: Live, state: FullDeskState) -> Settled | None:
        plan = undelivered_plan(about, state, self._house(live), at)
        return settled(plan, state, live, self._trace_keys) if plan is not None else None
