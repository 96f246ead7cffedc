"""One run of one system, from idle to idle."""

import os
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bench.fidelity import WrongRunError, check
from bench.letters import Load
from bench.systems import AtSink, System
from peers.load import SmtpSink
from peers.machine import PeerError, wait_for
from peers.usage import cpu_seconds, machine_seconds, pss_bytes

SECONDS_A_RUN = 600.0
QUIET_SECONDS = 30.0  # what has not come after so long without another is lost


@dataclass(frozen=True, slots=True)
class Run:
    rate: float  # messages a second, until the last has arrived
    accept_rate: float  # until the last was accepted
    cpu_ms: float  # a message, of all processes
    memory_mb: float  # PSS of all processes at the end of the load
    load: float  # the share of the machine's processors that went to what sends and what takes
    others: float  # to programs which have no part in it
    seconds: float  # until the last has arrived


def measure(system: System, load: Load) -> Run:
    """Raises WrongRunError where not each message has come once; PeerError where one was refused."""
    await_idle(system)
    system.arrivals.begin()
    cpu_before, others_before, load_before = cpu_seconds(system.sessions), _others(system), _load(system)
    began = time.perf_counter()
    _send(system.name, load.command(system.port, next(system.clients)))
    accepted_after = time.perf_counter() - began
    await_arrivals(system.name, system.arrivals.count, load.messages)
    seconds = time.perf_counter() - began
    loading = _load(system) - load_before
    memory = pss_bytes(system.sessions)
    await_idle(system)
    if (count := system.arrivals.count()) != load.messages:
        raise WrongRunError(f"{system.name}: {count} messages have come of {load.messages}")
    cpu = cpu_seconds(system.sessions) - cpu_before
    processors = os.cpu_count() or 1
    others = (_others(system) - others_before) / ((time.perf_counter() - began) * processors)
    return Run(
        load.messages / seconds,
        load.messages / accepted_after,
        cpu * 1000 / load.messages,
        memory / 1e6,
        loading / (seconds * processors),
        max(others, 0.0),
        seconds,
    )


def prove(system: System, load: Load, sent: bytes) -> None:
    """A run in which all that arrives is compared with what was `sent`; too slow to measure. Raises WrongRunError."""
    await_idle(system)
    with system.arrivals.kept() as messages:
        _send(system.name, load.command(system.port, next(system.clients)))
        await_arrivals(system.name, system.arrivals.count, load.messages)
        await_idle(system)
        try:
            check(messages(), load.messages, sent, is_labelled=system.has_rules)
        except WrongRunError as error:
            raise WrongRunError(f"{system.name}: {error}") from error


def sent_by(load: Load, folder: Path) -> bytes:
    """One message as its sender writes it, with LF: what arrives where nothing stands between."""
    one = replace(load, messages=1)
    with SmtpSink(folder) as sink:
        arrivals = AtSink(folder, sink)
        with arrivals.kept() as messages:
            _send("the reference", one.command(sink.port, "reference.example.net"))
            wait_for(lambda: arrivals.count() == 1 and len(messages()) == 1, "the reference")
            return messages()[0]


def limit(load: Load, folder: Path) -> float:
    """Messages a second that the load brings where nothing stands between: no system can be seen to be faster."""
    with SmtpSink(folder) as sink:
        began = time.perf_counter()
        _send("smtp-sink", load.command(sink.port, "limit.example.net"))
        return load.messages / (time.perf_counter() - began)


def _load(system: System) -> float:
    """Seconds of CPU that what sends and what takes have used."""
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) + cpu_seconds(system.arrivals.sessions)


def _others(system: System) -> float:
    """Seconds of CPU that others than the system, the load and what takes it have used."""
    own = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return machine_seconds() - own - cpu_seconds((*system.sessions, *system.arrivals.sessions))


def _send(name: str, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_A_RUN, check=False)
    if done.returncode:
        raise PeerError(f"{name} did not take all: {done.stderr.strip()}")


def await_arrivals(name: str, arrived: Callable[[], int], wanted: int) -> None:
    """Raises WrongRunError where some do not come."""
    count, changed_at = 0, time.monotonic()
    while (now_there := arrived()) < wanted:
        if now_there != count:
            count, changed_at = now_there, time.monotonic()
        elif time.monotonic() - changed_at > QUIET_SECONDS:
            raise WrongRunError(f"{name}: {wanted - count} messages of {wanted} have not come")
        time.sleep(0.002)


def await_idle(system: System) -> None:
    wait_for(system.is_idle, f"{system.name} to be idle", SECONDS_A_RUN)
