"""What puts messages into a real store and has a worker deliver them to a scripted next hop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from scripted_next_hop import NextHop
from worker_at_work import at_work

from routerd.config.settings import Addresses, Settings
from routerd.delivery.attempt import Policy
from routerd.delivery.letter import ReturnPaths
from routerd.delivery.routes import Routes
from routerd.delivery.transports.connection import Timeouts
from routerd.delivery.transports.smtp import DEFAULT_TIMEOUTS, TlsContexts
from routerd.delivery.worker import Worker
from routerd.desk.changes import PlannedCopy, Role
from routerd.desk.plan import Plan
from routerd.message.address import parse_address
from routerd.message.annotation import Annotation
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, QueueId, Received, Recipient
from routerd.message.key_ring import KeyRing
from routerd.ops.metrics import Metrics
from routerd.store.base import Copy, CopyState, Entry, Known, NewCopy, Settled, ThreadKeys
from routerd.store.sqlite import SqliteStore

INBOX = "support@desk.test"


class Clock:
    """The real one, as far ahead as told."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def policy_for(*routes: dict[str, str], **retry: str) -> Policy:
    settings = Settings.model_validate(
        {
            "hostname": "mx.desk.test",
            "postmaster": "jan",
            "members": {"jan": {"mailbox": "jan@m.test"}},
            "inboxes": {INBOX: {"default": "jan"}},
            "delivery": list(routes),
            "retry": retry,
        }
    )
    paths = ReturnPaths("inbox", Addresses(), KeyRing.begun(b"k" * 32))
    return Policy(settings.hostname, Routes(settings), settings.retry, paths, lambda copy, reason, tried: None)


def to(hop: NextHop, domain: str = "m.test") -> dict[str, str]:
    return {"domain": domain, "smtp": f"127.0.0.1:{hop.port}", "tls": "none"}


async def queue(store: SqliteStore, policy: Policy, number: int, mailbox: str, at: datetime, *roles: Role) -> None:
    """One message with a copy for each role (default: its owner's)."""
    id = QueueId(f"01JQ{number:022d}")
    received = Received(
        id=id,
        envelope=Envelope("anna@klient.test", (Recipient(parse_address(INBOX), Purpose.INBOX, INBOX),)),
        client=Client("192.0.2.7", 40000, "mx.klient.test", Protocol.SMTP, "0.0.0.0:25"),
        raw=b"From: anna@klient.test\r\nSubject: hi\r\n\r\nhello\r\n",
        at=at,
    )
    member = mailbox.partition("@")[0]
    plan = Plan(
        inbox=INBOX,
        owner=member,
        team=None,
        why="a test",
        labels=(),
        priority=None,
        copies=tuple(PlannedCopy(member, role) for role in roles or (Role.OWNER,)),
        turns=(),
        joins=None,
        twin=None,
        events=(),
    )
    destination = policy.routes.destination(mailbox)
    copies = tuple(NewCopy(member, mailbox, destination, role) for role in roles or (Role.OWNER,))
    settled = Settled(plan, Annotation(id, INBOX, mailbox, member, received="from a by b; now"), copies)
    await store.commit(Entry(received, ThreadKeys(None), Known(), (), lambda _: settled))


@asynccontextmanager
async def running(
    store: SqliteStore,
    policy: Policy,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
    *,
    contexts: TlsContexts | None = None,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> AsyncIterator[Worker]:
    worker = Worker(store, policy, metrics or Metrics(), clock=clock or Clock(), contexts=contexts, timeouts=timeouts)
    async with at_work(worker):
        yield worker


async def until(store: SqliteStore, fits: Callable[[list[Copy]], bool]) -> list[Copy]:
    """The copies 1 to 9, once they fit."""
    async with asyncio.timeout(60):
        while True:
            found = [await store.copy_by_number(number) for number in range(1, 10)]
            copies = [copy for copy in found if copy]
            if fits(copies):
                return copies
            await asyncio.sleep(0.01)


def are(*states: CopyState) -> Callable[[list[Copy]], bool]:
    return lambda copies: [copy.state for copy in copies] == list(states)
