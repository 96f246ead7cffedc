"""The worker against a scripted next hop on loopback, with the queue in memory."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from delivery_in_memory import KEY, policy_for, running, to
from queue_in_memory import RAW, MemoryQueue
from scripted_next_hop import NextHop

from routerd.desk.changes import Role
from routerd.message.address import Address
from routerd.message.token import read_return_path
from routerd.ops.metrics import Metrics
from routerd.store.base import CopyState, Done, Forgo, Hold, NewCopy, RetryAt


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
    [(number, done)] = queue.conclusions
    assert isinstance(done, Done)
    assert (number, done.reply) == (1, "250 2.0.0 taken")


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
    async with running(queue, policy):
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


async def test_what_each_step_of_a_copy_takes_is_measured(hop):
    """To annotate, to deliver and to conclude, once for each copy and each group."""
    policy = policy_for(to(hop))
    queue = MemoryQueue()
    copy = queue.add(policy.routes.destination("ewa@example.com"))
    metrics = Metrics()
    async with running(queue, policy, metrics=metrics) as worker:
        worker.offer([copy], queue.raw)
        await queue.concluded(1)
    for step in ("annotate", "deliver", "conclude"):
        assert metrics.registry.get_sample_value("routerd_step_seconds_count", {"step": step}) == 1


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
    async with running(queue, policy):
        (taken,) = await hop.took(1)
        await queue.concluded(1)
    assert taken.content.endswith(raw.partition(b"\r\n\r\n")[2])
    assert any("BODY=8BITMIME" in command for command in hop.commands)
