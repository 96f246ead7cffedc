"""One attempt to deliver one copy, whatever the transport."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import perf_counter

import structlog

from routerd.auth.dkim_signing import Signer
from routerd.auth.signers import NO_SIGNERS, Signers
from routerd.config.settings import Retry
from routerd.delivery.aftermath.retry import NextInLine
from routerd.delivery.desk_addresses import DeskAddresses
from routerd.delivery.hosts.mail_exchanges import HostsOf, without_dns
from routerd.delivery.letter import ReturnPaths, content_of
from routerd.delivery.outcome import Deferred, Failed, Outcome, Stage
from routerd.delivery.report import Report
from routerd.delivery.routes import Routes, Way
from routerd.delivery.transports.connection import Timeouts
from routerd.delivery.transports.lmtp import lmtp_next_hop
from routerd.delivery.transports.maildir import MaildirLetter, MaildirStore
from routerd.delivery.transports.smtp import Letter, NextHop, Shared, TlsContexts, mx_next_hop, smtp_next_hop
from routerd.message.desk_fields import NO_DESK_FIELDS
from routerd.message.envelope import Raw
from routerd.store.base import Copy, StoreError
from routerd.store.protocol import Store

OFF_LOOP_BYTES = 256_000  # larger messages are annotated in a thread
MAX_NEXT_HOPS = 1_000  # that are remembered with what they keep: by MX each domain is one
_FOREIGN = frozenset(("smtp", "mx"))  # transports by which a copy leaves to servers of others

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Policy:
    """All that a reload replaces. `next_in_line` runs inside the store's transaction: pure and quick."""

    hostname: str
    routes: Routes
    retry: Retry
    return_paths: ReturnPaths
    next_in_line: NextInLine
    hosts_of: HostsOf = without_dns  # who takes the mail of a domain, for routes by MX
    sealer: Signer | None = None  # who adds to the chain of ARC of what leaves to servers that do not trust us
    signers: Signers = NO_SIGNERS  # who signs what an inbox itself says
    desk_addresses: DeskAddresses | None = None  # by which members speak to the desk


class Sender:
    """The transports of one policy, with their kept connections."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        maildirs: MaildirStore,
        contexts: TlsContexts,
        timeouts: Timeouts,
        report: Report,
    ) -> None:
        self._store = store
        self._policy = policy
        self._contexts = contexts
        self._timeouts = timeouts
        self._maildirs = maildirs
        self._report = report
        self._shared = Shared()
        self._next_hops: dict[str, NextHop] = {}

    def transport_for(self, copy: Copy) -> str:
        """What metrics call it."""
        route = self._policy.routes.route_for(copy.mailbox)
        return route.transport if route else "none"

    async def attempt(self, copy: Copy, raw: Raw | None, now: datetime, *, is_fresh: bool) -> Outcome:
        """`raw` None: loaded here. `is_fresh`: no attempt was ever made. Never raises but for cancellation."""
        way = self._policy.routes.way_for(copy.mailbox)
        if way is None:
            return Failed(f"no route for {copy.mailbox}", Stage.PREPARE, status="5.3.5")
        try:
            return await self._attempt(copy, raw, now, way, is_fresh)
        except StoreError as error:
            return Deferred(f"cannot load the message: {error}", Stage.PREPARE)
        except Exception as error:
            log.exception("copy_attempt_failed", id=copy.queue_id, copy=copy.id, destination=way.destination)
            return Deferred(f"a fault of our own: {type(error).__name__}", Stage.PREPARE)

    def close(self) -> None:
        """Takes leave of all next hops."""
        for next_hop in self._next_hops.values():
            next_hop.close()

    async def _attempt(self, copy: Copy, raw: Raw | None, now: datetime, way: Way, is_fresh: bool) -> Outcome:
        is_looked_at = raw is not None  # what was on the disk is looked at again
        if raw is None:
            raw = await self._store.content(copy)
        route = way.route
        is_foreign = route.transport in _FOREIGN and not route.trusts_us
        sealer = self._policy.sealer if is_foreign else None
        addresses, trusts_us = self._policy.desk_addresses, route.trusts_us
        began = perf_counter()
        desk = NO_DESK_FIELDS if addresses is None else addresses.fields_of(copy, trusts_us=trusts_us)
        sender = self._policy.return_paths.of(copy, now)
        prepare = partial(
            content_of,
            copy,
            raw,
            trusts_us=trusts_us,
            desk=desk,
            sealer=sealer,
            signers=self._policy.signers,
            return_path=sender if route.transport == "maildir" else None,
            is_looked_at=is_looked_at,
        )
        content, fault = await asyncio.to_thread(prepare) if len(raw) > OFF_LOOP_BYTES else prepare()
        ready = perf_counter()
        self._report.annotated(ready - began)
        if fault:
            log.error("copy_attached", id=copy.queue_id, copy=copy.id, reason=f"cannot annotate: {fault!r}")
        if route.transport == "maildir":
            letter = MaildirLetter(copy.id, copy.mailbox, copy.created_at, content, may_be_there=not is_fresh)
            outcome = await self._maildirs.deliver(route, letter, self._policy.hostname)
        else:
            outcome = await self._next_hop(way).deliver(Letter(sender, copy.mailbox, content))
        self._report.sent(perf_counter() - ready)
        return outcome

    def _next_hop(self, way: Way) -> NextHop:
        """The one of this destination; where there are too many, the one asked for longest ago takes its leave."""
        next_hop = self._next_hops.pop(way.destination, None) or self._new_next_hop(way)
        self._next_hops[way.destination] = next_hop
        if len(self._next_hops) > MAX_NEXT_HOPS:
            self._next_hops.pop(next(iter(self._next_hops))).close()
        return next_hop

    def _new_next_hop(self, way: Way) -> NextHop:
        policy, route, shared = self._policy, way.route, self._shared
        contexts, timeouts = self._contexts, self._timeouts
        if route.transport == "mx":
            return mx_next_hop(way.domain, route, policy.hosts_of, policy.hostname, contexts, timeouts, shared)
        make = lmtp_next_hop if route.transport == "lmtp" else smtp_next_hop
        return make(route, policy.hostname, contexts, timeouts, shared)
