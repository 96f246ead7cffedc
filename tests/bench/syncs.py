"""How often a system has the disk made sure of what it wrote, counted by strace in a run that is not measured."""

import re
import signal
import subprocess
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.fidelity import WrongRunError
from bench.letters import Load
from bench.runs import measure
from bench.systems import System
from peers.machine import MissingPeerError, PeerError, require_program, wait_for
from peers.usage import pids

_CALLS = "fsync,fdatasync,sync_file_range,msync"
_GROUPS = "routerd_commit_batch_messages_count"


@dataclass(frozen=True, slots=True)
class Syncs:
    """Per message: under the load, and of a lone client, each of whose messages is a group of its own."""

    under_load: float
    alone: float
    groups: float | None  # of messages that routerd committed together, per message under the load


class NoTraceError(PeerError):
    """strace cannot be used here."""


def count_syncs(system: System, load: Load) -> Syncs:
    """Raises NoTraceError, WrongRunError where a message was accepted that no sync can have made durable."""
    before = _groups(system)
    under_load = _count(system, load)
    groups = _groups(system) - before
    alone = _count(system, replace(load, messages=max(load.messages // 10, 10), sessions=1))
    if system.daemon is not None and under_load * load.messages < groups:
        raise WrongRunError(
            f"{system.name}: {under_load * load.messages:.0f} syncs for {groups:.0f} groups of messages"
        )
    if alone < 1:
        raise WrongRunError(f"{system.name}: a lone client's messages were accepted with {alone:.2f} syncs each")
    return Syncs(under_load, alone, groups / load.messages if system.daemon is not None else None)


def _groups(system: System) -> float:
    return system.daemon.metric(_GROUPS) if system.daemon is not None else 0.0


def _count(system: System, load: Load) -> float:
    try:
        program = require_program("strace", "strace")
    except MissingPeerError as error:
        raise NoTraceError(str(error)) from error
    with TemporaryDirectory(prefix="routerd-bench-") as folder:
        table = Path(folder) / "table"
        tracer = _attach(program, table, pids(system.sessions))
        try:
            measure(system, load)
        finally:
            tracer.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                tracer.communicate(timeout=60)
            tracer.kill()
        return calls_in(table.read_text()) / load.messages


def _attach(program: str, table: Path, traced: Collection[int]) -> "subprocess.Popen[bytes]":
    """Processes that they start later are followed."""
    options = [option for pid in traced for option in ("-p", str(pid))]
    told = table.with_name("told")
    with told.open("wb") as stderr:
        tracer = subprocess.Popen(
            [program, "-f", "-c", "-o", str(table), "-e", f"trace={_CALLS}", *options], stderr=stderr
        )

    def is_attached() -> bool:
        text = told.read_text(errors="replace")
        if tracer.poll() is not None or "Operation not permitted" in text:
            tracer.kill()
            tracer.wait()
            raise NoTraceError(text.strip()[-300:])
        return all(re.search(rf"Process {pid} attached", text) for pid in traced)

    wait_for(is_attached, "strace to attach", trouble=lambda: told.read_text(errors="replace"))
    return tracer


def calls_in(table: str) -> int:
    """Of all kinds, in what `strace -c` writes: `% time, seconds, usecs/call, calls, errors, syscall`."""
    return sum(
        int(found[1]) for found in re.finditer(r"(?m)^ *[\d.]+ +[\d.]+ +\d+ +(\d+) (?:.*(?:sync|range))$", table)
    )
