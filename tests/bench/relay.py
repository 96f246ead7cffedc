#!/usr/bin/env python3
"""routerd with 100 rules against Postfix's plain relay, or another checkout of routerd, in one run, taking turns.

    python tests/bench/relay.py [--rounds 5] [--messages 2000] [--size 4096] [--keep] [--against FOLDER] [--workers N]

The short way to know whether a change made routerd slower; `python -m tests.bench compare` tells more. smtp-source
sends over 20 connections at a time (a new one for each message, unless --keep); the system under test makes each
message durable and hands it to smtp-sink. The rate is messages over the time from the first connection to the moment
at which the sink has the last one; CPU is that of all processes of the system. Only the ratio travels to another
machine.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.letters import Load
from bench.runs import Run, measure
from bench.systems import AUTO, OTHER, ROUTERD, add_workers_option, open_postfix, open_routerd

RULES = 100


@dataclass(frozen=True, slots=True)
class Comparison:
    ours: tuple[Run, ...]
    theirs: tuple[Run, ...]
    other: str  # whom we are compared with

    @property
    def ratio(self) -> float:
        """Our median rate over the other's."""
        return _median_rate(self.ours) / _median_rate(self.theirs)


def compare(
    load: Load, rounds: int, report: Callable[[str], None], against: Path | None = None, workers: str = AUTO
) -> Comparison:
    """Runs both systems in turns, each first in every other round. Raises MissingPeerError, PeerError.

    `against`: a checkout of routerd, run by the same Python; None: Postfix.
    """
    with ExitStack() as stack:
        routerd = open_routerd(stack, RULES, workers=workers)
        other = (
            open_postfix(stack)
            if against is None
            else open_routerd(stack, RULES, name=OTHER, checkout=against, workers=workers)
        )
        systems = [routerd, other]
        for system in systems:
            measure(system, replace(load, messages=max(load.messages // 10, 100)))
        runs: dict[str, list[Run]] = {system.name: [] for system in systems}
        for number in range(1, rounds + 1):
            for system in systems:
                run = measure(system, load)
                runs[system.name].append(run)
                report(f"round {number}: {system.name:8} {run.rate:8.0f} msg/s {run.cpu_ms:7.2f} ms CPU a message")
            systems.reverse()
        return Comparison(tuple(runs[ROUTERD]), tuple(runs[other.name]), other.name)


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
    add_workers_option(parser)
    parser.add_argument("--at-least", type=float, default=0.0, metavar="RATIO", help="exit with 1 below this ratio")
    parser.add_argument("--json", action="store_true", help="print the medians as JSON")
    options = parser.parse_args()
    load = Load(options.messages, options.size, keep_connections=options.keep)
    comparison = compare(
        load, options.rounds, lambda line: print(line, file=sys.stderr), options.against, options.workers
    )
    summary = _summary(comparison)
    print(json.dumps(summary) if options.json else "\n".join(f"{key:30} {value}" for key, value in summary.items()))
    return 0 if comparison.ratio >= options.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
