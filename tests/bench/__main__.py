"""`python -m tests.bench COMMAND`, from the project's folder; what each does is said by `--help`."""

import argparse
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import compare, latency, soak, way
from peers.machine import MissingPeerError, PeerError

COMMANDS = {"compare": compare, "profile": way, "latency": latency, "soak": soak}


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        told = module.__doc__ or ""
        one = commands.add_parser(
            name, help=told.splitlines()[0].partition(": ")[2].replace("%", "%%"), description=told
        )
        one.formatter_class = argparse.RawDescriptionHelpFormatter
        module.add_options(one)
        one.set_defaults(run=module.run)
    return parser


def main() -> int:
    options = make_parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that all it started is ended, too
    try:
        return int(options.run(options))
    except (MissingPeerError, PeerError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
