#!/usr/bin/env python3
"""What one dead destination with very many waiting copies costs all the others, in turns with a queue that is empty.

    python tests/bench/dead_destination.py [--dead refused|silent|blackhole] [--rounds 3] [--copies 50000]

The daemon is started on the state of a day in which a next hop went away: its copies are minutes to a day old, all of
them due at once, and the postmaster is yet to hear of those that wait for hours. Meanwhile messages for another next
hop come at an even pace; what counts is how long each takes, from its sender's connection to its arrival there. Then
the daemon is killed, and what counts is how soon it is ready again, with a look through the database before.
Only ratios travel to another machine.
"""

import argparse
import json
import shutil
import smtplib
import socket
import socketserver
import sqlite3
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.daemon import RouterdDaemon
from peers.machine import free_port, open_folder, wait_for

MESSAGES_A_SECOND = 20.0
BODY = "All that is said here is said to fill a message of an ordinary size.\r\n" * 40
CONFIG = """\
hostname: mx1.example.com
state: {folder}/state
rules: {folder}/rules.d
listen: [{{address: "127.0.0.1:{smtp_port}"}}, {{address: "127.0.0.1:{lmtp_port}", protocol: lmtp}}]
http: {{address: "127.0.0.1:{http_port}"}}
postmaster: well
members: {{well: {{mailbox: well@well.test}}, gone: {{mailbox: gone@gone.test}}}}
inboxes: {{support@example.com: {{default: well}}, billing@example.com: {{default: gone}}}}
delivery:
{delivery}
"""


DEAD = ("refused", "silent", "blackhole")
DAY_SECONDS = 86_400
WAITS_SECONDS = (300, 600, 1_200, 2_400, 4_800, 9_600, *[14_400] * 4)  # between attempts, as `retry` has it


@dataclass(frozen=True, slots=True)
class Load:
    copies: int
    messages: int
    dead: str  # one of DEAD


@dataclass(frozen=True, slots=True)
class Run:
    """One daemon from its start to its end."""

    ready_seconds: float
    ready_after_kill_seconds: float
    median_ms: float  # from the sender's connection to the next hop
    late_ms: float  # of the slowest in twenty
    peak_mb: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    without: tuple[Run, ...]
    beside: tuple[Run, ...]

    def summary(self) -> dict[str, float]:
        """Medians over the rounds."""
        found: dict[str, float] = {}
        for name, runs in (("without", self.without), ("beside", self.beside)):
            for value in Run.__slots__:
                found[f"{name}_{value}"] = round(statistics.median(getattr(run, value) for run in runs), 2)
        found["median_ratio"] = round(found["beside_median_ms"] / found["without_median_ms"], 3)
        found["more_mb"] = round(found["beside_peak_mb"] - found["without_peak_mb"], 1)
        return found


def compare(load: Load, rounds: int, report: Callable[[str], None], checkout: Path | None = None) -> Comparison:
    """Runs the daemon beside the waiting copies and without them, in turns. `checkout`: of routerd; None: this one."""
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder("bench-queue"))
        arrivals = stack.enter_context(Arrivals())
        dead_port = stack.enter_context(_dead(load.dead))
        bench = _Bench(folder, arrivals, dead_port, load, checkout)
        empty, full = bench.make_states()
        runs: dict[Path, list[Run]] = {empty: [], full: []}
        order = [empty, full]
        for number in range(1, rounds + 1):
            for state in order:
                run = bench.measure(state)
                runs[state].append(run)
                report(f"round {number}: {state.name:5} {run}")
            order.reverse()
        return Comparison(tuple(runs[empty]), tuple(runs[full]))


class Arrivals:
    """A next hop that takes everything, and when."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}  # by subject
        arrivals = self

        class Session(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self) -> None:
                with suppress(ConnectionError):  # the daemon is killed at the end
                    arrivals._serve(self.rfile, self.wfile)

        self._server = _Server(("127.0.0.1", 0), Session)
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, lines: Iterator[bytes], answer: "socketserver._SocketIO") -> None:  # type: ignore[name-defined]
        answer.write(b"220 arrivals.test ESMTP\r\n")
        for line in lines:
            verb = line[:4].upper()
            if verb == b"DATA":
                answer.write(b"354 go\r\n")
                self._note(lines)
            if verb == b"QUIT":
                return
            answer.write(b"250-arrivals.test\r\n250 PIPELINING\r\n" if verb == b"EHLO" else b"250 2.0.0 ok\r\n")

    def _note(self, lines: Iterator[bytes]) -> None:
        for line in lines:
            if line.startswith(b"Subject: "):
                self.at.setdefault(line[9:].strip().decode(), time.perf_counter())
            if line == b".\r\n":
                return


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 100


class _Bench:
    def __init__(self, folder: Path, arrivals: Arrivals, dead_port: int, load: Load, checkout: Path | None) -> None:
        self._arrivals = arrivals
        self._load = load
        self._states = folder
        self._sent = 0
        self._daemon = RouterdDaemon(
            folder / "routerd",
            config=CONFIG,
            delivery=f'  - {{domain: gone.test, smtp: "127.0.0.1:{dead_port}", tls: none}}\n'
            f'  - {{domain: "*", smtp: "127.0.0.1:{arrivals.port}", tls: none}}',
            rules={"10-bench.yaml": "rules: [{name: all, when: {subject: number}, then: {label: measured}}]\n"},
            environ={"PYTHONPATH": str(checkout), "PYTHONSAFEPATH": "1"} if checkout else None,
        )

    def make_states(self) -> tuple[Path, Path]:
        """A state with nothing waiting, and one with all that a dead destination left behind."""
        self._daemon.start()
        self._send_to("support@example.com")
        self._send_to("billing@example.com")
        wait_for(lambda: self._daemon.log_events("copy_deferred") or self._load.dead == "silent", "the first deferral")
        wait_for(lambda: self._arrivals.at, "the first delivery")
        self._daemon.stop()  # cleanly: else the next start looks for damage, the longer the more there is
        empty, full = self._states / "empty", self._states / "full"
        for state, copies in ((empty, 0), (full, self._load.copies)):
            shutil.copytree(self._daemon.state, state, ignore=shutil.ignore_patterns("control"))
            _fill(state / "routerd.db", copies)
        return empty, full

    def measure(self, state: Path) -> Run:
        """The daemon, on a copy of `state`, from start to stop."""
        shutil.rmtree(self._daemon.state)
        shutil.copytree(state, self._daemon.state)
        began = time.perf_counter()
        self._daemon.start()
        ready = time.perf_counter() - began
        try:
            sent = {}
            start = time.perf_counter()
            for number in range(self._load.messages):
                time.sleep(max(start + number / MESSAGES_A_SECOND - time.perf_counter(), 0))
                at = time.perf_counter()
                sent[self._send_to("support@example.com")] = at
            wait_for(lambda: sent.keys() <= self._arrivals.at.keys(), "all messages", 120)
            waits = sorted(1000 * (self._arrivals.at[subject] - at) for subject, at in sent.items())
            peak, cpu = _peak_mb(self._daemon.pid), _cpu_seconds(self._daemon.pid)
            self._daemon.kill9()
            began = time.perf_counter()
            self._daemon.start()
            again = time.perf_counter() - began
        finally:
            self._daemon.kill9()
        return Run(ready, again, statistics.median(waits), waits[len(waits) * 19 // 20], peak, cpu)

    def _send_to(self, inbox: str) -> str:
        self._sent += 1
        subject = f"number {self._sent}"
        with smtplib.SMTP("127.0.0.1", self._daemon.smtp_port) as client:
            client.sendmail("anna@klient.test", inbox, f"From: anna@klient.test\r\nSubject: {subject}\r\n\r\n{BODY}")
        return subject


@contextmanager
def _dead(how: str) -> Iterator[int]:
    """Nobody listens, or whoever does never says a word, or nothing that is sent there is answered at all."""
    port = free_port()
    if how == "refused":
        yield port
        return
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen(0 if how == "blackhole" else 1000)
        with ExitStack() as stack:
            if how == "blackhole":  # with its queue full, the kernel drops what asks for a connection
                for _ in range(3):
                    first = stack.enter_context(socket.socket())
                    first.setblocking(False)
                    first.connect_ex(("127.0.0.1", port))
            yield port


def _fill(path: Path, copies: int) -> None:
    """Many times the one message that waits, from a moment to a day old, and due; with 0 none at all."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TEMP TABLE template AS SELECT message AS number FROM copies WHERE finished_at IS NULL")
        now = int(time.time() * 1e6)
        ages = [DAY_SECONDS * (copies - number) // copies for number in range(copies)]
        waiting = json.dumps([{"at": now - int(age * 1e6), "attempts": _attempts(age)} for age in ages])
        for table, key in (("messages", "number"), ("bodies", "message"), ("copies", "message"), ("events", "message")):
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            changed = {
                key: "1000 + one.key",
                "queue_id": "printf('01J%023d', one.key)",
                "received_at": "one.value ->> 'at'",
                "created_at": "one.value ->> 'at'",
                "next_attempt_at": str(now),
                "attempts": "one.value ->> 'attempts'",
            }
            if table == "copies":
                changed["number"] = "1000 + one.key"
            values = ", ".join(changed.get(column, column) for column in columns)
            db.execute(
                f"INSERT INTO {table} SELECT {values} FROM {table}, json_each(?) AS one"
                f" WHERE {table}.{key} IN (SELECT number FROM template) ORDER BY one.key",
                (waiting,),
            )
        db.execute("UPDATE copies SET state = 'dropped', finished_at = 1 WHERE number < 1000")


def _attempts(age_seconds: int) -> int:
    """How many there have been of a copy that old."""
    return 1 + sum(sum(WAITS_SECONDS[: number + 1]) <= age_seconds for number in range(len(WAITS_SECONDS)))


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main() -> int:
    """0, or 1 where a bound that is asked for does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds in turn (default: 3)")
    parser.add_argument("--copies", type=int, default=50_000, help="that wait for the dead one (default: 50000)")
    parser.add_argument("--messages", type=int, default=200, help="a run, for the other one (default: 200)")
    parser.add_argument("--dead", choices=DEAD, default="refused", help="how it is dead")
    parser.add_argument("--checkout", type=Path, metavar="FOLDER", help="of routerd (default: this one)")
    parser.add_argument("--at-most", type=float, metavar="RATIO", help="exit with 1 above this ratio of medians")
    options = parser.parse_args()
    load = Load(options.copies, options.messages, options.dead)
    comparison = compare(load, options.rounds, lambda line: print(line, file=sys.stderr), options.checkout)
    summary = comparison.summary()
    print("\n".join(f"{key:30} {value}" for key, value in summary.items()))
    return int(options.at_most is not None and summary["median_ratio"] > options.at_most)


if __name__ == "__main__":
    sys.exit(main())
