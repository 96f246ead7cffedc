"""`python -m tests.bench compare`: routerd beside Postfix's plain relay and Postfix with Dovecot's Sieve, taking turns.

Each makes a message durable before it accepts it and hands it on: the relay and routerd to smtp-sink, Dovecot to a
Maildir. A case is a size of message, new or kept connections, and a number of rules; `4KiB/new/1000`. Only ratios
travel to another machine: each is of one round, in which the systems ran one after the other.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench import bounds
from bench.comparison import FIGURES, Case, Comparison, cases
from bench.fidelity import WrongRunError
from bench.letters import Load, make_load
from bench.runs import limit, measure, prove, sent_by
from bench.syncs import NoTraceError, count_syncs
from bench.systems import (
    AUTO,
    FEW,
    OTHER,
    PEERS,
    POSTFIX,
    ROUTERD,
    SIEVE,
    System,
    add_workers_option,
    open_one,
    open_routerd,
)
from peers.machine import open_folder

MOST_BYTES = 600_000_000  # of one run: they stay in routerd's store
LEAST_MESSAGES = 200  # of a run, unless fewer are asked for
LEAST_SECONDS = 3.0  # of a run: what comes before and behind counts for little then
BUSY = 0.1  # with so much for others, a machine is no place to measure
_HEAD = ("msg/s", "accepted/s", "CPU ms/msg", "PSS MB", "syncs/msg", "load %", "others %")

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How long it takes. `messages` a run; None: as many as take `seconds`."""

    rounds: int
    seconds: float = 4.0
    messages: int | None = None

    @property
    def proof(self) -> int:
        """Messages of a run in which all that arrives is looked at."""
        return min(self.messages or LEAST_MESSAGES, LEAST_MESSAGES)


def compare(
    case: Case,
    effort: Effort,
    report: Report,
    names: Sequence[str] = (POSTFIX, SIEVE, ROUTERD),
    *,
    against: Path | None = None,
    workers: str = AUTO,
    syncs: bool = True,
) -> Comparison:
    """One case. With `against`, another checkout of routerd, that is what routerd is compared with.

    Raises MissingPeerError, PeerError; where a message is lost or altered the comparison says so.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder("bench"))
        load = make_load(folder, case.size, keep_connections=case.connections == "kept")
        found = Comparison(str(case), limit(replace(load, messages=_cap(50 * effort.proof, load)), folder))
        systems = (
            [open_one(name, stack, case.rules, workers) for name in names]
            if against is None
            else [
                open_routerd(stack, case.rules, name=OTHER, checkout=against, workers=workers),
                open_routerd(stack, case.rules, workers=workers),
            ]
        )
        found.runs = {system.name: [] for system in systems}
        try:
            _take_turns(found, systems, load, sent_by(load, folder), effort, report)
            if syncs:
                _count_syncs(found, systems, replace(load, messages=effort.proof), report)
        except WrongRunError as error:
            found.faults.append(str(error))
            report(f"WRONG: {error}")
    return found


def _take_turns(
    found: Comparison, systems: Sequence[System], load: Load, sent: bytes, effort: Effort, report: Report
) -> None:
    loads = {system.name: _warm_up(system, load, sent, effort) for system in systems}
    for number in range(1, effort.rounds + 1):
        for system in systems:
            run = measure(system, loads[system.name])
            found.runs[system.name].append(run)
            report(
                f"{found.case} round {number}: {system.name:14}{run.rate:8.0f} msg/s{run.cpu_ms:8.2f} ms CPU a message"
            )
    for system in systems:
        prove(system, replace(load, messages=effort.proof), sent)


def _warm_up(system: System, load: Load, sent: bytes, effort: Effort) -> Load:
    """As many messages as the effort asks for. Raises WrongRunError."""
    prove(system, replace(load, messages=effort.proof), sent)
    if effort.messages is not None:
        measure(system, replace(load, messages=2 * effort.proof))
        return replace(load, messages=_cap(effort.messages, load))
    messages = 2 * effort.proof
    for seconds in (effort.seconds / 3, effort.seconds):  # the first messages are slow: how many it takes shows later
        rate = measure(system, replace(load, messages=messages)).rate
        messages = _cap(max(round(rate * seconds), effort.proof), load)
    return replace(load, messages=messages)


def _cap(messages: int, load: Load) -> int:
    return min(messages, MOST_BYTES // load.size_bytes)


def _count_syncs(found: Comparison, systems: Sequence[System], load: Load, report: Report) -> None:
    for system in systems:
        try:
            found.syncs[system.name] = count_syncs(system, load)
        except NoTraceError as error:
            report(f"syncs are not counted: {error}")
            return


def table(found: Comparison) -> str:
    """For people."""
    lines = [
        f"{found.case}, medians of {max(map(len, found.runs.values()), default=0)} rounds; "
        f"the load alone: {found.limit:,.0f} msg/s",
        f"{'':16}" + "".join(f"{head:>13}" for head in _HEAD),
    ]
    lines += [_figures(found, name) for name, runs in found.runs.items() if runs]
    lines += [f"WRONG, so there is no ratio: {fault}" for fault in found.faults]
    for other in found.runs:
        ratios = [(figure, found.ratio(other, figure)) for figure in FIGURES]
        if other != ROUTERD and all(spread for _, spread in ratios):
            lines.append(f"{ROUTERD} / {other}: min, median, max")
            lines += [
                f"  {name:14}{spread.least:13.2f}{spread.median:13.2f}{spread.most:13.2f}"
                for name, spread in ratios
                if spread is not None
            ]
    if (syncs := found.syncs.get(ROUTERD)) is not None and syncs.groups is not None:
        lines.append(
            f"{ROUTERD} made {syncs.under_load:.2f} syncs and {syncs.groups:.2f} groups a message under the load, "
            f"{syncs.alone:.2f} syncs of a lone client's messages"
        )
    others = max((run.others for runs in found.runs.values() for run in runs), default=0.0)
    if others > BUSY:
        lines.append(
            f"other programs used up to {100 * others:.0f} % of the processors meanwhile: these figures are rough"
        )
    shortest = min((run.seconds for runs in found.runs.values() for run in runs), default=LEAST_SECONDS)
    if shortest < LEAST_SECONDS:
        lines.append(f"one run took but {shortest:.1f} s: these figures are rough")
    return "\n".join(lines)


def _figures(found: Comparison, name: str) -> str:
    syncs = found.syncs.get(name)
    figures = [found.median(name, figure) for figure in FIGURES]
    told = [f"{figures[0]:,.0f}", f"{figures[1]:,.0f}", f"{figures[2]:.2f}", f"{figures[3]:,.0f}"]
    told += ["" if syncs is None else f"{syncs.under_load:.2f}"]
    told += [f"{100 * found.median(name, share):.0f}" for share in ("load", "others")]
    return f"{name:16}" + "".join(f"{one:>13}" for one in told)


def as_json(found: Comparison) -> dict[str, object]:
    """All that was seen, and the ratios."""
    others = [name for name in found.runs if name != ROUTERD]
    return {
        "case": found.case,
        "limit": found.limit,
        "runs": {name: [asdict(run) for run in runs] for name, runs in found.runs.items()},
        "syncs": {name: asdict(syncs) for name, syncs in found.syncs.items()},
        "faults": found.faults,
        "ratios": {
            other: {figure: asdict(spread) for figure in FIGURES if (spread := found.ratio(other, figure)) is not None}
            for other in others
        },
        "bounds": [asdict(one) for one in bounds.judge(found)],
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--case", action="append", metavar="CASE", help="SIZE/CONNECTIONS/RULES; * is any (default: all twelve)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns that each system has (default: 5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="about so long a run (default: 4)")
    parser.add_argument("--messages", type=int, help="so many a run, of each system")
    parser.add_argument("--systems", default=",".join(PEERS), help=f"beside routerd (default: {','.join(PEERS)})")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FOLDER",
        help="another checkout of routerd, and no peers; --workers 1 for one process of each",
    )
    add_workers_option(parser)
    parser.add_argument("--no-syncs", action="store_true", help="do not count fsyncs, for which strace is needed")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def run(options: argparse.Namespace) -> int:
    """0, or 1 where a message was lost or altered. Raises ValueError, PeerError."""
    names = [name for name in options.systems.split(",") if name]
    if unknown := set(names) - set(PEERS):
        raise ValueError(f"{', '.join(sorted(unknown))}: no such system; there are {', '.join(PEERS)}")
    wanted, found, began = cases(options.case or ["*"]), list[Comparison](), time.monotonic()
    for number, case in enumerate(wanted, 1):
        minutes = (time.monotonic() - began) / 60
        _say(f"{case}: {number} of {len(wanted)}; {minutes:.0f} minutes so far")
        one = compare(
            case,
            Effort(options.rounds, options.seconds, options.messages),
            _say,
            [name for name in (*names, ROUTERD) if name != FEW or bounds.needs_few(str(case))],
            against=options.against,
            workers=options.workers,
            syncs=not options.no_syncs,
        )
        found.append(one)
        if not options.json:
            print(table(one), end="\n\n", flush=True)
    if options.json:
        print(json.dumps([as_json(one) for one in found], indent=2))
    elif judged := [one for comparison in found for one in bounds.judge(comparison)]:
        print(bounds.table(judged))
    return 1 if any(one.faults for one in found) else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
