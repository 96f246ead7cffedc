#!/usr/bin/env python3
"""How long a good client waits while a crowd stands at the door, against how long without it, in one run, taking turns.

    python tests/bench/crowd.py [--rounds 5] [--messages 300] [--idle 1000] [--loris 50]

The crowd: idle connections, and slow clients of each kind (commands and content an octet at a time, a handshake left
in the middle, one that never reads). It lives in a process of its own. A time is from the connection to the 250 for the
final dot, of one good client after another; only the ratio travels to another machine.
"""

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.hostile_client import Connection, Front, be
from peers.hostile_in_clear import dripped_commands, dripped_content, half_a_command, never_reading
from peers.hostile_in_tls import handshake_dripped, handshake_left
from peers.machine import PeerError, open_folder
from peers.siege import Fortress, good_message, open_fortress

SLOW = (dripped_commands, dripped_content, handshake_dripped, handshake_left, never_reading)
_READY = b"the crowd stands\n"


@dataclass(frozen=True, slots=True)
class Crowd:
    idle: int
    loris: int  # of each kind


@dataclass(frozen=True, slots=True)
class Comparison:
    """Medians of each round, in milliseconds."""

    alone: tuple[float, ...]
    in_crowd: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return statistics.median(self.in_crowd) / statistics.median(self.alone)


def compare(crowd: Crowd, messages: int, rounds: int, report: Callable[[str], None]) -> Comparison:
    """In turns, each first in every other round. Raises PeerError."""
    _raise_descriptors()
    with open_folder("bench-crowd") as folder, open_fortress(folder / "fortress") as fortress:
        _median_ms(fortress, messages)
        alone, in_crowd = [], []
        for number in range(1, rounds + 1):
            for with_crowd in (number % 2 == 0, number % 2 == 1):
                if with_crowd:
                    with _standing(crowd, fortress.front):
                        in_crowd.append(_median_ms(fortress, messages))
                else:
                    alone.append(_median_ms(fortress, messages))
                fortress.await_quiet(None)
            report(f"round {number}: alone {alone[-1]:6.2f} ms, in the crowd {in_crowd[-1]:6.2f} ms")
        return Comparison(tuple(alone), tuple(in_crowd))


def _median_ms(fortress: Fortress, messages: int) -> float:
    return statistics.median(good_message(fortress.front.smtp) for _ in range(messages)) * 1000


@contextmanager
def _standing(crowd: Crowd, front: Front) -> Generator[None, None, None]:
    """The crowd in its own process, all of it in place."""
    order = json.dumps({"crowd": asdict(crowd), "front": asdict(front)})
    with subprocess.Popen([sys.executable, __file__, "--stand", order], stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None or process.stdout.readline() != _READY:
                raise PeerError("the crowd does not stand")
            yield
            if process.poll() is not None:
                raise PeerError("the crowd has gone")
        finally:
            process.kill()


async def _stand(crowd: Crowd, front: Front) -> None:
    """What the crowd's process does: it never ends by itself."""
    kinds = [half_a_command] * crowd.idle + [kind for kind in SLOW for _ in range(crowd.loris)]
    connections = [Connection(front) for _ in kinds]
    tasks = [asyncio.create_task(be(kind, connection)) for kind, connection in zip(kinds, connections, strict=True)]
    for connection in connections:
        await connection.stands.wait()
    sys.stdout.buffer.write(_READY)
    sys.stdout.buffer.flush()
    await asyncio.gather(*tasks)
    await asyncio.Event().wait()


def _raise_descriptors() -> None:
    """The daemon and the crowd inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> int:
    """0, or 1 where the ratio is above --at-most."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds in turn (default: 5)")
    parser.add_argument("--messages", type=int, default=300, help="messages a run (default: 300)")
    parser.add_argument("--idle", type=int, default=1000, help="idle connections (default: 1000)")
    parser.add_argument("--loris", type=int, default=50, help="slow clients of each kind (default: 50)")
    parser.add_argument("--at-most", type=float, default=2.0, metavar="RATIO", help="exit with 1 above (default: 2)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--stand", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stand:
        order = json.loads(options.stand)
        asyncio.run(_stand(Crowd(**order["crowd"]), Front(**order["front"])))
    comparison = compare(
        Crowd(options.idle, options.loris), options.messages, options.rounds, lambda line: print(line, file=sys.stderr)
    )
    summary = {
        "alone_ms": round(statistics.median(comparison.alone), 3),
        "in_crowd_ms": round(statistics.median(comparison.in_crowd), 3),
        "ratio": round(comparison.ratio, 3),
    }
    print(json.dumps(summary) if options.json else "\n".join(f"{key:12} {value}" for key, value in summary.items()))
    return 0 if comparison.ratio <= options.at_most else 1


if __name__ == "__main__":
    sys.exit(main())
