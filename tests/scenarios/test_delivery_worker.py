"""The worker against a scripted next hop on loopback, with the queue in memory."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from queue_in_memory import RAW, MemoryQueue
from scripted_next_hop import CLOSE, RESET, SILENCE, NextHop

from routerd.config.settings import Addresses, Settings
from routerd.delivery.attempt import Policy
from routerd.delivery.connection import Timeouts
from routerd.delivery.kept import MAX_MESSAGES
from routerd.delivery.letter import ReturnPaths
from routerd.delivery.routes import Routes
from routerd.delivery.worker import Worker
from routerd.desk.plan import Role
from routerd.message.address import Address
from routerd.message.token import read_return_path
from routerd.ops.metrics import Metrics
from routerd.store.base import CopyState, Done, Forgo, Hold, NewCopy, RetryAt

KEY = b"k" * 32
QUICK = Timeouts(
    **dict.fromkeys(("connect", "greeting", "hello", "tls", "mail", "rcpt", "data", "content", "send"), 0.2)
)


def policy_for(*routes, line=lambda copy, reason, tried: None, return_path="inbox", **retry):
    settings = Settings.model_validate(
        {
            "hostname": "mx.desk.test",
            "postmaster": "jan",
            "members": {"jan": {"mailbox": "jan@example.com"}},
            "inboxes": {"support@desk.test": {"default": "jan"}},
            "delivery": list(routes),
            "retry": retry,
        }
    )
    paths = ReturnPaths(return_path, Addresses(), KEY)
    return Policy(settings.hostname, Routes(settings), settings.retry, paths, line)


def to(hop, **keys):
    return {"domain": "*", "smtp": f"127.0.0.1:{hop.port}", **keys}


@asynccontextmanager
async def running(queue, policy, timeouts=QUICK, metrics=None):
    worker = Worker(queue, policy, metrics or Metrics(), timeouts=timeouts)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.drain(timedelta(seconds=5))
        await task


@pytest.fixture
async def hop():
    hop = await NextHop().start()
    yield hop
    hop.stop()


async def test_a_copy_from_the_store_arrives_annotated_with_a_return_path_of_ours(hop):
    """What was sent is the original below our headers, less the forged ones, from an address whose token we know."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    copy = queue.add(policy.routes.destination("ewa@example.com"))
    async with running(queue, policy):
        (taken,) = await hop.took(1)
        await queue.concluded(1)
    assert taken.recipients == ["ewa@example.com"]
    assert taken.content.startswith(b"Delivered-To: support@desk.test\r\n")
    assert taken.content.endswith(b"\r\nSubject: hi\r\n\r\nhello\r\n.dot\r\n")
    assert b"X-Routerd-Copy: 01J1-1\r\n" in taken.content
    assert b"forged" not in taken.content
    token = taken.sender.removeprefix("support+b.").removesuffix("@desk.test")
    base = Address("support", "desk.test")
    assert read_return_path(base, token, KEY, copy.created_at, timedelta(days=14)) == copy.number
    assert queue.conclusions == [(1, Done("250 2.0.0 taken"))]


@pytest.mark.parametrize(
    ("style", "changes", "sender"),
    [("keep", {}, "anna@klient.test"), ("inbox", {"to_return_path": True}, ""), ("keep", {"to_return_path": True}, "")],
)
async def test_the_sender_is_kept_or_null_where_it_must_be(hop, style, changes, sender):
    """`return_path: keep` leaves the stranger's; what came to a return path leaves from <>."""
    queue = MemoryQueue()
    policy = policy_for(to(hop), return_path=style)
    queue.add(policy.routes.destination("x@y.test"), **changes)
    async with running(queue, policy):
        (taken,) = await hop.took(1)
    assert taken.sender == sender


async def test_fresh_copies_go_without_asking_the_store_and_share_connections(hop):
    """Offered bytes are not loaded again, and far fewer connections than messages are opened."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    copies = [queue.add(policy.routes.destination("ewa@example.com")) for _ in range(200)]
    async with running(queue, policy) as worker:
        for copy in copies:
            worker.offer([copy], RAW)
        await queue.concluded(200)
    assert queue.loads == 0
    assert hop.connections <= 20
    assert len(hop.taken) == 200
    assert {copy.state for copy in queue.copies.values()} == {CopyState.DELIVERED}


async def test_more_than_fits_in_memory_waits_in_the_store(hop):
    """A flood is left to the store beyond the backlog, and all of it arrives once."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    copies = [queue.add(policy.routes.destination("ewa@example.com")) for _ in range(1500)]
    async with running(queue, policy) as worker:
        worker.offer(copies, RAW)
        await queue.concluded(1500)
    assert sorted(number for number, _ in queue.conclusions) == list(range(1, 1501))
    assert 0 < queue.loads <= 600
    assert len(hop.taken) == 1500


FAULTS = {
    "greeting": ["421 busy", "554 no", CLOSE, RESET, SILENCE, "garbage", "220-a\r\n221 b"],
    "ehlo": ["421 busy", "450 later", CLOSE, SILENCE, "250-" + "x" * 9000],
    "mail": ["421 busy", "450 4.7.1 later", "550 5.7.1 no", CLOSE, RESET, SILENCE, "\xff\xfe"],
    "rcpt": ["421 busy", "450 4.2.1 later", "451 later", CLOSE, SILENCE, "354 odd"],
    "data": ["421 busy", "451 later", CLOSE, SILENCE, "250 odd"],
    "mid-content": [CLOSE],
    "content": ["421 busy", "452 4.3.1 full", CLOSE, RESET, SILENCE, "354 again", "nonsense"],
}


@pytest.mark.parametrize(("step", "fault"), [(step, fault) for step, faults in FAULTS.items() for fault in faults])
async def test_every_fault_of_a_next_hop_defers_with_its_words(hop, step, fault):
    """Whatever is temporary, broken or silent, at any step: the copy waits, with a reason, and arrives later."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    queue.add(policy.routes.destination("ewa@example.com"))
    hop.answer = lambda at, connection: fault if at == step else None
    async with running(queue, policy) as worker:
        await queue.concluded(1)
        ((_, conclusion),) = queue.conclusions
        assert isinstance(conclusion, RetryAt)
        assert conclusion.reason
        hop.answer = lambda at, connection: None
        queue.make_due()
        worker.retry_now()
        await queue.concluded(2)
    assert queue.states() == {1: CopyState.DELIVERED}
    assert len(hop.taken) == 1


async def test_a_refused_mailbox_is_rerouted_at_once_and_a_refused_message_held(hop):
    """5.1.1 at RCPT sends the copy to the next in line; 5.7.1 after the dot is nobody else's business."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    destination = policy.routes.destination("ewa@example.com")
    jan = NewCopy("jan", "jan@example.com", destination, Role.OWNER)
    policy = policy_for(to(hop), line=lambda copy, reason, tried: None if "jan" in tried else jan)
    replies = iter(["550 5.1.1 unknown"])
    hop.answer = lambda at, connection: next(replies, None) if at == "rcpt" else None
    queue.add(destination)
    async with running(queue, policy):
        await queue.concluded(2)
        assert queue.states() == {1: CopyState.REROUTED, 2: CopyState.DELIVERED}
        assert hop.taken[0].recipients == ["jan@example.com"]
        hop.answer = lambda at, connection: "554 5.7.1 spam" if at == "content" else None
    queue.add(destination)
    queue.add(destination, role=Role.WATCHER)
    async with running(queue, policy):
        await queue.concluded(4)
    assert {type(conclusion) for _, conclusion in queue.conclusions[2:]} == {Hold, Forgo}


async def test_nobody_left_in_line_holds_the_copy(hop):
    """The line's end is a held copy."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    hop.answer = lambda at, connection: "550 5.1.1 unknown" if at == "rcpt" else None
    queue.add(policy.routes.destination("ewa@example.com"))
    async with running(queue, policy):
        await queue.concluded(1)
    assert queue.states() == {1: CopyState.HELD}


async def test_a_mailbox_without_route_is_held():
    """A route that went away with a reload loses nothing."""
    queue = MemoryQueue()
    queue.add("smtp:gone:25", mailbox="ewa@far.test")
    async with running(queue, policy_for({"domain": "near.test", "smtp": "127.0.0.1:1"})):
        await queue.concluded(1)
    assert queue.states() == {1: CopyState.HELD}


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("fault", [CLOSE, RESET, "421 4.3.2 too many messages here"])
async def test_a_kept_connection_that_died_costs_no_delay(hop, step, fault):
    """The server hangs up, or says 421, in the second message of a connection: a new one is opened at once."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    destination = policy.routes.destination("ewa@example.com")
    asked: dict[int, int] = {}

    def answer(at, connection):
        if at == step:
            asked[connection] = asked.get(connection, 0) + 1
            return fault if connection == 1 and asked[connection] == 2 else None
        return None

    hop.answer = answer
    async with running(queue, policy) as worker:
        worker.offer([queue.add(destination)], RAW)
        await queue.concluded(1)
        worker.offer([queue.add(destination)], RAW)
        await queue.concluded(2)
    assert [type(conclusion) for _, conclusion in queue.conclusions] == [Done, Done]
    assert hop.connections == 2
    assert len(hop.taken) == 2


async def test_an_answer_on_a_kept_connection_is_one(hop):
    """A 450 at RCPT is about the copy, and so is silence behind the content: neither is asked again at once."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    destination = policy.routes.destination("ewa@example.com")
    async with running(queue, policy) as worker:
        worker.offer([queue.add(destination)], RAW)
        await queue.concluded(1)
        for step, fault in (("rcpt", "450 4.2.1 later"), ("content", CLOSE)):
            hop.answer = lambda at, connection, step=step, fault=fault: fault if at == step else None
            before = hop.connections
            worker.offer([queue.add(destination)], RAW)
            await queue.concluded(len(queue.copies))
            assert isinstance(queue.conclusions[-1][1], RetryAt)
            assert hop.connections == before


async def test_a_connection_carries_so_many_messages_and_no_more(hop):
    """Servers that hang up after a hundred never have to; and what one refused is cleared before the next."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    destination = policy.routes.destination("ewa@example.com")
    hop.answer = lambda at, connection: "450 4.2.1 later" if at == "rcpt" and len(hop.taken) == 50 else None
    async with running(queue, policy) as worker:
        for number in range(1, MAX_MESSAGES + 3):
            if number == 52:
                hop.answer = lambda at, connection: None
            worker.offer([queue.add(destination)], RAW)
            await queue.concluded(number)
    assert hop.connections == 2
    assert hop.commands.count("RSET") == 1
    assert len(hop.taken) == MAX_MESSAGES + 1


async def test_the_next_host_is_asked_where_one_cannot(hop):
    """Refused, or a 5xx at its greeting: the list is tried in order, and the copy is not delayed."""
    bad = await NextHop(answer=lambda at, connection: "554 no" if at == "greeting" else None).start()
    gone = await NextHop().start()
    gone.stop()
    hosts = [f"127.0.0.1:{port}" for port in (gone.port, bad.port, hop.port)]
    policy = policy_for({"domain": "*", "smtp": hosts})
    queue = MemoryQueue()
    queue.add(policy.routes.destination("ewa@example.com"))
    async with running(queue, policy):
        await queue.concluded(1)
    bad.stop()
    assert isinstance(queue.conclusions[0][1], Done)
    assert bad.connections == 1


async def test_a_dead_destination_rests_and_every_copy_says_why():
    """One refused connection is enough: the others wait with the same reason, without a connection each."""
    dead = await NextHop(answer=lambda at, connection: "554 5.3.2 no" if at == "greeting" else None).start()
    policy = policy_for(to(dead))
    queue = MemoryQueue()
    for _ in range(300):
        queue.add(policy.routes.destination("ewa@example.com"))
    async with running(queue, policy):
        await queue.concluded(300)
    dead.stop()
    assert dead.connections <= 5
    assert all("554 5.3.2 no" in conclusion.reason for _, conclusion in queue.conclusions)


async def test_a_slow_destination_delays_no_other(hop):
    """While one never answers, what goes elsewhere arrives."""
    slow = await NextHop(hold=asyncio.Event()).start()
    policy = policy_for({"domain": "slow.test", "smtp": f"127.0.0.1:{slow.port}"}, to(hop))
    queue = MemoryQueue()
    for _ in range(100):
        queue.add(policy.routes.destination("a@slow.test"), mailbox="a@slow.test")
    for _ in range(50):
        queue.add(policy.routes.destination("b@fast.test"), mailbox="b@fast.test")
    async with running(queue, policy, Timeouts()):
        await hop.took(50)
        assert slow.taken == []
        assert slow.most_open <= 5
        slow.hold.set()
        await slow.took(100)
    slow.stop()


async def test_a_conclusion_that_cannot_be_written_is_written_later(hop):
    """The store fails for a while: the copy is not delivered a second time, and nothing new is begun meanwhile."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    destination = policy.routes.destination("ewa@example.com")
    queue.add(destination)
    queue.fail_conclude = 2
    async with running(queue, policy) as worker:
        await hop.took(1)
        worker.look_now()
        await queue.concluded(1)
    assert len(hop.taken) == 1
    assert queue.states() == {1: CopyState.DELIVERED}


async def test_each_copy_is_tried_at_its_own_moment(hop):
    """What is due now hides nothing that is due a little later, also while something else is under way."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    destination = policy.routes.destination("ewa@example.com")
    hop.hold = asyncio.Event()
    now = datetime.now(UTC)
    for seconds in (0, 0.2, 0.4):
        queue.add(destination, next_attempt_at=now + timedelta(seconds=seconds))
    async with running(queue, policy, Timeouts()):
        while sum(command == "DATA" for command in hop.commands) < 3:
            await asyncio.sleep(0.01)
        hop.hold.set()
        await queue.concluded(3)
    assert len(hop.taken) == 3


async def test_a_copy_that_waits_too_long_is_counted_once(hop):
    """After `retry.warn` a deferred copy is late, however often it is tried."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    five_hours_ago = datetime.now(UTC) - timedelta(hours=5)
    queue.add(policy.routes.destination("x@y.test"), created_at=five_hours_ago, attempts=20)
    hop.answer = lambda at, connection: "451 later" if at == "content" else None
    metrics = Metrics()
    async with running(queue, policy, metrics=metrics) as worker:
        for attempt in (1, 2):
            await queue.concluded(attempt)
            queue.make_due()
            worker.retry_now()
        await queue.concluded(3)
    assert metrics.registry.get_sample_value("routerd_late_copies_total") == 1


async def test_a_drain_ends_what_is_under_way_and_begins_nothing(hop):
    """The message whose final dot is out is waited for; the rest stays queued."""
    queue = MemoryQueue()
    hop.hold = asyncio.Event()
    policy = policy_for(to(hop))
    for _ in range(50):
        queue.add(policy.routes.destination("ewa@example.com"))
    worker = Worker(queue, policy, Metrics(), timeouts=Timeouts())
    task = asyncio.create_task(worker.run())
    while sum(command == "DATA" for command in hop.commands) < 5:
        await asyncio.sleep(0)
    drained = asyncio.create_task(worker.drain(timedelta(seconds=10)))
    await asyncio.sleep(0)
    hop.hold.set()
    await drained
    await task
    assert len(hop.taken) == len(queue.conclusions) == 5


async def test_what_the_postmaster_dropped_is_not_begun(hop):
    """`forget` takes waiting copies out of the memory."""
    queue = MemoryQueue()
    hop.hold = asyncio.Event()
    policy = policy_for(to(hop))
    copies = [queue.add(policy.routes.destination("ewa@example.com")) for _ in range(20)]
    async with running(queue, policy, Timeouts()) as worker:
        worker.offer(copies, RAW)
        for copy in copies[10:]:
            del queue.copies[copy.number]
        worker.forget([copy.number for copy in copies[10:]])
        hop.hold.set()
        await queue.concluded(10)
    assert len(hop.taken) == 10


async def test_what_the_postmaster_dropped_while_it_was_fetched_is_not_begun(hop):
    """The store was asked before the drop and answers after it: the copy that it gives is out of date."""
    queue = MemoryQueue()
    policy = policy_for(to(hop))
    dropped, other = (queue.add(policy.routes.destination("ewa@example.com")) for _ in range(2))
    worker = Worker(queue, policy, Metrics(), timeouts=QUICK)
    due = queue.due

    async def dropping_meanwhile(*asked):
        found = await due(*asked)
        if queue.copies.pop(dropped.number, None):
            worker.forget({dropped.number})
        return found

    queue.due = dropping_meanwhile
    task = asyncio.create_task(worker.run())
    await queue.concluded(1)
    await worker.drain(timedelta(seconds=5))
    await task
    assert len(hop.taken) == 1
    assert [number for number, _ in queue.conclusions] == [other.number]


async def test_a_reload_while_copies_are_fetched_has_them_fetched_anew(hop):
    """What the store gave before the reload may still be addressed as the config was then."""
    gone = await NextHop().start()
    old, new = policy_for(to(gone)), policy_for(to(hop))
    queue = MemoryQueue()
    copy = queue.add(old.routes.destination("ewa@example.com"))
    worker = Worker(queue, old, Metrics(), timeouts=QUICK)
    due = queue.due

    async def reloading_meanwhile(*asked):
        found = await due(*asked)
        if queue.copies[copy.number] is copy:
            queue.copies[copy.number] = replace(
                copy, mailbox="jan@example.com", destination=new.routes.destination("jan@example.com")
            )
            worker.adopt(new)
        return found

    queue.due = reloading_meanwhile
    task = asyncio.create_task(worker.run())
    await queue.concluded(1)
    await worker.drain(timedelta(seconds=5))
    await task
    assert [mail.recipients for mail in hop.taken] == [["jan@example.com"]]
    assert not gone.taken
    gone.stop()


async def test_a_reload_changes_the_way_of_what_waits(hop):
    """After `adopt` copies go where the new routes lead."""
    gone = await NextHop(answer=lambda at, connection: "421 busy" if at == "greeting" else None).start()
    old, new = policy_for(to(gone)), policy_for(to(hop))
    queue = MemoryQueue()
    copy = queue.add(old.routes.destination("ewa@example.com"))
    async with running(queue, old) as worker:
        await queue.concluded(1)
        del queue.copies[copy.number]
        queue.add(new.routes.destination("ewa@example.com"))
        worker.adopt(new)
        await hop.took(1)
    gone.stop()


async def test_lmtp_over_a_unix_socket(tmp_path):
    """LHLO and a reply per recipient, on a socket of the file system; a full mailbox waits."""
    path = str(tmp_path / "lmtp")
    hop = await NextHop(lmtp=True).start(path)
    replies = iter(["452 4.2.2 mailbox full"])
    hop.answer = lambda at, connection: next(replies, None) if at == "content" else None
    policy = policy_for({"domain": "*", "lmtp": f"unix:{path}"})
    queue = MemoryQueue()
    queue.add(policy.routes.destination("ewa@example.com"))
    async with running(queue, policy) as worker:
        await queue.concluded(1)
        queue.make_due()
        worker.retry_now()
        await queue.concluded(2)
    hop.stop()
    assert [type(conclusion) for _, conclusion in queue.conclusions] == [RetryAt, Done]


async def test_a_maildir_gets_the_copy(tmp_path):
    """The same worker, without a network."""
    policy = policy_for({"domain": "*", "maildir": str(tmp_path / "{local}")})
    queue = MemoryQueue()
    queue.add("maildir")
    async with running(queue, policy):
        await queue.concluded(1)
    (file,) = (tmp_path / "ewa" / "new").iterdir()
    assert file.read_bytes().endswith(b"\nSubject: hi\n\nhello\n.dot\n")


async def test_large_content_arrives_whole(hop):
    """Content of many pieces, with 8 bits, dots at line starts and a server that reads slowly."""
    raw = b"Subject: big\r\n\r\n" + b".\xc5\x82ine\r\n" * 100_000
    queue = MemoryQueue(raw)
    policy = policy_for(to(hop))
    queue.add(policy.routes.destination("ewa@example.com"))
    async with running(queue, policy, Timeouts()):
        (taken,) = await hop.took(1)
        await queue.concluded(1)
    assert taken.content.endswith(raw.partition(b"\r\n\r\n")[2])
    assert any("BODY=8BITMIME" in command for command in hop.commands)
