"""`python -m tests.bench soak`: half an hour at 70 % of the peak; memory stays flat, the store too, nothing is lost.

The peak is measured first. A message's bytes are kept for `bounce_window` after its delivery (7 days, where nothing
else is written), its history for `retain.events`, and both while its conversation is open: so the store of a busy day
grows. Here both are 20 seconds, and mail is a machine's, whose conversations are closed as it comes: what is forgotten
makes room for what comes, and after the first third nothing may grow any more. Every message is looked at when it
arrives.
"""

import argparse
import json
import secrets
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass

from bench.exact_sink import ExactSink
from bench.fidelity import WrongRunError
from bench.letters import Load
from bench.pace import Pace, paced_letters
from bench.runs import await_arrivals, await_idle, measure
from bench.systems import AUTO, AtSink, System, add_workers_option, open_routerd
from peers.daemon import CONFIG
from peers.usage import cpu_seconds, open_files, pss_bytes

SHARE = 0.7  # of the peak
GROWTH = 0.05  # at most so much of a figure's mean, along its slope after the first third
SAMPLE_SECONDS = 10.0
LEAST_SAMPLES = 30  # of a shorter soak
_FORGETFUL = CONFIG + "bounce_window: 20s\nretain: {{events: 20s}}\n"
# what has to stay flat: its name, and how much more is only chance
_FLAT = {
    "memory_mb": ("memory in MB", 5.0),
    "store_mb": ("the store in MB", 5.0),
    "wal_mb": ("the store's log in MB", 5.0),
    "queue": ("the queue", 100.0),
    "files": ("the number of open files", 20.0),
}


@dataclass(frozen=True, slots=True)
class Sample:
    at: float  # seconds from the start
    memory_mb: float  # PSS of all processes
    store_mb: float  # all files of the state but the next
    wal_mb: float
    queue: int  # copies that wait
    files: int  # that are open, of all processes
    arrived: int


@dataclass(frozen=True, slots=True)
class Soaked:
    rate: float  # messages a second that were sent
    sent: int
    arrived: int  # different ones, unaltered
    samples: Sequence[Sample]
    doubled: int = 0
    altered: int = 0
    first_altered: str = ""
    cpu_ms: float = 0.0  # a message, of all processes, with the forgetting of those before it

    def faults(self) -> list[str]:
        """What did not stay as it should, in words."""
        found = []
        if self.arrived != self.sent:
            found.append(f"{self.sent} messages were sent, {self.arrived} have come")
        if self.doubled:
            found.append(f"{self.doubled} came twice")
        if self.altered:
            found.append(f"{self.altered} were altered, first of all:\n{self.first_altered}")
        for figure, (what, slack) in _FLAT.items():
            mean, growth = self.trend(figure)
            if growth > mean * GROWTH + slack:
                found.append(f"{what} has grown by {growth:.0f} from {mean - growth / 2:.0f}")
        return found

    def trend(self, figure: str) -> tuple[float, float]:
        """The mean after the first third, and by how much the line that fits best has risen since."""
        samples = self.samples[len(self.samples) // 3 :]
        at, values = [one.at for one in samples], [float(getattr(one, figure)) for one in samples]
        if len(samples) < 2:
            return values[0], 0.0
        return statistics.fmean(values), statistics.linear_regression(at, values).slope * (at[-1] - at[0])

    def most(self, figure: str, third: int) -> float:
        length = len(self.samples) / 3
        return max(float(getattr(one, figure)) for one in self.samples[int(third * length) : int((third + 1) * length)])


def soak(
    minutes: float, rules: int, report: Callable[[str], None], rate: float | None = None, *, workers: str = AUTO
) -> Soaked:
    """`rate`: messages a second; None: 70 % of the peak. Raises PeerError, WrongRunError."""
    with ExitStack() as stack:
        environ = {"ROUTERD_REHEARSAL": "sweeps:10"}
        system = open_routerd(stack, rules, config=_FORGETFUL, workers=workers, environ=environ)
        if rate is None:
            measure(system, Load(1_000))
            rate = SHARE * statistics.median(measure(system, Load(4_000)).rate for _ in range(3))
        report(f"{rate:.0f} messages a second for {minutes:g} minutes")
        await_idle(system)
        assert isinstance(system.arrivals, AtSink)
        client = f"{secrets.token_hex(4)}.example.net"
        port = stack.enter_context(system.arrivals.aside())
        sink = stack.enter_context(ExactSink(port, paced_letters(client, automatic=True)))
        samples = []
        began, cpu_before = time.monotonic(), cpu_seconds(system.sessions)
        with Pace(system.port, rate, minutes * 60, automatic=True, client=client) as pace:
            while not pace.is_over:
                time.sleep(min(minutes * 60 / LEAST_SAMPLES, SAMPLE_SECONDS))
                samples.append(_sample(system, time.monotonic() - began, sink.arrived))
                report(", ".join(f"{name} {value:.0f}" for name, value in asdict(samples[-1]).items()))
            sent = pace.wait()
        with suppress(WrongRunError):  # what is lost is told below
            await_arrivals(system.name, lambda: sink.arrived + sink.altered, sent.messages)
        await_idle(system)
        return Soaked(
            sent.rate,
            sent.messages,
            sink.arrived,
            samples,
            sink.doubled,
            sink.altered,
            sink.first_altered.decode(errors="replace"),
            (cpu_seconds(system.sessions) - cpu_before) * 1000 / sent.messages,
        )


def _sample(system: System, at: float, arrived: int) -> Sample:
    daemon = system.daemon
    assert daemon is not None
    sizes = {"store": 0, "wal": 0}
    for path in daemon.state.rglob("*"):
        with suppress(FileNotFoundError):
            sizes["wal" if path.name.endswith("-wal") else "store"] += path.stat().st_size if path.is_file() else 0
    return Sample(
        at,
        pss_bytes(system.sessions) / 1e6,
        sizes["store"] / 1e6,
        sizes["wal"] / 1e6,
        int(daemon.metric("routerd_queue_copies")),
        open_files(system.sessions),
        arrived,
    )


def table(soaked: Soaked) -> str:
    """For people."""
    lines = [
        f"{soaked.sent} messages at {soaked.rate:.0f}/s, {soaked.cpu_ms:.2f} ms CPU each, with what was forgotten",
        f"{'':12}{'most in each third':>30}{'mean':>12}{'slope an hour':>16}",
    ]
    hours = (soaked.samples[-1].at - soaked.samples[len(soaked.samples) // 3].at) / 3600
    for figure in _FLAT:
        mean, growth = soaked.trend(figure)
        thirds = "".join(f"{soaked.most(figure, third):10.0f}" for third in range(3))
        lines.append(f"{figure:12}{thirds}{mean:12.1f}{growth / hours if hours else 0.0:+16.1f}")
    return "\n".join([*lines, *(soaked.faults() or ["flat, and nothing lost, doubled or altered"])])


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="how long (default: 30; what a start brings shows in less than 5)"
    )
    parser.add_argument("--rate", type=float, help="messages a second (default: 70 %% of the peak)")
    parser.add_argument("--rules", type=int, default=1_000, help="how many (default: 1000)")
    add_workers_option(parser)
    parser.add_argument("--json", action="store_true", help="print all samples as JSON")


def run(options: argparse.Namespace) -> int:
    """0, or 1 where something grew or was lost. Raises PeerError."""
    soaked = soak(
        options.minutes,
        options.rules,
        lambda line: print(line, file=sys.stderr, flush=True),
        rate=options.rate,
        workers=options.workers,
    )
    faults = soaked.faults()
    print(json.dumps({**asdict(soaked), "faults": faults}, indent=2) if options.json else table(soaked))
    return 1 if faults else 0
