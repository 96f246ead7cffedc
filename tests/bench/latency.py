"""`python -m tests.bench latency`: how long a client waits for the answer to a message, at an even pace.

routerd and Postfix's plain relay take turns at each pace. `accept` is from the final dot to its answer; `whole` from
the moment at which the message was due, through the connection and the dialogue: what waits because the system does
not keep up is in it. All that is sent has to arrive. `smtp-sink` is the same with nothing between: what the sender
and the machine wait for by themselves.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

from bench.bounds import Judged
from bench.bounds import table as table_of_bounds
from bench.letters import Load
from bench.pace import Pace, Paced
from bench.runs import await_arrivals, await_idle, measure
from bench.steady import PERCENTILES
from bench.systems import AUTO, POSTFIX, ROUTERD, AtSink, System, add_workers_option, open_one
from peers.load import SmtpSink
from peers.machine import open_folder

RATES = (100, 500, 1_000)
BOUND_RATE, MOST_MS = 500, 25.0  # for the p99 of accept, which has to be no worse than Postfix's, too
ALONE = "smtp-sink"
_FIGURES = [(kind, name) for kind in ("accept", "whole") for name in PERCENTILES]


@dataclass(frozen=True, slots=True)
class Waits:
    """Of both systems at one pace, round by round."""

    rate: int
    runs: Mapping[str, Sequence[Paced]]

    def median(self, system: str, kind: str, percentile: str) -> float:
        return float(statistics.median(getattr(run, kind)[percentile] for run in self.runs[system]))

    @property
    def ratio(self) -> float:
        """routerd's p99 of accept by Postfix's: the median over the rounds."""
        pairs = zip(self.runs[ROUTERD], self.runs[POSTFIX], strict=True)
        return float(statistics.median(ours.accept["p99"] / theirs.accept["p99"] for ours, theirs in pairs))

    def judged(self) -> list[Judged]:
        """Whether routerd answers as soon as it has to, where this is the pace for that."""
        if self.rate != BOUND_RATE:
            return []
        p99, ratio, pace = self.median(ROUTERD, "accept", "p99"), self.ratio, f"{self.rate}/s"
        return [
            Judged(pace, f"p99 of accept, ms <= {MOST_MS:g}", p99, p99 <= MOST_MS),
            Judged(pace, f"p99 of accept / {POSTFIX}'s <= 1", ratio, ratio <= 1),
        ]


def compare(
    rates: Sequence[int],
    seconds: float,
    rounds: int,
    rules: int,
    report: Callable[[str], None],
    *,
    keep: bool = False,
    workers: str = AUTO,
) -> list[Waits]:
    """Raises PeerError, WrongRunError."""
    with ExitStack() as stack:
        alone = stack.enter_context(_open_alone())
        systems = [open_one(name, stack, rules, workers) for name in (POSTFIX, ROUTERD)]
        for system in systems:
            measure(system, Load(min(round(max(rates) * seconds), 400), keep_connections=keep))  # to warm up
        found = []
        for rate in rates:
            runs = {alone.name: [paced(alone, rate, seconds, keep=keep)]}
            runs |= {system.name: [] for system in systems}
            for number in range(1, rounds + 1):
                for system in systems:
                    runs[system.name].append(one := paced(system, rate, seconds, keep=keep))
                    report(f"{rate}/s round {number}: {system.name:10} p99 {one.accept['p99']:.1f} ms")
            found.append(Waits(rate, runs))
        return found


@contextmanager
def _open_alone() -> Generator[System, None, None]:
    with open_folder("bench-alone") as folder, SmtpSink(folder) as sink:
        yield System(ALONE, sink.port, AtSink(folder, sink), (), lambda: True, False)


def paced(system: System, rate: float, seconds: float, *, keep: bool = False) -> Paced:
    """From idle to idle. Raises PeerError, WrongRunError."""
    await_idle(system)
    system.arrivals.begin()
    with Pace(system.port, rate, seconds, keep=keep) as pace:
        told = pace.wait()
    await_arrivals(system.name, system.arrivals.count, told.messages)
    await_idle(system)
    return told


def table(found: Sequence[Waits]) -> str:
    """For people."""
    head = "".join(f"{f'{kind} {name}':>14}" for kind, name in _FIGURES)
    lines = [f"{'ms (medians of rounds)':26}{'msg/s':>8}{'sender %':>10}{head}"]
    for waits in found:
        for system, runs in waits.runs.items():
            told = "".join(f"{waits.median(system, kind, name):14.2f}" for kind, name in _FIGURES)
            rate, cpu = (statistics.median(getattr(run, name) for run in runs) for name in ("rate", "cpu"))
            lines.append(f"{waits.rate:>6}/s {system:17}{rate:8.0f}{100 * cpu:10.0f}{told}")
    judged = [one for waits in found for one in waits.judged()]
    return "\n".join([*lines, *(["", table_of_bounds(judged)] if judged else [])])


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rates", default=",".join(map(str, RATES)), help="messages a second (default: 100,500,1000)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run (default: 20)")
    parser.add_argument("--rounds", type=int, default=3, help="turns at each pace (default: 3)")
    parser.add_argument("--rules", type=int, default=1_000, help="of routerd's (default: 1000)")
    add_workers_option(parser)
    parser.add_argument("--keep", action="store_true", help="many messages a connection")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def run(options: argparse.Namespace) -> int:
    """0. Raises ValueError, PeerError."""
    rates = [int(rate) for rate in options.rates.split(",")]
    found = compare(
        rates,
        options.seconds,
        options.rounds,
        options.rules,
        lambda line: print(line, file=sys.stderr, flush=True),
        keep=options.keep,
        workers=options.workers,
    )
    told = [{**asdict(one), "bounds": [asdict(judged) for judged in one.judged()]} for one in found]
    print(json.dumps(told, indent=2) if options.json else table(found))
    return 0
