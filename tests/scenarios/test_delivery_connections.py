"""The worker and what connections to a scripted next hop come to: faults, those that died, other hosts, rest."""

import asyncio

import pytest
from delivery_in_memory import QUICK, policy_for, running, to
from queue_in_memory import RAW, MemoryQueue
from scripted_next_hop import CLOSE, RESET, SILENCE, NextHop

from routerd.delivery.transports.connection import Timeouts
from routerd.delivery.transports.kept import MAX_MESSAGES
from routerd.store.base import CopyState, Done, RetryAt


@pytest.fixture
async def hop():
    hop = await NextHop().start()
    yield hop
    hop.stop()


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
    async with running(queue, policy, QUICK if fault == SILENCE else Timeouts()) as worker:
        await queue.concluded(1)
        ((_, conclusion),) = queue.conclusions
        assert isinstance(conclusion, RetryAt)
        assert conclusion.reason
        assert "Errno" not in conclusion.reason
        hop.answer = lambda at, connection: None
        queue.make_due()
        worker.retry_now()
        await queue.concluded(2)
    assert queue.states() == {1: CopyState.DELIVERED}
    assert len(hop.taken) == 1


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
    async with running(queue, policy):
        await hop.took(50)
        assert slow.taken == []
        assert slow.most_open <= 5
        slow.hold.set()
        await slow.took(100)
    slow.stop()
