"""`python -m tests.bench soak`: half an hour at 70 % of the peak; memory stays flat, the store too, nothing is lost.

The peak is measured first. Mail is a machine's, so that its conversations are closed, and what is forgotten after 20
seconds makes room for what comes: after the first third the store has to keep its size.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from bench.letters import Load
from bench.pace import Pace
from bench.runs import await_arrivals, await_idle, measure
from bench.systems import System, open_routerd
from peers.daemon import CONFIG
from peers.usage import pss_bytes

SHARE = 0.7  # of the peak
GROWTH = 1.1  # at most so many times as much in the last third as in the second
SLACK_MB = 5.0
SAMPLES = 120
_FORGETFUL = CONFIG + "bounce_window: 20s\nretain: {{events: 20s}}\n"


@dataclass(frozen=True, slots=True)
class Sample:
    at: float  # seconds from the start
    memory_mb: float  # PSS
    store_mb: float  # all files of the state
    queue: int  # copies that wait
    arrived: int


@dataclass(frozen=True, slots=True)
class Soaked:
    rate: float  # messages a second that were sent
    sent: int
    arrived: int
    samples: Sequence[Sample]

    def faults(self) -> list[str]:
        """What did not stay as it should, in words."""
        found = []
        if self.arrived != self.sent:
            found.append(f"{self.sent} messages were sent, {self.arrived} have come")
        for figure, what in (("memory_mb", "memory"), ("store_mb", "the store")):
            middle, last = (self.most(figure, third) for third in (1, 2))
            if last > middle * GROWTH + SLACK_MB:
                found.append(f"{what} has grown from {middle:.0f} to {last:.0f} MB")
        return found

    def most(self, figure: str, third: int) -> float:
        length = len(self.samples) / 3
        return max(float(getattr(one, figure)) for one in self.samples[int(third * length) : int((third + 1) * length)])


def soak(minutes: float, rules: int, report: Callable[[str], None], rate: float | None = None) -> Soaked:
    """`rate`: messages a second; None: 70 % of the peak. Raises PeerError, WrongRunError."""
    with ExitStack() as stack:
        environ = {"ROUTERD_REHEARSAL": "sweeps:10"}
        system = open_routerd(stack, rules, config=_FORGETFUL, environ=environ)
        if rate is None:
            measure(system, Load(1_000))
            rate = SHARE * statistics.median(measure(system, Load(4_000)).rate for _ in range(3))
        report(f"{rate:.0f} messages a second for {minutes:g} minutes")
        await_idle(system)
        system.arrivals.begin()
        samples = []
        began = time.monotonic()
        with Pace(system.port, rate, minutes * 60, automatic=True) as pace:
            while not pace.is_over:
                time.sleep(max(minutes * 60 / SAMPLES, 0.1))
                samples.append(_sample(system, time.monotonic() - began))
                report(", ".join(f"{name} {value:.0f}" for name, value in asdict(samples[-1]).items()))
            sent = pace.wait()
        await_arrivals(system, sent.messages)
        await_idle(system)
        return Soaked(sent.rate, sent.messages, system.arrivals.count(), samples)


def _sample(system: System, at: float) -> Sample:
    daemon = system.daemon
    assert daemon is not None
    store = sum(path.stat().st_size for path in daemon.state.rglob("*") if path.is_file())
    queue = int(daemon.metric("routerd_queue_copies"))
    return Sample(at, pss_bytes(system.sessions) / 1e6, store / 1e6, queue, system.arrivals.count())


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default: 30)")
    parser.add_argument("--rate", type=float, help="messages a second (default: 70 %% of the peak)")
    parser.add_argument("--rules", type=int, default=1_000, help="how many (default: 1000)")
    parser.add_argument("--json", action="store_true", help="print all samples as JSON")


def run(options: argparse.Namespace) -> int:
    """0, or 1 where something grew or was lost. Raises PeerError."""
    soaked = soak(
        options.minutes, options.rules, lambda line: print(line, file=sys.stderr, flush=True), rate=options.rate
    )
    faults = soaked.faults()
    if options.json:
        print(json.dumps({**asdict(soaked), "faults": faults}, indent=2))
    else:
        print(f"{soaked.sent} messages at {soaked.rate:.0f}/s; most in each third:")
        for figure in ("memory_mb", "store_mb", "queue"):
            print(f"  {figure:10}" + "".join(f"{soaked.most(figure, third):10.0f}" for third in range(3)))
        print("\n".join(faults) or "flat, and nothing lost")
    return 1 if faults else 0
