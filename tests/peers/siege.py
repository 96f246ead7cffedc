"""A daemon, a crowd of hostile clients of one kind at its doors, and what that costs it."""

import asyncio
import re
import smtplib
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers.certificate import make_certificate
from peers.daemon import RouterdDaemon
from peers.hostile_client import Connection, Front, Kind, be
from peers.machine import free_port, wait_for

MEMORY_BYTES = 64_000_000
_RSS = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)
_MESSAGE = b"Subject: hello\r\nFrom: anna@klient.pl\r\nTo: support@example.com\r\n\r\nA good message.\r\n"

CONFIG = """\
hostname: mx1.example.com
state: {{folder}}/state
rules: {{folder}}/rules.d
listen:
  - {{{{address: "127.0.0.1:{{smtp_port}}"}}}}
  - {{{{address: "127.0.0.1:{implicit}", tls: implicit}}}}
  - {{{{address: "127.0.0.1:{login}", tls: required, auth: required}}}}
tls: {{{{certificate: {certificate}, key: {key}}}}}
passwords: {passwords}
proxies: [127.0.0.2/32]
limits: {{{{memory: {memory}, connections: 5000, connections_per_client: 5000}}}}
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: jan
members:
  jan: {{{{name: Jan Kowalski, mailbox: jan@mail.example.com}}}}
inboxes:
  support@example.com: {{{{default: jan}}}}
delivery:
{{delivery}}
"""


@dataclass(frozen=True, slots=True)
class Siege:
    """What was seen."""

    grown_bytes: int  # resident memory, at most, over what it was before
    served: int  # messages of a good client while the hostile ones stood
    refused: str  # what it was told instead, at last
    left_descriptors: int  # open, over what it was before, once the clients had gone
    errors: tuple[str, ...]  # in the log


class Fortress:
    """A daemon with all its doors, warmed up."""

    def __init__(self, daemon: RouterdDaemon, front: Front) -> None:
        self.daemon = daemon
        self.front = front
        self._warm_up()
        self._descriptors = self.daemon.descriptors()
        self._resident_bytes = self.resident_bytes()

    def _warm_up(self) -> None:
        for _ in range(2):
            asyncio.run(_crowd(_idle, self.front, 100))
            for _ in range(20):
                good_message(self.front.smtp, tls=True)
        self.await_quiet(None)

    def resident_bytes(self) -> int:
        found = _RSS.search(Path(f"/proc/{self.daemon.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    def await_quiet(self, descriptors: int | None) -> int:
        """Waits until nobody is connected, nothing queued; gives the number of descriptors then."""

        def is_quiet() -> bool:
            metric = self.daemon.metric
            if metric("routerd_connections") or metric("routerd_queue_copies"):
                return False
            return descriptors is None or self.daemon.descriptors() <= descriptors

        wait_for(is_quiet, "nobody connected", trouble=lambda: f"{self.daemon.descriptors()} descriptors")
        return self.daemon.descriptors()

    def withstand(self, kind: Kind, clients: int, *, good_messages: int) -> Siege:
        """Lets so many clients of a kind come, and a good one beside them."""
        seen = len(self.daemon.log_text())
        with self._watching() as peak:
            served, refused = asyncio.run(_attack(kind, self.front, clients, good_messages))
        left = self.await_quiet(self._descriptors) - self._descriptors
        return Siege(peak[0] - self._resident_bytes, served, refused, left, self._errors(seen))

    @contextmanager
    def _watching(self) -> Generator[list[int], None, None]:
        """The most resident memory, looked at all the time."""
        peak, over = [self.resident_bytes()], threading.Event()

        def watch() -> None:
            while not over.wait(0.01):
                peak[0] = max(peak[0], self.resident_bytes())

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            yield peak
        finally:
            over.set()
            watching.join()

    def _errors(self, seen: int) -> tuple[str, ...]:
        text = self.daemon.log_text()[seen:]
        return tuple(line[:2000] for line in text.splitlines() if _is_error(line))


def _is_error(line: str) -> bool:
    return not line.startswith("{") or '"level": "error"' in line or '"exception"' in line


@contextmanager
def open_fortress(folder: Path, memory_bytes: int = MEMORY_BYTES) -> Generator[Fortress, None, None]:
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = make_certificate(folder, "mx1.example.com")
    passwords = folder / "passwords"
    passwords.write_text("")
    passwords.chmod(0o600)
    implicit, login = free_port(), free_port()
    config = CONFIG.format(
        implicit=implicit, login=login, certificate=certificate, key=key, passwords=passwords, memory=memory_bytes
    )
    rules = {"10-all.yaml": "rules:\n  - {name: all, when: {subject: hello}, then: {label: hello}}\n"}
    with RouterdDaemon(folder / "routerd", config=config, rules=rules) as daemon:
        yield Fortress(daemon, Front(daemon.smtp_port, implicit, login))


def good_message(port: int, *, tls: bool = False) -> float:
    """Sends one; gives the seconds it took. Raises smtplib.SMTPException."""
    began = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port, local_hostname="good.example", timeout=60) as client:
        if tls:
            client.starttls()
        client.sendmail("anna@klient.pl", ["support@example.com"], _MESSAGE)
        return time.perf_counter() - began


async def _idle(connection: Connection) -> None:
    await connection.open(connection.front.smtp)
    await connection.send(b"EHLO idle.example\r\n")
    await connection.read()


async def _crowd(kind: Kind, front: Front, clients: int) -> None:
    await asyncio.gather(*(be(kind, Connection(front)) for _ in range(clients)))


async def _attack(kind: Kind, front: Front, clients: int, good_messages: int) -> tuple[int, str]:
    """Messages of a good client that were taken while the hostile ones stood, and what else it was told."""
    connections = [Connection(front) for _ in range(clients)]
    tasks = [asyncio.create_task(be(kind, connection)) for connection in connections]
    await asyncio.wait_for(asyncio.gather(*(connection.stands.wait() for connection in connections)), 60)
    served, refused = 0, ""
    for _ in range(good_messages):
        try:
            await asyncio.to_thread(good_message, front.smtp)
            served += 1
        except (smtplib.SMTPException, OSError) as error:
            refused = repr(error)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return served, refused
