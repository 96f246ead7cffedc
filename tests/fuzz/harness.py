"""What every fuzz target shares: random inputs from a seed, and what to do with one that fails, hangs or kills.

A target is a file with `target(data)`, which raises where something is wrong, and `make(random)`, which gives one
input. `python tests/fuzz/fuzz_NAME.py --seconds 900 --seed 7` runs it; test_fuzz_targets.py runs a little of each.
"""

import argparse
import faulthandler
import random
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # where `peers` is, for a target that is run by itself

Target = Callable[[bytes], None]
Make = Callable[[random.Random], bytes]

MAX_HANG_SECONDS = 60
_REPEATS = 3  # of an input that was slow, of which the fastest counts: something else may have had the processor
_TELLS_EVERY_SECONDS = 30


@dataclass(slots=True)
class Tally:
    executions: int = 0
    bytes_given: int = 0
    slowest_ms: float = 0.0
    slowest: bytes = b""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input and what was wrong with it."""

    data: bytes
    number: int  # which one of its seed
    what: str


def input_of(make: Make, seed: int, number: int) -> bytes:
    """Input `number` of a seed, always the same."""
    return make(random.Random(f"{seed}/{number}"))


def run(target: Target, make: Make, *, slow_ms: float, arguments: Sequence[str] | None = None) -> int:
    """Fuzzes as the command line says; 1 where something was found. `slow_ms`: longer on one input is a finding."""
    asked = _parser().parse_args(arguments)
    name = Path(sys.argv[0]).stem
    if asked.input is not None:
        target(asked.input.read_bytes())
        return 0
    asked.keep.mkdir(parents=True, exist_ok=True)
    current = asked.keep / f"{name}-{asked.seed}.running"
    tally = Tally()
    finding = _fuzz(target, make, asked.seed, asked.seconds, slow_ms, current, tally)
    faulthandler.cancel_dump_traceback_later()
    current.unlink()
    _tell(name, asked.seed, tally)
    if finding is None:
        return 0
    kept = asked.keep / f"{name}-{asked.seed}-{finding.number}.bin"
    kept.write_bytes(finding.data)
    print(f"{finding.what}\nfound by input {finding.number} of seed {asked.seed}, kept in {kept}")
    return 1


def try_some(target: Target, make: Make, *, seed: int, executions: int) -> None:
    """Runs the first inputs of a seed. Raises what the target raises, with a note that says which input it was."""
    for number in range(executions):
        data = input_of(make, seed, number)
        try:
            target(data)
        except Exception as error:
            error.add_note(f"input {number} of seed {seed}: {data[:2000]!r}")
            raise


def _fuzz(
    target: Target, make: Make, seed: int, seconds: float, slow_ms: float, current: Path, tally: Tally
) -> Finding | None:
    """Where the interpreter dies or hangs, `current` is the input that did it."""
    ends_at = time.monotonic() + seconds
    tells_at = armed_at = 0.0
    with current.open("wb", buffering=0) as file:
        while (now := time.monotonic()) < ends_at:
            if now > armed_at + 1:
                faulthandler.dump_traceback_later(MAX_HANG_SECONDS, exit=True, file=sys.__stderr__)
                armed_at = now
            if now > tells_at:
                if tells_at:
                    _tell("so far", seed, tally)
                tells_at = now + _TELLS_EVERY_SECONDS
            number = tally.executions
            data = input_of(make, seed, number)
            file.seek(0)
            file.truncate()
            file.write(data)
            tally.executions += 1
            tally.bytes_given += len(data)
            try:
                took_ms = _measure(target, data, slow_ms)
            except Exception:  # whatever it is, it is what is looked for
                return Finding(data, number, traceback.format_exc())
            if took_ms > tally.slowest_ms:
                tally.slowest_ms, tally.slowest = took_ms, data
            if took_ms > slow_ms:
                return Finding(data, number, f"took {took_ms:.0f} ms for {len(data)} bytes, more than {slow_ms:.0f} ms")
    return None


def _measure(target: Target, data: bytes, slow_ms: float) -> float:
    """Milliseconds of processor time, of the fastest of some runs where the first was slow."""
    fastest = float("inf")
    for _ in range(_REPEATS):
        started = time.process_time()
        target(data)
        fastest = min(fastest, (time.process_time() - started) * 1000)
        if fastest <= slow_ms:
            break
    return fastest


def _tell(name: str, seed: int, tally: Tally) -> None:
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(
        f"{name}: seed {seed}, {tally.executions} executions, {tally.bytes_given / 1e6:.1f} MB, "
        f"slowest {tally.slowest_ms:.1f} ms ({len(tally.slowest)} bytes: {tally.slowest[:60]!r}), "
        f"peak {peak_mb:.0f} MB",
        flush=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to try inputs")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9), help="of the inputs")
    parser.add_argument(
        "--keep",
        type=Path,
        default=Path(tempfile.gettempdir()) / "routerd-fuzz",
        help="the folder for an input that fails",
    )
    parser.add_argument("--input", type=Path, help="run this one kept input alone")
    return parser
