"""Tells the postmaster of copies that could not be delivered, one notice for each mailbox and hour; of answers to
customers, their authors.

What is to be told was written with the conclusion that it tells of, and is marked as told by the transaction that adds
the notice: after a crash the notice is either in the queue, or still to be written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from routerd.auth.signers import Signers
from routerd.config.settings import Settings
from routerd.delivery.routes import Routes
from routerd.desk.changes import Role
from routerd.desk.describe import describe
from routerd.desk.notice import notice_plan
from routerd.desk.plan import Plan
from routerd.desk.roster import Roster
from routerd.message.address import Address, parse_address
from routerd.message.annotation import Annotation
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, QueueId, Raw, Received, Recipient
from routerd.message.headers import find_header_end
from routerd.message.notice import MAX_RETURNED_BYTES, Notice, TroubledCopy, compose_notice, weightiest
from routerd.message.token import NOTICE, TRACE, trace_mac
from routerd.ops.metrics import Metrics
from routerd.rules.decision import Assign, Decision, RuleRef
from routerd.store.base import Copy, Entry, Known, NewCopy, Settled, StoreError, ThreadKeys, Trouble, Untold
from routerd.store.protocol import Store

APART = timedelta(hours=1)  # notices about the same
LOOK_EVERY = timedelta(seconds=5)  # and so long what fails together is gathered

TellAuthor = Callable[[Untold, datetime], Awaitable[None]]
"""Tells a member of his answer that is in trouble, and marks it as told. Raises StoreError."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Bureau:
    """All that a reload replaces."""

    settings: Settings
    roster: Roster
    routes: Routes
    signers: Signers

    @property
    def inbox(self) -> str:
        """The address under which notices are handled, as mail to it is."""
        first = next(iter(self.settings.inboxes))
        return str(Address("postmaster", parse_address(first).domain))


class Notifier:
    """`bureau` gives the one in force; `hand_over` takes what was committed to delivery."""

    def __init__(
        self,
        store: Store,
        bureau: Callable[[], Bureau],
        new_id: Callable[[datetime], QueueId],
        hand_over: Callable[[Sequence[Copy], Raw], None],
        metrics: Metrics,
        clock: Callable[[], datetime],
        tell_author: TellAuthor,
        look_every: timedelta = LOOK_EVERY,
    ) -> None:
        self._store = store
        self._bureau = bureau
        self._new_id = new_id
        self._hand_over = hand_over
        self._metrics = metrics
        self._clock = clock
        self._tell_author = tell_author
        self._look_every = look_every
        self._trace_keys = store.keys(TRACE)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(self._look_every.total_seconds())
            try:
                await self.tell()
            except StoreError as error:
                log.error("notices_unwritten", reason=str(error))

    async def tell(self) -> None:
        """Writes the notices that are due. Raises StoreError."""
        bureau = self._bureau()
        for untold in await self._store.untold(self._clock(), APART):
            is_answer = bool(untold.troubles) and untold.troubles[0].copy.role is Role.ANSWER
            plan = notice_plan(bureau.roster, bureau.inbox, untold.about) if untold.troubles else None
            try:
                if is_answer:
                    await self._tell_author(untold, self._clock())
                    continue
                if plan is not None:
                    await self._write(untold, plan, bureau)
                    continue
            except StoreError:
                raise
            except Exception:  # the same would happen again and again, and keep all others untold
                log.exception("notice_unwritten", about=untold.about)
            await self._tell_nobody(untold)

    async def _tell_nobody(self, untold: Untold) -> None:
        await self._store.tell_nobody(untold)
        if untold.troubles:
            self._metrics.notices.labels("nobody_to_tell").inc()
            log.error("postmaster_untold", about=untold.about, copies=untold.total)

    async def _write(self, untold: Untold, plan: Plan, bureau: Bureau) -> None:
        now = self._clock()
        queue_id = self._new_id(now)
        notice = Notice(
            queue_id=queue_id,
            hostname=bureau.settings.hostname,
            to=tuple(str(bureau.roster.mailbox(copy.member)) for copy in plan.copies),
            about=untold.about,
            copies=tuple(_told(trouble) for trouble in untold.troubles),
            total=untold.total,
            at=now,
            returned=await self._header_of(untold.troubles[0].copy),
        )
        raw = bureau.signers.sign(compose_notice(notice), notice.hostname, now)
        received = Received(queue_id, _envelope(plan.inbox), _OURSELVES, raw, now)
        decision = Decision(plan.inbox, assign=Assign(bureau.roster.postmaster, RuleRef("routerd", "notice")))
        settled = self._settled(plan, decision, queue_id, bureau)
        entry = Entry(received, ThreadKeys(None), Known(), (decision,), lambda _: settled, tells=untold)
        committed = await self._store.commit(entry)
        self._metrics.notices.labels(weightiest({copy.kind for copy in notice.copies})).inc()
        log.warning("postmaster_told", id=queue_id, about=untold.about, copies=untold.total, to=notice.to)
        self._hand_over(committed.copies, raw)

    def _settled(self, plan: Plan, decision: Decision, queue_id: QueueId, bureau: Bureau) -> Settled:
        stamp = Annotation(
            queue_id=queue_id,
            inbox=plan.inbox,
            assigned_to="",
            assigned_name="",
            trace=(trace_mac(self._trace_keys, queue_id, NOTICE),),
        )
        new = partial(_new_copy, roster=bureau.roster, routes=bureau.routes)
        copies = tuple(new(planned.member, planned.role) for planned in plan.copies)
        return Settled(plan, describe(plan, (decision,), bureau.roster, stamp), copies)

    async def _header_of(self, copy: Copy) -> bytes:
        """b"" where the bytes are gone."""
        try:
            raw = await self._store.content(copy)
        except StoreError:
            return b""
        start = bytes(raw[: 2 * MAX_RETURNED_BYTES])
        return start[: find_header_end(start).fields_end]


_OURSELVES = Client(address="", port=0, helo="", protocol=Protocol.SMTP, listener="")


def _envelope(inbox: str) -> Envelope:
    return Envelope("", (Recipient(parse_address(inbox), Purpose.POSTMASTER, inbox),))


def _new_copy(member: str, role: Role, *, roster: Roster, routes: Routes) -> NewCopy:
    mailbox = str(roster.mailbox(member))
    return NewCopy(member, mailbox, routes.destination(mailbox), role)


def _told(trouble: Trouble) -> TroubledCopy:
    copy = trouble.copy
    return TroubledCopy(
        kind=str(trouble.kind),
        copy_id=copy.id,
        queue_id=copy.queue_id,
        sender=copy.sender,
        role=str(copy.role),
        member=copy.member,
        mailbox=copy.mailbox,
        reason=trouble.reason,
        taken_by=trouble.taken_by,
        came_at=copy.created_at,
        at=trouble.at,
        status=trouble.status,
    )
