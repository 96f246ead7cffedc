"""`python -m tests.bench profile`: where one message's time goes, step by step, as the daemon itself measures it.

`routerd_step_seconds` is elapsed time. Of a lone client's messages that is CPU, except where a step waits: `recall`
for a reader of the store, `commit` for the writer and the disk, `deliver` for the next hop. With many clients at a
time it also has in it what others did meanwhile. Below stands the CPU of all processes; what no step accounts for is
the event loop, what opening and closing connections costs, and what the writer does for `commit` and `conclude`.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace

from bench.letters import SIZES, Load, make_load
from bench.runs import measure
from bench.systems import System, add_workers_option, open_routerd
from peers.daemon import RouterdDaemon
from peers.machine import open_folder

STEPS = ("receive", "view", "verify", "recall", "decide", "commit", "annotate", "deliver", "conclude")
WAITING = ("recall", "commit", "deliver", "conclude")
_SAMPLE = re.compile(r'(?m)^routerd_step_seconds_sum\{step="(\w+)"\} (\S+)$')


@dataclass(frozen=True, slots=True)
class Way:
    """Milliseconds a message."""

    steps: Mapping[str, float]  # those that the daemon measures, in the order of a message's way
    cpu_ms: float

    @property
    def elsewhere_ms(self) -> float:
        """CPU that no step accounts for that does not wait."""
        return self.cpu_ms - sum(ms for step, ms in self.steps.items() if step not in WAITING)


def walk(system: System, load: Load) -> Way:
    """One run. Raises PeerError, WrongRunError."""
    assert system.daemon is not None
    before = _step_seconds(system.daemon)
    run = measure(system, load)
    after = _step_seconds(system.daemon)
    spent = {step: (after[step] - before.get(step, 0.0)) * 1000 / load.messages for step in after}
    in_order = sorted(spent, key=lambda step: STEPS.index(step) if step in STEPS else len(STEPS))
    return Way({step: spent[step] for step in in_order}, run.cpu_ms)


def _step_seconds(daemon: RouterdDaemon) -> dict[str, float]:
    return {step: float(seconds) for step, seconds in _SAMPLE.findall(daemon.http_get("/metrics")[1])}


def table(ways: Mapping[str, Way]) -> str:
    """For people: a column for each way."""
    lines = [f"{'ms a message':24}" + "".join(f"{name:>16}" for name in ways)]
    steps = dict.fromkeys(step for way in ways.values() for step in way.steps)
    lines += [
        f"{step + (' (waits)' if step in WAITING else ''):24}"
        + "".join(f"{way.steps.get(step, 0.0):16.3f}" for way in ways.values())
        for step in steps
    ]
    lines.append(f"{'CPU in all':24}" + "".join(f"{way.cpu_ms:16.3f}" for way in ways.values()))
    lone = next(iter(ways.values()))
    lines.append(f"{'CPU in none of these':24}{lone.elsewhere_ms:16.3f}")
    if missing := [step for step in STEPS if step not in steps]:
        lines.append(f"not measured by the daemon: {', '.join(missing)}")
    return "\n".join(lines)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rules", type=int, default=1_000, help="how many (default: 1000)")
    parser.add_argument("--size", choices=list(SIZES), default="4KiB", help="of a message (default: 4KiB)")
    parser.add_argument("--messages", type=int, default=2_000, help="a run (default: 2000)")
    parser.add_argument("--keep", action="store_true", help="many messages a connection")
    add_workers_option(parser)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(options: argparse.Namespace) -> int:
    """0. Raises PeerError."""
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder("bench"))
        load = replace(make_load(folder, options.size, keep_connections=options.keep), messages=options.messages)
        system = open_routerd(stack, options.rules, workers=options.workers)
        measure(system, load)
        ways = {"one client": walk(system, replace(load, sessions=1)), f"{load.sessions} clients": walk(system, load)}
    if options.json:
        json.dump({name: asdict(way) for name, way in ways.items()}, sys.stdout, indent=2)
        print()
    else:
        print(table(ways))
    return 0
