"""That large messages are bound by their bytes, not by their lines."""

import base64
import random
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from bench.letters import Load
from bench.runs import Run, measure
from bench.systems import open_routerd

RULES = 100
ATTACHMENT_BYTES = 1 << 20
SHORT, LONG = 76, 900  # octets of a line
ROUNDS = 7
MESSAGES = 60

_HEAD = """\
From: <anna@klient.pl>
To: <support@example.com>
Subject: smtp-source, measured
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=_measured"

--=_measured
Content-Type: text/plain; charset=us-ascii

The invoice is attached.
--=_measured
Content-Type: application/pdf; name="invoice.pdf"
Content-Disposition: attachment; filename="invoice.pdf"
Content-Transfer-Encoding: base64

"""


def letter_in_lines(octets: int) -> str:
    """Of 1 MiB, with LF; each line of its attachment has so many octets."""
    content = base64.b64encode(random.Random(8).randbytes(ATTACHMENT_BYTES * 3 // 4)).decode()
    lines = (content[start : start + octets] for start in range(0, len(content), octets))
    return _HEAD + "\n".join(lines) + "\n--=_measured--\n"


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_large_messages_are_bound_by_their_bytes(
    need: Callable[[str, str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message of 1 MiB costs about the same in lines of 76 octets, of which it has fourteen thousand, and of 900."""
    need("smtp-source", "postfix")
    loads = {}
    for octets in (SHORT, LONG):
        path = tmp_path / f"{octets}.eml"
        path.write_text(letter_in_lines(octets))
        loads[octets] = Load(MESSAGES, message=path)
    runs: dict[int, list[Run]] = {octets: [] for octets in loads}
    with ExitStack() as stack:
        routerd = open_routerd(stack, RULES)
        for number in range(ROUNDS + 1):  # the first warms up
            for octets in sorted(loads, reverse=bool(number % 2)):
                run = measure(routerd, loads[octets])
                if number:
                    runs[octets].append(run)
    cpu = {octets: statistics.median(run.cpu_ms for run in of) for octets, of in runs.items()}
    ratio = statistics.median(short.cpu_ms / long.cpu_ms for short, long in zip(runs[SHORT], runs[LONG], strict=True))
    with capsys.disabled():
        for octets, of in runs.items():
            rate = statistics.median(run.rate for run in of)
            megabytes = loads[octets].message.stat().st_size / 1e6
            print(
                f"\nlines of {octets}: {rate * megabytes:.0f} MB/s, {cpu[octets]:.1f} ms CPU a message,"
                f" {megabytes * 1000 / cpu[octets]:.0f} MB a second of CPU"
            )
        print(f"CPU, short lines to long: {ratio:.2f}")
    assert ratio <= 1.25
