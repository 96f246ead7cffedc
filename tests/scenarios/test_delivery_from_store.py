"""The worker on a real store: damaged rows, a clock that is set, members and routes that went away."""

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from delivery_on_disk import Clock, are, policy_for, queue, running, to, until
from scripted_next_hop import NextHop
from structlog.testing import capture_logs

from routerd.desk.changes import Role
from routerd.ops.metrics import Metrics
from routerd.store.base import Copy, CopyState
from routerd.store.connection import FILE_NAME, Connection
from routerd.store.sqlite import SqliteStore, open_store

YEARS = timedelta(days=3650)


@pytest.fixture
async def hop() -> AsyncIterator[NextHop]:
    hop = await NextHop().start()
    yield hop
    hop.stop()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = open_store(tmp_path / "state")
    yield store
    await store.close()


@pytest.fixture
def peek(store: SqliteStore, tmp_path: Path) -> Iterator[Connection]:
    with closing(Connection(str(tmp_path / "state" / FILE_NAME))) as db:
        yield db


async def test_a_damaged_row_is_held_and_the_others_go_out(store: SqliteStore, peek: Connection, hop: NextHop) -> None:
    """Whoever's copy it is: set aside with the reason, logged as an error; its destination and the rest go on."""
    policy = policy_for(to(hop), to(hop, "n.test"))
    now = datetime.now(UTC)
    await queue(store, policy, 1, "ewa@m.test", now, Role.OWNER, Role.WATCHER)
    for number, mailbox in ((2, "jan@m.test"), (3, "omar@n.test")):
        await queue(store, policy, number, mailbox, now)
    peek.execute("UPDATE messages SET annotation_json = substr(annotation_json, 1, 40) WHERE number = 1")
    with capture_logs() as logs:
        async with running(store, policy):
            copies = await until(store, are(CopyState.HELD, CopyState.HELD, CopyState.DELIVERED, CopyState.DELIVERED))
    assert "the stored row is damaged: annotation_json" in copies[0].reason
    held = [line for line in logs if line["event"] == "copy_held"]
    assert [line["log_level"] for line in held] == ["error", "error"]
    assert all("annotation_json" in line["reason"] and line["copy"] for line in held)


async def test_a_destination_that_cannot_be_read_keeps_no_other_waiting(
    store: SqliteStore, hop: NextHop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the store raises for one, the next is asked for all the same, and the first again later."""
    policy = policy_for(to(hop), {"domain": "a.test", "smtp": f"localhost:{hop.port}", "tls": "none"})
    now = datetime.now(UTC)
    await queue(store, policy, 1, "ewa@a.test", now)
    await queue(store, policy, 2, "jan@m.test", now)
    due = store.due

    async def failing(destination: str, *more: object) -> list[Copy]:
        if "localhost" in destination:
            raise RuntimeError("beyond all foresight")
        return await due(destination, *more)

    with capture_logs() as logs:
        async with running(store, policy) as worker:
            monkeypatch.setattr(store, "due", failing)
            await until(store, are(CopyState.QUEUED, CopyState.DELIVERED))
            monkeypatch.undo()
            worker.look_now()
            await until(store, are(CopyState.DELIVERED, CopyState.DELIVERED))
    (line,) = [line for line in logs if line["event"] == "queue_unread"]
    assert (line["log_level"], line["reason"]) == ("error", "beyond all foresight")
    assert line["destination"] == policy.routes.destination("ewa@a.test")


async def test_a_clock_that_was_ahead_strands_nothing(store: SqliteStore, hop: NextHop) -> None:
    """Deferred by a clock ten years ahead: once it is right, the copy is due, while we run as well as at a start."""
    policy = policy_for(to(hop), first="1h", max="4h")
    clock = Clock()
    clock.ahead = YEARS
    hop.answer = lambda step, connection: "451 4.3.0 later" if step == "content" else None
    await queue(store, policy, 1, "ewa@m.test", clock())
    async with running(store, policy, clock) as worker:
        await until(store, lambda copies: copies[0].attempts == 1)
        clock.ahead = timedelta(0)
        worker.retry_now()  # any occasion to look will do
        (copy,) = await until(store, lambda copies: copies[0].attempts == 2)
    assert copy.created_at <= clock()
    assert copy.next_attempt_at <= clock() + timedelta(hours=2.4)
    clock.ahead = -YEARS
    hop.answer = lambda step, connection: None
    async with running(store, policy, clock):
        await until(store, are(CopyState.DELIVERED))


async def test_a_clock_that_jumps_ahead_gives_nothing_up(store: SqliteStore, hop: NextHop) -> None:
    """All that waits is tried, and what has not been tried often enough waits on, however old it looks."""
    policy = policy_for(to(hop), first="1h", give_up="5d")
    clock = Clock()
    hop.answer = lambda step, connection: "451 4.3.0 later" if step == "content" else None
    for number in range(1, 6):
        await queue(store, policy, number, "ewa@m.test", clock())
    async with running(store, policy, clock) as worker:
        await until(store, lambda copies: all(copy.attempts == 1 for copy in copies))
        clock.ahead = YEARS
        worker.look_now()
        copies = await until(store, lambda copies: all(copy.attempts == 2 for copy in copies))
    assert {copy.state for copy in copies} == {CopyState.QUEUED}


async def test_a_member_who_left_the_config_still_gets_what_was_meant_for_them(
    store: SqliteStore, hop: NextHop
) -> None:
    """Nobody readdresses the copy: it goes to the mailbox that is stored with it."""
    policy = policy_for(to(hop))
    await queue(store, policy, 1, "gone@m.test", datetime.now(UTC))
    await store.readdress({"jan": ("jan@m.test", policy.routes.destination("jan@m.test"))})
    async with running(store, policy):
        (taken,) = await hop.took(1)
    assert taken.recipients == ["gone@m.test"]


async def test_a_copy_whose_route_went_away_is_held_once(store: SqliteStore, hop: NextHop) -> None:
    """With the reason, at error level; released while there is still no route it is held again, and does not loop."""
    policy = policy_for(to(hop))
    await queue(store, policy, 1, "ewa@far.test", datetime.now(UTC))
    assert list(await store.waiting()) == ["unrouted"]
    with capture_logs() as logs:
        async with running(store, policy) as worker:
            (copy,) = await until(store, are(CopyState.HELD))
            worker.look_now()
            assert copy.reason == "no route for ewa@far.test"
            await store.change_copies([1], CopyState.QUEUED, "", datetime.now(UTC))
            worker.retry_now()
            await until(store, lambda copies: copies[0].state is CopyState.HELD and copies[0].attempts == 1)
    held = [line for line in logs if line["event"] == "copy_held"]
    assert [(line["log_level"], line["reason"]) for line in held] == [("error", "no route for ewa@far.test")] * 2


async def test_a_next_hop_that_is_down_shows_in_the_metrics(store: SqliteStore) -> None:
    """A connection that fails counts as deferred, and so does every copy that is told of it instead of an attempt."""
    dead = await NextHop().start()
    dead.stop()
    policy, metrics = policy_for(to(dead)), Metrics()
    for number in range(1, 10):
        await queue(store, policy, number, "ewa@m.test", datetime.now(UTC))
    async with running(store, policy, metrics=metrics):
        await until(store, lambda copies: len(copies) == 9 and all(copy.attempts == 1 for copy in copies))
    value = metrics.registry.get_sample_value
    assert value("routerd_deliveries_total", {"transport": "smtp", "outcome": "deferred"}) == 9
    assert 1 <= value("routerd_delivery_seconds_count", {"transport": "smtp"}) <= 9
