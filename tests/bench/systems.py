"""The systems that are measured: each installed as it comes, in a folder of its own, and what arrives behind it."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Protocol

from bench.equal_rules import routerd_rules, sieve_rules
from bench.letters import RECIPIENT
from peers.daemon import CONFIG, RouterdDaemon
from peers.dovecot import DovecotLmtp
from peers.load import SmtpSink
from peers.machine import open_folder
from peers.postfix import postfix_relay

ROUTERD, POSTFIX, SIEVE = "routerd", "postfix", "postfix-sieve"
FEW = "routerd-10"  # this routerd with 10 rules, to see what more of them cost
OTHER = "other"  # checkout of routerd
PEERS = (POSTFIX, SIEVE, FEW)
AUTO = "auto"  # as many of routerd's processes as it holds for right
_STORED = b": stored mail into mailbox "  # as Sieve logs it
# what smtp-sink writes above each message that it keeps; below it writes a line end
_OF_SINK = re.compile(rb"\A(X-[\w-]+: .*\n)*Received: .*\n(\s.*\n)*")

Messages = Callable[[], list[bytes]]


class Arrivals(Protocol):
    """Where the messages end up."""

    def begin(self) -> None:
        """Counts from 0 again. Nothing is under way."""

    def count(self) -> int:
        """How many have come; it costs next to nothing to ask."""

    @property
    def sessions(self) -> tuple[int, ...]:
        """Of the processes that are there only to take them."""

    def kept(self) -> AbstractContextManager[Messages]:
        """Meanwhile all that comes is kept, and given whole, with LF, when it is called. Begins anew."""


@dataclass(frozen=True, slots=True)
class System:
    """One system, running."""

    name: str
    port: int
    arrivals: Arrivals
    sessions: tuple[int, ...]  # of all its processes
    is_idle: Callable[[], bool]
    has_rules: bool
    daemon: RouterdDaemon | None = None
    clients: Iterator[str] = field(default_factory=lambda: (f"run{number}.example.net" for number in count(1)))


class AtSink:
    """At smtp-sink."""

    def __init__(self, folder: Path, sink: SmtpSink) -> None:
        self._folder = folder
        self._sink = sink
        self._before = 0

    @property
    def sessions(self) -> tuple[int, ...]:
        return () if self._sink.process is None else (self._sink.process.pid,)

    def begin(self) -> None:
        self._before = self._sink.count()

    def count(self) -> int:
        return self._sink.count() - self._before

    @contextmanager
    def aside(self) -> Generator[int, None, None]:
        """Meanwhile something else may listen on the sink's port, which is given."""
        self._sink.stop()
        try:
            yield self._sink.port
        finally:
            self._sink.start()
            self.begin()

    @contextmanager
    def kept(self) -> Generator[Messages, None, None]:
        """By another sink on the same port, which is slower."""
        counting, captured = self._sink, self._folder / "captured"
        captured.mkdir()
        counting.stop()
        try:
            with SmtpSink(self._folder, captured=captured, port=counting.port) as self._sink:
                self.begin()
                yield lambda: [_OF_SINK.sub(b"", one).removesuffix(b"\n") for one in self._sink.messages()]
        finally:
            self._sink = counting
            counting.start()
            self.begin()
            shutil.rmtree(captured)


class InMaildir:
    """In the Maildir of one of Dovecot's users."""

    def __init__(self, dovecot: DovecotLmtp, user: str) -> None:
        self._log = dovecot.folder / "log"
        self._maildir = dovecot.maildir(user)
        self._read = 0
        self._rest = b""
        self._count = 0

    @property
    def sessions(self) -> tuple[int, ...]:
        return ()

    def begin(self) -> None:
        """Empties it, too."""
        shutil.rmtree(self._maildir, ignore_errors=True)
        self.count()
        self._count = 0

    def count(self) -> int:
        with self._log.open("rb") as log:
            log.seek(self._read)
            more = log.read()
        self._read += len(more)
        lines, ended, rest = (self._rest + more).rpartition(b"\n")
        self._rest = rest
        self._count += (lines + ended).count(_STORED)
        return self._count

    @contextmanager
    def kept(self) -> Generator[Messages, None, None]:
        self.begin()
        yield lambda: [path.read_bytes() for path in (self._maildir / "new").iterdir()]


def open_postfix(stack: ExitStack) -> System:
    """A plain relay, without any rule."""
    folder = stack.enter_context(open_folder("bench-postfix"))
    sink = stack.enter_context(SmtpSink(folder))
    relay = stack.enter_context(postfix_relay(folder, sink.port))
    return System(POSTFIX, relay.port, AtSink(folder, sink), (relay.pid,), lambda: not relay.queue(), False)


def open_sieve(stack: ExitStack, rules: int) -> System:
    """Postfix, which hands all to Dovecot's LMTP, where a Sieve script of so many rules files it."""
    folder = stack.enter_context(open_folder("bench-sieve"))
    for name in ("postfix", "dovecot"):
        (folder / name).mkdir()
    dovecot = stack.enter_context(DovecotLmtp(folder / "dovecot", [RECIPIENT], sieve=sieve_rules(rules)))
    relay = stack.enter_context(postfix_relay(folder / "postfix", dovecot.port, lmtp=True))
    sessions = (relay.pid, dovecot.pid)
    return System(SIEVE, relay.port, InMaildir(dovecot, RECIPIENT), sessions, lambda: not relay.queue(), True)


def open_routerd(
    stack: ExitStack,
    rules: int,
    *,
    name: str = ROUTERD,
    checkout: Path | None = None,
    config: str = CONFIG,
    workers: str = AUTO,
    environ: dict[str, str] | None = None,
) -> System:
    """`checkout` is of routerd, run by the same Python; None: this one. `workers` is left out where it is one process
    by itself.
    """
    folder = stack.enter_context(open_folder(f"bench-{name}"))
    sink = stack.enter_context(SmtpSink(folder))
    if knows_workers(checkout):
        config += f"workers: {workers}\n"
    daemon = stack.enter_context(
        RouterdDaemon(
            folder / "routerd",
            delivery=f'  - {{domain: "*", smtp: "127.0.0.1:{sink.port}", tls: none}}',
            config=config,
            rules={"10-bench.yaml": routerd_rules(rules)},
            environ={**_of_checkout(checkout), **(environ or {})},
        )
    )

    def is_idle() -> bool:
        return daemon.metric("routerd_queue_copies") == 0

    return System(name, daemon.smtp_port, AtSink(folder, sink), (os.getsid(daemon.pid),), is_idle, True, daemon)


@cache
def knows_workers(checkout: Path | None) -> bool:
    """Whether it can be several processes, by what it says of its own config."""
    done = subprocess.run(
        [sys.executable, "-m", "routerd.cli.main", "schema", "config"],
        env={**os.environ, **_of_checkout(checkout)},
        stdout=subprocess.PIPE,
        timeout=120,
        check=True,
    )
    key = json.loads(done.stdout)["properties"].get("workers")
    return key is not None and key.get("maximum") != 1


def _of_checkout(checkout: Path | None) -> dict[str, str]:
    """The environment with which it is not the current folder's routerd that runs."""
    return {"PYTHONPATH": str(checkout.resolve()), "PYTHONSAFEPATH": "1"} if checkout else {}


def open_one(name: str, stack: ExitStack, rules: int, workers: str = AUTO) -> System:
    """One of PEERS, or routerd."""
    if name == POSTFIX:
        return open_postfix(stack)
    if name == SIEVE:
        return open_sieve(stack, rules)
    return open_routerd(stack, 10 if name == FEW else rules, name=name, workers=workers)


def add_workers_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers", default=AUTO, metavar="N", help="routerd's processes (default: auto), where it can be several"
    )
