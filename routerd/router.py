"""The way of one message, step by step. Read this first.

1 receive    `intake` hands a whole message to `Router.accept`
2 view       its fields and text, decoded lazily
3 verify     what is known of who wrote it
4 recall     what the store knows of its conversation
5 decide     the rules say whom to pick from, which labels
6 commit     one transaction; inside it the desk says who exactly. Only now `250`
7 annotate   \\
8 deliver     > `delivery`, copy by copy, from the committed plan
9 conclude   /
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from hashlib import blake2b
from time import perf_counter
from typing import TypeVar

import structlog

from routerd.auth.results import believed_results
from routerd.config.settings import Settings
from routerd.delivery.routes import Routes
from routerd.desk.assign import assign, last_resort_plan
from routerd.desk.describe import describe
from routerd.desk.pick import Choose
from routerd.desk.plan import DeskState, Plan
from routerd.desk.roster import Roster
from routerd.message.annotate import Annotation, received_value
from routerd.message.envelope import Accepted, Envelope, Protocol, Purpose, Raw, Received, Refused, Verdict
from routerd.message.token import is_own_trace, trace_mac
from routerd.message.view import MessageView
from routerd.ops.metrics import Metrics
from routerd.rules.decision import Assign, Decision, RuleRef
from routerd.rules.facts import Facts
from routerd.rules.ruleset import Ruleset
from routerd.store.base import (
    Committed,
    Copy,
    Entry,
    Known,
    NewCopy,
    PlanFailedError,
    Settled,
    StaleError,
    Store,
    StoreError,
    StoreFullError,
    ThreadKeys,
)
from routerd.store.marks import InHand

MAX_HOPS = 50  # RFC 5321 6.3: loops are found by counting Received
MAX_RECALLS = 5  # how often a conversation may move between recall and commit
OFF_LOOP_BYTES = 256_000  # larger messages are looked at in a thread, so that others need not wait
UNDECIDED = "routerd-error"
SUSPECT = "thread-suspect"
BOUNCE = "bounce"

_LOOP = Refused(554, "5.4.6", "routing loop: this message has been here before")
_FULL = Refused(452, "4.3.1", "insufficient storage, try again later")
_TROUBLE = Refused(451, "4.3.0", "temporary trouble, try again later")

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Live:
    """All that a reload replaces. A message sees one of these from beginning to end."""

    settings: Settings
    roster: Roster
    ruleset: Ruleset
    routes: Routes


@dataclass(frozen=True, slots=True)
class Considered:
    """Steps 2 to 5: one decision for each inbox, the home inbox's first."""

    thread: ThreadKeys
    known: Known
    decisions: tuple[Decision, ...]
    loops: bool = False


class Router:
    """Takes a message from the end of DATA to its verdict."""

    def __init__(
        self,
        live: Live,
        store: Store,
        hands: InHand,
        hand_over: Callable[[Sequence[Copy], Raw], None],
        metrics: Metrics,
        *,
        choose: Choose,
    ) -> None:
        self._live = live
        self._store = store
        self._hands = hands
        self._hand_over = hand_over
        self._metrics = metrics
        self._choose = choose
        self._trace_key = store.key("trace")
        self._view_seconds, self._recall_seconds, self._decide_seconds, self._commit_seconds = (
            metrics.step_seconds.labels(step).observe for step in ("view", "recall", "decide", "commit")
        )

    def adopt(self, live: Live) -> None:
        """From the next message on; those under way keep what they began with."""
        self._live = live

    async def accept(self, received: Received) -> tuple[Verdict, ...]:
        """One verdict for SMTP, one for each recipient for LMTP. Never raises for what a message holds."""
        live = self._live
        considered = await self._consider_safely(received, live)
        if considered.loops:
            return _for_all(received, _LOOP)
        refusals = _refusals(received, considered)
        if len(refusals) == len(considered.decisions):
            return _for_each(received, refusals, Accepted(received.id))
        if received.client.protocol is Protocol.LMTP and refusals:
            considered = replace(
                considered, decisions=tuple(d for d in considered.decisions if d.inbox not in refusals)
            )
        try:
            committed = await self._commit(received, considered, live)
        except StoreFullError:
            log.error("message_refused", id=received.id, reason="the store is full")
            return _for_all(received, _FULL)
        except StoreError as error:
            log.error("message_refused", id=received.id, reason=str(error))
            return _for_all(received, _TROUBLE)
        self._hand_over(committed.copies, received.raw)
        self._report(received, considered, committed)
        return _for_each(received, refusals, Accepted(committed.id))

    async def _consider_safely(self, received: Received, live: Live) -> Considered:
        """Steps 2 to 5; whatever goes wrong there, the message is taken all the same, undecided.

        The mark held meanwhile outlives the process: what killed it is not looked at a second time.
        """
        digest = _digest(received.raw)
        if self._hands.is_suspect(digest):
            log.error("message_undecided", id=received.id, reason="the process died over this message before")
            self._hands.clear(digest)
            return self._undecided(received)
        try:
            with self._hands.holding(digest):
                return await self._consider(received, live)
        except StoreError:
            log.exception("message_undecided", id=received.id, reason="the store could not recall")
            return self._undecided(received)
        except Exception:
            log.exception("message_undecided", id=received.id, reason="an unforeseen fault")
            return self._undecided(received)

    async def _consider(self, received: Received, live: Live) -> Considered:
        began = perf_counter()
        view, thread = await _off_loop_if_large(received.raw, partial(look, received.raw, live.settings))
        viewed = perf_counter()
        self._view_seconds(viewed - began)
        if loops(view, received, self._trace_key):
            return Considered(thread, Known(), (), loops=True)
        known = await self._store.recall(thread)
        recalled = perf_counter()
        self._recall_seconds(recalled - viewed)
        decisions = await _off_loop_if_large(
            received.raw, partial(decide, view, received.envelope, received.client.trusted, received.at, live)
        )
        self._decide_seconds(perf_counter() - recalled)
        if known.suspect:
            decisions = (_labelled(decisions[0], SUSPECT), *decisions[1:])
        return Considered(thread, known, decisions)

    def _undecided(self, received: Received) -> Considered:
        self._metrics.undecided_messages.inc()
        inboxes = dict.fromkeys(recipient.inbox for recipient in received.envelope.recipients)
        return Considered(ThreadKeys(None), Known(), tuple(Decision(inbox, labels=(UNDECIDED,)) for inbox in inboxes))

    async def _commit(self, received: Received, considered: Considered, live: Live) -> Committed:
        """Step 6. A conversation that moved is considered again; a plan that fails gives way to the last resort."""
        last_resort = False
        began = perf_counter()
        for _ in range(MAX_RECALLS):
            settle = partial(self._settle, received, considered.decisions, live, last_resort)
            entry = Entry(received, considered.thread, considered.known, considered.decisions, settle)
            try:
                committed = await self._store.commit(entry)
            except StaleError:
                considered = await self._consider_safely(received, live)
            except PlanFailedError:
                if last_resort:
                    raise StoreError("not even the last resort could be planned") from None
                log.exception("message_undecided", id=received.id, reason="no plan could be made")
                considered, last_resort = self._undecided(received), True
            else:
                self._commit_seconds(perf_counter() - began)
                return committed
        raise StoreError("the conversation keeps moving")

    def _settle(
        self, received: Received, decisions: tuple[Decision, ...], live: Live, last_resort: bool, state: DeskState
    ) -> Settled:
        """The desk's part of the transaction. The writer calls it; it may be called again."""
        if last_resort:
            plan = last_resort_plan(decisions[0].inbox, UNDECIDED, live.roster)
        else:
            plan = assign(decisions, live.roster, state, received.at, self._choose)
        annotation = describe(plan, decisions, live.roster, self._stamp(received, decisions, live.settings))
        return Settled(plan, annotation, new_copies(plan, live))

    def _stamp(self, received: Received, decisions: tuple[Decision, ...], settings: Settings) -> Annotation:
        """What a copy says whatever the plan: where it came from and that it was here."""
        inboxes = [decision.inbox for decision in decisions]
        recipients = tuple(str(recipient.address) for recipient in received.envelope.recipients)
        return Annotation(
            queue_id=received.id,
            inbox=inboxes[0],
            assigned_to="",
            assigned_name="",
            trace=tuple(trace_mac(self._trace_key, received.id, inbox) for inbox in inboxes),
            auth_results=f"{settings.hostname}; none",
            received=received_value(received.client, settings.hostname, received.id, recipients, received.at),
            cut_authserv_ids=(settings.hostname, *(() if received.client.trusted else settings.authserv_ids)),
        )

    def _report(self, received: Received, considered: Considered, committed: Committed) -> None:
        plan, metrics = committed.plan, self._metrics
        for decision in considered.decisions:
            for match in decision.trace.matches:
                metrics.rule_matches.labels(str(match.rule)).inc()
            for skipped in decision.trace.failed:
                metrics.rule_errors.labels(str(skipped.rule)).inc()
                log.error("rule_failed", id=received.id, rule=str(skipped.rule), reason=skipped.reason)
        for label in plan.labels:
            metrics.labels.labels(label).inc()
        metrics.assignments.labels(plan.inbox, plan.owner).inc()
        log.info(
            "message_accepted",
            id=received.id,
            inbox=plan.inbox,
            owner=plan.owner,
            labels=plan.labels,
            copies=len(committed.copies),
            size_bytes=len(received.raw),
            client=received.client.address,
            listener=received.client.listener,
            revision=considered.decisions[0].revision,
        )


def look(raw: Raw, settings: Settings) -> tuple[MessageView, ThreadKeys]:
    """Step 2, and the keys of step 4."""
    view = MessageView(raw, text_limit=settings.limits.rule_text)
    parties = (mailbox.address for name in ("from", "reply-to", "to", "cc") for mailbox in view.addresses(name))
    return view, ThreadKeys(
        message_id=view.message_id,
        references=view.references,
        participants=tuple(dict.fromkeys(parties)),
        author=view.author.address if view.author else None,
        content_hash=view.content_hash,
    )


def decide(view: MessageView, envelope: Envelope, trusted: bool, at: datetime, live: Live) -> tuple[Decision, ...]:
    """Steps 3 and 5: for each inbox its decision, the home inbox's first. Pure; `explain` calls the same."""
    facts = facts_of(view, envelope, trusted, at, live)
    return tuple(
        _ruled_by(purpose, live.settings.postmaster, inbox)
        or live.ruleset.decide(
            facts.at_inbox(inbox, tuple(str(r.address) for r in envelope.recipients if r.inbox == inbox))
        )
        for inbox, purpose in home_first(view, envelope, live.roster)
    )


def facts_of(view: MessageView, envelope: Envelope, trusted: bool, at: datetime, live: Live) -> Facts:
    """Step 3: the facts but for the inbox, to be read by `Facts.at_inbox`."""
    results = believed_results(view, trusted, live.settings.authserv_ids)
    author = view.author.address if view.author else ""
    internal = live.roster.member_with(author) is not None and results.authenticates(author)
    return Facts(view, envelope.sender, (), "", live.roster.own_addresses, internal, at)


def home_first(view: MessageView, envelope: Envelope, roster: Roster) -> list[tuple[str, Purpose]]:
    """Each inbox of the envelope once: the one that To or Cc names first, then in the order of RCPT."""
    purposes = {recipient.inbox: recipient.purpose for recipient in reversed(envelope.recipients)}
    ordered = dict.fromkeys(recipient.inbox for recipient in envelope.recipients)
    named = (roster.inbox_of(mailbox.address) for name in ("to", "cc") for mailbox in view.addresses(name))
    home = next((inbox for inbox in named if inbox in ordered), None) if len(ordered) > 1 else None
    inboxes = ordered if home is None else dict.fromkeys([home, *ordered])
    return [(inbox, purposes[inbox]) for inbox in inboxes]


def loops(view: MessageView, received: Received, key: bytes) -> bool:
    """Whether it was here for one of the same inboxes, or has come over too many hops. Seen before anything is cut."""
    if view.received_count > MAX_HOPS:
        return True
    traces = view.headers.raw_values("x-routerd-trace")
    inboxes = {recipient.inbox for recipient in received.envelope.recipients}
    return any(is_own_trace(trace, key, inbox) for trace in traces[:MAX_HOPS] for inbox in inboxes)


def new_copies(plan: Plan, live: Live) -> tuple[NewCopy, ...]:
    """The plan's copies with their mailboxes and ways."""
    return tuple(
        NewCopy(
            copy.member,
            mailbox := str(live.roster.mailbox(copy.member)),
            live.routes.destination(mailbox),
            copy.role,
            held=copy.held,
        )
        for copy in plan.copies
    )


def _ruled_by(purpose: Purpose, postmaster: str, inbox: str) -> Decision | None:
    """Rules read mail that comes to inboxes; what comes to other addresses of ours is the postmaster's."""
    match purpose:
        case Purpose.INBOX:
            return None
        case Purpose.POSTMASTER:
            return Decision(inbox, assign=Assign(postmaster, RuleRef("routerd", "postmaster")))
        case Purpose.RETURN_PATH:
            return Decision(inbox, assign=Assign(postmaster, RuleRef("routerd", "return-path")), labels=(BOUNCE,))


def _refusals(received: Received, considered: Considered) -> dict[str, Refused]:
    """The inboxes whose rules reject and whose sender can still be told: nobody else's queue, no known conversation."""
    if received.client.trusted or considered.known.conversation is not None:
        return {}
    return {
        decision.inbox: Refused(550, "5.7.1", _ascii(decision.reject))
        for decision in considered.decisions
        if decision.reject is not None
    }


def _for_all(received: Received, verdict: Verdict) -> tuple[Verdict, ...]:
    count = len(received.envelope.recipients) if received.client.protocol is Protocol.LMTP else 1
    return (verdict,) * count


def _for_each(received: Received, refusals: dict[str, Refused], verdict: Accepted) -> tuple[Verdict, ...]:
    """LMTP: each recipient its own. SMTP: a refusal only where every inbox refuses."""
    inboxes = [recipient.inbox for recipient in received.envelope.recipients]
    if received.client.protocol is Protocol.LMTP:
        return tuple(refusals.get(inbox, verdict) for inbox in inboxes)
    return (refusals[inboxes[0]],) if all(inbox in refusals for inbox in inboxes) else (verdict,)


def _labelled(decision: Decision, label: str) -> Decision:
    return replace(decision, labels=tuple(dict.fromkeys((*decision.labels, label))))


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii") or "rejected"


def _digest(raw: Raw) -> bytes:
    return blake2b(raw, digest_size=32).digest()


async def _off_loop_if_large(raw: Raw, work: Callable[[], T]) -> T:
    return work() if len(raw) <= OFF_LOOP_BYTES else await asyncio.to_thread(work)
