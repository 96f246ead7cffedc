"""`python -m tests.bench`: that what it measures is right, and what the main job has to reach beside its peers."""

import json
import os
import shlex
import sqlite3
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import pytest
from bench import runs
from bench.__main__ import COMMANDS, make_parser
from bench.bounds import BOUNDS, judge, needs_few
from bench.bounds import table as table_of_bounds
from bench.compare import Effort, as_json, compare, table
from bench.comparison import FIGURES, Case, Comparison, Spread, cases
from bench.equal_rules import routerd_rules, sieve_rules
from bench.exact_sink import ExactSink
from bench.fidelity import WrongRunError, check
from bench.latency import Waits
from bench.latency import compare as compare_waits
from bench.latency import table as table_of_waits
from bench.letters import Load, large_letter
from bench.pace import Pace, Paced, paced_letters
from bench.runs import Run, measure
from bench.soak import Sample, Soaked, soak
from bench.soak import table as table_of_soak
from bench.steady import percentiles
from bench.syncs import Syncs, calls_in
from bench.systems import FEW, PEERS, ROUTERD, AtSink, System, knows_workers
from bench.way import STEPS, Way
from bench.way import table as table_of_way
from peers.daemon import CONFIG, RouterdDaemon
from peers.load import SmtpSink
from peers.machine import Process, wait_for
from peers.readme import readme_example
from peers.usage import cpu_seconds, pss_bytes

REPOSITORY = Path(__file__).parents[2]
SENT = b"From: <a@b.pl>\nDate: now\nMessage-Id: <1@b.pl>\nSubject: x\n\nbody\n"
GOOD = Run(1000.0, 1100.0, 1.0, 100.0, 0.1, 0.0, 4.0)

TRACED = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 71.43    0.000050          10         5           fdatasync
 28.57    0.000020          10         2         1 fsync
------ ----------- ----------- --------- --------- ----------------
100.00    0.000070          10         7         1 total
"""

Peers = Callable[[], AbstractContextManager[None]]


def _arrived(number: int, top: bytes = b"X-Labels: measured\nReceived: here\n") -> bytes:
    return top + SENT.replace(b"<1@", b"<%d@" % number).replace(b"now", b"later")


def test_all_systems_are_compared(peer_or_skip: Peers) -> None:
    """One small round of all three: nothing is lost, all figures are there, and their ratios."""
    with peer_or_skip():
        found = compare(Case("4KiB", "new", 10), Effort(1, messages=20), print)
    assert not found.faults
    assert list(found.runs) == ["postfix", "postfix-sieve", "routerd"]
    for name in ("postfix", "postfix-sieve"):
        for figure in FIGURES:
            spread = found.ratio(name, figure)
            assert spread is not None
            assert spread.least > 0
    if syncs := found.syncs.get("routerd"):  # strace may attach here
        assert syncs.alone >= 1
    assert "routerd / postfix-sieve: min, median, max" in table(found)


def test_the_large_letter_comes_unchanged_over_kept_connections(need: Callable[[str, str], str]) -> None:
    """What the command prints is JSON, with the ratio to another checkout where that is asked for."""
    need("smtp-source", "postfix")
    command = [sys.executable, "-m", "tests.bench", "compare", "--case", "100KiB/kept/10", "--rounds", "1"]
    command += ["--messages", "20", "--no-syncs", "--json", "--against", str(REPOSITORY)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["case"] == "100KiB/kept/10"
    assert found["ratios"]["other"]["rate"]["median"] > 0


def test_what_is_lost_is_no_measurement(tmp_path: Path, peer_or_skip: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts all and hands nothing on is told of, and not measured."""
    monkeypatch.setattr(runs, "QUIET_SECONDS", 0.2)
    (tmp_path / "behind").mkdir()
    with peer_or_skip(), SmtpSink(tmp_path) as swallows, SmtpSink(tmp_path / "behind") as behind:
        arrivals = AtSink(tmp_path, behind)
        system = System("lossy", swallows.port, arrivals, (), lambda: True, has_rules=False)
        with pytest.raises(WrongRunError, match="5 messages of 5 have not come"):
            measure(system, Load(5))


def test_a_wrong_run_leaves_no_ratio() -> None:
    """Where a message was lost or altered, the figures stand without a ratio, and it is said why."""
    found = Comparison("4KiB/new/10", 9000.0, {"postfix": [GOOD], "routerd": [replace(GOOD, rate=3000.0)]})
    assert found.ratio("postfix", "rate") == Spread(3.0, 3.0, 3.0)
    found.faults.append("postfix: 3 messages of 400 have not come")
    assert found.ratio("postfix", "rate") is None
    assert as_json(found)["ratios"] == {"postfix": {}}
    assert "WRONG, so there is no ratio: postfix: 3 messages" in table(found)
    assert "median, max" not in table(found)


def test_a_ratio_is_of_one_round() -> None:
    """Least, median and most over the rounds, each of runs that came one after the other."""
    rates = [(100.0, 300.0), (200.0, 400.0), (50.0, 200.0)]
    found = Comparison(
        "4KiB/new/10",
        9000.0,
        {
            "postfix": [replace(GOOD, rate=theirs) for theirs, _ in rates],
            "routerd": [replace(GOOD, rate=ours) for _, ours in rates],
        },
        {"routerd": Syncs(0.2, 2.0, 0.1)},
    )
    assert "figures are rough" not in table(found)
    found.runs["postfix"][1] = replace(found.runs["postfix"][1], others=0.25)
    assert "other programs used up to 25 % of the processors" in table(found)
    assert found.ratio("postfix", "rate") == Spread(2.0, 3.0, 4.0)
    assert "routerd made 0.20 syncs and 0.10 groups a message" in table(found)


def test_what_arrives_whole_is_right() -> None:
    """Each has its own Date and Message-ID; what a system adds stands above."""
    check([_arrived(1), _arrived(2)], 2, SENT, is_labelled=True)


@pytest.mark.parametrize(
    ("arrived", "said"),
    [
        ([_arrived(1)], "1 messages have come of 2"),
        ([_arrived(1), _arrived(1)], "1 messages were lost, and others came twice"),
        ([_arrived(1), _arrived(2) + b"\n"], "a body was altered: at byte 5"),
        ([_arrived(1), _arrived(2).replace(b"body", b"bodY")], "a body was altered: at byte 3 b'Y"),
        ([_arrived(1), _arrived(2).replace(b": x", b": y")], "a header was altered"),
        ([_arrived(1), _arrived(2, b"Received: here\n")], "the last rule did not take effect"),
    ],
)
def test_what_is_not_right_is_told(arrived: list[bytes], said: str) -> None:
    """Lost, doubled, altered, or not labelled by the last rule."""
    with pytest.raises(WrongRunError, match=said):
        check(arrived, 2, SENT, is_labelled=True)


def test_cases_are_chosen_by_pattern() -> None:
    """Twelve in all; a number of rules that is not among them may be asked for, too."""
    assert len(cases(["*"])) == 12
    assert cases(["4KiB/new/1000", "4KiB/*/1000"]) == [Case("4KiB", "new", 1000), Case("4KiB", "kept", 1000)]
    assert cases(["100KiB/kept/77"]) == [Case("100KiB", "kept", 77)]
    with pytest.raises(ValueError, match="'4KB/new/10' is no case"):
        cases(["4KB/new/10"])


def test_both_have_as_many_rules() -> None:
    """Of which the last matches; the letter of 100 KiB has that size."""
    assert routerd_rules(100).count("{name: ") == sieve_rules(100).count("if header") == 100
    assert abs(len(large_letter()) - 100 * 1024) < 100


def test_a_pace_is_kept_and_timed(peer_or_skip: Peers) -> None:
    """Both systems take turns at each pace, and all percentiles are there."""
    with peer_or_skip():
        (waits,) = compare_waits([20], 1.0, 1, 10, print)
    assert waits.median("postfix", "accept", "p99") > 0
    assert waits.median("routerd", "whole", "p50") >= waits.median("routerd", "accept", "p50")
    assert "p99.9" in table_of_waits([waits])


def test_the_wait_for_acceptance_is_judged_at_one_pace() -> None:
    """By itself, and beside Postfix's of the same rounds."""
    waits = {name: {"p50": ms, "p99": ms, "p99.9": ms} for name, ms in (("postfix", 40.0), ("routerd", 30.0))}
    paces = {name: [Paced(100, 500.0, 0.1, one, one)] for name, one in waits.items()}
    assert [(one.measured, one.met) for one in Waits(500, paces).judged()] == [(30.0, False), (0.75, True)]
    assert Waits(100, paces).judged() == []
    assert table_of_waits([Waits(500, paces)]).count("NOT MET") == 1


def test_percentiles_are_in_milliseconds() -> None:
    """Of a thousand, the tenth from the end and the last but one."""
    found = percentiles(array("d", (number / 1000 for number in range(1000))))
    assert found == {"p50": 500.0, "p99": 990.0, "p99.9": 999.0}


def test_what_children_have_used_counts_when_they_are_gone(tmp_path: Path) -> None:
    """A peer is all of its session; its memory is that of who is there."""
    burns = "timeout --foreground 0.3 sh -c 'while :; do :; done'; sleep 60"
    process = Process(["bash", "-c", burns], tmp_path / "log")
    try:
        wait_for(lambda: cpu_seconds([process.pid]) >= 0.05, "some CPU to be used")
        assert pss_bytes([process.pid]) > 0
    finally:
        process.kill()
    wait_for(lambda: pss_bytes([process.pid]) == 0, "all of them to be gone")


def test_calls_are_counted_once() -> None:
    """Of all kinds of syncs, without the line that sums them up."""
    assert calls_in(TRACED) == 7
    assert calls_in("") == 0


def test_what_a_soak_brings_is_forgotten_soon(routerd: Callable[..., RouterdDaemon]) -> None:
    """A machine's mail: its conversation is closed when it comes, so its bytes need not be kept."""
    config = CONFIG + "bounce_window: 1s\nretain: {{events: 1s}}\n"
    daemon = routerd(config=config, environ={"ROUTERD_REHEARSAL": "sweeps:0.2"})
    with Pace(daemon.smtp_port, 10, 1.0, automatic=True) as pace:
        assert pace.wait().messages == 10
    with closing(sqlite3.connect(f"file:{daemon.state}/routerd.db?mode=ro", uri=True)) as db:
        wait_for(lambda: db.execute("SELECT count(*) FROM bodies").fetchone() == (0,), "no bytes to be left")


def test_a_soak_goes_from_end_to_end(peer_or_skip: Peers) -> None:
    """All that was sent has arrived; samples are taken meanwhile."""
    with peer_or_skip():
        soaked = soak(0.03, 10, print, rate=30.0)
    assert soaked.sent == soaked.arrived == 54
    assert soaked.samples[-1].memory_mb > 0
    assert soaked.samples[-1].store_mb + soaked.samples[-1].wal_mb > 0
    assert (soaked.doubled, soaked.altered) == (0, 0)


def _soaked(memory: list[float], store: list[float], arrived: int = 100) -> Soaked:
    samples = [Sample(float(at), *sizes, 33.0, 0, 60, 0) for at, sizes in enumerate(zip(memory, store, strict=True))]
    return Soaked(10.0, 100, arrived, samples)


def test_a_soak_says_what_grew_and_what_was_lost() -> None:
    """By the slope after the first third, so that neither one high figure nor the beginning tells."""
    flat = [50.0, 90.0, 100.0, 120.0, 100.0, 101.0]
    grown = [50.0, 90.0, 100.0, 110.0, 120.0, 130.0]
    assert _soaked(flat, flat).faults() == []
    assert _soaked(grown, flat).faults() == ["memory in MB has grown by 30 from 100"]
    assert _soaked(flat, grown).faults() == ["the store in MB has grown by 30 from 100"]
    assert _soaked(flat, flat, 99).faults() == ["100 messages were sent, 99 have come"]
    altered = replace(_soaked(flat, flat, 99), doubled=2, altered=1, first_altered="rom: a")
    assert altered.faults()[1:] == ["2 came twice", "1 were altered, first of all:\nrom: a"]
    assert "slope an hour" in table_of_soak(altered)


def test_what_arrives_in_a_soak_is_looked_at() -> None:
    """Byte for byte, below what was added; each but once."""
    letters = paced_letters("client.example.net")
    sink = ExactSink(0, letters)
    added = b"X-Labels: measured\r\n"
    for data in (
        added + letters.letter(7),
        added + letters.letter(0),
        added + letters.letter(7),
        letters.letter(8),
        added + letters.letter(9).replace(b"4711", b"4712", 1),
        added + letters.letter(10).replace(b"From:", b"rom:"),
    ):
        sink.take(data)
    assert (sink.arrived, sink.doubled, sink.altered) == (2, 1, 3)
    assert sink.first_altered == letters.letter(8)


def test_a_way_is_told_step_by_step() -> None:
    """What waits is no CPU; what the daemon does not measure is named."""
    way = Way({"view": 0.1, "decide": 0.2, "commit": 5.0}, 1.0)
    assert way.elsewhere_ms == pytest.approx(0.7)
    told = table_of_way({"one client": way})
    assert "commit (waits)" in told
    assert told.endswith(f"not measured by the daemon: {', '.join(step for step in STEPS if step not in way.steps)}")


def test_what_is_ended_leaves_nothing_behind(tmp_path: Path, need: Callable[[str, str], str]) -> None:
    """Daemons live in sessions of their own: they would go on, and be measured with whatever runs next."""
    need("smtp-sink", "postfix")
    command = [sys.executable, "-m", "tests.bench", "soak", "--rules", "1", "--rate", "5"]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=REPOSITORY, env=environ, stderr=subprocess.PIPE, text=True) as bench:
        assert bench.stderr is not None
        assert bench.stderr.readline() == "5 messages a second for 30 minutes\n"
        (folder,) = tmp_path.glob("routerd-bench-routerd-*")
        bench.terminate()
    assert bench.returncode == 143
    assert not folder.exists()
    assert not [line for line in _command_lines() if str(folder) in line]


def _command_lines() -> Iterator[str]:
    """Of all processes."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            yield path.read_text(errors="replace")


def test_what_the_readme_says_can_be_run() -> None:
    """Each command is there, with options that it knows, for cases that exist."""
    lines = [shlex.split(line, comments=True) for line in readme_example("measuring").splitlines()]
    assert {line[3] for line in lines} == set(COMMANDS)
    assert all(name in make_parser().format_help() for name in COMMANDS)
    for line in lines:
        options = make_parser().parse_args(line[3:])
        assert cases(getattr(options, "case", None) or ["*"])


def test_what_has_to_be_reached_is_judged() -> None:
    """By the bounds of the case, for the systems that ran; nothing is met by a run that lost a message."""
    slow, fast = replace(GOOD, rate=300.0, cpu_ms=3.0), replace(GOOD, rate=900.0, cpu_ms=1.5)
    found = Comparison("4KiB/new/1000", 9000.0, {"postfix": [slow], "routerd": [fast]})
    judged = list(judge(found))
    assert [(one.bound, one.measured, one.met) for one in judged] == [
        ("messages a second / postfix's >= 2.5", 3.0, True),
        ("CPU a message / postfix's <= 0.35", 0.5, False),
    ]
    assert table_of_bounds(judged).count(" met") == table_of_bounds(judged).count("NOT MET") == 1
    found.faults.append("postfix: 3 messages of 400 have not come")
    assert not list(judge(found))


def test_each_case_with_bounds_is_among_those_that_run() -> None:
    """What fits none would never be judged; only one case needs routerd with few rules."""
    every = [str(case) for case in cases(["*"])]
    assert all(any(fnmatch(case, bound.cases) for case in every) for bound in BOUNDS)
    assert [case for case in every if needs_few(case)] == ["4KiB/new/10000"]


def test_workers_are_asked_for_where_there_can_be_several(tmp_path: Path) -> None:
    """An older checkout, which says that there is but one, starts without the key."""
    for name, key in (("old", {"maximum": 1}), ("new", {"minimum": 1}), ("oldest", None)):
        module = tmp_path / name / "routerd/cli/main.py"
        module.parent.mkdir(parents=True)
        for package in (module.parent, module.parents[1]):
            (package / "__init__.py").touch()
        schema = {"properties": {} if key is None else {"workers": key}}
        module.write_text(f"print({json.dumps(schema)!r})")
    assert [knows_workers(tmp_path / name) for name in ("old", "new", "oldest")] == [False, True, False]


@pytest.mark.bench
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("case", cases(["4KiB/*/1000", "4KiB/new/10000", "100KiB/new/1000"]), ids=str)
def test_routerd_is_several_times_as_fast(case: Case, peer_or_skip: Peers, capsys: pytest.CaptureFixture[str]) -> None:
    """As Postfix's plain relay, and as Postfix with so many rules in Sieve; with a third of the CPU."""
    names = [name for name in (*PEERS, ROUTERD) if name != FEW or needs_few(str(case))]
    with capsys.disabled(), peer_or_skip():
        found = compare(case, Effort(5), print, names)
        print(table(found))
    assert not found.faults
    assert not [one for one in judge(found) if not one.met]
