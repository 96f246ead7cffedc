"""Several processes take mail in: their metrics are one daemon's, and so are its limits."""

import re
import signal
import smtplib
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from os import kill
from typing import Any

import pytest
from peers.daemon import CONFIG, RouterdDaemon

STRICT = CONFIG.replace("trusted_networks: [127.0.0.0/8]", "limits: {{connections_per_client: 5, connections: 8}}")
MESSAGES = 24
ONE = "127.0.0.2"
# What no two runs have in common: times, what is done in groups, and who had his turn when.
BY_CHANCE = re.compile(
    r"_seconds_(sum|bucket\{)|_commit_|_deliver|\{step=\"conclude|_assignments_|_worker|_free_|_oldest_"
)

WaitUntil = Callable[..., Any]


def with_workers(config: str, workers: int) -> str:
    return f"workers: {workers}\n{config}"


def send(port: int, number: int) -> None:
    """One message of its own size; of some, a sender or a recipient is refused first."""
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.ehlo("client.test")
        if number % 5 == 0:
            assert client.docmd("MAIL", "FROM:<nonsense")[0] == 501
        client.mail("anna@example.net")
        if number % 4 == 0:
            assert client.rcpt("nobody@example.com")[0] == 550
        client.rcpt("support@example.com" if number % 3 else "billing@example.com")
        text = f"Subject: invoice {number}\r\nMessage-ID: <{number}@example.net>\r\n\r\n{'y' * number * 100}\r\n"
        assert client.data(text)[0] == 250


def counted(daemon: RouterdDaemon) -> dict[str, float]:
    """Every sample that the same mail always makes the same."""
    found: dict[str, float] = {}
    for line in daemon.http_get("/metrics")[1].splitlines():
        name, _, value = re.sub(r'listener="[^"]*"', "", line).rpartition(" ")
        if not line.startswith("#") and not BY_CHANCE.search(name):
            found[name] = found.get(name, 0.0) + float(value)
    return found


def test_metrics_of_two_workers_are_those_of_one_process(
    routerd: Callable[..., RouterdDaemon], wait_until: WaitUntil
) -> None:
    """The same mail, over connections that are open at the same time: every counter says the same."""
    daemons = [routerd(config=with_workers(CONFIG, workers)) for workers in (1, 2)]
    for daemon in daemons:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(send, [daemon.smtp_port] * MESSAGES, range(MESSAGES)))
        daemon.wait_for_copies(MESSAGES)
        wait_until(lambda: not daemon.metric("routerd_connections"), "no connection")  # noqa: B023
    alone = counted(daemons[0])
    assert alone['routerd_step_seconds_count{step="view"}'] == MESSAGES
    assert daemons[0].metric("routerd_assignments_total") == MESSAGES
    wait_until(lambda: counted(daemons[1]) == alone, "the same figures")  # a busy worker may miss a scrape
    assert daemons[1].metric("routerd_assignments_total") == MESSAGES


Greeted = tuple[int, socket.socket]
"""With which code, and where it goes on."""


class Clients:
    """Of one daemon."""

    def __init__(self, daemon: RouterdDaemon, stack: ExitStack) -> None:
        self._port = daemon.smtp_port
        self._stack = stack

    def come(self, *addresses: str) -> tuple[Greeted, ...]:
        """From so many addresses of this machine, one after the other."""
        return tuple(self._greeted(address) for address in addresses)

    def codes(self, *addresses: str) -> list[int]:
        return [code for code, _ in self.come(*addresses)]

    def _greeted(self, address: str) -> Greeted:
        opened = self._stack.enter_context(socket.create_connection(("127.0.0.1", self._port), 60, (address, 0)))
        return int(opened.recv(1000)[:3]), opened


def pids(daemon: RouterdDaemon) -> dict[int, int]:
    """Of the workers, by their number."""
    return {event["worker"]: event["pid"] for event in daemon.log_events("worker_started")}


@contextmanager
def only(daemon: RouterdDaemon, worker: int) -> Iterator[None]:
    """Whatever comes meanwhile is taken by that one: the others stand still."""
    others = [pid for number, pid in pids(daemon).items() if number != worker]
    for pid in others:
        kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in others:
            kill(pid, signal.SIGCONT)


@pytest.fixture
def daemon(routerd: Callable[..., RouterdDaemon]) -> RouterdDaemon:
    """Two workers; five connections of a client, eight in all."""
    return routerd(config=with_workers(STRICT, 2))


@pytest.fixture
def clients(daemon: RouterdDaemon) -> Iterator[Clients]:
    with ExitStack() as stack:
        yield Clients(daemon, stack)


def test_limits_of_connections_hold_over_two_workers(
    daemon: RouterdDaemon, clients: Clients, wait_until: WaitUntil
) -> None:
    """Of a client and in all, whichever worker has them; a place that one gives back is free in the other."""
    with only(daemon, 0):
        (_, leaving), *others = clients.come(*[ONE] * 3)
        assert [code for code, _ in others] == [220] * 2
    with only(daemon, 1):
        assert clients.codes(*[ONE] * 3) == [220, 220, 421]
        assert clients.codes("127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6") == [220, 220, 220, 421]
    assert daemon.metric("routerd_connections") == 8
    leaving.close()
    wait_until(lambda: daemon.metric("routerd_connections") == 7, "a free place")
    with only(daemon, 1):
        assert clients.codes(ONE, ONE) == [220, 421]


def test_what_a_killed_worker_had_open_is_free_again(
    daemon: RouterdDaemon, clients: Clients, wait_until: WaitUntil
) -> None:
    """Its connections count no more, neither for their client nor in the metrics; the other's do."""
    with only(daemon, 0):
        assert clients.codes(*[ONE] * 3) == [220] * 3
    with only(daemon, 1):
        assert clients.codes(*[ONE] * 2) == [220] * 2
    kill(pids(daemon)[0], signal.SIGKILL)
    daemon.wait_for_event("worker_started", 3)
    wait_until(lambda: daemon.metric("routerd_connections") == 2, "the other worker's connections")
    with only(daemon, 0):
        assert clients.codes(*[ONE] * 4) == [220] * 3 + [421]
