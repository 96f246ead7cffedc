#!/usr/bin/env python3
"""routerd with 100 rules against Postfix's plain relay, or another checkout of routerd, in one run, taking turns.

    python tests/bench/relay.py [--rounds 5] [--messages 2000] [--size 4096] [--keep] [--against FOLDER]

smtp-source sends over 20 connections at a time (a new one for each message, unless --keep); the system under test makes
each message durable and hands it to smtp-sink. The rate is messages over the time from the first connection to the
moment at which the sink has the last one; CPU is that of all processes of the system. Only the ratio travels to another
machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.daemon import RouterdDaemon
from peers.load import SmtpSink, smtp_source
from peers.machine import PeerError, open_folder, wait_for
from peers.postfix import postfix_relay

SESSIONS = 20
RULES = 100
SENDER = "anna@klient.pl"
RECIPIENT = "support@example.com"
SECONDS_A_RUN = 600.0


@dataclass(frozen=True, slots=True)
class System:
    """One system under test, running, and the sink it delivers to."""

    name: str
    port: int
    sink: SmtpSink
    session: int  # of all its processes
    is_idle: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Run:
    rate: float  # messages a second
    cpu_ms: float  # a message


@dataclass(frozen=True, slots=True)
class Load:
    messages: int
    size_bytes: int
    keep_connections: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    ours: tuple[Run, ...]
    theirs: tuple[Run, ...]
    other: str  # whom we are compared with

    @property
    def ratio(self) -> float:
        """Our median rate over the other's."""
        return _median_rate(self.ours) / _median_rate(self.theirs)


def compare(load: Load, rounds: int, report: Callable[[str], None], against: Path | None = None) -> Comparison:
    """Runs both systems in turns, each first in every other round. Raises PeerError, MissingPeerError.

    `against`: a checkout of routerd, run by the same Python; None: Postfix.
    """
    with ExitStack() as stack:
        other = _open_postfix(stack) if against is None else _open_routerd(stack, "other", against)
        systems = [_open_routerd(stack), other]
        for system in systems:
            measure(system, Load(max(load.messages // 10, 100), load.size_bytes, load.keep_connections))
        runs: dict[str, list[Run]] = {system.name: [] for system in systems}
        for number in range(1, rounds + 1):
            for system in systems:
                run = measure(system, load)
                runs[system.name].append(run)
                report(f"round {number}: {system.name:8} {run.rate:8.0f} msg/s {run.cpu_ms:7.2f} ms CPU a message")
            systems.reverse()
        return Comparison(tuple(runs["routerd"]), tuple(runs[other.name]), other.name)


def measure(system: System, load: Load) -> Run:
    """One run, from idle to idle."""
    command = smtp_source(
        system.port,
        load.messages,
        sender=SENDER,
        recipient=RECIPIENT,
        size_bytes=load.size_bytes,
        sessions=SESSIONS,
        keep_connections=load.keep_connections,
    )
    wait_for(system.is_idle, f"{system.name} to be idle", SECONDS_A_RUN)
    before, cpu_before = system.sink.count(), _cpu_seconds(system.session)
    wanted = before + load.messages
    began = time.perf_counter()
    subprocess.run(command, check=True, timeout=SECONDS_A_RUN)
    while system.sink.count() < wanted:
        if time.perf_counter() - began > SECONDS_A_RUN:
            raise PeerError(f"{system.name}: {wanted - system.sink.count()} messages have not come")
        time.sleep(0.002)
    seconds = time.perf_counter() - began
    wait_for(system.is_idle, f"{system.name} to be idle", SECONDS_A_RUN)
    if system.sink.count() != wanted:
        raise PeerError(f"{system.name}: {system.sink.count() - wanted} messages too many")
    cpu = _cpu_seconds(system.session) - cpu_before
    return Run(load.messages / seconds, cpu * 1000 / load.messages)


def _open_postfix(stack: ExitStack) -> System:
    folder = stack.enter_context(open_folder("bench-postfix"))
    sink = stack.enter_context(SmtpSink(folder))
    relay = stack.enter_context(postfix_relay(folder, sink.port))
    session = int((folder / "spool/pid/master.pid").read_text())
    return System("postfix", relay.port, sink, session, lambda: not relay.queue())


def _open_routerd(stack: ExitStack, name: str = "routerd", checkout: Path | None = None) -> System:
    folder = stack.enter_context(open_folder(f"bench-{name}"))
    sink = stack.enter_context(SmtpSink(folder))
    route = f'  - {{domain: "*", smtp: "127.0.0.1:{sink.port}", tls: none}}'
    daemon = stack.enter_context(
        RouterdDaemon(
            folder / "routerd",
            delivery=route,
            rules={"10-bench.yaml": make_rules()},
            environ={"PYTHONPATH": str(checkout), "PYTHONSAFEPATH": "1"} if checkout else None,  # not the cwd's routerd
        )
    )

    def is_idle() -> bool:
        return daemon.metric("routerd_queue_copies") == 0

    return System(name, daemon.smtp_port, sink, os.getsid(daemon.pid), is_idle)


def make_rules() -> str:
    """100 rules over subject, text and sender, of which the last matches what smtp-source sends."""
    lines = ["rules:"]
    for number in range(1, RULES):
        field, operator, value = (
            ("text", "contains", f"keyword{number:05}"),
            ("subject", "word", f"subject{number:05}"),
            ("body", "regex", f"order[- ]{number:05}[a-z]*"),
            ("from", None, f"customer{number:05}.example"),
        )[number % 4]
        condition = value if operator is None else f"{{{operator}: '{value}'}}"
        action = f"{{label: label-{number}, assign: finance}}"
        lines.append(f"  - {{name: rule-{number}, when: {{{field}: {condition}}}, then: {action}}}")
    lines.append("  - {name: all-of-it, when: {subject: smtp-source}, then: {label: measured, assign: sales}}")
    return "\n".join(lines) + "\n"


def _cpu_seconds(session: int) -> float:
    """User and system time of the session's processes, and of their children that have ended."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(") ")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[3]) == session:  # proc(5), counted from the state
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _median_rate(runs: tuple[Run, ...]) -> float:
    return statistics.median(run.rate for run in runs)


def _median_cpu(runs: tuple[Run, ...]) -> float:
    return statistics.median(run.cpu_ms for run in runs)


def _summary(comparison: Comparison) -> dict[str, float]:
    ours, theirs, other = comparison.ours, comparison.theirs, comparison.other
    return {
        f"{other}_messages_per_second": round(_median_rate(theirs), 1),
        "routerd_messages_per_second": round(_median_rate(ours), 1),
        "ratio": round(comparison.ratio, 3),
        f"{other}_cpu_ms_per_message": round(_median_cpu(theirs), 3),
        "routerd_cpu_ms_per_message": round(_median_cpu(ours), 3),
        "cpu_ratio": round(_median_cpu(ours) / _median_cpu(theirs), 3),
    }


def main() -> int:
    """0, or 1 where the ratio is below --at-least."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds in turn (default: 5)")
    parser.add_argument("--messages", type=int, default=2000, help="messages a run (default: 2000)")
    parser.add_argument("--size", type=int, default=4096, help="bytes of a message (default: 4096)")
    parser.add_argument("--keep", action="store_true", help="many messages a connection")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout of routerd (default: Postfix)")
    parser.add_argument("--at-least", type=float, default=0.0, metavar="RATIO", help="exit with 1 below this ratio")
    parser.add_argument("--json", action="store_true", help="print the medians as JSON")
    options = parser.parse_args()
    load = Load(options.messages, options.size, options.keep)
    comparison = compare(load, options.rounds, lambda line: print(line, file=sys.stderr), options.against)
    summary = _summary(comparison)
    print(json.dumps(summary) if options.json else "\n".join(f"{key:30} {value}" for key, value in summary.items()))
    return 0 if comparison.ratio >= options.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
