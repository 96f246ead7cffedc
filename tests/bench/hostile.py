#!/usr/bin/env python3
"""What a crowd of hostile clients of each kind costs a daemon with `limits.memory: 64MB`.

    python tests/bench/hostile.py [--clients 200] [KIND …]

For each kind a fresh daemon: resident memory at most over what it was, messages of a good client that were taken
meanwhile, file descriptors left open, errors in the log. A kind that fills the memory leaves no room for a good
stranger: that is told 4xx.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.hostile import KINDS
from peers.machine import open_folder
from peers.siege import MEMORY_BYTES, Siege, open_fortress

GOOD_MESSAGES = 5


def attack(name: str, clients: int) -> Siege:
    with open_folder("bench-hostile") as folder, open_fortress(folder / "fortress") as fortress:
        return fortress.withstand(KINDS[name], clients, good_messages=GOOD_MESSAGES)


def main() -> int:
    """0, or 1 where a kind took more than it may or left something behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200, help="of each kind (default: 200)")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)} (default: all)")
    options = parser.parse_args()
    worst = 0
    for name in options.kinds or KINDS:
        siege = attack(name, options.clients)
        print(
            f"{name:28} {siege.grown_bytes / 1e6:6.1f} MB, {siege.served} of {GOOD_MESSAGES} served {siege.refused:.60}"
            f", {siege.left_descriptors} descriptors, {len(siege.errors)} errors",
            flush=True,
        )
        is_bad = siege.grown_bytes > MEMORY_BYTES or siege.left_descriptors > 0 or siege.errors
        worst = 1 if is_bad else worst
    return worst


if __name__ == "__main__":
    sys.exit(main())
