"""Every fault of a next hop, on a real store: accepted = delivered + rerouted + queued + held, nothing torn or twice.

Twice may come only what a next hop took without our hearing so, at most once for each reply that was lost.
"""

import re
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from delivery_on_disk import policy_for, queue, running, to, until
from peers.certificate import make_certificate
from scripted_next_hop import CLOSE, LOST, RESET, SILENCE, NextHop

from routerd.delivery.attempt import Policy
from routerd.delivery.transports.connection import Timeouts
from routerd.delivery.transports.smtp import TlsContexts
from routerd.desk.changes import Role
from routerd.store.base import Copy, CopyState, NewCopy
from routerd.store.sqlite import SqliteStore, open_store

LEAST = dict.fromkeys(("connect", "greeting", "hello", "tls", "mail", "rcpt", "data", "content", "send"), 0.3)
IMPATIENT = Timeouts(**LEAST)
FAULTS = 2  # how often each is done, until the next hop is well again
MESSAGES = 3
FINAL = (CopyState.DELIVERED, CopyState.REROUTED, CopyState.HELD)
ENDLESS = "250-more\r\n" * 40_000 + "250 end"
OVER_LONG = "250-" + "x" * 70_000 + "\r\n250 ok"

_COPY = re.compile(rb"(?m)^X-Routerd-Copy: (\S+)\r$")


@dataclass
class Script:
    """Answers so at one step, so many times."""

    step: str
    reply: str
    left: int = FAULTS
    done: int = field(default=0)

    def __call__(self, step: str, connection: int) -> str | None:
        if step != self.step or not self.left:
            return None
        self.left -= 1
        self.done += 1
        return self.reply


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = open_store(tmp_path / "state")
    yield store
    await store.close()


@pytest.fixture
async def hop() -> AsyncIterator[NextHop]:
    hop = await NextHop().start()
    yield hop
    hop.stop()


def policy_to(hop: NextHop, **keys: str) -> Policy:
    """A copy that is refused goes to jan, once."""
    policy = policy_for({**to(hop), **keys})

    def next_in_line(copy: Copy, reason: str, tried: frozenset[str]) -> NewCopy | None:
        return None if "jan" in tried else NewCopy("jan", "jan@m.test", copy.destination, Role.OWNER)

    return replace(policy, next_in_line=next_in_line)


async def deliver(
    store: SqliteStore, policy: Policy, contexts: TlsContexts | None = None, timeouts: Timeouts = IMPATIENT
) -> list[Copy]:
    """Some messages, tried again and again until all of their copies have come to an end."""
    for number in range(1, MESSAGES + 1):
        await queue(store, policy, number, "ewa@m.test", datetime.now(UTC))
    async with running(store, policy, contexts=contexts, timeouts=timeouts) as worker:
        while True:
            copies = await until(store, lambda copies: all(copy.attempts or copy.state in FINAL for copy in copies))
            waiting = [copy.number for copy in copies if copy.state is CopyState.QUEUED]
            if not waiting:
                return copies
            await store.change_copies(waiting, CopyState.QUEUED, "", datetime.now(UTC))
            worker.retry_now()
            least = {copy.number: copy.attempts for copy in copies}
            await until(
                store,
                lambda copies, least=least: all(  # type: ignore[misc]
                    copy.attempts > least.get(copy.number, -1) or copy.state in FINAL for copy in copies
                ),
            )


def account(hop: NextHop, copies: list[Copy], lost: int = 0) -> Counter[str]:
    """The oracle; gives how many copies are in each state."""
    taken: Counter[str] = Counter()
    for one in hop.taken:
        assert one.content.endswith(b"\r\nSubject: hi\r\n\r\nhello\r\n"), "torn"
        taken[_COPY.findall(one.content)[0].decode()] += 1
    states = {str(copy.id): copy.state for copy in copies}
    assert {copy.queue_id for copy in copies} == {f"01JQ{number:022d}" for number in range(1, MESSAGES + 1)}
    for id, state in states.items():
        assert state in (*FINAL, CopyState.QUEUED)
        assert taken[id] >= (state is CopyState.DELIVERED), f"{id} is said to be delivered"
    for queue_id in {copy.queue_id for copy in copies}:
        ends = {copy.state for copy in copies if copy.queue_id == queue_id}
        assert ends & {CopyState.DELIVERED, CopyState.QUEUED, CopyState.HELD}, "rerouted to nowhere"
    assert sum(taken.values()) - sum(state is CopyState.DELIVERED for state in states.values()) <= lost
    return Counter(str(state) for state in states.values())


TEMPORARY = {
    "greeting": ["421 busy", "450 later", "554 go away", CLOSE, RESET, SILENCE, "220-a\r\n250 b", ENDLESS, "\xff\xfe"],
    "ehlo": ["421 busy", "450 4.3.2 later", CLOSE, RESET, SILENCE, OVER_LONG, ENDLESS, "250-\xb3\xf3d\x9f\r\n25", "x"],
    "mail": ["421 busy", "450 4.7.1 later", "550 5.7.1 no", "354 what", CLOSE, RESET, SILENCE, ENDLESS, "\0\0"],
    "rcpt": [
        "421 busy",
        "451-a\r\n451-b\r\n451 c",
        "452 4.2.2 full",
        "354 odd",
        CLOSE,
        RESET,
        SILENCE,
        OVER_LONG,
        "\xf3d",
    ],
    "data": ["421 busy", "451 4.3.0 later", "250 odd", "2", CLOSE, RESET, SILENCE, OVER_LONG],
    "mid-content": [CLOSE, RESET],
    "content": [
        "421 busy",
        "451 later",
        "452 4.3.1 full",
        "354 again",
        CLOSE,
        RESET,
        SILENCE,
        "nonsense",
        "451" + OVER_LONG[3:],
    ],
}
DESYNCHRONISED = {
    "greeting": ["220 a\r\n220 b", "220 a\r\n250 b\r\n250 c"],
    "ehlo": ["250 a\r\n250 b", "250 a\r\n250 b\r\n250 c\r\n354 d\r\n250 2.0.0 taken"],
    "mail": ["250 a\r\n250 b", "250 a\r\n250 b\r\n354 c", "250 a\r\n250 b\r\n354 c\r\n250 2.0.0 taken"],
    "rcpt": ["250 a\r\n354 b", "250 a\r\n354 b\r\n250 2.0.0 taken", "250 a\r\n250 b"],
    "data": ["354 a\r\n354 b", "354 a\r\n451 b"],
    "content": ["250 2.0.0 taken\r\n250 2.1.0 ok", "250 2.0.0 taken\r\n421 4.3.2 bye", "451 no\r\n250 2.0.0 taken"],
}


def each(faults: dict[str, list[str]]) -> list[object]:
    return [
        pytest.param(step, reply, id=f"{step}-{number}-{reply[:12]!a}")
        for step, replies in faults.items()
        for number, reply in enumerate(replies)
    ]


@pytest.mark.parametrize(("step", "reply"), each(TEMPORARY))
async def test_what_is_temporary_or_nonsense_only_delays(
    store: SqliteStore, hop: NextHop, step: str, reply: str
) -> None:
    """Every copy waits, and is delivered once by the next hop when that is well again."""
    hop.answer = script = Script(step, reply)
    copies = await deliver(store, policy_to(hop))
    assert script.done
    assert account(hop, copies) == {CopyState.DELIVERED: MESSAGES}


@pytest.mark.parametrize(("step", "reply"), each(DESYNCHRONISED))
@pytest.mark.parametrize("pipelining", [True, False])
async def test_replies_out_of_step_cheat_nobody(
    store: SqliteStore, hop: NextHop, step: str, reply: str, pipelining: bool
) -> None:
    """No reply too many is taken for the next one's: whatever is said to be delivered was taken, whole."""
    hop.extensions = ("PIPELINING",) if pipelining else ()
    hop.answer = script = Script(step, reply)
    copies = await deliver(store, policy_to(hop))
    assert script.done
    assert account(hop, copies, lost=FAULTS) == {CopyState.DELIVERED: MESSAGES}


@pytest.mark.parametrize("reply", ["550 5.1.1 unknown", "550 5.2.2 mailbox full", "551 moved", "550 no", "553 5.1.3 x"])
async def test_one_refused_mailbox_is_rerouted_alone(store: SqliteStore, hop: NextHop, reply: str) -> None:
    """The next in line gets those copies; the others go where they were to go."""
    hop.answer = Script("rcpt", reply)
    copies = await deliver(store, policy_to(hop))
    assert account(hop, copies) == {CopyState.REROUTED: FAULTS, CopyState.DELIVERED: MESSAGES}
    assert sorted(one.recipients[0] for one in hop.taken) == ["ewa@m.test", "jan@m.test", "jan@m.test"]


@pytest.mark.parametrize(
    ("step", "reply"),
    [
        ("mail", "552 5.3.4 too large"),
        ("mail", "552 too large"),
        ("rcpt", "550 5.7.1 spam"),
        ("data", "554 5.7.1 no"),
        ("data", "554 no"),
        ("content", "554 5.7.1 spam"),
        ("content", "552 5.3.4 too large"),
        ("content", "554 transaction failed"),
        ("content", "550-5.6.0 a\r\n550 5.6.0 b"),
    ],
)
async def test_what_would_fail_for_everybody_is_held(store: SqliteStore, hop: NextHop, step: str, reply: str) -> None:
    """It is not toured round the team; the others are delivered."""
    hop.answer = Script(step, reply)
    copies = await deliver(store, policy_to(hop))
    assert account(hop, copies) == {CopyState.HELD: FAULTS, CopyState.DELIVERED: MESSAGES - FAULTS}


async def test_a_lost_reply_is_the_one_way_to_come_twice(store: SqliteStore, hop: NextHop) -> None:
    """The next hop took it and hung up: it is sent again, with the same copy's id, and no more often than that."""
    hop.answer = Script("content", LOST)
    copies = await deliver(store, policy_to(hop))
    assert account(hop, copies, lost=FAULTS) == {CopyState.DELIVERED: MESSAGES}
    assert len(hop.taken) == MESSAGES + FAULTS


async def test_a_next_hop_that_refuses_connections(store: SqliteStore, hop: NextHop) -> None:
    """Refused, then there."""
    policy = policy_to(hop)
    hop.stop()
    for number in range(1, MESSAGES + 1):
        await queue(store, policy, number, "ewa@m.test", datetime.now(UTC))
    async with running(store, policy, timeouts=IMPATIENT) as worker:
        copies = await until(store, lambda copies: all(copy.attempts for copy in copies))
        assert account(hop, copies) == {CopyState.QUEUED: MESSAGES}
        assert "cannot connect" in copies[0].reason
        await hop.start()
        await store.change_copies([copy.number for copy in copies], CopyState.QUEUED, "", datetime.now(UTC))
        worker.retry_now()
        copies = await until(store, lambda copies: all(copy.state in FINAL for copy in copies))
    assert account(hop, copies) == {CopyState.DELIVERED: MESSAGES}


async def test_a_next_hop_that_swallows_connections(store: SqliteStore, hop: NextHop) -> None:
    """A full backlog answers no SYN, as a firewall that drops does: given up in time, and delivered elsewhere later."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(hole.getsockname())
        policy = policy_for({"domain": "*", "smtp": f"127.0.0.1:{hole.getsockname()[1]}", "tls": "none"})
        for number in range(1, MESSAGES + 1):
            await queue(store, policy, number, "ewa@m.test", datetime.now(UTC))
        async with running(store, policy, timeouts=IMPATIENT):
            copies = await until(store, lambda copies: all(copy.attempts for copy in copies))
        for filler in fillers:
            filler.close()
    assert account(hop, copies) == {CopyState.QUEUED: MESSAGES}
    assert "no answer" in copies[0].reason


# TLS.


@pytest.fixture
def contexts(tmp_path: Path, hop: NextHop) -> TlsContexts:
    """The next hop has a certificate, which these know."""
    certificate, key = make_certificate(tmp_path, "next.test")
    hop.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    hop.context.load_cert_chain(certificate, key)
    hop.extensions = ("PIPELINING", "STARTTLS")
    return TlsContexts(ssl.create_default_context(cafile=str(certificate)), TlsContexts.of_system().opportunistic)


FAILING_TLS = [
    "421 4.7.0 no",
    "454 4.7.0 not now",
    "501 no",
    "554 5.7.3 no",
    "220 go\r\n250 injected",
    "220 go\r\nnot TLS",
]


@pytest.mark.parametrize("tls", ["none", "may", "required"])
@pytest.mark.parametrize("reply", [*FAILING_TLS, CLOSE, RESET, SILENCE])
async def test_failing_tls(store: SqliteStore, hop: NextHop, contexts: TlsContexts, tls: str, reply: str) -> None:
    """Not asked for under `none`; a reason to wait, or to go without under `may`; never in the clear if `required`."""
    hop.answer = script = Script("starttls", reply)
    copies = await deliver(store, policy_to(hop, tls=tls), contexts)
    assert account(hop, copies) == {CopyState.DELIVERED: MESSAGES}
    assert bool(script.done) == (tls != "none")
    if tls == "required":
        assert all(one.inside_tls for one in hop.taken)


@pytest.mark.parametrize("tls", ["none", "may", "required"])
async def test_stripped_tls(store: SqliteStore, hop: NextHop, contexts: TlsContexts, tls: str) -> None:
    """Where the offer was cut out on the way, `required` waits, and the others go in the clear."""
    hop.extensions = ("PIPELINING",)
    policy = policy_to(hop, tls=tls)
    for number in range(1, MESSAGES + 1):
        await queue(store, policy, number, "ewa@m.test", datetime.now(UTC))
    async with running(store, policy, contexts=contexts, timeouts=IMPATIENT):
        copies = await until(store, lambda copies: all(copy.attempts for copy in copies))
    state = CopyState.QUEUED if tls == "required" else CopyState.DELIVERED
    assert account(hop, copies) == {state: MESSAGES}
    assert not any(one.inside_tls for one in hop.taken)
    if tls == "required":
        assert "STARTTLS" in copies[0].reason


# LMTP.


@pytest.mark.parametrize("reply", [CLOSE, RESET, SILENCE, "421 bye", "451 4.3.0 later", "x", "250 a\r\n250 b"])
async def test_lmtp_with_fewer_or_other_replies_than_recipients(store: SqliteStore, tmp_path: Path, reply: str) -> None:
    """Only who was answered 250 counts as served."""
    hop = await NextHop(lmtp=True).start(str(tmp_path / "lmtp"))
    hop.answer = Script("content", reply)
    policy = policy_for({"domain": "*", "lmtp": f"unix:{tmp_path / 'lmtp'}"})
    copies = await deliver(store, policy)
    hop.stop()
    assert account(hop, copies, lost=FAULTS) == {CopyState.DELIVERED: MESSAGES}
